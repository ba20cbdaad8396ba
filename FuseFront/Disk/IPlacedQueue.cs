using RingCore.Virtio;

namespace FuseFront.Disk;

/// <summary>The queue that a <see cref="QueuePlacement"/> places. Every member is for the queue's own thread.</summary>
internal interface IPlacedQueue
{
    int Index { get; }

    /// <summary>Which CPU the queue had better be on: in general the one that its requests come from. Asked at every look.</summary>
    /// <param name="mayTakeTurns">
    /// The disk's queues may take the requests of one thread in turns, each on a CPU of its own, if the thread wanders.
    /// </param>
    int ChooseCpu(bool mayTakeTurns);

    /// <summary>Requests that the disk's other queues have answered so far.</summary>
    long OthersTotal { get; }

    /// <summary>The queue's thread may look for work before it sleeps, where that pays.</summary>
    bool MayPoll { get; }

    /// <summary>
    /// Most requests in flight with which it pays that the device runs beside the application and looks for work; 0 when it cannot be
    /// told to.
    /// </summary>
    int MaxDepthBeside { get; }

    /// <summary>The longest time that a request took since the last call, from arrival to answer, in ticks of Stopwatch.</summary>
    long TakeLongestTicks();

    /// <summary>It pays that another thread of the device's serves a part of a deep queue's requests, elsewhere than the others.</summary>
    bool HasTwin { get; }

    /// <summary>Hints to the device where to serve the queue, and where its twin.</summary>
    void PlaceDevice(PlacementHint own, PlacementHint twin);

    /// <summary>The queue's own thread has been placed: it is to look for work before it sleeps as becomes <paramref name="placement"/>.</summary>
    void Follow(Placement placement);
}
