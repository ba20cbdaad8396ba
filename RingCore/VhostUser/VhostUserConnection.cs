using System.Runtime.InteropServices;
using RingCore.Framing;
using RingCore.Posix;

namespace RingCore.VhostUser;

/// <summary>One vhost-user connection, for front-end and back-end alike: its messages' headers and bounds.</summary>
public sealed class VhostUserConnection : MessageConnection
{
    /// <summary>The most descriptors in one message: those of a full memory table.</summary>
    public const int MaxMessageDescriptors = VhostUserMemoryTable.MaxRegions;

    /// <summary>
    /// The largest payload taken, in bytes. The largest known one is a configuration space of 268; the rest is room for
    /// messages that a newer peer may send and that are refused by name, not by size.
    /// </summary>
    public const int MaxPayload = 4096;

    /// <param name="socket">Connected; this object owns it.</param>
    public VhostUserConnection(UnixSocket socket)
        : base(socket, "vhost-user", VhostUserHeader.Length, VhostUserHeader.Length + MaxPayload, MaxMessageDescriptors)
    {
    }

    /// <summary>The header of the message taken last, or of the one refused with <see cref="MessageReceive.BadSize"/>.</summary>
    public ref readonly VhostUserHeader Header => ref MemoryMarshal.AsRef<VhostUserHeader>(HeaderBytes);

    /// <summary>Begins a message; returns its payload, not zeroed, to be filled in.</summary>
    /// <param name="request">What is asked or answered.</param>
    /// <param name="flags">The version is added here.</param>
    /// <param name="payloadLength">In bytes.</param>
    public Span<byte> Begin(VhostUserRequest request, VhostUserFlags flags, int payloadLength)
    {
        Span<byte> message = BeginMessage(payloadLength);
        VhostUserHeader header = new()
        {
            Request = request,
            Flags = flags | VhostUserFlags.Version1,
            Size = (uint)payloadLength,
        };
        MemoryMarshal.Write(message, header);
        return message[VhostUserHeader.Length..];
    }

    private protected override long SizeOf(ReadOnlySpan<byte> header) =>
        VhostUserHeader.Length + (long)MemoryMarshal.Read<VhostUserHeader>(header).Size;
}
