using System.Text.RegularExpressions;
using NUnit.Framework;

namespace Vdisk.Tests;

/// <summary>The table of rooms in docs/architecture.md says what the code does: the using directives of each room name no other than it may know.</summary>
public class RoomsTests
{
    private static readonly string[] Projects = ["RingCore", "Backend", "FuseFront"];
    private static readonly List<Room> Table = Read();

    private sealed record Room(string Name, string[] MayKnow)
    {
        public override string ToString() => Name;
    }

    private static IEnumerable<Room> Rooms => Table;

    [TestCaseSource(nameof(Rooms))]
    public void Room_knows_what_the_table_says(object room)
    {
        (string name, string[] mayKnow) = (Room)room;
        IEnumerable<string> known = Directory.EnumerateFiles(Path.Combine(Sources.Root, name), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains("/obj/", StringComparison.Ordinal))
            .SelectMany(File.ReadLines)
            .Select(line => Regex.Match(line, @"^using (?:static |\w+ = )?(\w+)\.(\w+)"))
            .Where(match => Projects.Contains(match.Groups[1].Value))
            .Select(match => $"{match.Groups[1].Value}/{match.Groups[2].Value}")
            .Distinct();
        Assert.That(known.Where(k => k != name && !mayKnow.Contains(k) && !mayKnow.Contains(k.Split('/')[0])), Is.Empty);
    }

    [Test]
    public void Room_may_know_only_rooms_above_it()
    {
        for (int i = 0; i < Table.Count; i++)
        {
            Assert.That(Table[i].MayKnow.Except(Projects).Except(Table.Take(i).Select(r => r.Name)), Is.Empty, Table[i].Name);
        }
    }

    [Test]
    public void Every_room_is_in_the_table()
    {
        IEnumerable<string> rooms = Projects.SelectMany(project => Directory.EnumerateDirectories(Path.Combine(Sources.Root, project))
            .Select(folder => $"{project}/{Path.GetFileName(folder)}")
            .Where(room => !room.EndsWith("/bin", StringComparison.Ordinal) && !room.EndsWith("/obj", StringComparison.Ordinal)));
        Assert.That(rooms.Except(Table.Select(r => r.Name)), Is.Empty);
    }

    private static List<Room> Read()
    {
        List<Room> rooms = [];
        foreach (string line in File.ReadLines(Path.Combine(Sources.Root, "docs", "architecture.md")))
        {
            string[] cells = line.Split('|', StringSplitOptions.TrimEntries);
            if (cells.Length == 5 && Regex.IsMatch(cells[1], "^`(RingCore|Backend|FuseFront|tools)/"))
            {
                foreach (Match name in Regex.Matches(cells[1], "`([^`]+)`"))
                {
                    string project = name.Groups[1].Value.Split('/')[0];
                    rooms.Add(new Room(name.Groups[1].Value, [.. cells[3].Split(", ").Where(c => c != "nothing").Select(c => FullName(c, project))]));
                }
            }
        }

        return rooms;
    }

    /// <summary>A whole project, or a room of the same project.</summary>
    private static string FullName(string cell, string project) => Projects.Contains(cell) ? cell : $"{project}/{cell}";
}
