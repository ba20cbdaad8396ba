using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;

namespace RingCore.Tests.Aio;

[TestFixture(false)]
[TestFixture(true)]
public sealed class EventNotifierTests(bool usePipe)
{
    [Test]
    public void It_is_set_by_signals_and_cleared_by_one_test()
    {
        using EventNotifier notifier = new(usePipe);
        Assert.That(notifier.TestAndClear(), Is.False);
        for (int i = 0; i < 3; i++)
        {
            Assert.That(notifier.Signal(), Is.True);
        }

        Assert.That(notifier.TestAndClear(), Is.True);
        Assert.That(notifier.TestAndClear(), Is.False);
    }

    [Test]
    public void A_full_one_does_not_block_and_is_cleared_at_once()
    {
        using EventNotifier notifier = new(usePipe);
        byte[] nearlyFull = usePipe ? new byte[65536] : BitConverter.GetBytes(ulong.MaxValue - 1);
        Assert.That(notifier.WriteDescriptor.Write(nearlyFull), Is.GreaterThan(0));
        Assert.That(notifier.Signal(), Is.True);
        Assert.That(notifier.TestAndClear(), Is.True);
        Assert.That(notifier.TestAndClear(), Is.False);
    }

    [Test]
    public void It_wakes_a_context()
    {
        using AioContext context = new();
        using EventNotifier notifier = new(usePipe);
        int calls = 0;
        context.SetEventNotifier(notifier, new AioHandler { Read = () => calls += notifier.TestAndClear() ? 1 : 0 });
        notifier.Signal();
        while (calls == 0)
        {
            context.Poll(blocking: true);
        }

        context.Poll(blocking: false);
        Assert.That(calls, Is.EqualTo(1));
    }

    [Test]
    public void A_descriptor_from_a_peer_is_taken_over()
    {
        using EventNotifier mine = new();
        using EventNotifier theirs = new(mine.WriteDescriptor.Duplicate());
        theirs.Signal();
        Assert.That(mine.TestAndClear(), Is.True);
    }

    [Test]
    public void Reader_and_writer_are_one_for_an_eventfd_and_two_for_a_pipe()
    {
        using EventNotifier notifier = new(usePipe);
        Assert.That(notifier.ReadDescriptor == notifier.WriteDescriptor, Is.EqualTo(!usePipe));
        Assert.That(notifier.ReadDescriptor.Read(new byte[8]), Is.EqualTo(-Errno.EAGAIN));
    }
}
