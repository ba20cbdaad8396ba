using System.Numerics;
using RingCore.Virtio;
using static Backend.Device.VirtioPciLayout;

namespace Backend.Device;

/// <summary>The modern common configuration (virtio 1.3 §4.1.4.3): each register at its natural width.</summary>
public sealed partial class VirtioPciProxy
{
    private uint _deviceFeatureSelect;
    private uint _driverFeatureSelect;
    private ulong _driverFeatures;
    private ushort _queueSelect;

    /// <summary>The queue that the driver selected; null past the last one, which then reads as zeros.</summary>
    private VirtQueue? SelectedQueue => _queueSelect < _queues.Length ? _queues[_queueSelect] : null;

    private bool ReadCommon(int at, Span<byte> data)
    {
        if (at >= Common.Length)
        {
            return Zero(data);
        }

        return at >= Common.QueueDesc
            ? IsAddressAccess(at, data.Length) && WriteValue(data, ReadAddress(at))
            : data.Length == WidthOf(at) && WriteValue(data, ReadCommonRegister(at));
    }

    private bool WriteCommon(int at, int width, ulong value)
    {
        if (at >= Common.Length)
        {
            return true;
        }

        if (at >= Common.QueueDesc)
        {
            return IsAddressAccess(at, width) && WriteAddress(at, width, value);
        }

        if (width != WidthOf(at))
        {
            return false;
        }

        WriteCommonRegister(at, (uint)value);
        return true;
    }

    /// <summary>The width of the register that begins at an offset below the queue addresses; 0 where none begins.</summary>
    private static int WidthOf(int at) => at switch
    {
        Common.DeviceFeatureSelect or Common.DeviceFeature or Common.DriverFeatureSelect or Common.DriverFeature => 4,
        Common.Status or Common.ConfigGeneration => 1,
        Common.ConfigVector or Common.QueueCount or Common.QueueSelect or Common.QueueSize
            or Common.QueueVector or Common.QueueEnable or Common.QueueNotifyOff => 2,
        _ => 0,
    };

    private ulong ReadCommonRegister(int at) => at switch
    {
        Common.DeviceFeatureSelect => _deviceFeatureSelect,
        Common.DeviceFeature => HalfOf(Device.OfferedFeatures, _deviceFeatureSelect),
        Common.DriverFeatureSelect => _driverFeatureSelect,
        Common.DriverFeature => HalfOf(_driverFeatures, _driverFeatureSelect),
        Common.ConfigVector => _configVector,
        Common.QueueCount => (ulong)_queues.Length,
        Common.Status => Device.Status,
        Common.ConfigGeneration => Device.ConfigGeneration,
        Common.QueueSelect => _queueSelect,
        _ => SelectedQueue is { } queue ? ReadQueueRegister(queue, at) : 0,
    };

    private static ulong ReadQueueRegister(VirtQueue queue, int at) => at switch
    {
        Common.QueueSize => queue.Size,
        Common.QueueVector => queue.Vector,
        Common.QueueEnable => queue.Enabled ? 1UL : 0,
        _ => (ulong)queue.Index,
    };

    private void WriteCommonRegister(int at, uint value)
    {
        switch (at)
        {
            case Common.DeviceFeatureSelect:
                _deviceFeatureSelect = value;
                break;
            case Common.DriverFeatureSelect:
                _driverFeatureSelect = value;
                break;
            case Common.DriverFeature:
                WriteDriverFeatures(_driverFeatureSelect, value);
                break;
            case Common.ConfigVector:
                WriteConfigVector((ushort)value);
                break;
            case Common.Status:
                WriteStatus((byte)value);
                break;
            case Common.QueueSelect:
                _queueSelect = (ushort)value;
                break;
            default:
                WriteQueueRegister(at, (ushort)value);
                break;
        }
    }

    private void WriteQueueRegister(int at, ushort value)
    {
        if (SelectedQueue is not { } queue)
        {
            return;
        }

        switch (at)
        {
            case Common.QueueVector:
                queue.Vector = ExistingVector(value);
                break;
            case Common.QueueSize when !queue.Enabled && BitOperations.IsPow2((uint)value) && value <= queue.MaxSize:
                queue.Size = value;
                break;
            case Common.QueueEnable when value == 1:
                queue.Enabled = true;
                break;
            default:
                // Read-only, or not to be changed now (§4.1.4.3.2).
                Log.Debug("write of {0:x} to register {1:x} of queue {2} is ignored", value, at, queue.Index);
                break;
        }
    }

    private void WriteStatus(byte status)
    {
        if (status == 0)
        {
            ResetVirtio();
        }
        else
        {
            Device.WriteStatus(status, _driverFeatures);
        }
    }

    /// <summary>Features are settled once FEATURES_OK is set (§3.1.1).</summary>
    private void WriteDriverFeatures(uint select, uint value)
    {
        if (select < 2 && (Device.Status & DeviceStatus.FeaturesOk) == 0)
        {
            int shift = (int)select * 32;
            _driverFeatures = (_driverFeatures & ~(0xFFFF_FFFFUL << shift)) | ((ulong)value << shift);
        }
    }

    // Partner: the Volatile.Read in NotifyConfig.
    private void WriteConfigVector(ushort vector) => Volatile.Write(ref _configVector, ExistingVector(vector));

    /// <summary>A vector that does not exist reads back as "no vector", by which the driver knows (§4.1.5.1.2.1).</summary>
    private ushort ExistingVector(ushort vector) => vector < _vectors.Length ? vector : VirtQueue.NoVector;

    private static ulong HalfOf(ulong features, uint select) => select < 2 ? (uint)(features >> (int)(select * 32)) : 0;

    /// <summary>Queue addresses are 64 bits wide and may be accessed as halves.</summary>
    private static bool IsAddressAccess(int at, int width) => width is 4 or 8 && at % width == 0;

    /// <summary>The address register from the byte at <paramref name="at"/> on.</summary>
    private ulong ReadAddress(int at)
    {
        ulong address = SelectedQueue is not { } queue ? 0 : (at & ~7) switch
        {
            Common.QueueDesc => queue.DescriptorTable,
            Common.QueueDriver => queue.AvailableRing,
            _ => queue.UsedRing,
        };
        return address >> ((at & 7) * 8);
    }

    private bool WriteAddress(int at, int width, ulong value)
    {
        if (SelectedQueue is not { } queue || queue.Enabled)
        {
            return true;
        }

        ulong old = ReadAddress(at & ~7);
        int shift = (at & 7) * 8;
        ulong merged = width == 8 ? value : (old & ~(0xFFFF_FFFFUL << shift)) | (value << shift);
        switch (at & ~7)
        {
            case Common.QueueDesc:
                queue.DescriptorTable = merged;
                break;
            case Common.QueueDriver:
                queue.AvailableRing = merged;
                break;
            default:
                queue.UsedRing = merged;
                break;
        }

        return true;
    }
}
