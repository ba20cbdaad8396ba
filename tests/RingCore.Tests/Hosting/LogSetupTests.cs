using NLog;
using NUnit.Framework;
using RingCore.Hosting;

namespace RingCore.Tests.Hosting;

[FixtureLifeCycle(LifeCycle.InstancePerTestCase)]
[NonParallelizable]
public sealed class LogSetupTests : IDisposable
{
    private readonly ScratchFolder _folder = new();

    public void Dispose()
    {
        LogSetup.Close();
        _folder.Dispose();
    }

    [Test]
    public void Line_is_in_the_file_at_once_with_time_level_and_short_name()
    {
        string file = _folder["a ${b}.log"]; // no layout of NLog's
        LogSetup.Configure("backend", "info", file, toStderr: false);
        Logger log = LogManager.GetLogger("Backend.Device.VirtioBlk");
        log.Debug("below the level");
        log.Warn("queue {0} stopped", 3);
        string[] lines = File.ReadAllLines(file);
        Assert.That(lines, Has.Length.EqualTo(2));
        Assert.That(lines[1], Does.Match(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARN  VirtioBlk: queue 3 stopped$"));
    }

    [Test]
    public void Exception_follows_its_line()
    {
        string file = _folder["a.log"];
        LogSetup.Configure("backend", "info", file, toStderr: false);
        LogSetup.LogFailure(new InvalidOperationException("a bug"));
        Assert.That(File.ReadAllText(file), Does.Contain("FATAL CommandHost: ended: a bug\nSystem.InvalidOperationException"));
    }

    [Test]
    public void Log_that_cannot_be_written_is_a_users_error() =>
        Assert.That(
            () => LogSetup.Configure("backend", "info", _folder["missing/a.log"], toStderr: false),
            Throws.TypeOf<UserErrorException>().With.Message.Contains("--log-file"));
}
