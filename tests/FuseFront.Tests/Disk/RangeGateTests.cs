using System.Collections.Concurrent;
using FuseFront.Disk;

namespace FuseFront.Tests.Disk;

/// <summary>Two writes that may not meet do not, and whoever waits is let in.</summary>
[TestFixture]
public sealed class RangeGateTests
{
    private readonly List<(int Queue, int Slot)> _granted = [];
    private RangeGate _gate = null!;

    [SetUp]
    public void SetUp()
    {
        _granted.Clear();
        _gate = new RangeGate(queues: 2, slots: 4) { Granted = (queue, slot) => _granted.Add((queue, slot)) };
    }

    [Test]
    public void Aligned_writes_never_wait_for_one_another()
    {
        Assert.That(_gate.TryEnterShared(0, 0, 0, 4096), Is.True);
        Assert.That(_gate.TryEnterShared(0, 1, 0, 4096), Is.True);
        Assert.That(_gate.TryEnterShared(1, 0, 512, 1024), Is.True);
    }

    [Test]
    public void Unaligned_write_waits_for_an_aligned_one_in_its_sectors_only()
    {
        Assert.That(_gate.TryEnterShared(0, 0, 0, 512), Is.True);
        Assert.That(_gate.TryEnterExclusive(1, 0, 512, 1024), Is.True);
        Assert.That(_gate.TryEnterExclusive(1, 1, 0, 512), Is.False);
        _gate.LeaveShared(0, 0);
        Assert.That(_granted, Is.EqualTo(new[] { (1, 1) }));
    }

    [Test]
    public void Aligned_write_waits_for_an_unaligned_one()
    {
        Assert.That(_gate.TryEnterExclusive(0, 0, 0, 1024), Is.True);
        Assert.That(_gate.TryEnterShared(1, 0, 512, 2048), Is.False);
        Assert.That(_gate.TryEnterShared(1, 1, 1024, 2048), Is.True);
        _gate.LeaveExclusive(0, 0);
        Assert.That(_granted, Is.EqualTo(new[] { (1, 0) }));
        Assert.That(_gate.TryEnterExclusive(0, 1, 512, 1024), Is.False, "the granted one is under way");
        _gate.LeaveShared(1, 0);
        Assert.That(_granted, Is.EqualTo(new[] { (1, 0), (0, 1) }));
    }

    [Test]
    public void Waiters_come_in_the_order_of_their_arrival()
    {
        Assert.That(_gate.TryEnterExclusive(0, 0, 0, 512), Is.True);
        Assert.That(_gate.TryEnterExclusive(0, 1, 0, 512), Is.False);
        Assert.That(_gate.TryEnterShared(1, 0, 0, 512), Is.False);
        Assert.That(_gate.TryEnterExclusive(1, 1, 0, 512), Is.False);
        _gate.LeaveExclusive(0, 0);
        Assert.That(_granted, Is.EqualTo(new[] { (0, 1) }));
        _gate.LeaveExclusive(0, 1);
        Assert.That(_granted, Is.EqualTo(new[] { (0, 1), (1, 0) }));
        _gate.LeaveShared(1, 0);
        Assert.That(_granted, Is.EqualTo(new[] { (0, 1), (1, 0), (1, 1) }));
    }

    [Test]
    public void Cancelled_waiter_makes_room_for_those_behind_it()
    {
        Assert.That(_gate.TryEnterShared(0, 0, 0, 512), Is.True);
        Assert.That(_gate.TryEnterExclusive(0, 1, 0, 512), Is.False);
        Assert.That(_gate.TryEnterShared(1, 0, 0, 512), Is.False);
        Assert.That(_gate.TryCancel(0, 0), Is.False, "it is in, not waiting");
        Assert.That(_gate.TryCancel(0, 1), Is.True);
        Assert.That(_granted, Is.EqualTo(new[] { (1, 0) }));
        Assert.That(_gate.TryCancel(0, 1), Is.False);
    }

    [Test]
    public void Threads_never_meet_in_a_sector_and_nobody_waits_for_ever()
    {
        const int Sectors = 4;
        const int Rounds = 30_000;
        using BlockingCollection<int> first = [];
        using BlockingCollection<int> second = [];
        BlockingCollection<int>[] granted = [first, second];
        RangeGate gate = new(2, 1) { Granted = (queue, slot) => granted[queue].Add(slot) };
        int[] shared = new int[Sectors];
        int[] exclusive = new int[Sectors];
        int violations = 0;
        void Work(int queue)
        {
            Random random = new(queue);
            for (int i = 0; i < Rounds; i++)
            {
                int from = random.Next(Sectors);
                int to = random.Next(from, Sectors) + 1;
                bool isExclusive = random.Next(4) == 0;
                bool entered = isExclusive
                    ? gate.TryEnterExclusive(queue, 0, from * 512, to * 512)
                    : gate.TryEnterShared(queue, 0, from * 512, to * 512);
                if (!entered && !granted[queue].TryTake(out _, TimeSpan.FromSeconds(30)))
                {
                    throw new TimeoutException($"queue {queue} was never let in, round {i}");
                }

                for (int s = from; s < to; s++)
                {
                    int others = isExclusive
                        ? Interlocked.Increment(ref exclusive[s]) - 1 + Volatile.Read(ref shared[s])
                        : (Interlocked.Increment(ref shared[s]) * 0) + Volatile.Read(ref exclusive[s]);
                    Interlocked.Add(ref violations, others);
                }

                for (int s = from; s < to; s++)
                {
                    Interlocked.Decrement(ref isExclusive ? ref exclusive[s] : ref shared[s]);
                }

                if (isExclusive)
                {
                    gate.LeaveExclusive(queue, 0);
                }
                else
                {
                    gate.LeaveShared(queue, 0);
                }
            }
        }

        Task other = Task.Factory.StartNew(() => Work(1), TaskCreationOptions.LongRunning);
        Work(0);
        Assert.That(other.Wait(TimeSpan.FromSeconds(60)), Is.True);
        Assert.That(violations, Is.Zero);
    }
}
