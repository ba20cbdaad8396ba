using Bench.Cases;
using Bench.Contestants;
using Bench.Fio;
using Bench.Measuring;
using Bench.Reports;

namespace Bench;

/// <summary>A contestant with its folder, which serves from <see cref="Start"/> to <see cref="Stop"/>, and what has been measured of it.</summary>
internal sealed class Entrant(Contestant contestant, ContestantFolder folder, Region region)
{
    private static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(250); // what was hot is compiled once more after 100 ms
    private readonly Dictionary<Workload, List<Sample>> _samples = [];
    private Serving? _serving;

    public Contestant Contestant => contestant;

    public ContestantFolder Folder => folder;

    public Region Region => region;

    /// <exception cref="InvalidOperationException">It does not serve now.</exception>
    public Serving Serving => _serving ?? throw new InvalidOperationException($"{Name} does not serve.");

    public string Name => contestant.Name;

    /// <summary>Counters of our own disk after the start: they say how it runs.</summary>
    public VdiskCounters? About { get; private set; }

    /// <summary>The most CPU time that its servers took while another contestant was measured.</summary>
    public TimeSpan MostSpentIdle { get; private set; }

    /// <summary>Starts it on the image in its folder, and warms it up.</summary>
    /// <exception cref="RingCore.Hosting.UserErrorException">It does not start, or not as it should.</exception>
    /// <exception cref="OperationCanceledException"/>
    public void Start(TimeSpan warmUp, CancellationToken cancel)
    {
        _serving = contestant.Start(folder, cancel);
        Check();
        if (contestant.Kind != ContestantKind.Raw)
        {
            foreach (Workload workload in Workloads.WarmUp)
            {
                FioRun.Run(workload, _serving.File, region, warmUp / Workloads.WarmUp.Count, cancel);
            }

            cancel.WaitHandle.WaitOne(Settling);
        }

        About = _serving.Counters();
    }

    /// <summary>Ends its processes and its mount, if it serves.</summary>
    public void Stop()
    {
        _serving?.Dispose();
        _serving = null;
    }

    /// <summary>Before each measurement: the right mount, and the right content in it.</summary>
    /// <exception cref="RingCore.Hosting.UserErrorException">With what is wrong.</exception>
    public void Check()
    {
        Serving.Verify();
        Marker.Verify(folder.Image, Serving.File, region.Offset);
    }

    public void Add(Workload workload, Sample sample)
    {
        if (!_samples.TryGetValue(workload, out List<Sample>? samples))
        {
            _samples.Add(workload, samples = []);
        }

        samples.Add(sample);
    }

    /// <summary>It took <paramref name="time"/> while another was measured.</summary>
    public void SpentIdle(TimeSpan time) => MostSpentIdle = time > MostSpentIdle ? time : MostSpentIdle;

    public ReportResult ResultOf(Workload workload) => ReportResult.Of(workload.Name, Name, _samples[workload]);

    public ReportContestant Describe() =>
        new(Name, contestant.Family, contestant.Kind, contestant.Description, About?.FuseTransport, About?.Features);
}
