using System.Runtime.InteropServices;
using RingCore.Framing;
using RingCore.Posix;

namespace RingCore.VfioUser;

/// <summary>One vfio-user connection, for client and server alike: its messages' headers and bounds.</summary>
public sealed class VfioUserConnection : MessageConnection
{
    /// <summary>max_data_xfer_size that this project offers, in bytes.</summary>
    public const int MaxDataTransferSize = 1 << 20;

    /// <summary>max_msg_fds that this project offers.</summary>
    public const int MaxMessageDescriptors = 128;

    /// <summary>The largest message: header, region access and the most data.</summary>
    public const int DefaultMaxMessageSize = VfioUserHeader.Length + 16 + MaxDataTransferSize;

    /// <param name="socket">Connected; this object owns it.</param>
    /// <param name="maxMessageSize">Larger messages are refused; in bytes.</param>
    public VfioUserConnection(UnixSocket socket, int maxMessageSize = DefaultMaxMessageSize)
        : base(socket, "vfio-user", VfioUserHeader.Length, maxMessageSize, MaxMessageDescriptors)
    {
    }

    /// <summary>The header of the message taken last, or of the one refused with <see cref="MessageReceive.BadSize"/>.</summary>
    public ref readonly VfioUserHeader Header => ref MemoryMarshal.AsRef<VfioUserHeader>(HeaderBytes);

    /// <summary>Begins a message; returns its payload, not zeroed, to be filled in.</summary>
    /// <param name="header">The size is set here.</param>
    /// <param name="payloadLength">In bytes.</param>
    public Span<byte> Begin(VfioUserHeader header, int payloadLength)
    {
        Span<byte> message = BeginMessage(payloadLength);
        header.Size = (uint)message.Length;
        MemoryMarshal.Write(message, header);
        return message[VfioUserHeader.Length..];
    }

    private protected override long SizeOf(ReadOnlySpan<byte> header) => MemoryMarshal.Read<VfioUserHeader>(header).Size;
}
