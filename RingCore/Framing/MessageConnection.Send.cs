using System.Runtime.InteropServices;
using RingCore.Posix;

namespace RingCore.Framing;

/// <summary>
/// The sending half. One message is under way at a time: begin it (a derived class has a method for it), fill its payload in, <see cref="Send()"/>
/// it, and while <see cref="HasPendingOutput"/> call <see cref="Flush"/> whenever the socket is writable.
/// </summary>
public abstract partial class MessageConnection
{
    private readonly List<FileDescriptor> _outDescriptors = [];
    private byte[] _out = new byte[4096];
    private int _outSize;
    private int _outStart;
    private int _outEnd;

    /// <summary>Part of a message waits for the socket to become writable; no other may begin.</summary>
    public bool HasPendingOutput => _outEnd > _outStart;

    /// <summary>Begins a message; returns all of it, not zeroed, to be filled in.</summary>
    /// <param name="payloadLength">In bytes, without the header.</param>
    private protected Span<byte> BeginMessage(int payloadLength)
    {
        if (HasPendingOutput)
        {
            throw new InvalidOperationException("a message is still under way");
        }

        _outSize = _header.Length + payloadLength;
        if (_outSize > _out.Length)
        {
            _out = new byte[_outSize];
        }

        _outStart = 0;
        _outEnd = 0;
        return _out.AsSpan(0, _outSize);
    }

    /// <summary>Sends what was begun. True when all of it has gone; false when the rest waits.</summary>
    /// <exception cref="PosixException">The connection is broken (EPIPE, ECONNRESET).</exception>
    public bool Send() => Send([]);

    /// <summary>As <see cref="Send()"/>, with descriptors, which stay the caller's.</summary>
    public bool Send(ReadOnlySpan<FileDescriptor> descriptors)
    {
        _outEnd = _outSize;
        if (!descriptors.IsEmpty)
        {
            int n = _socket.Send(_out.AsSpan(0, _outEnd), descriptors);
            if (n == -Errno.EAGAIN)
            {
                KeepDescriptors(descriptors);
                return false;
            }

            Advance(n);
        }

        return Flush();
    }

    /// <summary>Goes on sending. True when nothing is left.</summary>
    /// <exception cref="PosixException">The connection is broken.</exception>
    public bool Flush()
    {
        while (_outStart < _outEnd)
        {
            int n = _socket.Send(_out.AsSpan(_outStart, _outEnd - _outStart), CollectionsMarshal.AsSpan(_outDescriptors));
            if (n == -Errno.EAGAIN)
            {
                return false;
            }

            Advance(n);
            ReleaseOutput();
        }

        return true;
    }

    /// <summary>Gives up what has not been sent: the connection is broken.</summary>
    public void Discard()
    {
        _outStart = _outEnd;
        ReleaseOutput();
    }

    /// <summary>Sends what was begun and waits until it has gone. Where that fails, the connection is over (<see cref="Break"/>).</summary>
    /// <exception cref="ProtocolException">ETIMEDOUT: the other side does not read.</exception>
    /// <exception cref="PosixException">The connection is broken (EPIPE, ECONNRESET).</exception>
    public void SendWithin(int timeoutMs, ReadOnlySpan<FileDescriptor> descriptors = default)
    {
        try
        {
            long deadline = Environment.TickCount64 + timeoutMs;
            bool done = Send(descriptors);
            while (!done)
            {
                int left = (int)Math.Max(0, deadline - Environment.TickCount64);
                if (!_socket.Descriptor.Wait(PollEvents.Out, left))
                {
                    throw new ProtocolException(
                        $"the other side does not read: a {_protocol} message waits for {timeoutMs / 1000.0} s", Errno.ETIMEDOUT);
                }

                done = Flush();
            }
        }
        catch (IOException)
        {
            Break();
            throw;
        }
    }

    /// <summary>
    /// Gives the connection up for good, as when half a message has gone and the rest cannot: both sides find its end, and what
    /// is sent from now on meets EPIPE.
    /// </summary>
    public void Break()
    {
        Discard();
        _socket.End();
    }

    private void Advance(int result)
    {
        if (result < 0)
        {
            throw new PosixException(-result, $"send a {_protocol} message");
        }

        _outStart += result;
    }

    /// <summary>Nothing went yet: hold descriptors of our own, as the caller may close its.</summary>
    private void KeepDescriptors(ReadOnlySpan<FileDescriptor> descriptors)
    {
        foreach (FileDescriptor descriptor in descriptors)
        {
            _outDescriptors.Add(descriptor.Duplicate());
        }
    }

    private void ReleaseOutput()
    {
        if (_outDescriptors.Count > 0)
        {
            _outDescriptors.ForEach(d => d.Dispose());
            _outDescriptors.Clear();
        }
    }
}
