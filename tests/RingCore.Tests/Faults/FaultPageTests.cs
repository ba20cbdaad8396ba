using System.Text;
using RingCore.Faults;

namespace RingCore.Tests.Faults;

/// <summary>Every rule on the page about faults is one.</summary>
[TestFixture]
public sealed class FaultPageTests
{
    [Test]
    public void Every_example_parses()
    {
        List<string> blocks = Blocks(File.ReadLines(Path.Combine(SourceRoot(), "docs", "faults.md")));
        Assert.That(blocks, Has.Count.GreaterThan(10));
        foreach (string block in blocks)
        {
            Scenario scenario = Scenario.Parse(block);
            Assert.That(scenario.Problems.Select(p => $"{p.Source}: {p.Text}"), Is.Empty);
            Assert.That(scenario.Rules, Is.Not.Empty);
        }

        IEnumerable<ScenarioRule> rules = blocks.SelectMany(b => Scenario.Parse(b).Rules);
        IEnumerable<string> actions = rules.Select(r => r.Rule.Action.GetType().Name).Distinct();
        Assert.That(actions, Is.EquivalentTo(ActionTypes()), "each action has an example");
    }

    private static IEnumerable<string> ActionTypes() =>
        typeof(FaultAction).Assembly.GetTypes().Where(t => t.BaseType == typeof(FaultAction)).Select(t => t.Name);

    private static List<string> Blocks(IEnumerable<string> lines)
    {
        List<string> blocks = [];
        StringBuilder? block = null;
        foreach (string line in lines)
        {
            if (line == "```faults")
            {
                block = new StringBuilder();
            }
            else if (line == "```" && block is not null)
            {
                blocks.Add(block.ToString());
                block = null;
            }
            else
            {
                block?.Append(line).Append('\n');
            }
        }

        return blocks;
    }

    private static string SourceRoot()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Fuse.sln")))
        {
            folder = folder.Parent;
        }

        return folder?.FullName ?? throw new AssertionException($"no Fuse.sln above {AppContext.BaseDirectory}");
    }
}
