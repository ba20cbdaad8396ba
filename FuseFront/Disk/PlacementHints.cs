using FuseFront.Driver;

namespace FuseFront.Disk;

/// <summary>What the device was told about where to serve each queue: a reset makes it forget. Any thread.</summary>
internal sealed class PlacementHints
{
    private const int Anywhere = -1;
    private readonly IDriverTransport _transport;
    private readonly int[] _cpus;

    public PlacementHints(IDriverTransport transport, int queues)
    {
        _transport = transport;
        _cpus = new int[queues];
        Array.Fill(_cpus, Anywhere);
    }

    /// <summary>Tells the device; null: anywhere.</summary>
    public void Send(int queue, int? cpu)
    {
        Volatile.Write(ref _cpus[queue], cpu ?? Anywhere); // partner: SendAgain
        _transport.PlaceQueue(queue, cpu);
    }

    /// <summary>The device has been reset: tells it all once more.</summary>
    public void SendAgain()
    {
        for (int queue = 0; queue < _cpus.Length; queue++)
        {
            if (Volatile.Read(ref _cpus[queue]) is >= 0 and int cpu) // partner: Send, which tells the device after it
            {
                _transport.PlaceQueue(queue, cpu);
            }
        }
    }
}
