using FuseFront.Driver;
using FuseFront.Fuse;

namespace FuseFront.Disk;

/// <summary>Lends the driver's slots to the queue's FUSE channel, so that a WRITE arrives where the device will read it.</summary>
internal sealed unsafe class SlotPool(BlkQueue driver, int slots) : IFuseSlotSource
{
    public int SlotCount => slots;

    public int PayloadCapacity => QueueMemory.MaxTransfer;

    public bool TryTake(out int slot) => driver.TryTakeSlot(out slot);

    public byte* Payload(int slot) => driver.Payload(slot);

    public void Return(int slot) => driver.ReturnSlot(slot);
}
