using FuseFront.Fuse.Wire;
using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>
/// Answers every request that is not a data request of a data file, from a <see cref="FuseDirectory"/>: bytes in, bytes out,
/// so it serves any kind of channel. Any number of threads at a time.
/// </summary>
internal sealed partial class FuseDirectoryServer(FuseDirectory directory)
{
    /// <summary>Result of <see cref="Serve"/> for requests the kernel wants no reply to.</summary>
    internal const int NoReply = int.MinValue;

    private const uint AccessModeMask = 3;
    private static readonly TimeSpan NamesValidFor = TimeSpan.FromHours(1);
    private readonly FuseTextSnapshots _snapshots = new();

    /// <summary>Serves one request.</summary>
    /// <param name="header">Its head.</param>
    /// <param name="body">What follows the head: argument struct, names, data. May be cut off where nothing looks at it.</param>
    /// <param name="reply">Where the reply's body goes; at least 4 KiB.</param>
    /// <returns>Length of the reply's body, a negative errno, or <see cref="NoReply"/>.</returns>
    internal int Serve(in FuseInHeader header, ReadOnlySpan<byte> body, Span<byte> reply)
    {
        WireReader reader = new(body);
        WireWriter writer = new(reply);
        return header.Opcode switch
        {
            FuseOpcode.Forget or FuseOpcode.BatchForget => NoReply,
            FuseOpcode.Lookup => Lookup(header.NodeId, ref reader, ref writer),
            FuseOpcode.GetAttr => GetAttr(header.NodeId, ref writer),
            FuseOpcode.SetAttr => SetAttr(header.NodeId, ref reader, ref writer),
            FuseOpcode.Open => Open(header.NodeId, ref reader, ref writer),
            FuseOpcode.Read => ReadText(header.NodeId, ref reader, ref writer),
            FuseOpcode.Release => Release(ref reader),
            FuseOpcode.OpenDirectory => OpenDirectory(header.NodeId, ref writer),
            FuseOpcode.ReadDirectory => ReadDirectory(header.NodeId, ref reader, ref writer, withAttributes: false),
            FuseOpcode.ReadDirectoryPlus => ReadDirectory(header.NodeId, ref reader, ref writer, withAttributes: true),
            FuseOpcode.StatFs => StatFs(ref writer),
            FuseOpcode.ReleaseDirectory or FuseOpcode.Fsync or FuseOpcode.Destroy => 0,
            _ => -Refusal(header.Opcode),
        };
    }

    /// <summary>
    /// The errno for what this directory does not do. Beware of ENOSYS: the kernel takes it for "never ask again" (for
    /// FLUSH, ACCESS, POLL, FSYNCDIR, xattrs: and works without), for all files of the mount.
    /// </summary>
    private static int Refusal(FuseOpcode opcode) => opcode switch
    {
        FuseOpcode.SymLink or FuseOpcode.MakeNode or FuseOpcode.MakeDirectory or FuseOpcode.Unlink or FuseOpcode.RemoveDirectory
            or FuseOpcode.Rename or FuseOpcode.Rename2 or FuseOpcode.Link or FuseOpcode.Create or FuseOpcode.TemporaryFile
            or FuseOpcode.Write => Errno.EPERM,
        FuseOpcode.ReadLink or FuseOpcode.Lseek => Errno.EINVAL,
        FuseOpcode.Fallocate => Errno.EOPNOTSUPP,
        FuseOpcode.Ioctl => Errno.ENOTTY,
        FuseOpcode.Init => Errno.EPROTO,
        _ => Errno.ENOSYS,
    };

    private int Lookup(ulong parent, ref WireReader reader, ref WireWriter writer)
    {
        if (!reader.TryReadName(out ReadOnlySpan<byte> name))
        {
            return -Errno.EINVAL;
        }

        if (parent != FuseDirectory.RootNodeId)
        {
            return -Errno.ENOTDIR;
        }

        return directory.Find(name) is { } file ? Done(ref writer, Entry(file)) : -Errno.ENOENT;
    }

    private int Open(ulong nodeId, ref WireReader reader, ref WireWriter writer)
    {
        if (!reader.TryRead(out FuseOpenIn arguments))
        {
            return -Errno.EINVAL;
        }

        if (directory.Find(nodeId) is not { } file)
        {
            return nodeId == FuseDirectory.RootNodeId ? -Errno.EISDIR : -Errno.ENOENT;
        }

        if (file.IsData)
        {
            return Done(ref writer, new FuseOpenOut { OpenFlags = FuseOpenOut.DirectIo | FuseOpenOut.ParallelDirectWrites });
        }

        if ((arguments.Flags & AccessModeMask) != (uint)OpenFlags.ReadOnly)
        {
            return -Errno.EACCES;
        }

        return Done(ref writer, new FuseOpenOut { Handle = _snapshots.Open(file.Content!()), OpenFlags = FuseOpenOut.DirectIo });
    }

    private int ReadText(ulong nodeId, ref WireReader reader, ref WireWriter writer)
    {
        if (!reader.TryRead(out FuseReadIn arguments))
        {
            return -Errno.EINVAL;
        }

        if (nodeId == FuseDirectory.RootNodeId)
        {
            return -Errno.EISDIR;
        }

        if (_snapshots.Find(arguments.Handle) is not { } content)
        {
            return -Errno.EBADF;
        }

        if (arguments.Offset >= (ulong)content.Length)
        {
            return 0;
        }

        // A piece shorter than asked for is no end of the file to a reader: it asks again.
        int start = (int)arguments.Offset;
        int length = (int)Math.Min(Math.Min(arguments.Size, (uint)writer.Free), (uint)(content.Length - start));
        writer.Write(content.AsSpan(start, length), length);
        return length;
    }

    private int Release(ref WireReader reader)
    {
        if (!reader.TryRead(out FuseReleaseIn arguments))
        {
            return -Errno.EINVAL;
        }

        _snapshots.Close(arguments.Handle);
        return 0;
    }

    private static int OpenDirectory(ulong nodeId, ref WireWriter writer) =>
        nodeId == FuseDirectory.RootNodeId
            ? Done(ref writer, new FuseOpenOut { OpenFlags = FuseOpenOut.CacheDirectory })
            : -Errno.ENOTDIR;

    private static int Done<T>(ref WireWriter writer, in T body)
        where T : unmanaged =>
        writer.TryWrite(body) ? writer.Length : -Errno.EIO;
}
