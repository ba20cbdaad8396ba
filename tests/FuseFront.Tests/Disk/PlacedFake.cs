using System.Diagnostics;
using FuseFront.Disk;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Tests.Disk;

/// <summary>A queue under one load, with a thread of its own that is really moved.</summary>
internal sealed class PlacedFake : IPlacedQueue
{
    private int[] _allowed = [];

    public int Index => 0;

    public int ChooseCpu(bool mayTakeTurns) => _allowed[0];

    public long OthersTotal => 0;

    public bool MayPoll => true;

    public int MaxDepthBeside { get; init; } = int.MaxValue;

    /// <summary>How long the thread is told that it waits for its CPU: the machine's own waits are none of the tests' business.</summary>
    public long MeanDelayNs { get; init; }

    public int WakeUpsPerRequest { get; init; }

    public int LongestMs { get; init; }

    public List<PlacementHint> Hints { get; } = [];

    public List<PlacementHint> TwinHints { get; } = [];

    public List<Placement> Followed { get; } = [];

    /// <summary>Where the thread may run after its last move.</summary>
    public int[] SeenCpus { get; private set; } = [];

    public long TakeLongestTicks() => Stopwatch.Frequency / 1000 * LongestMs;

    public bool HasTwin { get; init; }

    public void PlaceDevice(PlacementHint own, PlacementHint twin)
    {
        Hints.Add(own);
        TwinHints.Add(twin);
    }

    public void Follow(Placement placement) => Followed.Add(placement);

    /// <summary>
    /// Goes on until there were so many moves, and a few looks longer when there should be no more. Returns the CPUs that may be
    /// used.
    /// </summary>
    public int[] Place(int inFlight, int moves)
    {
        _allowed = ThreadScheduling.GetAffinity();
        if (_allowed.Length < 2)
        {
            Assert.Ignore("one CPU only");
        }

        Thread thread = new(() =>
        {
            using QueuePlacement placement = new(this, new GrowingPause(), () => MeanDelayNs);

            // A last move that is made again and again ends the loop, one that is to hold is looked at a little longer.
            int least = moves > 1 ? 0 : 20;
            for (int looks = 1; looks < 1000 && (placement.Moves < moves || looks <= least); looks++)
            {
                long requests = looks * 100L;
                placement.Observe(new QueueTotals(requests, requests * 4096, requests * WakeUpsPerRequest), inFlight, submitter: 7);
                Thread.Sleep(5); // A decision is made every 2 ms at most, a look at the delay every 20.
            }

            SeenCpus = ThreadScheduling.GetAffinity();
        });
        thread.Start();
        thread.Join();
        return _allowed;
    }
}
