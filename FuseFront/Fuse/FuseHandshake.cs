using System.Diagnostics;
using FuseFront.Fuse.Wire;
using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>
/// The INIT exchange that opens a connection: the kernel says what it can, the server takes what it wants of it. Written by
/// an old rule: a server that gets a newer major version answers with its own, and INIT comes again.
/// </summary>
internal static unsafe class FuseHandshake
{
    internal const int MajorVersion = 7;
    internal const int MaxMinorVersion = 45;

    /// <summary>The first version whose INIT reply has 64 bytes; Linux 3.15.</summary>
    internal const int MinMinorVersion = 23;

    private const int PageSize = 4096;
    private const int MaxPagesUnlessAgreed = 32;
    private const ushort MaxBackground = 256;
    private const ushort CongestionThreshold = 192;
    private const int BufferLength = (1 << 20) + 8192;

    private const FuseInitFlags Wanted =
        FuseInitFlags.AsyncRead | FuseInitFlags.BigWrites | FuseInitFlags.ReadDirectoryPlus | FuseInitFlags.ReadDirectoryPlusAuto
        | FuseInitFlags.AsyncDirectIo | FuseInitFlags.ParallelDirectoryOperations | FuseInitFlags.MaxPages
        | FuseInitFlags.InitExtended | FuseInitFlags.DirectIoAllowMmap;

    /// <summary>Waits for INIT on a device just mounted and answers it.</summary>
    /// <exception cref="ProtocolException">The kernel is too old, or sent something else.</exception>
    /// <exception cref="PosixException">ENODEV: unmounted meanwhile; ETIMEDOUT.</exception>
    internal static FuseNegotiation Perform(FuseDevice device, int maxTransfer, FuseInitFlags alsoWanted, TimeSpan timeout)
    {
        // Large enough for any request the kernel might think of; untouched pages cost nothing.
        using MemoryMapping buffer = MemoryMapping.Anonymous(BufferLength);
        Stopwatch clock = Stopwatch.StartNew();
        while (true)
        {
            int length = ReceiveInit(device, buffer.Pointer, timeout - clock.Elapsed);
            ReadOnlySpan<byte> request = new(buffer.Pointer, length);
            if (TryAnswer(request, maxTransfer, Wanted | alsoWanted, out FuseInitOut reply, out ulong unique) is { } agreed)
            {
                Send(device, unique, reply);
                return agreed;
            }

            Send(device, unique, reply);
        }
    }

    /// <summary>Works out the reply to one INIT. Null: only the version goes back, and the kernel will try again.</summary>
    internal static FuseNegotiation? TryAnswer(
        ReadOnlySpan<byte> request, int maxTransfer, FuseInitFlags wanted, out FuseInitOut reply, out ulong unique)
    {
        WireReader reader = new(request);
        if (!reader.TryRead(out FuseInHeader header) || header.Opcode != FuseOpcode.Init)
        {
            throw new ProtocolException($"FUSE: the first request is not INIT but {header.Opcode}, {request.Length} bytes");
        }

        unique = header.Unique;
        FuseInitIn offer = ReadOffer(ref reader);
        reply = new FuseInitOut { Major = MajorVersion, Minor = MaxMinorVersion };
        if (offer.Major > MajorVersion)
        {
            return null;
        }

        if (offer.Major < MajorVersion || offer.Minor < MinMinorVersion)
        {
            throw new ProtocolException(
                $"FUSE: the kernel speaks version {offer.Major}.{offer.Minor}, "
                + $"this server needs {MajorVersion}.{MinMinorVersion}");
        }

        return Agree(offer, maxTransfer, wanted, ref reply);
    }

    private static FuseNegotiation Agree(in FuseInitIn offer, int maxTransfer, FuseInitFlags wanted, ref FuseInitOut reply)
    {
        ulong upper = ((FuseInitFlags)offer.Flags & FuseInitFlags.InitExtended) != 0 ? (ulong)offer.Flags2 << 32 : 0;
        FuseInitFlags offered = (FuseInitFlags)(offer.Flags | upper);
        FuseInitFlags flags = offered & wanted;
        int minor = (int)Math.Min(offer.Minor, MaxMinorVersion);
        bool manyPages = (flags & FuseInitFlags.MaxPages) != 0;
        int maxWrite = manyPages ? maxTransfer : Math.Min(maxTransfer, MaxPagesUnlessAgreed * PageSize);
        int maxPages = (maxWrite + PageSize - 1) / PageSize;

        reply.Minor = (uint)minor;
        reply.MaxReadahead = offer.MaxReadahead;
        reply.Flags = (uint)flags;
        reply.Flags2 = (uint)((ulong)flags >> 32);
        reply.MaxBackground = MaxBackground;
        reply.CongestionThreshold = CongestionThreshold;
        reply.MaxWrite = (uint)maxWrite;
        reply.MaxPages = manyPages ? (ushort)maxPages : (ushort)0;
        reply.TimeGranularity = 1;
        return new FuseNegotiation(
            (int)offer.Minor, minor, offered, flags, maxWrite, maxPages, MaxBackground,
            (int)Math.Min(offer.MaxReadahead, int.MaxValue));
    }

    private static FuseInitIn ReadOffer(ref WireReader reader)
    {
        if (reader.TryRead(out FuseInitIn offer))
        {
            return offer;
        }

        // A kernel before 7.36 ends after the flags.
        if (!reader.TryRead(out FuseInitInShort old))
        {
            throw new ProtocolException("FUSE: INIT is cut short");
        }

        return new FuseInitIn { Major = old.Major, Minor = old.Minor, MaxReadahead = old.MaxReadahead, Flags = old.Flags };
    }

    private static int ReceiveInit(FuseDevice device, byte* buffer, TimeSpan timeout)
    {
        Stopwatch clock = Stopwatch.StartNew();
        while (true)
        {
            // The vector spans the caller's buffer, whose length is BufferLength.
            IoVector vector = new(buffer, BufferLength);
            nint n = device.Receive(&vector, 1);
            if (n >= 0)
            {
                return (int)n;
            }

            if (n is not (-Errno.EAGAIN or -Errno.EINTR))
            {
                throw new PosixException((int)-n, "read /dev/fuse");
            }

            TimeSpan left = timeout - clock.Elapsed;
            if (left <= TimeSpan.Zero)
            {
                throw new PosixException(Errno.ETIMEDOUT, "waiting for FUSE INIT");
            }

            device.Descriptor.Wait(PollEvents.In, (int)left.TotalMilliseconds + 1);
        }
    }

    private static void Send(FuseDevice device, ulong unique, FuseInitOut body)
    {
        // Both vectors point to locals of this frame.
        FuseOutHeader header = new() { Length = (uint)(sizeof(FuseOutHeader) + sizeof(FuseInitOut)), Unique = unique };
        IoVector* vectors = stackalloc IoVector[2];
        vectors[0] = new IoVector((byte*)&header, (nuint)sizeof(FuseOutHeader));
        vectors[1] = new IoVector((byte*)&body, (nuint)sizeof(FuseInitOut));
        nint n = device.Send(vectors, 2);
        if (n < 0)
        {
            throw new PosixException((int)-n, "write /dev/fuse: INIT");
        }
    }
}
