using RingCore.Posix;
using RingCore.VhostUser;

namespace Backend.Server;

/// <content>The buffer that lets the next back-end finish what this one had taken.</content>
internal sealed partial class VhostUserSession
{
    /// <summary>
    /// Makes one. It comes into use when the front-end sends it back: by then it is the front-end that keeps it.
    /// </summary>
    private void GetInflightFd()
    {
        VhostUserInflight inflight = Payload<VhostUserInflight>();
        FileDescriptor descriptor = VhostUserInflightBuffer.Create(ref inflight, _transport.Rings.Count);
        _replyDescriptor = descriptor;
        int length = Math.Min(_connection.Payload.Length, VhostUserInflight.PaddedLength);
        Span<byte> padded = stackalloc byte[VhostUserInflight.PaddedLength];
        System.Runtime.InteropServices.MemoryMarshal.Write(padded, inflight);
        BeginReply(length).Write(padded[..length]);
    }

    private void SetInflightFd()
    {
        VhostUserInflight inflight = Payload<VhostUserInflight>();
        RequireDescriptors(1);
        VhostUserInflightBuffer buffer =
            VhostUserInflightBuffer.Open(inflight, _connection.Descriptor(0), _transport.Rings.Count);
        try
        {
            _transport.SetInflight(buffer);
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }
}
