using NUnit.Framework;
using RingCore.Posix;

namespace RingCore.Tests.Posix;

[TestFixture]
public sealed class ThreadSchedulingTests
{
    // On a thread of its own, so that the test runner's is left as it was.
    private static void OnThread(Action action)
    {
        Exception? failure = null;
        Thread thread = new(() =>
        {
            try
            {
                action();
            }
            catch (Exception e)
            {
                failure = e;
            }
        });
        thread.Start();
        thread.Join();
        if (failure is not null)
        {
            throw new InvalidOperationException(failure.Message, failure);
        }
    }

    [Test]
    public void Batch_is_set_for_one_thread_and_taken_back() => OnThread(() =>
    {
        Assert.That(ThreadScheduling.TrySetBatch(), Is.Zero);
        Assert.That(ThreadScheduling.IsBatch(), Is.True);
        OnThread(() => Assert.That(ThreadScheduling.TrySetNormal(), Is.Zero));
        Assert.That(ThreadScheduling.IsBatch(), Is.True);
        Assert.That(ThreadScheduling.TrySetNormal(), Is.Zero);
        Assert.That(ThreadScheduling.IsBatch(), Is.False);
    });

    [Test]
    public void Affinity_is_set_and_read_back_also_by_thread_id() => OnThread(() =>
    {
        int[] all = ThreadScheduling.GetAffinity();
        Assert.That(all, Is.Not.Empty);
        Assert.That(ThreadScheduling.TrySetAffinity([all[^1]]), Is.Zero);
        Assert.That(ThreadScheduling.GetAffinity(), Is.EqualTo((int[])[all[^1]]));
        int id = ThreadScheduling.CurrentThreadId;
        int result = -1;
        OnThread(() => result = ThreadScheduling.TrySetAffinity(all, id));
        Assert.That(result, Is.Zero);
        Assert.That(ThreadScheduling.GetAffinity(id), Is.EqualTo(all));
    });

    [Test]
    public void Impossible_affinities_are_errors() => OnThread(() =>
    {
        Assert.That(ThreadScheduling.TrySetAffinity([]), Is.EqualTo(Errno.EINVAL));
        Assert.That(
            () => ThreadScheduling.TrySetAffinity([ThreadScheduling.MaxCpus]),
            Throws.InstanceOf<ArgumentOutOfRangeException>());
    });

    [Test]
    public void Thread_ids_differ()
    {
        int other = 0;
        OnThread(() => other = ThreadScheduling.CurrentThreadId);
        Assert.That(other, Is.Not.Zero.And.Not.EqualTo(ThreadScheduling.CurrentThreadId));
    }
}
