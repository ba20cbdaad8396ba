using RingCore.Hosting;
using RingCore.Posix;

namespace RingCore.CrashTest;

/// <summary>What a check said.</summary>
/// <param name="Passed">Exit code 0 in time.</param>
/// <param name="ExitCode">128 + signal when killed.</param>
/// <param name="TimedOut">It was killed because its time was over.</param>
/// <param name="Output">The beginning of what it wrote; empty when it passed.</param>
public sealed record Verdict(bool Passed, int ExitCode, bool TimedOut, string Output)
{
    public static readonly Verdict Pass = new(true, 0, false, "");

    public override string ToString() =>
        Passed ? "passed" : TimedOut ? "did not end in time" : $"exit code {ExitCode}";
}

/// <summary>What a check is told about a state, besides its image.</summary>
/// <param name="Spec">The state, for <c>vdisk replay --state</c>.</param>
/// <param name="At">The record that completed last.</param>
/// <param name="Mark">Text of the last mark by then; empty without one.</param>
/// <param name="Marks">How many marks there were by then.</param>
public sealed record StateFacts(string Spec, int At, string Mark, int Marks);

/// <summary>Looks at one image after the other and says of each whether it is sound. One thread.</summary>
public interface IStateCheck : IDisposable
{
    /// <summary>Judges an image. It may be written to.</summary>
    Verdict Run(string image, StateFacts facts, CancellationToken cancel);
}

/// <summary>
/// A shell command as the check: <c>{}</c> in it stands for the image. In its environment are VDISK_IMAGE, VDISK_STATE,
/// VDISK_RECORD, VDISK_MARK and VDISK_MARKS.
/// </summary>
/// <param name="command">For /bin/sh.</param>
/// <param name="subject">What <c>{}</c> stands for: a path that is the same for every state.</param>
/// <param name="output">A file for what the command writes.</param>
/// <param name="directory">Where it runs; null: where this process does.</param>
/// <param name="timeout">A command that takes longer has failed.</param>
public sealed class CommandCheck(string command, string subject, string output, string? directory, TimeSpan timeout) : IStateCheck
{
    private const int MaxOutput = 4096;
    private const int CannotExecute = 126;
    private const int NotFound = 127;
    private readonly BoundedChild _child =
        new("/bin/sh", ["sh", "-c", command.Replace("{}", Quote(subject), StringComparison.Ordinal)], output);

    /// <inheritdoc/>
    public Verdict Run(string image, StateFacts facts, CancellationToken cancel)
    {
        ChildEnd end = _child.Run(
            [
                ("VDISK_IMAGE", image),
                ("VDISK_STATE", facts.Spec),
                ("VDISK_RECORD", facts.At.ToString(System.Globalization.CultureInfo.InvariantCulture)),
                ("VDISK_MARK", facts.Mark),
                ("VDISK_MARKS", facts.Marks.ToString(System.Globalization.CultureInfo.InvariantCulture)),
            ],
            directory, timeout, cancel);
        if (end is { ExitCode: 0, TimedOut: false })
        {
            return Verdict.Pass;
        }

        string text = _child.Output(MaxOutput);
        return end.ExitCode is CannotExecute or NotFound && !end.TimedOut
            ? throw new UserErrorException($"the check cannot be run: {text}; try it on the base image by hand")
            : new Verdict(false, end.ExitCode, end.TimedOut, text);
    }

    /// <inheritdoc/>
    public void Dispose() => _child.Dispose();

    /// <summary>As one word of the shell.</summary>
    public static string Quote(string word) => $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
