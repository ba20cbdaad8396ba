using System.Buffers.Binary;
using System.Numerics;
using RingCore.Aio;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.VfioUser;
using RingCore.Virtio;

namespace Backend.Device;

/// <summary>Every access that a client makes, taken apart: which region, which area, which register, and is its width allowed.</summary>
public sealed partial class VirtioPciProxy
{
    private readonly ulong[] _regionSizes = new ulong[VfioPciRegion.Count];
    private readonly MemoryRegion<EventNotifier>?[] _regions = new MemoryRegion<EventNotifier>?[VfioPciRegion.Count];
    private byte[] _msixTable = [];
    private uint _pbaOffset;
    private long _doorbells;
    private long _matchedDoorbells;

    /// <summary>Doorbells that came as messages: written by the server's thread; any may read.</summary>
    public long DoorbellsByMessage => Volatile.Read(ref _doorbells);

    /// <summary>Those of them that matched an ioeventfd; the others were served on the server's thread.</summary>
    public long DoorbellsMatched => Volatile.Read(ref _matchedDoorbells);

    /// <summary>Size of a region in bytes; 0 for one that the device does not have, the upper half of a 64-bit BAR included.</summary>
    public ulong RegionSize(int index) => _regionSizes[index];

    /// <summary>The doorbells of a region, as of now.</summary>
    public IoEventFdTable<EventNotifier> RegionIoEventFds(int index) =>
        _regions[index]?.IoEventFds ?? IoEventFdTable<EventNotifier>.Empty;

    /// <summary>Whether a region is in I/O space, so that KVM needs to know its doorbells as such.</summary>
    public bool IsIoRegion(int index) =>
        (index == VirtioPciLayout.LegacyBar && _options.Transitional)
        || (index == VirtioPciLayout.PioNotifyBar && _options.ModernPioNotify);

    /// <summary>Reads a region. Returns 0, or EINVAL: no such region, out of bounds, a width that the register does not allow.</summary>
    public int ReadRegion(int index, ulong offset, Span<byte> data)
    {
        if (!IsInBounds(index, offset, data.Length))
        {
            return Errno.EINVAL;
        }

        return data.IsEmpty || ReadRegister(index, (int)offset, data) ? 0 : Errno.EINVAL;
    }

    /// <summary>
    /// Writes a region: doorbells first, which is the hot path. Returns as <see cref="ReadRegion"/>. Allocates nothing on a
    /// doorbell.
    /// </summary>
    public int WriteRegion(int index, ulong offset, ReadOnlySpan<byte> data)
    {
        if (!IsInBounds(index, offset, data.Length))
        {
            return Errno.EINVAL;
        }

        MemoryRegion<EventNotifier>? region = _regions[index];
        if (region is not null && IsNaturalWidth(data.Length))
        {
            EventNotifier? notifier = region.IoEventFds.Match(offset, (uint)data.Length, ReadValue(data));
            if (notifier is not null)
            {
                _doorbells++;
                _matchedDoorbells++;
                notifier.SignalIfRoom(); // drivers hold our doorbells' eventfds
                return 0;
            }
        }

        return data.IsEmpty || WriteRegister(index, (int)offset, data) ? 0 : Errno.EINVAL;
    }

    private bool ReadRegister(int index, int at, Span<byte> data)
    {
        switch (index)
        {
            case VfioPciRegion.Config:
                ReadConfigSpace(at, data);
                return true;
            case VirtioPciLayout.MsixBar:
                return ReadMsix(at, data);
            case VirtioPciLayout.ModernBar:
                return ReadModern(at, data);
            case VirtioPciLayout.LegacyBar:
                return ReadLegacy(at, data);
            default:
                // The I/O doorbell reads as nothing.
                return Zero(data);
        }
    }

    private bool WriteRegister(int index, int at, ReadOnlySpan<byte> data)
    {
        switch (index)
        {
            case VfioPciRegion.Config:
                WriteConfigSpace(at, data);
                return true;
            case VirtioPciLayout.MsixBar:
                return WriteMsix(at, data);
            case VirtioPciLayout.ModernBar:
                return WriteModern(at, data);
            case VirtioPciLayout.LegacyBar:
                return WriteLegacy(at, data);
            default:
                return data.Length == 2 && at == 0 && Doorbell(BinaryPrimitives.ReadUInt16LittleEndian(data));
        }
    }

    private void LayOutBars()
    {
        _pbaOffset = Math.Max(VirtioPciLayout.MinPbaOffset, BitOperations.RoundUpToPowerOf2((uint)TableSize));
        uint pba = _pbaOffset + (uint)PbaSize;
        _msixTable = new byte[TableSize];
        _regionSizes[VirtioPciLayout.MsixBar] = Math.Max(VirtioPciLayout.MinMsixBarSize, BitOperations.RoundUpToPowerOf2(pba));
        _regionSizes[VfioPciRegion.Config] = PciConfigSpace.Size;
        AddDoorbellRegion(VirtioPciLayout.ModernBar, "virtio-pci modern BAR", VirtioPciLayout.ModernBarSize);
        if (_options.Transitional)
        {
            uint size = BitOperations.RoundUpToPowerOf2((uint)(VirtioPciLayout.Legacy.ConfigWithMsix + Device.ConfigLength));
            AddDoorbellRegion(VirtioPciLayout.LegacyBar, "virtio-pci legacy BAR", Math.Max(size, 32));
        }

        if (_options.ModernPioNotify)
        {
            AddDoorbellRegion(VirtioPciLayout.PioNotifyBar, "virtio-pci notify BAR", VirtioPciLayout.PioNotifyBarSize);
        }
    }

    private int TableSize => _vectors.Length * VirtioPciLayout.MsixEntrySize;

    private int PbaSize => ((_vectors.Length + 63) / 64) * 8;

    private void AddDoorbellRegion(int index, string name, uint size)
    {
        _regionSizes[index] = size;
        _regions[index] = AddressSpace.CreateRegion(name, size);
    }

    private bool IsInBounds(int index, ulong offset, int length) =>
        (uint)index < VfioPciRegion.Count && offset <= _regionSizes[index] && (ulong)length <= _regionSizes[index] - offset;

    private bool ReadModern(int at, Span<byte> data)
    {
        int area = at & ~(int)(VirtioPciLayout.AreaSize - 1);
        int within = at - area;
        if (within + data.Length > VirtioPciLayout.AreaSize)
        {
            return false;
        }

        switch ((uint)area)
        {
            case VirtioPciLayout.DeviceArea:
                Device.ReadConfig(within, data);
                return true;
            case VirtioPciLayout.CommonArea:
                return IsNaturalWidth(data.Length) && ReadCommon(within, data);
            case VirtioPciLayout.IsrArea:
                return IsNaturalWidth(data.Length) && WriteValue(data, within == 0 ? (ulong)Interrupts.Intx.ReadIsr() : 0);
            default:
                return IsNaturalWidth(data.Length) && Zero(data);
        }
    }

    private bool WriteModern(int at, ReadOnlySpan<byte> data)
    {
        int area = at & ~(int)(VirtioPciLayout.AreaSize - 1);
        int within = at - area;
        if (within + data.Length > VirtioPciLayout.AreaSize)
        {
            return false;
        }

        switch ((uint)area)
        {
            case VirtioPciLayout.DeviceArea when within >= VirtioPciLayout.PlacementOffset:
                return WritePlacement(within - VirtioPciLayout.PlacementOffset, data);
            case VirtioPciLayout.DeviceArea:
                Device.WriteConfig(within, data);
                return true;
            case VirtioPciLayout.CommonArea:
                return IsNaturalWidth(data.Length) && WriteCommon(within, data.Length, ReadValue(data));
            case VirtioPciLayout.NotifyArea:
                return IsNaturalWidth(data.Length) && within % VirtioPciLayout.NotifyMultiplier == 0
                    && Doorbell(within / (int)VirtioPciLayout.NotifyMultiplier);
            default:
                // The ISR register is read-only.
                return IsNaturalWidth(data.Length);
        }
    }

    /// <summary>A hint only: a queue that does not exist, or a CPU that may not be used, is ignored.</summary>
    private bool WritePlacement(int at, ReadOnlySpan<byte> data)
    {
        if (data.Length != sizeof(uint) || at % sizeof(uint) != 0)
        {
            return false;
        }

        if (at / sizeof(uint) < _queues.Length)
        {
            Device.PlaceQueue(at / sizeof(uint), PlacementHint.FromRegister(BinaryPrimitives.ReadUInt32LittleEndian(data)));
        }

        return true;
    }

    /// <summary>A doorbell without an ioeventfd. One of no queue is ignored, as hardware would.</summary>
    private bool Doorbell(int queue)
    {
        _doorbells++;
        if (queue < _queues.Length)
        {
            Device.NotifyQueue(queue);
        }
        else
        {
            Log.Debug("doorbell of queue {0}, which does not exist", queue);
        }

        return true;
    }

    /// <summary>The MSI-X table is plain storage, as clients keep the real one; the pending bits are live (PCI 3.0 §6.8.2).</summary>
    private bool ReadMsix(int at, Span<byte> data)
    {
        if (data.Length is not (4 or 8) || at % data.Length != 0)
        {
            return false;
        }

        if (at + data.Length <= TableSize)
        {
            _msixTable.AsSpan(at, data.Length).CopyTo(data);
            return true;
        }

        data.Clear();
        int firstBit = (at - (int)_pbaOffset) * 8;
        for (int i = 0; firstBit >= 0 && i < data.Length * 8 && firstBit + i < _vectors.Length; i++)
        {
            data[i / 8] |= (byte)((_vectors[firstBit + i].IsPending ? 1 : 0) << (i % 8));
        }

        return true;
    }

    private bool WriteMsix(int at, ReadOnlySpan<byte> data)
    {
        if (data.Length is not (4 or 8) || at % data.Length != 0)
        {
            return false;
        }

        // Past the table there is only the pending bit array, which is read-only.
        if (at + data.Length <= TableSize)
        {
            data.CopyTo(_msixTable.AsSpan(at));
        }

        return true;
    }

    private static bool Zero(Span<byte> data)
    {
        data.Clear();
        return true;
    }

    private static bool IsNaturalWidth(int length) => length is 1 or 2 or 4 or 8;

    private static ulong ReadValue(ReadOnlySpan<byte> data) => data.Length switch
    {
        1 => data[0],
        2 => BinaryPrimitives.ReadUInt16LittleEndian(data),
        4 => BinaryPrimitives.ReadUInt32LittleEndian(data),
        _ => BinaryPrimitives.ReadUInt64LittleEndian(data),
    };

    /// <summary>Fills a register of 1, 2, 4 or 8 bytes.</summary>
    private static bool WriteValue(Span<byte> data, ulong value)
    {
        for (int i = 0; i < data.Length; i++)
        {
            data[i] = (byte)(value >> (8 * i));
        }

        return true;
    }
}
