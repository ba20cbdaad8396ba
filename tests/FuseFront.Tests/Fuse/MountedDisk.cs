using FuseFront.Fuse;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;

namespace FuseFront.Tests.Fuse;

/// <summary>
/// A real mount with a <c>disk</c> from memory and a text file <c>stats</c>, served by a thread a queue of this process.
/// </summary>
internal sealed class MountedDisk : IDisposable
{
    /// <summary>Not the product's own, so that a test's mounts are told from a user's.</summary>
    internal const string Subtype = "vdisktest";

    internal const int DefaultSize = 8 << 20;

    private readonly List<IoThread> _threads = [];
    private readonly List<SlotPool> _pools = [];
    private readonly List<MemoryHandler> _handlers = [];

    internal MountedDisk(
        int queues = 1, int slots = 16, int size = DefaultSize, FuseMountMethod method = FuseMountMethod.System, bool readOnly = false,
        AioContextOptions? aio = null, FuseTransport transport = FuseTransport.Dev)
    {
        Assume.That(File.Exists("/dev/fuse"), "needs /dev/fuse");
        Assume.That(UserIds.IsRoot || method == FuseMountMethod.Fusermount, "needs root");
        if (transport == FuseTransport.Uring)
        {
            UringSwitch.Require();
        }

        Disk = new MemoryDisk(size);
        new Random(1).NextBytes(Disk.Content);
        Root = Directory.CreateTempSubdirectory("fuse-test-").FullName;
        FuseDirectory directory = new(
            FuseFile.Data("disk", () => size, 0x180, UserIds.Uid, UserIds.Gid),
            FuseFile.Text("stats", () => StatsText(), 0x124, 0, 0));
        Session = FuseSession.Start(
            new FuseMountOptions
            {
                MountPoint = Root,
                Source = "test, image",
                Subtype = Subtype,
                Method = method,
                ReadOnly = readOnly,
                Transport = transport,
                Channels = queues,
            },
            directory);
        aio = (aio ?? new AioContextOptions()) with { LargeSubmissionEntries = transport != FuseTransport.Dev };
        for (int i = 0; i < queues; i++)
        {
            IoThread thread = new(aio with { Name = $"queue-{i}" });
            SlotPool pool = new(slots, 1 << 20);
            MemoryHandler handler = new(Disk);
            handler.Channel = Session.AddChannel(thread.Context, pool, handler);
            _threads.Add(thread);
            _pools.Add(pool);
            _handlers.Add(handler);
            handler.Channel.Start();
        }
    }

    internal FuseSession Session { get; }

    internal MemoryDisk Disk { get; }

    internal string Root { get; }

    internal string DiskPath => Path.Join(Root, "disk");

    internal Func<byte[]> StatsText { get; set; } = () => "{}\n"u8.ToArray();

    internal IReadOnlyList<MemoryHandler> Handlers => _handlers;

    internal IReadOnlyList<SlotPool> Pools => _pools;

    internal int Held => _handlers.Sum(h => h.Held);

    internal long Sum(Func<FuseChannelStatistics, long> counter) => Session.Channels.Sum(c => counter(c.Statistics));

    internal void ReleaseHeld()
    {
        Disk.Hold = false;
        foreach (MemoryHandler handler in _handlers)
        {
            handler.Channel.Context.Invoke(handler.Release);
        }
    }

    public void Dispose()
    {
        try
        {
            Session.Unmount(lazy: true);
            foreach (FuseChannel channel in Session.Channels)
            {
                channel.Stop();
            }
        }
        finally
        {
            Session.Dispose();
            _threads.ForEach(t => t.Dispose());
            _pools.ForEach(p => p.Dispose());
            Disk.Dispose();
            Directory.Delete(Root);
        }
    }
}
