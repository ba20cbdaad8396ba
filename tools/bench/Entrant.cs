using Bench.Cases;
using Bench.Contestants;
using Bench.Measuring;
using Bench.Reports;

namespace Bench;

/// <summary>A contestant that has started, and what has been measured of it.</summary>
internal sealed class Entrant(Contestant contestant, ContestantFolder folder, Region region, Serving serving)
{
    private readonly Dictionary<Workload, List<Sample>> _samples = [];

    public Contestant Contestant => contestant;

    public ContestantFolder Folder => folder;

    public Region Region => region;

    public Serving Serving => serving;

    public string Name => contestant.Name;

    /// <summary>Counters of our own disk after the start: they say how it runs.</summary>
    public VdiskCounters? About { get; set; }

    /// <summary>The most CPU time that its servers took while another contestant was measured.</summary>
    public TimeSpan MostSpentIdle { get; private set; }

    /// <summary>Before each measurement: the right mount, and the right content in it.</summary>
    /// <exception cref="RingCore.Hosting.UserErrorException">With what is wrong.</exception>
    public void Check()
    {
        serving.Verify();
        Marker.Verify(folder.Image, serving.File, region.Offset);
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
