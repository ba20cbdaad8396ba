using NUnit.Framework;
using RingCore.Posix;

namespace RingCore.Tests.Posix;

/// <summary>Each on a thread of its own, so that the test runner's is left as it was.</summary>
[TestFixture]
public sealed class ThreadSchedulingTests
{
    [Test]
    public void Batch_is_set_for_one_thread_and_taken_back() => OwnThread.Run(() =>
    {
        Assert.That(ThreadScheduling.TrySetBatch(), Is.Zero);
        Assert.That(ThreadScheduling.IsBatch(), Is.True);
        OwnThread.Run(() => Assert.That(ThreadScheduling.TrySetNormal(), Is.Zero));
        Assert.That(ThreadScheduling.IsBatch(), Is.True);
        Assert.That(ThreadScheduling.TrySetNormal(), Is.Zero);
        Assert.That(ThreadScheduling.IsBatch(), Is.False);
    });

    [Test]
    public void Affinity_is_set_and_read_back_also_by_thread_id() => OwnThread.Run(() =>
    {
        int[] all = ThreadScheduling.GetAffinity();
        Assert.That(all, Is.Not.Empty);
        Assert.That(ThreadScheduling.TrySetAffinity([all[^1]]), Is.Zero);
        Assert.That(ThreadScheduling.GetAffinity(), Is.EqualTo((int[])[all[^1]]));
        int id = ThreadScheduling.CurrentThreadId;
        int result = -1;
        OwnThread.Run(() => result = ThreadScheduling.TrySetAffinity(all, id));
        Assert.That(result, Is.Zero);
        Assert.That(ThreadScheduling.GetAffinity(id), Is.EqualTo(all));
    });

    [Test]
    public void Slice_is_set_and_taken_back_and_the_policy_stays() => OwnThread.Run(() =>
    {
        const long Slice = 50_000_000;
        Assert.That(ThreadScheduling.TrySetBatch(), Is.Zero);
        long standard = ThreadScheduling.GetSlice();
        Assert.That(ThreadScheduling.TrySetSlice(Slice), Is.Zero);
        long set = ThreadScheduling.GetSlice();
        Assert.That(set, Is.EqualTo(standard == 0 ? 0 : Slice), "a kernel before 6.12 takes it, does nothing and says 0");
        Assert.That(ThreadScheduling.TrySetSlice(0), Is.Zero);
        Assert.That(ThreadScheduling.GetSlice(), Is.EqualTo(standard));
        Assert.That(ThreadScheduling.IsBatch(), Is.True);
    });

    [Test]
    public void Slice_of_a_thread_that_does_not_exist_is_an_error() =>
        Assert.That(ThreadScheduling.TrySetSlice(1_000_000, int.MaxValue), Is.EqualTo(Errno.ESRCH));

    [Test]
    public void Impossible_affinities_are_errors() => OwnThread.Run(() =>
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
        OwnThread.Run(() => other = ThreadScheduling.CurrentThreadId);
        Assert.That(other, Is.Not.Zero.And.Not.EqualTo(ThreadScheduling.CurrentThreadId));
    }
}
