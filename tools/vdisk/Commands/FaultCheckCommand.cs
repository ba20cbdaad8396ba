using System.CommandLine;
using RingCore.Faults;
using RingCore.Hosting;

namespace Vdisk.Commands;

/// <summary><c>vdisk fault check FILE</c>: reads a scenario without a disk, and points at what is wrong.</summary>
internal static class FaultCheckCommand
{
    public static Command Build()
    {
        Argument<string> file = OptionFactory.Path("FILE", "a scenario: one rule a line");
        var command = new Command("check", "Check a file of rules, and point at what is wrong.") { file };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(file)));
        return command;
    }

    private static int Run(string file)
    {
        Scenario scenario = Scenario.Parse(Read(file));
        if (scenario.Problems.Count == 0)
        {
            Console.WriteLine($"{file}: {scenario.Rules.Count} {(scenario.Rules.Count == 1 ? "rule" : "rules")}");
            return ExitCodes.Success;
        }

        foreach (ScenarioProblem problem in scenario.Problems)
        {
            Console.Error.WriteLine($"{file}:{problem.Line}: {problem.Text}");
            Console.Error.WriteLine($"    {problem.Source}");
            Console.Error.WriteLine($"    {PointTo(problem)}^");
        }

        return ExitCodes.Failure;
    }

    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            string problem = Directory.Exists(file) ? "it is a folder" : e.Message.TrimEnd('.');
            throw new UserErrorException($"rules {file} cannot be read: {problem}; name a file with a rule on each line", e);
        }
    }

    /// <summary>Blanks up to the column; tabs stay, so that the mark stands below the word.</summary>
    private static string PointTo(ScenarioProblem problem) =>
        new([.. problem.Source.PadRight(problem.Column).Take(problem.Column - 1).Select(c => c == '\t' ? c : ' ')]);
}
