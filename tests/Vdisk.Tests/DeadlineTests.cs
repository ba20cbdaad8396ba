using NUnit.Framework;
using Vdisk.Processes;

namespace Vdisk.Tests;

public class DeadlineTests
{
    [Test]
    public void Condition_is_asked_once_even_when_no_time_is_left() =>
        Assert.That(new Deadline(TimeSpan.Zero).Until(() => true));

    [Test]
    public void Time_that_is_over_ends_the_wait() =>
        Assert.That(new Deadline(TimeSpan.FromMilliseconds(5)).Until(() => false), Is.False);

    [Test]
    public void Cancellation_ends_the_wait()
    {
        using var cancel = new CancellationTokenSource();
        Assert.That(
            () => new Deadline(TimeSpan.FromMinutes(10)).Until(
                () =>
                {
                    cancel.Cancel();
                    return false;
                },
                cancel.Token),
            Throws.InstanceOf<OperationCanceledException>());
    }
}
