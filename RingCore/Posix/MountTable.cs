using System.Globalization;
using System.Text;

namespace RingCore.Posix;

/// <summary>One mount, as /proc/self/mountinfo tells it (proc(5)).</summary>
/// <param name="Id">The mount's id; may be used again after it is gone.</param>
/// <param name="Device">Device number of the file system as <c>major:minor</c>; unique among the mounted.</param>
/// <param name="Path">Mount point, seen from the process's root.</param>
/// <param name="Options">Options of this mount, for instance <c>rw,nosuid</c>.</param>
/// <param name="Type">File system type, for instance <c>fuse.vdisk</c>.</param>
/// <param name="Source">What is mounted: a device, or a name that the file system chose.</param>
public sealed record MountEntry(int Id, string Device, string Path, string Options, string Type, string Source)
{
    /// <summary>Mounted read-only.</summary>
    public bool IsReadOnly => Options == "ro" || Options.StartsWith("ro,", StringComparison.Ordinal);
}

/// <summary>
/// The mounts that this process sees, at one moment. Reading it touches none of the file systems, so a dead one cannot block
/// it.
/// </summary>
public sealed class MountTable
{
    private MountTable(IReadOnlyList<MountEntry> entries) => Entries = entries;

    /// <summary>All mounts, older before younger.</summary>
    public IReadOnlyList<MountEntry> Entries { get; }

    /// <summary>Reads /proc/self/mountinfo.</summary>
    public static MountTable Read() => Parse(File.ReadAllText("/proc/self/mountinfo"));

    /// <summary>Parses text in the format of mountinfo.</summary>
    /// <exception cref="FormatException">A line that is not in that format.</exception>
    public static MountTable Parse(string text) =>
        new([.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(ParseLine)]);

    /// <summary>
    /// The youngest mount whose mount point is exactly <paramref name="path"/> (absolute, without links); null when there is
    /// none.
    /// </summary>
    public MountEntry? At(string path) => Entries.LastOrDefault(e => e.Path == path);

    /// <summary>The mount of this file system at this place; null when it is gone.</summary>
    public MountEntry? Find(string device, string path) => Entries.LastOrDefault(e => e.Device == device && e.Path == path);

    private static MountEntry ParseLine(string line)
    {
        // id parent major:minor root path options [tag…] - type source superoptions
        string[] fields = line.Split(' ');
        int dash = Array.IndexOf(fields, "-", Math.Min(6, fields.Length));
        if (dash < 0 || dash + 2 >= fields.Length || !int.TryParse(fields[0], CultureInfo.InvariantCulture, out int id))
        {
            throw new FormatException($"not a line of mountinfo: {line}");
        }

        return new MountEntry(
            id, fields[2], Unescape(fields[4]), fields[5], Unescape(fields[dash + 1]), Unescape(fields[dash + 2]));
    }

    /// <summary>Blank, tab, newline, backslash and # stand as a backslash and three octal digits.</summary>
    private static string Unescape(string field)
    {
        if (!field.Contains('\\'))
        {
            return field;
        }

        StringBuilder plain = new(field.Length);
        for (int i = 0; i < field.Length; i++)
        {
            if (field[i] == '\\' && i + 3 < field.Length
                && IsOctal(field[i + 1]) && IsOctal(field[i + 2]) && IsOctal(field[i + 3]))
            {
                plain.Append((char)(((field[i + 1] - '0') << 6) | ((field[i + 2] - '0') << 3) | (field[i + 3] - '0')));
                i += 3;
            }
            else
            {
                plain.Append(field[i]);
            }
        }

        return plain.ToString();
    }

    private static bool IsOctal(char c) => c is >= '0' and <= '7';
}
