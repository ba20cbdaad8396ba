using Backend.Device;
using RingCore.Aio;
using RingCore.Framing;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Server;

/// <summary>What the device consists of: GET_INFO, REGION_INFO, IRQ_INFO and REGION_IO_FDS.</summary>
internal sealed partial class VfioUserSession
{
    private const int SubRegionSize = 40;

    private int GetInfo()
    {
        PayloadReader reader = new(_connection.Payload);
        if (!reader.TryRead(out VfioDeviceInfo info) || info.ArgSize < 16)
        {
            return Errno.EINVAL;
        }

        PayloadWriter writer = new(BeginReply(16));
        writer.Write(new VfioDeviceInfo
        {
            ArgSize = 16,
            Flags = VfioDeviceFlags.Pci | VfioDeviceFlags.Reset,
            RegionCount = VfioPciRegion.Count,
            IrqCount = VfioPciIrq.Count,
        });
        return 0;
    }

    private int GetRegionInfo()
    {
        PayloadReader reader = new(_connection.Payload);
        if (!reader.TryRead(out VfioRegionInfo info) || info.ArgSize < 32 || info.Index >= VfioPciRegion.Count)
        {
            return Errno.EINVAL;
        }

        // Nothing can be mapped: a BAR that could would turn every posted write of QEMU's into one that waits.
        ulong size = _device.RegionSize((int)info.Index);
        PayloadWriter writer = new(BeginReply(32));
        writer.Write(new VfioRegionInfo
        {
            ArgSize = 32,
            Flags = size > 0 ? VfioRegionFlags.Read | VfioRegionFlags.Write : VfioRegionFlags.None,
            Index = info.Index,
            Size = size,
        });
        return 0;
    }

    private int GetIrqInfo()
    {
        PayloadReader reader = new(_connection.Payload);
        if (!reader.TryRead(out VfioIrqInfo info) || info.ArgSize < 16 || info.Index >= VfioPciIrq.Count)
        {
            return Errno.EINVAL;
        }

        // Never NORESIZE, which would force clients to send all vectors anew for each one that they add.
        VfioIrqFlags flags = VfioIrqFlags.EventFd;
        flags |= info.Index == VfioPciIrq.Intx ? VfioIrqFlags.Maskable : VfioIrqFlags.None;
        PayloadWriter writer = new(BeginReply(16));
        writer.Write(new VfioIrqInfo
        {
            ArgSize = 16,
            Flags = flags,
            Index = info.Index,
            Count = (uint)_device.Interrupts.Count((int)info.Index),
        });
        return 0;
    }

    private int GetRegionIoFds()
    {
        PayloadReader reader = new(_connection.Payload);
        if (!reader.TryRead(out VfioUserRegionIoFds request) || request.ArgSize < 16 || request.Flags != 0
            || request.Count != 0 || request.Index >= VfioPciRegion.Count)
        {
            return Errno.EINVAL;
        }

        List<VfioUserSubRegionIoEventFd> entries = DescribeIoEventFds((int)request.Index);
        uint full = 16 + (uint)(entries.Count * SubRegionSize);
        bool fits = full <= request.ArgSize;
        PayloadWriter writer = new(BeginReply(fits ? (int)full : 16));
        writer.Write(new VfioUserRegionIoFds { ArgSize = full, Index = request.Index, Count = (uint)entries.Count });
        if (!fits)
        {
            // The client learns the size and asks again.
            _replyDescriptors.Clear();
            return 0;
        }

        foreach (VfioUserSubRegionIoEventFd entry in entries)
        {
            writer.Write(entry);
        }

        return 0;
    }

    /// <summary>
    /// The doorbells of a region, and in <see cref="_replyDescriptors"/> each of their descriptors once. A client takes so many
    /// descriptors a message and no more; doorbells beyond are left out, and ring by REGION_WRITE as ever.
    /// </summary>
    private List<VfioUserSubRegionIoEventFd> DescribeIoEventFds(int region)
    {
        int max = Math.Min(_client.MaxMsgFds, UnixSocket.MaxDescriptors);
        IoEventFdFlags flags = _device.IsIoRegion(region) ? IoEventFdFlags.Pio : IoEventFdFlags.None;
        List<VfioUserSubRegionIoEventFd> entries = [];
        foreach (ref readonly IoEventFd<EventNotifier> entry in _device.RegionIoEventFds(region).Entries)
        {
            int index = _replyDescriptors.IndexOf(entry.Descriptor);
            if (index < 0 && _replyDescriptors.Count == max)
            {
                continue;
            }

            if (index < 0)
            {
                index = _replyDescriptors.Count;
                _replyDescriptors.Add(entry.Descriptor);
            }

            entries.Add(new VfioUserSubRegionIoEventFd
            {
                Offset = entry.Address,
                Size = entry.Size,
                FdIndex = (uint)index,
                Type = VfioUserSubRegionIoEventFd.TypeIoEventFd,
                Flags = flags | (entry.MatchData ? IoEventFdFlags.DataMatch : IoEventFdFlags.None),
                DataMatch = entry.Data,
            });
        }

        return entries;
    }
}
