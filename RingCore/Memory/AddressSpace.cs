using RingCore.Posix;

namespace RingCore.Memory;

/// <summary>Is told how the doorbells of an address space change. Must not throw, and must not change it in turn.</summary>
/// <typeparam name="T">What a doorbell signals.</typeparam>
public interface IMemoryListener<T>
    where T : class
{
    /// <summary>A doorbell was added.</summary>
    void IoEventFdAdded(MemoryRegion<T> region, in IoEventFd<T> entry);

    /// <summary>A doorbell was removed. Removals of a commit come before its additions.</summary>
    void IoEventFdDeleted(MemoryRegion<T> region, in IoEventFd<T> entry);

    /// <summary>The changes of one outermost transaction are complete.</summary>
    void Committed()
    {
    }
}

/// <summary>
/// The regions of a device with their doorbells. Changes happen inside transactions, which nest: only when the outermost one
/// ends do tables and listeners see them, and then only the net difference. One thread at a time; tables may be read on any.
/// </summary>
/// <typeparam name="T">What a doorbell signals.</typeparam>
public sealed class AddressSpace<T>
    where T : class
{
    private readonly List<MemoryRegion<T>> _regions = [];
    private readonly List<IMemoryListener<T>> _listeners = [];
    private int _depth;

    /// <summary>The regions in order of creation.</summary>
    public IReadOnlyList<MemoryRegion<T>> Regions => _regions;

    /// <summary>Adds a region of <paramref name="size"/> bytes.</summary>
    public MemoryRegion<T> CreateRegion(string name, ulong size)
    {
        MemoryRegion<T> region = new(this, name, size);
        _regions.Add(region);
        return region;
    }

    /// <summary>Begins a transaction, perhaps inside another one; its end is <see cref="MemoryTransaction{T}.Dispose"/>.</summary>
    public MemoryTransaction<T> Begin()
    {
        _depth++;
        return new MemoryTransaction<T>(this);
    }

    /// <summary>Adds a listener; it is told of everything that is there already.</summary>
    public void AddListener(IMemoryListener<T> listener)
    {
        _listeners.Add(listener);
        foreach (MemoryRegion<T> region in _regions)
        {
            foreach (ref readonly IoEventFd<T> entry in region.IoEventFds.Entries)
            {
                listener.IoEventFdAdded(region, entry);
            }
        }

        listener.Committed();
    }

    /// <summary>Removes a listener; it is told that everything goes.</summary>
    public void RemoveListener(IMemoryListener<T> listener)
    {
        if (!_listeners.Remove(listener))
        {
            throw new PosixException(Errno.ENOENT, "remove a memory listener that was not added");
        }

        foreach (MemoryRegion<T> region in _regions)
        {
            foreach (ref readonly IoEventFd<T> entry in region.IoEventFds.Entries)
            {
                listener.IoEventFdDeleted(region, entry);
            }
        }

        listener.Committed();
    }

    internal void Commit()
    {
        if (--_depth > 0)
        {
            return;
        }

        bool changed = false;
        foreach (MemoryRegion<T> region in _regions)
        {
            changed |= region.Publish(_listeners);
        }

        if (changed)
        {
            foreach (IMemoryListener<T> listener in _listeners)
            {
                listener.Committed();
            }
        }
    }
}

/// <summary>An open transaction on an <see cref="AddressSpace{T}"/>; disposing commits, once.</summary>
/// <typeparam name="T">What a doorbell signals.</typeparam>
public sealed class MemoryTransaction<T> : IDisposable
    where T : class
{
    private AddressSpace<T>? _space;

    internal MemoryTransaction(AddressSpace<T> space) => _space = space;

    /// <summary>Ends the transaction. The outermost one makes all changes visible.</summary>
    public void Commit()
    {
        AddressSpace<T>? space = _space;
        _space = null;
        space?.Commit();
    }

    /// <summary>As <see cref="Commit"/>.</summary>
    public void Dispose() => Commit();
}
