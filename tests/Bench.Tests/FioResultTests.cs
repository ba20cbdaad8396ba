using Bench.Cases;
using Bench.Fio;
using RingCore.Hosting;

namespace Bench.Tests;

public class FioResultTests
{
    private const string Good = """
        fio: a warning that comes first
        {
          "fio version" : "fio-3.33",
          "jobs" : [ {
            "jobname" : "x", "error" : 0,
            "mixed" : {
              "iops" : 411594.54, "bw_bytes" : 1685891243, "runtime" : 513, "total_ios" : 211148,
              "clat_ns" : { "min" : 8234, "percentile" : { "50.000000" : 23168, "99.000000" : 71168 } }
            } } ]
        }
        """;

    [Test]
    public void Figures_of_both_directions_are_read()
    {
        FioResult result = FioResult.Parse(Good);
        Assert.That(result, Is.EqualTo(new FioResult(211148, 411594.54, 1685891243, 23.168, 71.168)));
    }

    [TestCase("", "nothing was written")]
    [TestCase("fio: engine libaio not loadable", "libaio")]
    [TestCase("{}", "cannot be read")]
    [TestCase("{ broken", "cannot be read")]
    [TestCase("""{"jobs":[]}""", "cannot be read")]
    [TestCase("""{"jobs":[{"error":5}]}""", "errno 5")]
    [TestCase("""{"jobs":[{"error":0,"mixed":{"total_ios":0}}]}""", "no request")]
    public void What_is_no_result_is_refused_with_the_reason(string output, string reason) =>
        Assert.That(() => FioResult.Parse(output), Throws.TypeOf<UserErrorException>().With.Message.Contains(reason));

    [Test]
    public void A_colon_in_the_path_does_not_make_two_files() =>
        Assert.That(
            Workloads.Standard[0].FioArguments("/a:b", 0, 4096, TimeSpan.FromSeconds(1)), Does.Contain("--filename=/a\\:b"));

    [Test]
    public void Cases_are_chosen_by_name_in_the_order_of_the_catalogue()
    {
        Assert.That(Workloads.Select(["read-1m", "rr-q1"]).Select(w => w.Name), Is.EqualTo(["rr-q1", "read-1m"]));
        Assert.That(() => Workloads.Select(["rr"]), Throws.TypeOf<UserErrorException>().With.Message.Contains("'rr'"));
    }
}
