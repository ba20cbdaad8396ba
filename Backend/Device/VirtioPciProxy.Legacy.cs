using static Backend.Device.VirtioPciLayout;

namespace Backend.Device;

/// <summary>
/// The legacy register block in I/O BAR 0 (virtio 1.3 §4.1.4.10) of a transitional device: one page number stands for a whole
/// queue, features are 32 bits, and the device's configuration moves up when MSI-X is enabled.
/// </summary>
public sealed partial class VirtioPciProxy
{
    private int LegacyConfigOffset =>
        (_config.Get16(_msixCapability + 2) & MsixEnable) != 0 ? Legacy.ConfigWithMsix : Legacy.ConfigWithoutMsix;

    private bool ReadLegacy(int at, Span<byte> data)
    {
        if (at >= LegacyConfigOffset)
        {
            Device.ReadConfig(at - LegacyConfigOffset, data);
            return true;
        }

        return data.Length == LegacyWidthOf(at) && WriteValue(data, ReadLegacyRegister(at));
    }

    private bool WriteLegacy(int at, ReadOnlySpan<byte> data)
    {
        if (at >= LegacyConfigOffset)
        {
            Device.WriteConfig(at - LegacyConfigOffset, data);
            return true;
        }

        if (data.Length != LegacyWidthOf(at))
        {
            return false;
        }

        WriteLegacyRegister(at, (uint)ReadValue(data));
        return true;
    }

    private static int LegacyWidthOf(int at) => at switch
    {
        Legacy.HostFeatures or Legacy.GuestFeatures or Legacy.QueuePfn => 4,
        Legacy.QueueSize or Legacy.QueueSelect or Legacy.QueueNotify or Legacy.ConfigVector or Legacy.QueueVector => 2,
        Legacy.Status or Legacy.Isr => 1,
        _ => 0,
    };

    private ulong ReadLegacyRegister(int at) => at switch
    {
        Legacy.HostFeatures => HalfOf(Device.OfferedFeatures, 0),
        Legacy.GuestFeatures => HalfOf(_driverFeatures, 0),
        Legacy.QueuePfn => SelectedQueue is { Enabled: true } queue ? queue.DescriptorTable >> Legacy.PageShift : 0,
        Legacy.QueueSize => SelectedQueue?.MaxSize ?? 0UL,
        Legacy.QueueSelect => _queueSelect,
        Legacy.Status => Device.Status,
        Legacy.Isr => (ulong)Interrupts.Intx.ReadIsr(),
        Legacy.ConfigVector => _configVector,
        Legacy.QueueVector => SelectedQueue?.Vector ?? VirtQueue.NoVector,
        _ => 0,
    };

    private void WriteLegacyRegister(int at, uint value)
    {
        switch (at)
        {
            case Legacy.GuestFeatures:
                _driverFeatures = value;
                break;
            case Legacy.QueuePfn:
                WriteQueuePfn(value);
                break;
            case Legacy.QueueSelect:
                _queueSelect = (ushort)value;
                break;
            case Legacy.QueueNotify:
                Doorbell((int)value);
                break;
            case Legacy.Status:
                WriteStatus((byte)value);
                break;
            case Legacy.ConfigVector:
                WriteConfigVector((ushort)value);
                break;
            case Legacy.QueueVector when SelectedQueue is { } queue:
                queue.Vector = ExistingVector((ushort)value);
                break;
            default:
                Log.Debug("write of {0:x} to legacy register {1:x} is ignored", value, at);
                break;
        }
    }

    /// <summary>
    /// Places a queue of the fixed size at a page: descriptors, available ring right behind, used ring on the next page
    /// (§2.7.2). Page 0 takes the queue away.
    /// </summary>
    private void WriteQueuePfn(uint page)
    {
        if (SelectedQueue is not { } queue)
        {
            return;
        }

        if (page == 0)
        {
            queue.Enabled = false;
            queue.DescriptorTable = queue.AvailableRing = queue.UsedRing = 0;
            return;
        }

        queue.Size = queue.MaxSize;
        queue.DescriptorTable = (ulong)page << Legacy.PageShift;
        queue.AvailableRing = queue.DescriptorTable + (16UL * queue.Size);

        // flags, idx, the ring and used_event.
        ulong availableEnd = queue.AvailableRing + 6 + (2UL * queue.Size);
        queue.UsedRing = (availableEnd + (1UL << Legacy.PageShift) - 1) & ~((1UL << Legacy.PageShift) - 1);
        queue.Enabled = true;
    }
}
