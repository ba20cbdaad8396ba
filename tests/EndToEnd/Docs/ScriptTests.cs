namespace EndToEnd.Docs;

/// <summary>A script says what it does when asked, and does nothing when it does not understand.</summary>
[Category(OnceOnly.Name)]
[TestFixture("build", "artifacts/bin")]
[TestFixture("test", "--filter EXPRESSION")]
[TestFixture("guest", "scripts/guest FOLDER")]
[TestFixture("demo", "From a fresh clone")]
[TestFixture("demo-faults", "Faults on purpose")]
public sealed class ScriptTests(string name, string said) : EndToEndTest
{
    [TestCase("--help")]
    [TestCase("-h")]
    public void It_says_what_it_does(string option)
    {
        RunResult help = Run(option).Succeeded();
        Assert.That(help.Output, Does.Contain(said).And.Not.Contain("#!"));
        Assert.That(help.Error, Is.Empty);
    }

    [Test]
    public void It_refuses_what_it_does_not_know() => Run("--no-such-option").RefusedInOneLine(2, $"scripts/{name} --help");

    private RunResult Run(string option) => Tool.Run("bash", Path.Combine(Programs.SourceRoot, "scripts", name), option);
}
