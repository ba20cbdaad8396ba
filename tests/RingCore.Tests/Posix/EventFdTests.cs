using NUnit.Framework;
using RingCore.Posix;

namespace RingCore.Tests.Posix;

[TestFixture]
public sealed class EventFdTests
{
    [Test]
    public void Full_counter_is_as_good_as_signalled()
    {
        using EventFd fd = new();
        Fill(fd);
        Assert.That(fd.Signal(), Is.True);
        Assert.That(fd.TestAndClear(), Is.True);
        Assert.That(fd.TestAndClear(), Is.False);
    }

    /// <summary>
    /// O_NONBLOCK is the peer's to clear too. (Where such a thread stops the collector, nothing of this process runs any more: the
    /// runner's time limit ends it.)
    /// </summary>
    [Test]
    public void Peer_that_makes_the_counter_blocking_and_full_holds_one_thread_and_no_collection()
    {
        using EventFd fd = new();
        fd.Signal();
        Fill(fd);
        using FileDescriptor peer = fd.Descriptor.Duplicate();
        peer.SetNonBlocking(false);
        int threadId = 0;
        Thread held = new(() =>
        {
            Volatile.Write(ref threadId, ThreadScheduling.CurrentThreadId); // partner: the wait below
            fd.Signal();
        });
        held.Start();
        Assert.That(() => TaskState.IsAsleep(Volatile.Read(ref threadId)), Is.True.After(30_000, 1));
        GC.Collect();
        Assert.That(held.IsAlive, Is.True);
        Assert.That(fd.TestAndClear(), Is.True);
        Assert.That(held.Join(30_000), Is.True);
    }

    /// <summary>Up to what an eventfd can hold (eventfd(2)).</summary>
    private static void Fill(EventFd fd)
    {
        fd.TestAndClear();
        Assert.That(fd.Descriptor.Write(BitConverter.GetBytes(ulong.MaxValue - 1)), Is.EqualTo(sizeof(ulong)));
    }
}
