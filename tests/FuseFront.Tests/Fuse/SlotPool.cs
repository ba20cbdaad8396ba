using FuseFront.Fuse;
using RingCore.Posix;

namespace FuseFront.Tests.Fuse;

/// <summary>A queue's slots in private memory, with an account of what is lent out.</summary>
internal sealed unsafe class SlotPool : IFuseSlotSource, IDisposable
{
    private readonly MemoryMapping _memory;
    private readonly Stack<int> _free = new();
    private readonly bool[] _taken;

    internal SlotPool(int count, int capacity)
    {
        SlotCount = count;
        PayloadCapacity = capacity;
        _taken = new bool[count];
        _memory = MemoryMapping.Anonymous((nuint)count * (nuint)capacity);
        for (int i = count - 1; i >= 0; i--)
        {
            _free.Push(i);
        }
    }

    public int SlotCount { get; }

    public int PayloadCapacity { get; }

    internal int Free => _free.Count;

    public bool TryTake(out int slot)
    {
        if (!_free.TryPop(out slot))
        {
            return false;
        }

        _taken[slot] = true;
        return true;
    }

    // The slot is below SlotCount, for which the mapping has room.
    public byte* Payload(int slot) => _memory.Pointer + ((nint)slot * PayloadCapacity);

    public void Return(int slot)
    {
        if (!_taken[slot])
        {
            throw new InvalidOperationException($"slot {slot} is returned twice");
        }

        _taken[slot] = false;
        _free.Push(slot);
    }

    public void Dispose() => _memory.Dispose();
}
