using NLog;
using RingCore.Posix;

namespace RingCore.Aio;

/// <content>Descriptors and their handlers.</content>
public sealed partial class AioContext
{
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly Dictionary<FileDescriptor, FdNode> _nodes = [];

    // Changes from other threads. Guarded by its own lock; _hasChanges spares the loop from taking it.
    private readonly Queue<HandlerChange> _changes = [];
    private bool _hasChanges;

    private int _externalDisabled;
    private bool _externalResumed;
    private int _unpollableHandlers;

    /// <summary>
    /// Adds, replaces (same descriptor) or, with null, deletes. From any thread, and from inside a running handler. On the
    /// loop's own thread it holds at once: a deleted handler is not called again, and the descriptor may be closed. From
    /// elsewhere it holds from the loop's next round on, and the handler may run until then: whoever is going to dispose what
    /// it uses deletes it by <see cref="Invoke"/>. The descriptor itself stays open until the loop let go of it.
    /// </summary>
    /// <exception cref="PosixException">
    /// With epoll, EPERM for a descriptor that cannot be polled, such as a regular file (io_uring takes it for always ready).
    /// <see cref="Poll"/> throws it when another thread called this.
    /// </exception>
    public void SetFdHandler(FileDescriptor fd, AioHandler? handler) => SetHandler(fd, null, handler);

    /// <summary>The same for an event notifier. The handler's Read is responsible for TestAndClear, its Notified is not (<see cref="AioHandler.Notified"/>).</summary>
    public void SetEventNotifier(EventNotifier notifier, AioHandler? handler) =>
        SetHandler(notifier.ReadDescriptor, notifier, handler);

    /// <summary>
    /// Lets the other contexts that watch the source of <paramref name="fd"/> exclusively (<see cref="AioHandler.IsExclusive"/>)
    /// have the next event, as long as one of them sleeps: of those that do, the kernel wakes the one that has watched
    /// longest. Nothing is lost, and nothing allocated. Loop's thread; without a handler for <paramref name="fd"/> nothing happens.
    /// </summary>
    public void YieldNextEvent(FileDescriptor fd)
    {
        if (_nodes.TryGetValue(fd, out FdNode? node) && !node.IsSuspended)
        {
            _monitor!.Requeue(node);
        }
    }

    private void SetHandler(FileDescriptor fd, EventNotifier? notifier, AioHandler? handler)
    {
        if (handler is { IsExternal: true, IsExclusive: true })
        {
            throw new ArgumentException("An exclusive handler cannot be external.", nameof(handler));
        }

        bool misusesNotified = notifier is null || handler is { IsExclusive: true } or not { Read: null, Write: null };
        if (handler?.Notified is not null && misusesNotified)
        {
            throw new ArgumentException("Notified is for event notifiers, alone, and not exclusive.", nameof(handler));
        }

        if (handler is not null)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            bool added = false;
            fd.DangerousAddRef(ref added); // released when the node goes, or in Apply when there is one already
        }

        if (t_current == this)
        {
            ApplyChanges(); // earlier ones of other threads come first
            Apply(new HandlerChange(fd, notifier, handler));
            return;
        }

        lock (_changes)
        {
            _changes.Enqueue(new HandlerChange(fd, notifier, handler));
            Volatile.Write(ref _hasChanges, true); // pairs with ApplyChanges
        }

        _waker.Notify();
    }

    /// <summary>
    /// External handlers do not run until the matching <see cref="EnableExternal"/>; nests; any thread. From another thread
    /// one that is running just now may still be; <see cref="Invoke"/> it to be sure. Events are kept for later.
    /// </summary>
    public void DisableExternal() => Interlocked.Increment(ref _externalDisabled); // pairs with IsHeld

    /// <summary>Ends the matching <see cref="DisableExternal"/>; any thread.</summary>
    public void EnableExternal()
    {
        int left = Interlocked.Decrement(ref _externalDisabled); // pairs with IsHeld
        if (left < 0)
        {
            Interlocked.Increment(ref _externalDisabled);
            throw new InvalidOperationException("EnableExternal without DisableExternal.");
        }

        if (left == 0)
        {
            // After the decrement: a handler that is suspended because of a count from before is seen by the loop below.
            Volatile.Write(ref _externalResumed, true); // pairs with ApplyChanges
            Notify();
        }
    }

    private bool IsHeld(AioHandler handler) =>
        handler.IsExternal && Volatile.Read(ref _externalDisabled) > 0; // pairs with DisableExternal and EnableExternal

    private void ApplyChanges()
    {
        if (Volatile.Read(ref _externalResumed) && Volatile.Read(ref _externalDisabled) == 0) // pairs with EnableExternal
        {
            Volatile.Write(ref _externalResumed, false);
            ResumeExternal();
        }

        while (Volatile.Read(ref _hasChanges)) // pairs with SetFdHandler
        {
            HandlerChange change;
            lock (_changes)
            {
                if (!_changes.TryDequeue(out change))
                {
                    Volatile.Write(ref _hasChanges, false);
                    return;
                }
            }

            Apply(change);
        }
    }

    private void Apply(HandlerChange change)
    {
        _nodes.TryGetValue(change.Descriptor, out FdNode? node);
        if (change.Handler is null)
        {
            if (node is not null)
            {
                Delete(node);
            }
        }
        else if (node is null)
        {
            Add(change);
        }
        else
        {
            change.Descriptor.DangerousRelease(); // the node holds one
            Replace(node, change.Notifier, change.Handler);
        }

        RebuildPollNodes();
    }

    private void Add(HandlerChange change)
    {
        FileDescriptor descriptor = change.Descriptor;
        FdNode node = new(descriptor, change.Notifier) { Handler = change.Handler };
        try
        {
            _monitor!.Watch(node, node.WantedEvents);
        }
        catch
        {
            descriptor.DangerousRelease();
            throw;
        }

        _nodes.Add(descriptor, node);
    }

    private void Replace(FdNode node, EventNotifier? notifier, AioHandler handler)
    {
        AioHandler old = node.Handler!;
        node.PassOn();
        node.Handler = handler;
        node.Notifier = notifier ?? node.Notifier;

        // What Poll found for the old handler, or what came unannounced while it was polling, the new one has to look for.
        MarkForPollCheck(node, node.IsPollStarted || node.ReadyByPoll || node.NeedsPollCheck);
        node.ReadyByPoll = false;
        node.ReadyEvents = PollEvents.None; // level triggered: reported again
        if (node.IsSuspended && !handler.IsExternal)
        {
            node.IsSuspended = false;
        }

        if (!node.IsSuspended)
        {
            _monitor!.Watch(node, node.WantedEvents);
        }

        EndPolling(node, old);
    }

    private void Delete(FdNode node)
    {
        AioHandler old = node.Handler!;
        node.Handler = null;
        node.NeedsPollCheck = false;
        _nodes.Remove(node.Descriptor);
        node.IsNotified = false; // the counter was not cleared: whoever watches it next is told
        _monitor!.Unwatch(node);
        EndPolling(node, old);
        node.Descriptor.DangerousRelease();
    }

    private void ResumeExternal()
    {
        foreach (FdNode node in _nodes.Values)
        {
            if (node.IsSuspended)
            {
                node.IsSuspended = false;
                _monitor!.Watch(node, node.WantedEvents);
                if (node.IsNotified)
                {
                    EnqueueReady(node);
                }
            }
        }
    }

    private void WatchAllAgain()
    {
        foreach (FdNode node in _nodes.Values)
        {
            node.ResetWatch();
            if (!node.IsSuspended)
            {
                _monitor!.Watch(node, node.WantedEvents);
            }
        }
    }

    private void ReleaseHandlers()
    {
        foreach (FdNode node in _nodes.Values)
        {
            node.Handler = null;
            node.Descriptor.DangerousRelease();
        }

        _nodes.Clear();
        lock (_changes)
        {
            foreach (HandlerChange change in _changes.Where(c => c.Handler is not null))
            {
                change.Descriptor.DangerousRelease();
            }

            _changes.Clear();
        }
    }

    private readonly record struct HandlerChange(FileDescriptor Descriptor, EventNotifier? Notifier, AioHandler? Handler);
}
