using System.CommandLine;
using System.CommandLine.Help;
using System.Text.RegularExpressions;
using NUnit.Framework;
using RingCore.Hosting;
using Vdisk.Commands;

namespace Vdisk.Tests;

/// <summary>docs/commands.md has every command and option that there is, and none that there is not.</summary>
public class CommandsPageTests
{
    private static readonly string Page = File.ReadAllText(Path.Combine(Sources.Root, "docs", "commands.md"));
    private static readonly RootCommand Vdisk = VdiskCommand.Build();

    private static IEnumerable<string> CommandNames => Vdisk.Subcommands.Select(command => command.Name);

    [TestCaseSource(nameof(CommandNames))]
    public void Command_has_its_options_in_its_section(string name)
    {
        string section = Page.Split("\n## ").SingleOrDefault(s => Regex.IsMatch(s.Split('\n')[0], $@"\bvdisk {name}\b")) ?? "";
        Assert.That(section, Is.Not.Empty, "no heading names the command");
        foreach (Command command in WithSubcommands(Vdisk.Subcommands.Single(c => c.Name == name)))
        {
            string called = command.Name == name ? $"vdisk {name}" : $"vdisk {name} {command.Name}";
            Assert.That(section, Does.Contain(called));
            string[] inherited = name == "mount" ? OptionsOf(Vdisk.Subcommands.Single(c => c.Name == "attach")) : [];
            Assert.That(OptionsOf(command).Except(inherited).Except(OptionsIn(section)), Is.Empty, $"options of {called}");
        }
    }

    [Test]
    public void Options_of_the_two_halves_are_there() => Assert.That(Halves().SelectMany(OptionsOf).Except(OptionsIn(Page)), Is.Empty);

    [Test]
    public void Every_option_on_the_page_exists()
    {
        IEnumerable<string> all = WithSubcommands(Vdisk).Concat(Halves()).SelectMany(OptionsOf);
        Assert.That(OptionsIn(Page).Except(all).Except(["--help"]), Is.Empty);
    }

    private static Command[] Halves() => [BackendSettings.Command(_ => 0), FrontSettings.Command(_ => 0)];

    private static IEnumerable<Command> WithSubcommands(Command command) => command.Subcommands.SelectMany(WithSubcommands).Prepend(command);

    private static string[] OptionsOf(Command command) =>
        [.. command.Options.Where(option => option is not (HelpOption or VersionOption)).Select(option => option.Name)];

    private static IEnumerable<string> OptionsIn(string text) => Regex.Matches(text, @"(?<![\w-])--[a-z][a-z-]*").Select(match => match.Value);
}
