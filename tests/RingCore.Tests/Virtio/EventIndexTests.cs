using RingCore.Virtio;

namespace RingCore.Tests.Virtio;

/// <summary>The arithmetic of virtio 1.3 §2.7.7.2, which must hold over the wrap.</summary>
[TestFixture]
public sealed class EventIndexTests
{
    [TestCase(5, 6, 5, true, Description = "the step passes the event")]
    [TestCase(5, 5, 4, false, Description = "the step ends just before it")]
    [TestCase(6, 6, 5, false)]
    [TestCase(4, 6, 5, false, Description = "it was passed before")]
    [TestCase(65535, 0, 65535, true, Description = "over the wrap")]
    [TestCase(65534, 1, 65533, true)]
    [TestCase(0, 1, 65535, true)]
    [TestCase(1, 1, 65535, false)]
    public void Step_passes_event(int @event, int @new, int old, bool expected) =>
        Assert.That(SplitRing.NeedsEvent((ushort)@event, (ushort)@new, (ushort)old), Is.EqualTo(expected));

    [Test]
    public void Agrees_with_counting_one_by_one()
    {
        Random random = new(7);
        for (int i = 0; i < 100_000; i++)
        {
            ushort old = (ushort)random.Next(65536);
            int step = random.Next(1, 300);
            ushort @new = (ushort)(old + step);
            ushort @event = (ushort)(old + random.Next(-300, 600));
            bool passed = false;
            for (int k = 0; k < step; k++)
            {
                passed |= (ushort)(old + k) == @event;
            }

            Assert.That(SplitRing.NeedsEvent(@event, @new, old), Is.EqualTo(passed), $"event {@event} new {@new} old {old}");
        }
    }
}
