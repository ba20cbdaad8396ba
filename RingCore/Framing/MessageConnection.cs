using RingCore.Posix;

namespace RingCore.Framing;

/// <summary>What came of an attempt to receive.</summary>
public enum MessageReceive
{
    /// <summary>A whole message is there.</summary>
    Message,

    /// <summary>Bytes arrived, but perhaps no whole message yet.</summary>
    Progress,

    /// <summary>Nothing to be had now.</summary>
    WouldBlock,

    /// <summary>The peer has closed the connection, or it broke.</summary>
    Closed,

    /// <summary>A header whose size is impossible: what follows cannot be told apart any more, so only closing is left.</summary>
    BadSize,
}

/// <summary>
/// Cuts the byte stream of one connection into messages, for both of its ends alike; never blocks unless asked to. What a
/// message is (its header, its size) a derived class says, one for vfio-user and one for vhost-user. A message's payload and
/// descriptors are valid until the next one is taken; descriptors that nobody took are closed then, so that none leaks
/// whatever the peer sends. One thread at a time receives, and one sends. (Sending is in <c>MessageConnection.Send.cs</c>.)
/// </summary>
public abstract partial class MessageConnection : IDisposable
{
    private const int InitialBuffer = 64 << 10;
    private readonly UnixSocket _socket;
    private readonly string _protocol;
    private readonly int _maxMessageSize;
    private readonly int _maxDescriptors;
    private readonly List<FileDescriptor> _arrived = [];
    private readonly List<(long Position, FileDescriptor Descriptor)> _pending = [];
    private readonly List<FileDescriptor?> _descriptors = [];
    private readonly byte[] _header;
    private byte[] _in = new byte[InitialBuffer];
    private int _start;
    private int _end;
    private int _payloadStart;
    private int _payloadLength;
    private long _received;
    private bool _descriptorsLost;

    /// <param name="socket">Connected; this object owns it.</param>
    /// <param name="protocol">Its name, for errors.</param>
    /// <param name="headerLength">What precedes every payload, in bytes.</param>
    /// <param name="maxMessageSize">Larger messages are refused; in bytes, with the header.</param>
    /// <param name="maxDescriptors">Messages with more are told by <see cref="HasBadDescriptors"/>.</param>
    private protected MessageConnection(
        UnixSocket socket, string protocol, int headerLength, int maxMessageSize, int maxDescriptors)
    {
        _socket = socket;
        _protocol = protocol;
        _header = new byte[headerLength];
        _maxMessageSize = maxMessageSize;
        _maxDescriptors = maxDescriptors;
    }

    /// <summary>The socket, to be watched.</summary>
    public UnixSocket Socket => _socket;

    /// <summary>The payload of the message taken last. In place: valid until the next call that receives.</summary>
    public ReadOnlySpan<byte> Payload => _in.AsSpan(_payloadStart, _payloadLength);

    /// <summary>Number of descriptors that came with the message taken last.</summary>
    public int DescriptorCount => _descriptors.Count;

    /// <summary>
    /// The message taken last came with more descriptors than its protocol allows, or the process could not take them all;
    /// those that came are closed.
    /// </summary>
    public bool HasBadDescriptors { get; private set; }

    /// <summary>The header of the message taken last, or of the one refused with <see cref="MessageReceive.BadSize"/>.</summary>
    private protected ReadOnlySpan<byte> HeaderBytes => _header;

    /// <summary>Looks at descriptor <paramref name="index"/> of the message taken last; it stays the connection's.</summary>
    public FileDescriptor Descriptor(int index) =>
        _descriptors[index] ?? throw new InvalidOperationException("the descriptor has been taken");

    /// <summary>Takes descriptor <paramref name="index"/> of the message taken last over.</summary>
    public FileDescriptor TakeDescriptor(int index)
    {
        FileDescriptor descriptor = Descriptor(index);
        _descriptors[index] = null;
        return descriptor;
    }

    /// <summary>The next message: what has arrived already first, then what the socket holds.</summary>
    public MessageReceive Receive()
    {
        while (true)
        {
            MessageReceive result = TryTake();
            if (result != MessageReceive.WouldBlock)
            {
                return result;
            }

            result = Fill();
            if (result != MessageReceive.Progress)
            {
                return result;
            }
        }
    }

    /// <summary>As <see cref="Receive()"/>, but waits.</summary>
    /// <param name="timeoutMs">Milliseconds; afterwards the result is <see cref="MessageReceive.WouldBlock"/>.</param>
    public MessageReceive Receive(int timeoutMs)
    {
        long deadline = Environment.TickCount64 + timeoutMs;
        while (true)
        {
            MessageReceive result = Receive();
            int left = (int)Math.Max(0, deadline - Environment.TickCount64);
            if (result != MessageReceive.WouldBlock || !_socket.Descriptor.Wait(PollEvents.In, left))
            {
                return result;
            }
        }
    }

    /// <summary>Takes the next message of those that have arrived, without a system call.</summary>
    public MessageReceive TryTake()
    {
        ReleaseMessage();
        ReadOnlySpan<byte> arrived = _in.AsSpan(_start, _end - _start);
        if (arrived.Length < _header.Length)
        {
            return MessageReceive.WouldBlock;
        }

        ReadOnlySpan<byte> header = arrived[.._header.Length];
        long size = SizeOf(header);
        if (size < _header.Length || size > _maxMessageSize)
        {
            header.CopyTo(_header);
            return MessageReceive.BadSize;
        }

        if (arrived.Length < size)
        {
            return MessageReceive.WouldBlock;
        }

        header.CopyTo(_header);
        _payloadStart = _start + _header.Length;
        _payloadLength = (int)size - _header.Length;
        _start += (int)size;
        CollectDescriptors(_received - (_end - _start));
        return MessageReceive.Message;
    }

    /// <summary>Receives once, as much as there is room for. Descriptors end a read, so it may have to be called again.</summary>
    public MessageReceive Fill()
    {
        MakeRoom();
        int n = _socket.Receive(_in.AsSpan(_end), _arrived, out bool lost);
        if (n <= 0)
        {
            return n == -Errno.EAGAIN ? MessageReceive.WouldBlock : MessageReceive.Closed;
        }

        _end += n;
        _received += n;
        _descriptorsLost |= lost;
        foreach (FileDescriptor descriptor in _arrived)
        {
            // A peer that never completes its message must not fill our descriptor table.
            if (_pending.Count < UnixSocket.MaxDescriptors)
            {
                _pending.Add((_received - 1, descriptor));
            }
            else
            {
                descriptor.Dispose();
                _descriptorsLost = true;
            }
        }

        _arrived.Clear();
        return MessageReceive.Progress;
    }

    /// <summary>Closes the socket and every descriptor that was not taken.</summary>
    public void Dispose()
    {
        ReleaseMessage();
        foreach ((_, FileDescriptor descriptor) in _pending)
        {
            descriptor.Dispose();
        }

        _pending.Clear();
        ReleaseOutput();
        _socket.Dispose();
    }

    /// <summary>The whole message's size in bytes, as its header says: any number, checked by the caller.</summary>
    private protected abstract long SizeOf(ReadOnlySpan<byte> header);

    /// <summary>Moves what is left to the front, and makes the buffer large enough for the message that has begun.</summary>
    private void MakeRoom()
    {
        int left = _end - _start;
        int needed = InitialBuffer;
        if (left >= _header.Length)
        {
            needed = Math.Max(needed, (int)Math.Min(SizeOf(_in.AsSpan(_start, _header.Length)), _maxMessageSize));
        }

        byte[] target = needed > _in.Length ? new byte[needed] : _in;
        if (_start > 0 || target != _in)
        {
            _in.AsSpan(_start, left).CopyTo(target);
            _in = target;
            _start = 0;
            _end = left;
        }

        _payloadLength = 0;
    }

    /// <summary>Gives the message that ends before stream position <paramref name="end"/> the descriptors that came with it.</summary>
    private void CollectDescriptors(long end)
    {
        if (_pending.Count == 0 && !_descriptorsLost)
        {
            return;
        }

        int count = 0;
        while (count < _pending.Count && _pending[count].Position < end)
        {
            _descriptors.Add(_pending[count++].Descriptor);
        }

        _pending.RemoveRange(0, count);
        HasBadDescriptors = _descriptorsLost || count > _maxDescriptors;
        _descriptorsLost = false;
        if (HasBadDescriptors)
        {
            CloseDescriptors();
        }
    }

    private void ReleaseMessage()
    {
        HasBadDescriptors = false;
        if (_descriptors.Count > 0)
        {
            CloseDescriptors();
        }
    }

    private void CloseDescriptors()
    {
        foreach (FileDescriptor? descriptor in _descriptors)
        {
            descriptor?.Dispose();
        }

        _descriptors.Clear();
    }
}
