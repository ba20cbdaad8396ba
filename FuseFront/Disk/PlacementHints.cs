using FuseFront.Driver;
using RingCore.Virtio;

namespace FuseFront.Disk;

/// <summary>What the device was told about where to serve each queue: a reset makes it forget. Any thread.</summary>
internal sealed class PlacementHints
{
    private readonly IDriverTransport _transport;
    private readonly uint[] _told;

    public PlacementHints(IDriverTransport transport, int queues)
    {
        _transport = transport;
        _told = new uint[queues];
        Array.Fill(_told, PlacementHint.Anywhere.ToRegister());
    }

    /// <summary>Tells the device.</summary>
    public void Send(int queue, PlacementHint hint)
    {
        Volatile.Write(ref _told[queue], hint.ToRegister()); // partner: SendAgain
        _transport.PlaceQueue(queue, hint);
    }

    /// <summary>The device has been reset: tells it all once more.</summary>
    public void SendAgain()
    {
        for (int queue = 0; queue < _told.Length; queue++)
        {
            PlacementHint hint = PlacementHint.FromRegister(Volatile.Read(ref _told[queue])); // partner: Send, which tells the device after it
            if (hint.Kind != PlacementKind.Anywhere)
            {
                _transport.PlaceQueue(queue, hint);
            }
        }
    }
}
