using NUnit.Framework.Interfaces;

namespace EndToEnd.Harness;

/// <summary>
/// A test on real mounts: gives it a space, and afterwards demands that nothing is left of it. A test that hangs in a
/// system call on a mount is freed by killing the processes that serve it, once no bound of its own can be still to come.
/// </summary>
public abstract class EndToEndTest
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);
    private Timer? _watchdog;
    private TestSpace? _space;

    protected TestSpace Space => _space!;

    /// <summary>Where the space's folder is made; tests that need memory say /dev/shm.</summary>
    protected virtual string Parent => "/tmp";

    [SetUp]
    public void MakeSpace()
    {
        Assert.That(Environment.UserName, Is.EqualTo("root"), "these tests mount and use loop devices: run them as root");
        TestSpace space = _space = new TestSpace(Parent);
        _watchdog = new Timer(_ => Leftovers.Remove(space.Root), null, Patience, Timeout.InfiniteTimeSpan);
    }

    [TearDown]
    public void RequireNothingLeft()
    {
        _watchdog!.Dispose();
        try
        {
            if (TestContext.CurrentContext.Result.Outcome.Status == TestStatus.Passed)
            {
                Space.RequireNothingLeft();
            }
            else
            {
                Space.ShowLogs();
            }
        }
        finally
        {
            Space.Dispose();
        }
    }
}
