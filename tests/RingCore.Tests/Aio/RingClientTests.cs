using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;

namespace RingCore.Tests.Aio;

/// <summary>Others' operations in the loop's io_uring. The clients end with their contexts.</summary>
public sealed unsafe class RingClientTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [OneTimeSetUp]
    public void RequireIoUring()
    {
        if (IoUring.UnavailableErrno != 0)
        {
            Assert.Ignore($"io_uring: {Errno.Name(IoUring.UnavailableErrno)}");
        }
    }

    [Test]
    public void There_is_none_under_epoll()
    {
        using AioContext context = new(new AioContextOptions { Monitor = FdMonitorKind.Epoll });
        context.Poll(blocking: false);
        Assert.That(context.Ring, Is.Null);
    }

    [TestCase(false)]
    [TestCase(true)]
    public void Entries_are_as_large_as_was_asked_for(bool large)
    {
        using AioContext context = Create(large);
        context.Poll(blocking: false);
        Assert.That(context.Ring!.HasLargeEntries, Is.EqualTo(large));
    }

    [TestCase(false, 0)]
    [TestCase(true, 0)]
    [TestCase(true, 100_000)]
    public void What_is_prepared_goes_with_the_next_wait(bool large, long pollMaxNs)
    {
        using AioContext context = Create(large, pollMaxNs);
        context.Poll(blocking: false);
        Recorder recorder = new();
        RingClient client = context.Ring!.Register(recorder, 1000);
        for (uint tag = 0; tag < 1000; tag++)
        {
            client.Prepare(tag)->PrepareNop(); // more than the ring holds
        }

        PollUntil(context, () => recorder.Results.Count == 1000);
        Assert.That(recorder.Results.Select(r => r.Tag), Is.EquivalentTo(Enumerable.Range(0, 1000)));
        Assert.That(recorder.Results.Select(r => r.Result), Is.All.Zero);
        Assert.That(recorder.Batches, Is.GreaterThan(0).And.LessThanOrEqualTo(1000));
        Assert.That(client.InFlight, Is.Zero);
    }

    [Test]
    public void The_loop_does_not_sleep_on_what_a_completion_prepares()
    {
        using AioContext context = Create();
        context.Poll(blocking: false);
        Recorder recorder = new();
        RingClient client = context.Ring!.Register(recorder, 1);
        recorder.Then = tag => client.Prepare(tag)->PrepareNop();
        client.Prepare(0)->PrepareNop();
        PollUntil(context, () => recorder.Results.Count >= 100);
        Assert.That(context.Statistics.Rounds, Is.LessThan(200));
    }

    [Test]
    public void A_tag_has_one_operation_at_a_time()
    {
        using AioContext context = Create();
        context.Poll(blocking: false);
        RingClient client = context.Ring!.Register(new Recorder(), 2);
        client.Prepare(1)->PrepareNop();
        Assert.That(() => (nint)client.Prepare(1), Throws.InvalidOperationException);
        Assert.That(() => (nint)client.Prepare(2), Throws.InstanceOf<IndexOutOfRangeException>());
    }

    [Test]
    public void Clients_and_descriptors_are_told_apart()
    {
        using AioContext context = Create();
        using EventNotifier notifier = new();
        int notified = 0;
        context.SetEventNotifier(notifier, new AioHandler { Notified = () => notified++ });
        context.Poll(blocking: false);
        Recorder one = new(), two = new();
        RingClient first = context.Ring!.Register(one, 4);
        RingClient second = context.Ring!.Register(two, 4);
        first.Prepare(3)->PrepareNop();
        second.Prepare(3)->PrepareNop();
        notifier.Signal();
        PollUntil(context, () => one.Results.Count == 1 && two.Results.Count == 1 && notified == 1);
    }

    [Test]
    public void Disposing_cancels_what_is_in_flight()
    {
        using AioContext context = Create();
        using EventFd never = new();
        context.Poll(blocking: false);
        Recorder recorder = new(), other = new();
        RingClient client = context.Ring!.Register(recorder, 2);
        RingClient bystander = context.Ring!.Register(other, 1);
        ulong* buffer = stackalloc ulong[1];
        client.Prepare(0)->PrepareRead(never.Descriptor, buffer, sizeof(ulong), 0);
        client.Prepare(1)->PreparePollAdd(never.Descriptor, PollEvents.In);
        context.Poll(blocking: false);
        Assert.That(client.InFlight, Is.EqualTo(2));
        context.ScheduleOneShot(client.Dispose);
        context.Poll(blocking: false);
        never.Signal();
        bystander.Prepare(0)->PrepareNop();
        PollUntil(context, () => other.Results.Count == 1);
        Assert.That(recorder.Results, Is.Empty);
        Assert.That(never.TestAndClear(), Is.True, "the read is gone");
    }

    [Test]
    public void A_new_ring_takes_over_descriptors_and_timers()
    {
        using AioContext context = Create();
        using EventNotifier notifier = new();
        using EventFd never = new();
        int notified = 0;
        context.SetEventNotifier(notifier, new AioHandler { Notified = () => notified++ });
        context.Poll(blocking: false);
        Recorder recorder = new();
        RingClient client = context.Ring!.Register(recorder, 1);
        ulong* buffer = stackalloc ulong[1];
        client.Prepare(0)->PrepareRead(never.Descriptor, buffer, sizeof(ulong), 0);
        context.Poll(blocking: false);
        notifier.Signal();
        context.ScheduleOneShot(context.ReplaceMonitor);
        context.Poll(blocking: false);
        PollUntil(context, () => notified >= 1 && recorder.Results.Count == 1);
        Assert.That(recorder.Results, Is.EqualTo(new[] { (0u, -Errno.ECANCELED) }));
        client.Prepare(0)->PrepareNop();
        PollUntil(context, () => recorder.Results.Count == 2);
    }

    [Test]
    public void Disposing_the_context_first_is_no_matter()
    {
        AioContext context = Create();
        context.Poll(blocking: false);
        RingClient client = context.Ring!.Register(new Recorder(), 1);
        client.Prepare(0)->PrepareNop();
        context.Dispose();
        client.Dispose();
        Assert.That(() => (nint)client.Prepare(0), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public void Rounds_with_operations_allocate_nothing()
    {
        using AioContext context = Create(large: true);
        context.Poll(blocking: false);
        Counter counter = new();
        RingClient client = context.Ring!.Register(counter, 32);
        void Run(int rounds)
        {
            for (int i = 0; i < rounds; i++)
            {
                for (uint tag = 0; tag < 32; tag++)
                {
                    client.Prepare(tag)->PrepareNop();
                }

                while (client.InFlight != 0)
                {
                    context.Poll(blocking: true);
                }
            }
        }

        Run(50);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Run(200);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        Assert.That(counter.Completions, Is.EqualTo(250 * 32));
    }

    private static AioContext Create(bool large = false, long pollMaxNs = 0) => new(new AioContextOptions
    {
        Name = "test",
        Monitor = FdMonitorKind.IoUring,
        LargeSubmissionEntries = large,
        PollMaxNs = pollMaxNs,
    });

    private static void PollUntil(AioContext context, Func<bool> condition)
    {
        long end = Environment.TickCount64 + (long)Patience.TotalMilliseconds;
        using AioTimer alarm = context.CreateTimer(() => { });
        alarm.Arm(Patience);
        while (!condition())
        {
            Assert.That(Environment.TickCount64, Is.LessThan(end), "the condition never held");
            context.Poll(blocking: true);
        }
    }

    private sealed class Recorder : IRingCompletion
    {
        public List<(uint Tag, int Result)> Results { get; } = [];

        public int Batches { get; private set; }

        public Action<uint>? Then { get; set; }

        public void Completed(uint tag, int result)
        {
            Results.Add((tag, result));
            Then?.Invoke(tag);
        }

        public void EndBatch() => Batches++;
    }

    private sealed class Counter : IRingCompletion
    {
        public int Completions { get; private set; }

        public void Completed(uint tag, int result) => Completions++;

        public void EndBatch()
        {
        }
    }
}
