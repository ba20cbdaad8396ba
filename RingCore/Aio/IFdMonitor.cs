using RingCore.Posix;

namespace RingCore.Aio;

/// <summary>
/// A way to wait for descriptors. Level triggered: what is ready and was not dealt with is reported again; but with
/// <see cref="PollEvents.Edge"/>, which is kept in <see cref="FdNode.IsNotified"/> before it is reported. Only the thread
/// that runs the context calls it; it allocates nothing in <see cref="Wait"/>.
/// </summary>
internal interface IFdMonitor : IDisposable
{
    FdMonitorKind Kind { get; }

    /// <summary>
    /// True when <see cref="Wait"/> would find something at once, or something waits to be handed to the kernel. No system call.
    /// </summary>
    bool HasWork { get; }

    /// <summary>False when it is bound to another thread than the calling one.</summary>
    bool CanRunHere { get; }

    /// <summary>Watches, or changes what is watched for; <see cref="PollEvents.None"/> pauses.</summary>
    /// <exception cref="PosixException">The descriptor cannot be watched (also possible later, from <see cref="Wait"/>).</exception>
    void Watch(FdNode node, PollEvents events);

    /// <summary>Puts an exclusive watch behind all others of the same source; what is ready is reported all the same.</summary>
    void Requeue(FdNode node);

    /// <summary>Ends a watch. After it the kernel holds nothing of the descriptor that would keep it from closing.</summary>
    void Unwatch(FdNode node);

    /// <summary>
    /// Waits until something is ready or the time is over, and reports to the sink. A negative <paramref name="timeoutNs"/>
    /// waits for ever, 0 not at all. May return early with nothing.
    /// </summary>
    void Wait(long timeoutNs);

    /// <summary>Hands to the kernel what waits for the next <see cref="Wait"/>, if anything does.</summary>
    void Submit();

    /// <summary>
    /// The last call before <see cref="IDisposable.Dispose"/> of a monitor that is replaced: reports all that the kernel has told.
    /// Also on a thread on which it cannot run.
    /// </summary>
    void Retire();
}

/// <summary>Takes the events of an <see cref="IFdMonitor"/>.</summary>
internal interface IFdEventSink
{
    /// <summary>Notes the events for later; false pauses the watch, as <see cref="IFdMonitor.Watch"/> with no events does.</summary>
    bool Report(FdNode node, PollEvents events);
}
