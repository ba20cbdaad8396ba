using Backend.Device;
using NUnit.Framework;
using RingCore.Hosting;
using RingCore.Virtio;

namespace Backend.Tests.Device;

/// <summary>A queue's twin is served by a thread of its own, and is that queue's for whoever names queues.</summary>
[TestFixture]
public sealed class TwinTests
{
    private const int Twin = 1;
    private static readonly VirtioBlkConfig WithTwins = new() { HasTwins = true };

    [Test]
    public void A_queue_and_its_twin_are_served_by_two_threads()
    {
        using DeviceRig rig = new(queues: 1, ioThreads: 2, config: WithTwins);
        rig.Start();
        Assert.That(rig.Device.DataPlane.Running.Select(q => q.Context).Distinct().Count(), Is.EqualTo(2));
        Assert.That(rig.Do(BlkRequestType.Out, 8, "into the one"u8.ToArray().Concat(new byte[500]).ToArray()), Is.EqualTo(BlkStatus.Ok));
        int read = rig.Add(BlkRequestType.In, 8, readLength: 512, queue: Twin);
        rig.Kick(Twin);
        rig.Wait(1, Twin);
        Assert.That(rig.Data(read, Twin)[..12].ToArray(), Is.EqualTo("into the one"u8.ToArray()), "and out of the other");
    }

    [Test]
    public void The_driver_finds_the_queues_and_then_their_twins()
    {
        using DeviceRig rig = new(queues: 1, ioThreads: 2, config: WithTwins);
        Assert.That(rig.Device.FirstTwin, Is.EqualTo(1));
        Assert.That(rig.Device.Queues.Select(q => (q.Index, q.TwinOf, q.Owner)), Is.EqualTo(new (int, int?, int)[] { (0, null, 0), (1, 0, 0) }));
    }

    [Test]
    public void Faults_of_a_queue_are_its_twins_too()
    {
        using DeviceRig rig = new(queues: 1, ioThreads: 2, config: WithTwins);
        NamedQueues faults = new();
        rig.Device.ReplaceDriver(rig.Disk, faults);
        rig.Start();
        rig.Do(BlkRequestType.In, 0, readLength: 512, queue: Twin);
        Assert.That(faults.Names, Is.Not.Empty.And.All.Zero);
    }

    [TestCase(0)]
    [TestCase(1)]
    public void Twins_need_a_thread_each(int ioThreads) =>
        Assert.That(() => new DeviceRig(queues: 1, ioThreads: ioThreads, config: WithTwins), Throws.InstanceOf<UserErrorException>());

    private sealed class NamedQueues : IQueueFaults
    {
        public System.Collections.Concurrent.ConcurrentQueue<int> Names { get; } = [];

        public bool LosesKick(int queue)
        {
            Names.Enqueue(queue);
            return false;
        }

        public IrqFault OnIrq(int queue)
        {
            Names.Enqueue(queue);
            return IrqFault.None;
        }

        public RingCore.Faults.UsedRingField? OnUsed(int queue, out ulong draw)
        {
            Names.Enqueue(queue);
            draw = 0;
            return null;
        }
    }
}
