using System.Text;
using EndToEnd.Guests;

namespace EndToEnd.Docs;

/// <summary>What the pages tell a reader to paste works when pasted: every <c>sh</c> block of a page, in order, in one shell.</summary>
public sealed class PageTests : EndToEndTest
{
    private const string BlockStart = "```sh";
    private const string BlockEnd = "```";
    private const string GuestPage = "docs/guests.md";

    [TestCase("docs/commands.md")]
    [TestCase("docs/faults.md", Category = OnceOnly.Name)]
    [TestCase("docs/crash-testing.md", Category = OnceOnly.Name)]
    [TestCase("docs/peers.md", Category = OnceOnly.Name)]
    [TestCase(GuestPage, Category = OnceOnly.Name)]
    public void Page_can_be_pasted(string page)
    {
        string script = ScriptOf(Path.Combine(Programs.SourceRoot, page));
        Assert.That(script, Is.Not.Empty);
        string file = Space.Path("page.sh");
        string folder = Space.Folder("pasted");
        if (page == GuestPage)
        {
            VirtualMachine.CopySystem(folder); // what scripts/guest finds there it does not download again
        }

        File.WriteAllText(file, $"set -euo pipefail\ncd '{folder}'\n{script}");
        Dictionary<string, string> environment = new(Space.Environment)
        {
            ["PATH"] = $"{Path.GetDirectoryName(Programs.Vdisk)}:{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/sbin",
            ["SOURCE"] = Programs.SourceRoot,
        };
        using Tool shell = Tool.Start("bash", ["-x", file], environment);
        shell.WaitForExit(TimeSpan.FromMinutes(5)).Succeeded();
    }

    private static string ScriptOf(string page)
    {
        var script = new StringBuilder();
        bool isInside = false;
        foreach (string line in File.ReadLines(page))
        {
            if (line is BlockStart or BlockEnd)
            {
                isInside = line == BlockStart;
            }
            else if (isInside)
            {
                script.Append(line).Append('\n');
            }
        }

        return script.ToString();
    }
}
