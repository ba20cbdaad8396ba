using Backend.Block;
using NLog;
using NLog.Config;
using NLog.Targets;
using NUnit.Framework;
using RingCore.Posix;

namespace Backend.Tests.Block;

[TestFixture]
public sealed class RawErrorLogTests
{
    [Test]
    public void Each_kind_of_error_is_logged_once_and_then_for_debugging()
    {
        LoggingConfiguration? before = LogManager.Configuration;
        using var target = new MemoryTarget { Layout = "${level} ${message}" };
        try
        {
            var configuration = new LoggingConfiguration();
            configuration.AddRule(LogLevel.Debug, LogLevel.Fatal, target);
            LogManager.Configuration = configuration;
            var log = new RawErrorLog("disk.img");
            var request = new BlockRequest(_ => { }) { Operation = BlockOperation.Write, Offset = 4096, Length = 512 };
            log.Report(request, Errno.ENOSPC, null);
            log.Report(request, Errno.ENOSPC, null);
            log.Report(request, Errno.EIO, "the medium is gone");
        }
        finally
        {
            LogManager.Configuration = before;
        }

        Assert.That(target.Logs, Has.Count.EqualTo(3));
        Assert.That(target.Logs[0], Does.StartWith("Error disk.img: Write of 512 bytes at offset 4096 failed: ").And.Contain("(ENOSPC)"));
        Assert.That(target.Logs[1], Does.StartWith("Debug ").And.Contain("number 2 of its kind"));
        Assert.That(target.Logs[2], Does.StartWith("Error ").And.Contain("the medium is gone (EIO)"));
    }
}
