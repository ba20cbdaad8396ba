using RingCore.Hosting;

namespace EndToEnd.Lifecycle;

/// <summary>The counters tell what happened.</summary>
public sealed class StatsTests : EndToEndTest
{
    [Test]
    public void Writes_and_reads_are_counted_exactly_by_both_processes()
    {
        const int writes = 37;
        const int reads = 11;
        const int block = 8192;
        using AttachedDisk disk = Space.Attach(Space.Image(4 << 20));
        Tool.Run("dd", "if=/dev/urandom", $"of={disk.DiskFile}", $"bs={block}", $"count={writes}", "oflag=direct", "conv=notrunc", "iflag=fullblock")
            .Succeeded();
        Tool.Run("dd", $"if={disk.DiskFile}", "of=/dev/null", $"bs={block}", $"count={reads}", "iflag=direct").Succeeded();

        DiskStats stats = disk.Stats();
        Assert.Multiple(() =>
        {
            foreach (OperationStats total in new[] { stats.FrontTotal, stats.BackendTotal })
            {
                Assert.That(total.Write, Is.EqualTo(new OperationCount(writes, writes * block)));
                Assert.That(total.Read, Is.EqualTo(new OperationCount(reads, reads * block)));
                Assert.That(total.Discard.Requests + total.WriteZeroes.Requests, Is.Zero);
            }
        });
    }

    [Test]
    public void Every_queue_shows_kicks_irqs_batches_polls_and_latencies()
    {
        using AttachedDisk disk = Space.Attach(Space.Image(32 << 20), "--queues", "2", "--poll-max-ns", "10000");
        Fio.Run(disk.DiskFile, "--ioengine=libaio", "--direct=1", "--rw=randrw", "--bs=4k", "--iodepth=32", "--numjobs=2", "--size=8m");
        DiskStats stats = disk.Stats();
        Assert.Multiple(() =>
        {
            Assert.That(stats.Front.Queues, Has.Count.EqualTo(2));
            Assert.That(stats.Backend.Queues.Select(q => (q.Index, q.TwinOf)), Is.EqualTo(new (int, int?)[] { (0, null), (1, null), (2, 0), (3, 1) }));
            foreach (FrontQueueStats queue in stats.Front.Queues)
            {
                RequireSane(queue);
            }

            foreach (BackendQueueStats queue in stats.Backend.Queues)
            {
                RequireSane(queue);
            }

            Assert.That(stats.Front.Queues.Sum(q => q.KicksSent), Is.GreaterThan(0));
            Assert.That(stats.Backend.Queues.Sum(q => q.IrqsRaised), Is.GreaterThan(0));
            Assert.That(stats.BackendTotal.Read, Is.EqualTo(stats.FrontTotal.Read));
            Assert.That(stats.BackendTotal.Write, Is.EqualTo(stats.FrontTotal.Write));
        });
        string table = Space.Vdisk("stats", disk.Directory).Succeeded().Output;
        Assert.That(table, Does.Contain("queue 1").And.Contain("kicks").And.Contain("irqs"));
    }

    private static void RequireSane(FrontQueueStats queue)
    {
        long[] counters =
            [queue.KicksSent, queue.KicksSuppressed, queue.IrqsReceived, queue.Batches, queue.PollHits, queue.PollMisses];
        Assert.That(counters, Is.All.GreaterThanOrEqualTo(0));
        Assert.That(queue.KicksSent + queue.KicksSuppressed, Is.EqualTo(queue.Batches), "a batch is kicked for, or not");
        Assert.That(queue.InFlight, Is.Zero);
        Assert.That(queue.Errors, Is.Zero);
        RequireSane(queue.Latency, queue.Batches, queue.MeanBatch, queue.MaxBatch);
    }

    private static void RequireSane(BackendQueueStats queue)
    {
        long[] counters =
        [
            queue.KicksReceived, queue.IrqsRaised, queue.IrqsSuppressed, queue.Batches, queue.MergedRequests,
            queue.PollHits, queue.PollMisses,
        ];
        Assert.That(counters, Is.All.GreaterThanOrEqualTo(0));
        Assert.That(queue.InFlight, Is.Zero);
        Assert.That(queue.Errors, Is.Zero);
        RequireSane(queue.Latency, queue.Batches, queue.MeanBatch, queue.MaxBatch);
        Assert.That(queue.MeanBatch * queue.Batches, Is.EqualTo((double)queue.Operations.Total.Requests).Within(0.5));
    }

    private static void RequireSane(LatencyStats latency, long batches, double meanBatch, int maxBatch)
    {
        Assert.That(latency.P50Us, Is.LessThanOrEqualTo(latency.P99Us));
        Assert.That(latency.P99Us, Is.LessThanOrEqualTo(latency.MaxUs * 1.1 + 1), "a histogram's bucket may reach past the maximum");
        Assert.That(meanBatch, Is.LessThanOrEqualTo(maxBatch));
        Assert.That(batches == 0 || meanBatch >= 1, Is.True);
        Assert.That(maxBatch, Is.LessThanOrEqualTo(DiskOptions.StandardQueueSize));
    }
}
