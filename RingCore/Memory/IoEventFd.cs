using RingCore.Posix;

namespace RingCore.Memory;

/// <summary>
/// A doorbell address bound to something that can be signalled: a write of <see cref="Size"/> bytes to
/// <see cref="Address"/>, optionally of one value only, rings it. As KVM's ioeventfd, but generic over what it signals: the
/// device's own notifiers in the backend, eventfds received from the server in the front.
/// </summary>
/// <typeparam name="T">What is signalled.</typeparam>
public readonly struct IoEventFd<T> : IComparable<IoEventFd<T>>, IEquatable<IoEventFd<T>>
    where T : class
{
    private readonly int _number;

    /// <param name="address">Offset within the region.</param>
    /// <param name="size">Length of the write in bytes: 1, 2, 4, 8, or 0 for any length.</param>
    /// <param name="matchData">Only a write of <paramref name="data"/> counts.</param>
    /// <param name="data">The value, when <paramref name="matchData"/>; cut to <paramref name="size"/> bytes.</param>
    /// <param name="target">What is signalled.</param>
    /// <param name="descriptor">The descriptor that a write signals it through; its number is the last part of the order.</param>
    /// <exception cref="PosixException">EINVAL: a size that no write has.</exception>
    public IoEventFd(ulong address, uint size, bool matchData, ulong data, T target, FileDescriptor descriptor)
    {
        if (size is not (0 or 1 or 2 or 4 or 8))
        {
            throw new PosixException(Errno.EINVAL, $"ioeventfd of {size} bytes");
        }

        Address = address;
        Size = size;
        MatchData = matchData;
        Data = matchData ? data & IoEventFdTable<T>.MaskOf(size) : 0;
        Target = target;
        Descriptor = descriptor;
        _number = descriptor.Number;
    }

    /// <summary>Offset within the region.</summary>
    public ulong Address { get; }

    /// <summary>Length of the write in bytes; 0 means any length.</summary>
    public uint Size { get; }

    /// <summary>Only a write of <see cref="Data"/> counts.</summary>
    public bool MatchData { get; }

    /// <summary>The value that counts.</summary>
    public ulong Data { get; }

    /// <summary>What is signalled.</summary>
    public T Target { get; }

    /// <summary>The descriptor behind it, to be sent to a peer.</summary>
    public FileDescriptor Descriptor { get; }

    /// <summary>The order of tables: address, size, match (without before with), data, descriptor.</summary>
    public int CompareTo(IoEventFd<T> other)
    {
        int c = CompareKey(other.Address, other.Size, other.MatchData, other.Data);
        return c != 0 ? c : _number.CompareTo(other._number);
    }

    /// <inheritdoc/>
    public bool Equals(IoEventFd<T> other) => CompareTo(other) == 0 && ReferenceEquals(Target, other.Target);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is IoEventFd<T> other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Address, Size, MatchData, Data, _number);

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Address:x}+{Size}{(MatchData ? $"={Data:x}" : string.Empty)} -> fd {_number}";

    internal int CompareKey(ulong address, uint size, bool matchData, ulong data)
    {
        int c = Address.CompareTo(address);
        c = c != 0 ? c : Size.CompareTo(size);
        c = c != 0 ? c : MatchData.CompareTo(matchData);
        return c != 0 ? c : Data.CompareTo(data);
    }
}
