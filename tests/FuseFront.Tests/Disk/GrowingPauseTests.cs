using System.Diagnostics;
using FuseFront.Disk;

namespace FuseFront.Tests.Disk;

[TestFixture]
public sealed class GrowingPauseTests
{
    private static readonly long Ms = Stopwatch.Frequency / 1000;

    [Test]
    public void Grows_fourfold_to_eight_seconds()
    {
        GrowingPause pause = new();
        Assert.That(pause.IsOver(0), Is.True);
        long now = 0;
        foreach (int expected in (int[])[50, 200, 800, 3200, 8000, 8000])
        {
            Assert.That(pause.NextMs, Is.EqualTo(expected));
            pause.Begin(now);
            Assert.That(pause.IsOver(now + (expected * Ms) - 1), Is.False);
            now += expected * Ms;
            Assert.That(pause.IsOver(now), Is.True);
        }
    }

    [Test]
    public void Shrinks_again_when_it_has_worked_for_as_long_as_the_next_would_be()
    {
        GrowingPause pause = new();
        pause.Begin(0);
        pause.Begin(0); // the next would be 800 ms
        pause.Works(999 * Ms);
        Assert.That(pause.NextMs, Is.EqualTo(800));
        pause.Works(1000 * Ms);
        Assert.That(pause.NextMs, Is.EqualTo(200));
        pause.Works(1199 * Ms);
        Assert.That(pause.NextMs, Is.EqualTo(200));
        pause.Works(1200 * Ms);
        Assert.That(pause.NextMs, Is.EqualTo(50));
        pause.Works(9999 * Ms);
        Assert.That(pause.NextMs, Is.EqualTo(50));
    }
}
