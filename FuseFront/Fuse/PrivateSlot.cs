using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>One slot in private memory, for a channel that carries no data; untouched pages cost nothing.</summary>
internal sealed unsafe class PrivateSlot(int capacity) : IFuseSlotSource, IDisposable
{
    private readonly MemoryMapping _memory = MemoryMapping.Anonymous((nuint)capacity);
    private bool _taken;

    public int SlotCount => 1;

    public int PayloadCapacity => capacity;

    public bool TryTake(out int slot)
    {
        slot = _taken ? -1 : 0;
        _taken = true;
        return slot == 0;
    }

    public byte* Payload(int slot) => _memory.Pointer;

    public void Return(int slot) => _taken = false;

    public void Dispose() => _memory.Dispose();
}
