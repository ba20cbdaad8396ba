using NUnit.Framework;
using RingCore.Posix;

namespace RingCore.Tests.Posix;

[TestFixture]
public sealed class EpollTests
{
    [Test]
    public void Events_come_with_their_data_until_the_watch_ends()
    {
        const ulong Data = 0xFEDC_BA98_7654_3210;
        using Epoll epoll = new(4);
        using EventFd eventFd = new();
        epoll.Add(eventFd.Descriptor, PollEvents.In, Data);
        Assert.That(epoll.Wait(0), Is.Zero);
        eventFd.Signal();
        Assert.That(epoll.Wait(-1), Is.EqualTo(1));
        Assert.That(epoll.GetEvent(0, out ulong data), Is.EqualTo(PollEvents.In));
        Assert.That(data, Is.EqualTo(Data));
        epoll.Modify(eventFd.Descriptor, PollEvents.Out, 2);
        Assert.That(epoll.Wait(0), Is.EqualTo(1));
        Assert.That((epoll.GetEvent(0, out data), data), Is.EqualTo((PollEvents.Out, 2UL)));
        epoll.Remove(eventFd.Descriptor);
        Assert.That(epoll.Wait(0), Is.Zero);
        Assert.That(() => epoll.GetEvent(4, out _), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void More_events_than_the_buffer_holds_come_in_turns()
    {
        using Epoll epoll = new(4);
        EventFd[] eventFds = [.. Enumerable.Range(0, 10).Select(_ => new EventFd())];
        for (int i = 0; i < eventFds.Length; i++)
        {
            epoll.Add(eventFds[i].Descriptor, PollEvents.In, (ulong)i);
            eventFds[i].Signal();
        }

        SortedSet<ulong> seen = [];
        for (int turn = 0; turn < 3; turn++)
        {
            int count = epoll.Wait(0);
            Assert.That(count, Is.EqualTo(turn < 2 ? 4 : 2));
            for (int i = 0; i < count; i++)
            {
                epoll.GetEvent(i, out ulong index);
                seen.Add(index);
                eventFds[index].TestAndClear();
            }
        }

        Assert.That(seen, Has.Count.EqualTo(10));
        Array.ForEach(eventFds, e => e.Dispose());
    }

    [TestCase(1)]
    [TestCase(1_500_000)]
    public void A_wait_ends_with_its_time(long timeoutNs)
    {
        using Epoll epoll = new();
        Assert.That(epoll.Wait(timeoutNs), Is.Zero); // a signal of the runtime may end it earlier
    }

    [Test]
    public void Errors_keep_their_errno()
    {
        using Epoll epoll = new();
        using EventFd eventFd = new();
        epoll.Add(eventFd.Descriptor, PollEvents.In, 0);
        Assert.That(
            () => epoll.Add(eventFd.Descriptor, PollEvents.In, 0),
            Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.EEXIST));
        epoll.Remove(eventFd.Descriptor);
        Assert.That(
            () => epoll.Remove(eventFd.Descriptor),
            Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.ENOENT));
    }
}
