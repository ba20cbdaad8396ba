namespace RingCore.Aio;

/// <summary>
/// What an <see cref="AioContext"/> calls for one descriptor; always on the thread that runs the context. Immutable once
/// registered. A handler without <see cref="Poll"/> keeps the whole context from busy-polling.
/// </summary>
public sealed class AioHandler
{
    /// <summary>The descriptor is readable, at end of file, or in error.</summary>
    public Action? Read { get; init; }

    /// <summary>
    /// The event notifier was signalled since the last call. No <see cref="EventNotifier.TestAndClear"/> is needed, nor done where
    /// the kernel tells of each signal anyway: the counter of an eventfd stays as it is, and the system call that would clear it is
    /// spared. So after a handler was deleted, a counter above zero tells of a signal that may have been delivered or not; and
    /// a handler that is set, replaced, or taken along to another thread, may be called once for a signal of before.
    /// In place of <see cref="Read"/> and <see cref="Write"/>; only for <see cref="AioContext.SetEventNotifier"/>, and not for an
    /// eventfd that an io_uring signals by itself: that would end the poll of another ring which watches it.
    /// </summary>
    public Action? Notified { get; init; }

    /// <summary>The descriptor is writable.</summary>
    public Action? Write { get; init; }

    /// <summary>Looks, without a system call, whether there is work; true when there is. Called again and again while busy-polling.</summary>
    public Func<bool>? Poll { get; init; }

    /// <summary>
    /// Whether <see cref="Poll"/> may find something soon; asked before every sleep. While no handler that has this expects
    /// anything, the loop sleeps without busy-polling, and without an end to polling that has begun for them: what cannot come needs
    /// no notification. Null: no say in the matter.
    /// </summary>
    public Func<bool>? Expects { get; init; }

    /// <summary>
    /// Does the work that <see cref="Poll"/> found. Null: <see cref="Read"/> or <see cref="Notified"/> is called instead.
    /// </summary>
    public Action? PollReady { get; init; }

    /// <summary>Busy-polling begins: suppress notifications from the peer.</summary>
    public Action? PollBegin { get; init; }

    /// <summary>
    /// Busy-polling has ended: notifications are wanted again. Whatever arrived meanwhile is looked for once more by
    /// <see cref="Poll"/>. Also called when a handler whose <see cref="PollBegin"/> ran is replaced or deleted.
    /// </summary>
    public Action? PollEnd { get; init; }

    /// <summary>True when outside parties (guests, clients) trigger it: it does not run inside <see cref="AioContext.DisableExternal"/>.</summary>
    public bool IsExternal { get; init; }

    /// <summary>
    /// True when several contexts watch the same source, of which one is to wake up for each event (EPOLLEXCLUSIVE). Cannot be
    /// combined with <see cref="IsExternal"/>: a context that may not serve the event would take it from those that may. For
    /// the same reason, whoever deletes such a handler looks at the source once more. With epoll, a context that is busy leaves
    /// the event to one that sleeps; with io_uring it may keep it for later, so contexts that share a source best use epoll.
    /// Nor can it be combined with <see cref="Notified"/>.
    /// </summary>
    public bool IsExclusive { get; init; }
}
