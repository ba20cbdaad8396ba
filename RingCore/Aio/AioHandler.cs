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
    /// The event notifier was signalled, and has been cleared already: no <see cref="EventNotifier.TestAndClear"/> is needed, and
    /// io_uring spares its system call. In place of <see cref="Read"/> and <see cref="Write"/>; only for
    /// <see cref="AioContext.SetEventNotifier"/>. A signal that was taken but not delivered when the handler is deleted or
    /// replaced goes back into the notifier, where the next <see cref="EventNotifier.TestAndClear"/> or handler finds it.
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
