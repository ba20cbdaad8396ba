using FuseFront.Driver;
using RingCore.Virtio;

namespace FuseFront.Disk;

/// <summary>What the device was told about where to serve each virtqueue: a reset makes it forget. Any thread.</summary>
internal sealed class PlacementHints
{
    private readonly IDriverTransport _transport;
    private readonly PlacementHint[] _told;
    private readonly Lock _lock = new(); // the device hears last what is in _told

    public PlacementHints(IDriverTransport transport, int queues)
    {
        _transport = transport;
        _told = new PlacementHint[queues];
        Array.Fill(_told, PlacementHint.Anywhere);
    }

    /// <summary>Tells the device what it has not been told yet.</summary>
    public void Send(int queue, PlacementHint hint)
    {
        lock (_lock)
        {
            if (_told[queue] != hint)
            {
                _told[queue] = hint;
                _transport.PlaceQueue(queue, hint);
            }
        }
    }

    /// <summary>The device has been reset: tells it all once more.</summary>
    public void SendAgain()
    {
        lock (_lock)
        {
            for (int queue = 0; queue < _told.Length; queue++)
            {
                if (_told[queue].Kind != PlacementKind.Anywhere)
                {
                    _transport.PlaceQueue(queue, _told[queue]);
                }
            }
        }
    }
}
