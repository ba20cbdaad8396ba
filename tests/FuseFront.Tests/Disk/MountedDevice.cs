using FuseFront.Disk;
using FuseFront.Driver;
using FuseFront.Fuse;
using FuseFront.Tests.Driver;
using FuseFront.Tests.Fuse;
using RingCore.Aio;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Tests.Disk;

/// <summary>
/// A real mount of a device in this process, which keeps its content in memory and serves each request inside the kick, unless
/// a test wants it to hang. It refuses what its own limits do not allow.
/// </summary>
internal sealed unsafe class MountedDevice : IDisposable
{
    private readonly AioContext _main = new(new AioContextOptions { Name = "test-main" });

    /// <param name="prepare">Makes the device another one before it is driven.</param>
    internal MountedDevice(FuseTransport transport = FuseTransport.Dev, Action<FakeDevice>? prepare = null, Affinity affinity = Affinity.None)
    {
        if (transport == FuseTransport.Uring)
        {
            UringSwitch.Require();
        }

        prepare?.Invoke(Device);
        Content = new byte[Device.Capacity * BlkConfig.SectorSize];
        Device.Kicked = Serve;
        Root = Directory.CreateTempSubdirectory("fuse-test-").FullName;
        BlkDriver driver = new(Device, new BlkDriverOptions { Queues = 1, QueueSize = 16, MaxSlots = 8 });
        try
        {
            Disk = new VirtualDisk(Device, driver, Options(transport, affinity), _main);
        }
        catch
        {
            driver.Dispose();
            _main.Dispose();
            bool isMounted = MountTable.Read().At(Root) != null;
            if (isMounted)
            {
                MountPoint.Unmount(Root, lazy: true); // nobody serves it: looking into it would wait for ever
            }

            Directory.Delete(Root);
            Assert.That(isMounted, Is.False, "a start that failed has left its mount");
            throw;
        }
    }

    internal FakeDevice Device { get; } = new();

    internal VirtualDisk Disk { get; }

    internal string Root { get; }

    internal string DiskPath => Path.Join(Root, VirtualDisk.FileName);

    internal byte[] Content { get; }

    /// <summary>Requests that are never answered.</summary>
    internal Func<FakeRequest, bool> Hangs { get; set; } = static _ => false;

    /// <summary>Types of the requests that were served, in their order.</summary>
    internal List<BlkRequestType> Served { get; } = [];

    /// <summary>Runs the disk's main loop once.</summary>
    internal void PollMain() => _main.Poll(blocking: false);

    public void Dispose()
    {
        try
        {
            Disk.Dispose();
        }
        finally
        {
            _main.Dispose();
            Directory.Delete(Root);
        }
    }

    private VirtualDiskOptions Options(FuseTransport transport, Affinity affinity) => new()
    {
        Affinity = affinity,
        Mount = new FuseMountOptions { MountPoint = Root, Source = "test device", Subtype = MountedDisk.Subtype, Transport = transport },
    };

    private void Serve()
    {
        foreach (FakeRequest request in Device.Take())
        {
            if (!Hangs(request))
            {
                Served.Add(request.Type);
                Device.End(request, IsAllowed(request) && TryCarryOut(request) ? BlkStatus.Ok : BlkStatus.IoError);
            }
        }

        Device.Interrupt();
    }

    private bool IsAllowed(FakeRequest request)
    {
        BlkConfig config = Device.Config;
        return request.Type is not (BlkRequestType.In or BlkRequestType.Out)
            || (request.Sector * BlkConfig.SectorSize % config.BlockSize == 0
                && request.Data.Sum(d => d.Length) % config.BlockSize == 0
                && (config.SizeMax == 0 || request.Data.All(d => d.Length <= config.SizeMax))
                && (config.SegMax == 0 || request.Data.Count <= config.SegMax));
    }

    private bool TryCarryOut(FakeRequest request)
    {
        long at = (long)request.Sector * BlkConfig.SectorSize;
        foreach ((nint address, int length) in request.Data)
        {
            Span<byte> data = new((void*)address, length); // guest memory that the chain names, mapped until the reset
            switch (request.Type)
            {
                case BlkRequestType.In:
                    Content.AsSpan((int)at, length).CopyTo(data);
                    break;
                case BlkRequestType.Out:
                    data.CopyTo(Content.AsSpan((int)at, length));
                    break;
                case BlkRequestType.WriteZeroes or BlkRequestType.Discard:
                    BlkDiscardSegment range = *(BlkDiscardSegment*)address; // 16 bytes, as long as the driver's ranges are
                    Content.AsSpan((int)range.Sector * BlkConfig.SectorSize, (int)range.SectorCount * BlkConfig.SectorSize).Clear();
                    return range.Sector * BlkConfig.SectorSize % Device.Config.BlockSize == 0
                        && range.SectorCount * BlkConfig.SectorSize % Device.Config.BlockSize == 0;
                default:
                    break;
            }

            at += length;
        }

        return true;
    }
}
