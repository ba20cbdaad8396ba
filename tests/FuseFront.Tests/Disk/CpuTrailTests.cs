using FuseFront.Disk;

namespace FuseFront.Tests.Disk;

[TestFixture]
public sealed class CpuTrailTests
{
    [Test]
    public void Who_stays_does_not_wander()
    {
        CpuTrail trail = new();
        Assert.That(Enumerable.Range(0, 100).Select(_ => trail.Wanders(3)), Has.None.True);
    }

    [Test]
    public void Some_moves_are_no_wandering()
    {
        CpuTrail trail = new();
        for (int look = 0; look < 200; look++)
        {
            Assert.That(trail.Wanders(look / 6 % 2), Is.False, "three moves in sixteen looks");
        }
    }

    [Test]
    public void A_wanderer_is_known_at_the_fourth_move_and_forgotten_after_sixteen_looks_without_one()
    {
        CpuTrail trail = new();
        int[] cpus = [0, 1, 1, 0, 1, 1, 0];
        Assert.That(cpus.Select(trail.Wanders), Is.EqualTo(new[] { false, false, false, false, false, false, true }));
        for (int look = 0; look < 15; look++)
        {
            Assert.That(trail.Wanders(0), Is.True, $"look {look}");
        }

        Assert.That(trail.Wanders(0), Is.False);
    }

    [Test]
    public void A_wanderer_that_moves_now_and_then_still_is_one()
    {
        CpuTrail trail = new();
        for (int look = 0; look < 8; look++)
        {
            trail.Wanders(look % 2);
        }

        for (int look = 0; look < 300; look++)
        {
            Assert.That(trail.Wanders(look / 15 % 2), Is.True);
        }
    }
}
