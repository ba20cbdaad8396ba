using System.Numerics;
using FuseFront.Driver;
using FuseFront.Fuse;
using RingCore.Aio;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Disk;

/// <content>How the disk comes to be: described, its queues created, mounted, served.</content>
public sealed partial class VirtualDisk
{
    private static DiskGeometry DescribeDisk(BlkDriver driver)
    {
        BlkConfig config = driver.Config;
        VirtioFeatures features = driver.Features;
        if (config.Capacity == 0 || config.Capacity > long.MaxValue / BlkConfig.SectorSize)
        {
            throw new ProtocolException($"the device claims a capacity of {config.Capacity} sectors");
        }

        uint block = features.HasFlag(VirtioFeatures.BlkBlockSize) ? config.BlockSize : BlkConfig.SectorSize;
        if (!BitOperations.IsPow2(block) || block < BlkConfig.SectorSize)
        {
            throw new ProtocolException($"the device claims logical blocks of {block} bytes");
        }

        if (block > QueueMemory.MaxBlockSize)
        {
            throw new ProtocolException($"the device's logical blocks of {block} bytes are too large; have it offer {QueueMemory.MaxBlockSize} or less");
        }

        // What does not fill a block at the end cannot be had; and a range that is cut at the device's limit ends with a block.
        uint sectors = block / BlkConfig.SectorSize;
        uint Whole(uint count) => count - (count % sectors);
        return new DiskGeometry
        {
            Length = (long)(config.Capacity - (config.Capacity % sectors)) * BlkConfig.SectorSize,
            IsReadOnly = features.HasFlag(VirtioFeatures.BlkReadOnly),
            CanFlush = features.HasFlag(VirtioFeatures.BlkFlush),
            MaxDiscardSectors = features.HasFlag(VirtioFeatures.BlkDiscard) ? Whole(config.MaxDiscardSectors) : 0,
            MaxWriteZeroesSectors = features.HasFlag(VirtioFeatures.BlkWriteZeroes) ? Whole(config.MaxWriteZeroesSectors) : 0,
            BlockSize = block,
        };
    }

    private void CreateQueues(VirtualDiskOptions options, FuseTransport fuse)
    {
        RangeGate gate = new(_driver.QueueCount, _driver.SlotCount);
        for (int i = 0; i < _queues.Length; i++)
        {
            AioContextOptions context = new()
            {
                Name = $"front-{i}",
                PollMaxNs = options.PollMaxNs ?? 0,
                Monitor = fuse == FuseTransport.Uring ? FdMonitorKind.Auto : FdMonitorKind.Epoll,
                LargeSubmissionEntries = fuse == FuseTransport.Uring,
            };
            _queues[i] = new FrontQueue(i, _driver, Geometry, gate, context, _recovery);
        }

        _recovery.Queues = _queues;
        gate.Granted = (queue, slot) => _queues[queue].Grant(slot);
    }

    private FuseSession Mount(VirtualDiskOptions options, FuseTransport fuse)
    {
        const uint OwnerReads = 0x100;
        const uint OwnerWrites = 0x80;
        const uint AllRead = 0x124;
        uint permissions = OwnerReads | (Geometry.IsReadOnly ? 0 : OwnerWrites) | (options.Mount.AllowOther ? AllRead : 0);
        FuseFile file = FuseFile.Data(FileName, () => Geometry.Length, permissions, UserIds.Uid, UserIds.Gid);
        FuseDirectory directory = new(file) { Uid = UserIds.Uid, Gid = UserIds.Gid };
        FuseMountOptions mount = options.Mount with
        {
            ReadOnly = Geometry.IsReadOnly,
            MaxTransfer = Math.Min(options.Mount.MaxTransfer, _driver.Limits.MaxTransfer),
            Transport = fuse == FuseTransport.Uring ? options.Mount.Transport : fuse,
            Channels = _queues.Length,
        };
        return FuseSession.Start(mount, directory);
    }

    private void Start(VirtualDiskOptions options)
    {
        _mainContext.SetFdHandler(_transport.Connection, new AioHandler { Read = OnConnectionEnded });
        _mainContext.SetEventNotifier(_driver.ConfigIrq, new AioHandler { Read = OnConfigIrq });
        if (_transport.RingErrors is { } ringErrors)
        {
            _mainContext.SetEventNotifier(ringErrors, new AioHandler { Read = () => OnRingError(ringErrors) });
        }

        PlaceQueues(options);
        foreach (FrontQueue queue in _queues)
        {
            if (options.RequestTimeout > TimeSpan.Zero)
            {
                queue.WatchRequests(options.RequestTimeout, _mainContext);
            }

            queue.Start(_session);
        }
    }

    private void PlaceQueues(VirtualDiskOptions options)
    {
        GrowingPause notBeside = new();
        foreach (FrontQueue queue in _queues)
        {
            queue.Place(
                options.Affinity,
                _hints,
                _transport.TakesPlacement(queue.Index),
                () => OthersTotal(queue),
                options.PollMaxNs,
                notBeside);
        }
    }

    private long OthersTotal(FrontQueue queue)
    {
        long total = 0;
        foreach (FrontQueue other in _queues)
        {
            total += other == queue ? 0 : other.Disk.Statistics.TotalOperations;
        }

        return total;
    }
}
