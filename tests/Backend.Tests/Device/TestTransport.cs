using Backend.Device;
using RingCore.Aio;
using RingCore.Memory;
using RingCore.Posix;

namespace Backend.Tests.Device;

/// <summary>
/// A transport in memory: real guest memory and real notifiers, no bus. Records what the device binds, and can fail at a
/// chosen queue.
/// </summary>
internal sealed class TestTransport : IVirtioTransport, IDisposable
{
    private readonly SemaphoreSlim[] _irqs = new SemaphoreSlim[VirtioBlkConfig.MaxVirtqueues];
    private int _configIrqs;

    public TestTransport()
    {
        for (int i = 0; i < _irqs.Length; i++)
        {
            _irqs[i] = new SemaphoreSlim(0);
        }
    }

    public GuestMemory Memory { get; } = new();

    public bool MayKeepPages { get; init; } = true;

    public bool HasGuestNotifiers { get; init; } = true;

    public bool HasIoEventFds { get; init; } = true;

    /// <summary>Assigning this queue's doorbell fails.</summary>
    public int FailAssignAt { get; set; } = -1;

    public bool FailGuestNotifiers { get; set; }

    /// <summary>Everything bound and unbound, in order.</summary>
    public List<string> Calls { get; } = [];

    /// <summary>Doorbells bound now.</summary>
    public Dictionary<int, EventNotifier> Doorbells { get; } = [];

    public bool GuestNotifiersAssigned { get; private set; }

    public int ConfigIrqs => Volatile.Read(ref _configIrqs);

    public void SetGuestNotifiers(int count, bool assign)
    {
        Calls.Add($"guest {(assign ? "+" : "-")}{count}");
        if (assign && FailGuestNotifiers)
        {
            throw new PosixException(Errno.EMFILE, "guest notifiers");
        }

        GuestNotifiersAssigned = assign;
    }

    public void AssignIoEventFd(int index, EventNotifier notifier, bool assign)
    {
        Calls.Add($"host {(assign ? "+" : "-")}{index}");
        if (assign && index == FailAssignAt)
        {
            throw new PosixException(Errno.ENOSPC, "ioeventfd");
        }

        if (assign)
        {
            Doorbells.Add(index, notifier);
        }
        else
        {
            Doorbells.Remove(index);
        }
    }

    public void NotifyQueue(int index) => _irqs[index].Release();

    public EventNotifier? TakeHostNotifier(int index) => null;

    public void NotifyQueueBroken(int index)
    {
    }

    public void FreeStuckThreads()
    {
    }

    public void NotifyConfig() => Interlocked.Increment(ref _configIrqs);

    public bool WaitIrq(int index) => _irqs[index].Wait(TimeSpan.FromSeconds(20));

    /// <summary>Interrupts raised and not waited for.</summary>
    public int PendingIrqs(int index) => _irqs[index].CurrentCount;

    public void Dispose() => Memory.Dispose();
}
