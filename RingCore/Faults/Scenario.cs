namespace RingCore.Faults;

/// <summary>A rule of a scenario file, and the line that it stands in (counted from 1).</summary>
public sealed record ScenarioRule(int Line, FaultRule Rule);

/// <summary>What is wrong with a scenario file. The text begins with the column.</summary>
public sealed record ScenarioProblem(int Line, int Column, string Text, string Source);

/// <summary>A scenario: one rule a line, blank lines and comments between them.</summary>
public sealed record Scenario(IReadOnlyList<ScenarioRule> Rules, IReadOnlyList<ScenarioProblem> Problems)
{
    /// <summary>Reads a whole text; goes on after a wrong line, so that all of them are found at once.</summary>
    public static Scenario Parse(string text)
    {
        List<ScenarioRule> rules = [];
        List<ScenarioProblem> problems = [];
        string[] lines = text.Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            string line = lines[i].TrimEnd('\r');
            if (RuleParser.IsBlank(line))
            {
                continue;
            }

            try
            {
                rules.Add(new ScenarioRule(i + 1, RuleParser.Parse(line)));
            }
            catch (RuleSyntaxException e)
            {
                problems.Add(new ScenarioProblem(i + 1, e.Column, e.Message, line));
            }
        }

        CheckNames(rules, lines, problems);
        CheckStates(rules, lines, problems);
        return new Scenario(rules, [.. problems.OrderBy(p => p.Line)]);
    }

    private static void CheckNames(List<ScenarioRule> rules, string[] lines, List<ScenarioProblem> problems)
    {
        HashSet<string> names = [];
        foreach (ScenarioRule rule in rules.Where(r => r.Rule.Name is not null && !names.Add(r.Rule.Name)))
        {
            Report(rule, rule.Rule.Name!, "a name that no rule before has but found", lines, problems);
        }
    }

    /// <summary>A rule for a state that no rule sets can never match.</summary>
    private static void CheckStates(List<ScenarioRule> rules, string[] lines, List<ScenarioProblem> problems)
    {
        HashSet<string> states = [FaultStates.Start, .. rules.Select(r => r.Rule.Action).OfType<SetStateAction>().Select(a => a.State)];
        foreach (ScenarioRule rule in rules.Where(r => r.Rule.When is not null && !states.Contains(r.Rule.When)))
        {
            Report(rule, rule.Rule.When!, $"a state that a rule sets ({string.Join(", ", states)}) but found", lines, problems);
        }
    }

    private static void Report(ScenarioRule rule, string word, string expected, string[] lines, List<ScenarioProblem> problems)
    {
        string line = lines[rule.Line - 1].TrimEnd('\r');
        int after = word == rule.Rule.When ? line.IndexOf(" when ", StringComparison.Ordinal) + " when ".Length : 0;
        int column = line.IndexOf(word, Math.Max(0, after), StringComparison.Ordinal) + 1;
        problems.Add(new ScenarioProblem(rule.Line, column, $"column {column}: expected {expected} '{word}'", line));
    }
}

/// <summary>States of rules.</summary>
public static class FaultStates
{
    /// <summary>The state at the beginning, and after <c>clear</c>.</summary>
    public const string Start = "start";
}
