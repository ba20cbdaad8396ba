using NUnit.Framework;
using RingCore.Virtio;

namespace RingCore.Tests.Virtio;

[TestFixture]
public sealed class PlacementHintTests
{
    [TestCase(uint.MaxValue, "anywhere")]
    [TestCase(0u, "on CPU 0")]
    [TestCase(7u, "on CPU 7")]
    [TestCase(0x8000_0000u, "beside CPU 0")]
    [TestCase(0x8000_0007u, "beside CPU 7")]
    [TestCase(0x7FFF_FFFFu, "on CPU 2147483647")]
    [TestCase(0xFFFF_FFFEu, "beside CPU 2147483646")]
    public void Every_value_of_the_register_means_something_and_comes_back(uint register, string meaning)
    {
        PlacementHint hint = PlacementHint.FromRegister(register);
        Assert.That(hint.ToString(), Is.EqualTo(meaning));
        Assert.That(hint.ToRegister(), Is.EqualTo(register));
    }
}
