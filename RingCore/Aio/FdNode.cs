using RingCore.Posix;

namespace RingCore.Aio;

/// <summary>
/// One watched descriptor of a context. Belongs to the thread that runs the context. Holds a reference on the descriptor, so
/// that a handle which is disposed while another thread's deletion is still on its way stays open until the monitor let go.
/// <para>
/// A node has three states side by side; a new handler, or none, settles all three (AioContext.Handlers):
/// <list type="bullet">
/// <item>its turn (dispatch): idle, or in the ready queue with why: <see cref="ReadyEvents"/>, <see cref="IsNotified"/>,
/// <see cref="ReadyByPoll"/>. Dispatch takes it out and clears all three.</item>
/// <item>its polling (the polling phase): <see cref="IsPollStarted"/> between PollBegin and PollEnd, which also owes one look,
/// <see cref="NeedsPollCheck"/>, before the loop may sleep.</item>
/// <item>its watch (the monitor): not watched (<see cref="Watched"/> none), watched, and for io_uring queued to be armed
/// (<see cref="IsArmQueued"/>), or armed. What is armed stays the kernel's until its last completion, also when the handler
/// is gone. <see cref="IsSuspended"/> is a watch that waits for external handlers to be enabled.</item>
/// </list>
/// </para>
/// </summary>
internal sealed class FdNode(FileDescriptor descriptor, EventNotifier? notifier)
{
    internal FileDescriptor Descriptor { get; } = descriptor;

    /// <summary>The notifier whose end the descriptor is; null when it was watched as a mere descriptor.</summary>
    internal EventNotifier? Notifier { get; set; } = notifier;

    /// <summary>Null once deleted.</summary>
    internal AioHandler? Handler { get; set; }

    // What the context knows.

    /// <summary>Link of the ready queue, while <see cref="InReadyQueue"/>.</summary>
    internal FdNode? NextReady { get; set; }

    internal bool InReadyQueue { get; set; }

    /// <summary>Reported by the monitor, not yet dispatched.</summary>
    internal PollEvents ReadyEvents { get; set; }

    /// <summary>The notifier was signalled, seen by its edge; the handler's Notified does not know yet.</summary>
    internal bool IsNotified { get; set; }

    /// <summary>Found by the handler's Poll, not yet dispatched.</summary>
    internal bool ReadyByPoll { get; set; }

    /// <summary>PollBegin was called and PollEnd was not.</summary>
    internal bool IsPollStarted { get; set; }

    /// <summary>Poll has to be asked once before the loop sleeps.</summary>
    internal bool NeedsPollCheck { get; set; }

    /// <summary>An event came while external handlers were disabled: not watched until they are enabled.</summary>
    internal bool IsSuspended { get; set; }

    // What the monitor knows.

    /// <summary>Index in <see cref="FdNodeTable"/>, or -1.</summary>
    internal int Slot { get; set; } = -1;

    /// <summary>What is watched for; none when not watched.</summary>
    internal PollEvents Watched { get; set; }

    /// <summary>io_uring: a poll is in the kernel, for <see cref="ArmedFor"/>.</summary>
    internal bool IsArmed { get; set; }

    internal PollEvents ArmedFor { get; set; }

    /// <summary>io_uring: the poll stays armed when it completes.</summary>
    internal bool IsMultishot { get; set; }

    /// <summary>io_uring: in the list of polls to be submitted, linked by <see cref="NextArm"/>.</summary>
    internal bool IsArmQueued { get; set; }

    internal FdNode? NextArm { get; set; }

    /// <summary>
    /// What to watch for on behalf of the handler. An eventfd makes an edge of every signal, so whoever wants to be told of signals
    /// and nothing else need not have the counter cleared after each: one system call less for a wake-up.
    /// </summary>
    internal PollEvents WantedEvents
    {
        get
        {
            PollEvents events = PollEvents.None;
            if (Handler is { } handler)
            {
                events |= handler.Read is null && handler.Notified is null ? PollEvents.None : PollEvents.In;
                events |= handler.Write is null ? PollEvents.None : PollEvents.Out;
                events |= handler.Notified is null || Notifier is not { IsEventFd: true } ? PollEvents.None : PollEvents.Edge;
                events |= events != PollEvents.None && handler.IsExclusive ? PollEvents.Exclusive : PollEvents.None;
            }

            return events;
        }
    }

    /// <summary>Makes another edge of one that was seen and not delivered, for the next handler.</summary>
    internal void PassOn()
    {
        if (IsNotified)
        {
            IsNotified = false;
            Notifier!.SignalIfRoom();
        }
    }

    /// <summary>Forgets the monitor's part, for another monitor.</summary>
    internal void ResetWatch()
    {
        Slot = -1;
        Watched = PollEvents.None;
        IsArmed = false;
        ArmedFor = PollEvents.None;
        IsMultishot = false;
        IsArmQueued = false;
        NextArm = null;
    }
}
