using RingCore.Aio;
using RingCore.Memory;

namespace Backend.Device;

/// <summary>What a transport (virtio-pci over vfio-user, vhost-user) gives to a device.</summary>
public interface IVirtioTransport
{
    /// <summary>Guest memory; the snapshot in <see cref="GuestMemory.Current"/> may be read on any thread.</summary>
    GuestMemory Memory { get; }

    /// <summary>
    /// The driver's side leaves the pages behind <see cref="Memory"/> as they are while they are mapped, so that the kernel may keep
    /// them for us. Where it may give some back at any time (a balloon), pages that are kept would no longer be the driver's.
    /// </summary>
    bool MayKeepPages { get; }

    /// <summary>Queue interrupts can be raised from IOThreads, without the server's thread.</summary>
    bool HasGuestNotifiers { get; }

    /// <summary>Doorbells can be bound to event notifiers.</summary>
    bool HasIoEventFds { get; }

    /// <summary>
    /// Binds (or unbinds) guest notifiers for queues 0..<paramref name="count"/>-1, so that <see cref="NotifyQueue"/> may be
    /// called from any thread.
    /// </summary>
    void SetGuestNotifiers(int count, bool assign);

    /// <summary>
    /// The doorbell of queue <paramref name="index"/> where the driver's side brings its own; the caller's from now on. Null: the
    /// device makes one, and has it bound by <see cref="AssignIoEventFd"/>.
    /// </summary>
    EventNotifier? TakeHostNotifier(int index);

    /// <summary>
    /// Binds the doorbell of queue <paramref name="index"/> to <paramref name="notifier"/>, or unbinds it: every address
    /// at which the driver may ring. Throws when it cannot, having undone what it did.
    /// </summary>
    void AssignIoEventFd(int index, EventNotifier notifier, bool assign);

    /// <summary>Raises the interrupt of queue <paramref name="index"/>. Any thread while guest notifiers are set.</summary>
    void NotifyQueue(int index);

    /// <summary>
    /// The driver broke queue <paramref name="index"/>, which is not served any more. Any thread while guest notifiers are set.
    /// </summary>
    void NotifyQueueBroken(int index);

    /// <summary>
    /// The server's thread, which calls this, has waited for long for another one. That may hang on an interrupt's eventfd which
    /// a hostile client has made a blocking one and filled: frees it.
    /// </summary>
    void FreeStuckThreads();

    /// <summary>Raises the configuration-change interrupt (DEVICE_NEEDS_RESET, capacity). Any thread.</summary>
    void NotifyConfig();
}
