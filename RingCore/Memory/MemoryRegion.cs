using RingCore.Posix;

namespace RingCore.Memory;

/// <summary>
/// One region of an address space (a BAR) and its doorbells. Changed by one thread inside transactions of
/// <see cref="AddressSpace{T}"/> (a lone change is its own transaction); <see cref="IoEventFds"/> may be read on any thread.
/// </summary>
/// <typeparam name="T">What a doorbell signals.</typeparam>
public sealed class MemoryRegion<T>
    where T : class
{
    private readonly AddressSpace<T> _space;
    private readonly List<IoEventFd<T>> _wanted = [];
    private IoEventFdTable<T> _table = IoEventFdTable<T>.Empty;

    internal MemoryRegion(AddressSpace<T> space, string name, ulong size)
    {
        _space = space;
        Name = name;
        Size = size;
    }

    /// <summary>For log lines.</summary>
    public string Name { get; }

    /// <summary>Length in bytes.</summary>
    public ulong Size { get; }

    /// <summary>The doorbells as of the last commit.</summary>
    // Partner: the Volatile.Write in Publish.
    public IoEventFdTable<T> IoEventFds => Volatile.Read(ref _table);

    /// <summary>Adds a doorbell, in its place in the order.</summary>
    /// <exception cref="PosixException">EEXIST: there is an equal one; EINVAL: past the region's end.</exception>
    public void AddIoEventFd(in IoEventFd<T> entry)
    {
        if (entry.Address >= Size || Math.Max(entry.Size, 1) > Size - entry.Address)
        {
            throw new PosixException(Errno.EINVAL, $"add ioeventfd {entry} to {Name}: past its end at {Size:x}");
        }

        int place = _wanted.BinarySearch(entry);
        if (place >= 0)
        {
            throw new PosixException(Errno.EEXIST, $"add ioeventfd {entry} to {Name}");
        }

        using MemoryTransaction<T> transaction = _space.Begin();
        _wanted.Insert(~place, entry);
    }

    /// <summary>Removes a doorbell.</summary>
    /// <exception cref="PosixException">ENOENT: there is no such one.</exception>
    public void RemoveIoEventFd(in IoEventFd<T> entry)
    {
        int place = _wanted.BinarySearch(entry);
        if (place < 0)
        {
            throw new PosixException(Errno.ENOENT, $"remove ioeventfd {entry} from {Name}");
        }

        using MemoryTransaction<T> transaction = _space.Begin();
        _wanted.RemoveAt(place);
    }

    /// <summary>
    /// Publishes the wanted set and tells listeners the difference to the last one. Both are sorted, so one merge finds it.
    /// Returns whether there was any.
    /// </summary>
    internal bool Publish(List<IMemoryListener<T>> listeners)
    {
        ReadOnlySpan<IoEventFd<T>> before = _table.Entries;
        List<IoEventFd<T>> added = [];
        List<IoEventFd<T>> deleted = [];
        int i = 0;
        int j = 0;
        while (i < before.Length || j < _wanted.Count)
        {
            int c = i == before.Length ? 1 : j == _wanted.Count ? -1 : before[i].CompareTo(_wanted[j]);
            if (c == 0 && before[i].Equals(_wanted[j]))
            {
                i++;
                j++;
                continue;
            }

            // Equal keys with another target (a descriptor number used again) are a delete and an add.
            if (c <= 0)
            {
                deleted.Add(before[i++]);
            }

            if (c >= 0)
            {
                added.Add(_wanted[j++]);
            }
        }

        if (added.Count == 0 && deleted.Count == 0)
        {
            return false;
        }

        // Partner: the Volatile.Read in IoEventFds.
        Volatile.Write(ref _table, new IoEventFdTable<T>(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_wanted)));
        foreach (IMemoryListener<T> listener in listeners)
        {
            deleted.ForEach(e => listener.IoEventFdDeleted(this, e));
            added.ForEach(e => listener.IoEventFdAdded(this, e));
        }

        return true;
    }
}
