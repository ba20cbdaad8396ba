using System.Diagnostics;
using Backend.Block;
using Backend.Faults;
using RingCore.Faults;
using RingCore.Hosting;
using RingCore.Posix;

namespace Backend.Tests.Faults;

/// <summary>When rules strike: conditions, states, time, chance, and the commands that change them.</summary>
[TestFixture]
public sealed class RuleMatchingTests
{
    [TestCase("on write every 3 fail EIO", "..x..x..x..x")]
    [TestCase("on write skip 2 every 3 fail EIO", "....x..x..x.")]
    [TestCase("on write skip 2 every 3 count 2 fail EIO", "....x..x....")]
    [TestCase("on write count 2 fail EIO", "xx..........")]
    [TestCase("on write skip 10 fail EIO", "..........xx")]
    [TestCase("on read fail EIO", "............")]
    [TestCase("on write size 1K fail EIO", "............")]
    [TestCase("on write size 512..1K fail EIO", "xxxxxxxxxxxx")]
    [TestCase("on write queue 1 fail EIO", "............")]
    [TestCase("on write queue 0 count 1 fail EIO", "x...........")]
    [TestCase("on any every 2 fail EIO", ".x.x.x.x.x.x")]
    public void Strikes_where_it_says(string text, string pattern)
    {
        using FaultRig rig = new(queues: 2);
        ArmedRule rule = rig.Add(text);
        Assert.That(Strikes(rig, pattern.Length), Is.EqualTo(pattern));
        Assert.That(rule.Hits, Is.EqualTo(pattern.Count(c => c == 'x')));
    }

    [Test]
    public void Queues_are_told_apart()
    {
        using FaultRig rig = new(queues: 2);
        rig.Add("on write queue 1 fail EIO");
        Assert.That(rig.Write(0, new byte[512], queue: 0), Is.Zero);
        Assert.That(rig.Write(0, new byte[512], queue: 1), Is.EqualTo(Errno.EIO));
    }

    [Test]
    public void State_is_that_of_before_the_event()
    {
        using FaultRig rig = new();
        rig.Add("on write skip 1 count 1 set broken");
        rig.Add("on write when broken count 2 fail EIO");
        rig.Add("on flush when broken set start");
        Assert.That(Strikes(rig, 4), Is.EqualTo("..xx"), "the write that sets the state does not meet it");
        Assert.That(rig.Engine.State, Is.EqualTo("broken"));
        Assert.That(rig.Run(BlockOperation.Flush), Is.Zero);
        Assert.That(rig.Engine.State, Is.EqualTo(FaultStates.Start));
    }

    [Test]
    public void Same_seed_gives_the_same_faults_and_another_seed_others()
    {
        string[] runs = [.. new ulong[] { 5, 5, 6 }.Select(seed =>
        {
            using FaultRig rig = new(seed);
            rig.Add("on write probability 30% fail EIO");
            return Strikes(rig, 200);
        })];
        Assert.That(runs[1], Is.EqualTo(runs[0]));
        Assert.That(runs[2], Is.Not.EqualTo(runs[0]));
        Assert.That(runs[0].Count(c => c == 'x'), Is.InRange(35, 85), "about 60 of 200");
    }

    [Test]
    public void Rules_of_one_disk_have_chances_of_their_own()
    {
        using FaultRig rig = new(seed: 3);
        rig.Add("on write size 512 probability 50% fail EIO");
        rig.Add("on write size 1K probability 50% fail EIO");
        string first = Strikes(rig, 64);
        string second = Strikes(rig, 64, 1024);
        Assert.That(second, Is.Not.EqualTo(first));
    }

    [Test]
    public void Count_holds_with_many_threads()
    {
        FaultEngine engine = new(1, new BlockLimits { Length = 4096 }, 4, new NoHost());
        ArmedRule rule = engine.Add(RuleParser.Parse("on write skip 10 every 2 count 500 fail EIO"));
        int strikes = 0;
        Parallel.For(0, 4, queue =>
        {
            for (int i = 0; i < 5000; i++)
            {
                if (engine.Decide(engine.Active!.Of(FaultEvent.Write)!, queue, 0, 512).Outcome is not null)
                {
                    Interlocked.Increment(ref strikes);
                }
            }
        });
        Assert.That((strikes, rule.Hits), Is.EqualTo((500, 500)));
    }

    [Test]
    public void Asking_without_a_match_allocates_nothing()
    {
        using FaultRig rig = new();
        rig.Add("on write at 512K..1M fail EIO");
        rig.Add("on write when never fail EIO");
        rig.Add("on any from 1m hang");
        rig.Add("on write probability 0.000001% fail EIO");
        ArmedRule[] rules = rig.Engine.Active!.Of(FaultEvent.Write)!;
        Ask(1000);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Ask(10_000);
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);

        void Ask(int times)
        {
            for (int i = 0; i < times; i++)
            {
                rig.Engine.Decide(rules, 0, 0, 512);
            }
        }
    }

    [Test]
    public void Delay_lasts_as_long_as_it_says()
    {
        using FaultRig rig = new();
        rig.Add("on write delay 20ms..40ms");
        long start = Stopwatch.GetTimestamp();
        Assert.That(rig.Write(0, new byte[512]), Is.Zero);
        Assert.That(Stopwatch.GetElapsedTime(start), Is.GreaterThanOrEqualTo(TimeSpan.FromMilliseconds(20)));
        Assert.That(rig.Image()[..512], Is.All.Zero);
    }

    [Test]
    public void Delayed_requests_complete_in_time_order_not_in_submission_order()
    {
        using FaultRig rig = new();
        rig.Add("on write size 512 delay 300ms");
        rig.Add("on write size 1K delay 1ms");
        BlockRequest slow = rig.Request(BlockOperation.Write, 0, 512, new byte[512]);
        BlockRequest quick = rig.Request(BlockOperation.Write, 4096, 1024, new byte[1024]);
        rig.Submit(slow);
        rig.Submit(quick);
        Assert.That(rig.Queues[0].InFlight, Is.EqualTo(2));
        rig.Until(() => FaultRig.IsDone(quick));
        Assert.That(FaultRig.IsDone(slow), Is.False);
        rig.Until(() => FaultRig.IsDone(slow));
    }

    [Test]
    public void Rate_bounds_all_requests_together()
    {
        using FaultRig rig = new();
        rig.Add("on write rate 1M/s");
        long start = Stopwatch.GetTimestamp();
        List<BlockRequest> requests = [.. Enumerable.Range(0, 8).Select(i => rig.Request(BlockOperation.Write, i * 8192, 8192, new byte[8192]))];
        requests.ForEach(r => rig.Submit(r));
        rig.Until(() => requests.TrueForAll(FaultRig.IsDone));
        Assert.That(Stopwatch.GetElapsedTime(start), Is.GreaterThanOrEqualTo(TimeSpan.FromSeconds(64 / 1024.0)));
    }

    [Test]
    public void Hang_ends_with_its_window()
    {
        using FaultRig rig = new();
        ArmedRule rule = rig.Add("on any to 150ms hang");
        long start = rule.AddedAt;
        Assert.That(rig.Write(0, new byte[512]), Is.Zero);
        Assert.That(Stopwatch.GetElapsedTime(start), Is.GreaterThanOrEqualTo(TimeSpan.FromMilliseconds(150)));
        Assert.That(rig.Image()[..512], Is.All.Zero, "it is done after all");
        Assert.That(rig.Write(0, new byte[512]), Is.Zero, "the window is over");
    }

    [TestCase("remove")]
    [TestCase("clear")]
    [TestCase("pause")]
    public void Hang_ends_when_the_rule_goes(string how)
    {
        using FaultRig rig = new();
        ArmedRule rule = rig.Add("stuck: on write hang");
        BlockRequest request = rig.Request(BlockOperation.Write, 0, 512, new byte[512]);
        rig.Submit(request);
        rig.Context.Poll(blocking: false);
        Assert.That(FaultRig.IsDone(request), Is.False);
        Assert.That(rule.Holding, Is.EqualTo(1));
        switch (how)
        {
            case "remove":
                rig.Engine.Remove("stuck");
                break;
            case "clear":
                rig.Engine.Clear();
                break;
            default:
                rig.Engine.SetPaused(true);
                break;
        }

        rig.Until(() => FaultRig.IsDone(request));
        Assert.That(request.Error, Is.Zero);
        Assert.That(rig.Image()[..512], Is.All.Zero);
        Assert.That(rule.Holding, Is.Zero);
    }

    [Test]
    public void Draining_fails_what_hangs_and_finishes_what_is_late()
    {
        using FaultRig rig = new();
        rig.Add("on write size 512 hang");
        rig.Add("on write size 1K delay 1m");
        BlockRequest hung = rig.Request(BlockOperation.Write, 0, 512, new byte[512]);
        BlockRequest late = rig.Request(BlockOperation.Write, 4096, 1024, new byte[1024]);
        rig.Submit(hung);
        rig.Submit(late);
        rig.Queues[0].LetGo();
        rig.Until(() => FaultRig.IsDone(hung) && FaultRig.IsDone(late));
        Assert.That((hung.Error, late.Error), Is.EqualTo((Errno.EIO, 0)));
        Assert.That(rig.Image()[4096..5120], Is.All.Zero);
        Assert.That(rig.Image()[..512], Is.EqualTo(FaultRig.Pattern()[..512]));
    }

    [Test]
    public void Paused_rules_neither_strike_nor_count()
    {
        using FaultRig rig = new();
        ArmedRule rule = rig.Add("on write every 2 fail EIO");
        rig.Engine.SetPaused(true);
        Assert.That(Strikes(rig, 5), Is.EqualTo("....."));
        Assert.That(rule.Seen, Is.Zero);
        rig.Engine.SetPaused(false);
        Assert.That(Strikes(rig, 4), Is.EqualTo(".x.x"));
    }

    [Test]
    public void Numbers_are_not_used_twice_and_both_names_find_a_rule()
    {
        using FaultRig rig = new();
        rig.Add("a: on write drop");
        rig.Add("on write drop");
        rig.Engine.Remove("2");
        Assert.That(rig.Add("on write drop").Number, Is.EqualTo(3));
        rig.Engine.Remove("a");
        Assert.That(rig.Engine.List().Select(r => r.Number), Is.EqualTo([3]));
        Assert.Throws<UserErrorException>(() => rig.Engine.Remove("a"));
    }

    [TestCase("on write at 1M fail EIO", "the disk ends at 1048576")]
    [TestCase("on write size 2M fail EIO", "the disk has only 1048576 bytes")]
    [TestCase("on write queue 1 fail EIO", "the disk has queues 0 to 0")]
    public void Rule_that_cannot_match_is_refused(string text, string why)
    {
        using FaultRig rig = new();
        Assert.That(Assert.Throws<UserErrorException>(() => rig.Add(text))!.Message, Does.Contain(why));
        Assert.That(rig.Engine.Active, Is.Null);
    }

    [Test]
    public void Waiting_ends_with_the_hit_or_with_the_time()
    {
        using FaultRig rig = new();
        rig.Add("w: on write fail EIO");
        Assert.That(rig.Engine.WaitForHits("w", 1, TimeSpan.FromMilliseconds(10), out long none), Is.False);
        Assert.That(none, Is.Zero);
        Task<long> waiting = Task.Run(() => rig.Engine.WaitForHits("w", 3, TimeSpan.FromMinutes(1), out long hits) ? hits : -1);
        while (!waiting.IsCompleted)
        {
            Strikes(rig, 1);
        }

        Assert.That(waiting.Result, Is.GreaterThanOrEqualTo(3));
    }

    private static string Strikes(FaultRig rig, int writes, int length = 512) =>
        string.Concat(Enumerable.Range(0, writes).Select(_ => rig.Write(0, new byte[length]) == 0 ? '.' : 'x'));

    private sealed class NoHost : IFaultHost
    {
        public void Kill(string why)
        {
        }

        public void CutPower(PowerCutKeep keep, ulong seed)
        {
        }
    }
}
