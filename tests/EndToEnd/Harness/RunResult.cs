namespace EndToEnd.Harness;

/// <summary>How a program ended and what it wrote.</summary>
public sealed record RunResult(string CommandLine, int ExitCode, string Output, string Error)
{
    /// <summary>What it wrote to stderr, line by line, without empty ones.</summary>
    public string[] ErrorLines => Error.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Itself, when the program ended with 0.</summary>
    public RunResult Succeeded()
    {
        Assert.That(ExitCode, Is.Zero, ToString());
        return this;
    }

    /// <summary>
    /// Itself, when the program refused as the project's programs shall: one line on stderr that holds every one of
    /// <paramref name="parts"/>, and this exit code.
    /// </summary>
    public RunResult RefusedInOneLine(int exitCode, params string[] parts)
    {
        Assert.Multiple(() =>
        {
            Assert.That(ExitCode, Is.EqualTo(exitCode), ToString());
            Assert.That(ErrorLines, Has.Length.EqualTo(1), ToString());
            foreach (string part in parts)
            {
                Assert.That(Error, Does.Contain(part), ToString());
            }
        });
        return this;
    }

    public override string ToString() => $"{CommandLine}\nexit code {ExitCode}\n{Output}{Error}";
}
