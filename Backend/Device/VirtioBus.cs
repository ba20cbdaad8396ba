using RingCore.Aio;

namespace Backend.Device;

/// <summary>
/// Between a device and its transport: owns the host notifiers. Everything here runs on the server's thread.
/// </summary>
public sealed class VirtioBus(IVirtioTransport transport)
{
    public IVirtioTransport Transport { get; } = transport;

    /// <summary>
    /// Assigns a host notifier to the queue, so that the driver's doorbell becomes an event on a descriptor, or takes it
    /// from the doorbell again. After un-assigning, the notifier still exists, so that a last kick can be fetched from it;
    /// <see cref="CleanUpHostNotifier"/> closes it. When assigning fails nothing is left behind.
    /// </summary>
    public void SetHostNotifier(VirtQueue queue, bool assign)
    {
        if (!assign)
        {
            Transport.AssignIoEventFd(queue.Index, queue.HostNotifier!, assign: false);
            return;
        }

        if (queue.HostNotifier != null)
        {
            throw new InvalidOperationException($"queue {queue.Index} already has a host notifier");
        }

        EventNotifier notifier = Transport.TakeHostNotifier(queue.Index) ?? new EventNotifier();
        try
        {
            Transport.AssignIoEventFd(queue.Index, notifier, assign: true);
        }
        catch
        {
            notifier.Dispose();
            throw;
        }

        queue.HostNotifier = notifier;
    }

    /// <summary>Closes an un-assigned host notifier.</summary>
    public void CleanUpHostNotifier(VirtQueue queue)
    {
        queue.HostNotifier?.Dispose();
        queue.HostNotifier = null;
    }
}
