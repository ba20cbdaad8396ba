namespace FuseFront.Fuse;

/// <summary>
/// One file of a <see cref="FuseDirectory"/>: a data file, whose reads and writes go to an <see cref="IFuseDataHandler"/>,
/// or a text file, whose content is made anew at each open. The getters are called on any queue's thread.
/// </summary>
public sealed class FuseFile
{
    private const uint TypeRegular = 0x8000;

    private FuseFile(string name, Func<byte[]>? content, uint permissions, uint uid, uint gid)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        Name = name;
        NameBytes = System.Text.Encoding.UTF8.GetBytes(name);
        if (name.Contains('/') || name is "." or ".." || NameBytes.Length > 255)
        {
            throw new ArgumentException($"not a file name: {name}", nameof(name));
        }

        Content = content;
        Permissions = permissions;
        Uid = uid;
        Gid = gid;
        DateTimeOffset created = DateTimeOffset.UtcNow;
        Modified = () => created;
    }

    /// <summary>The name in its directory.</summary>
    public string Name { get; }

    /// <summary>Permission bits, for instance 0x1B0 (0660).</summary>
    public uint Permissions { get; }

    /// <summary>Owner.</summary>
    public uint Uid { get; }

    /// <summary>Owner's group.</summary>
    public uint Gid { get; }

    /// <summary>Size in bytes. A text file says 0, as /proc does, and is read to its end all the same.</summary>
    public Func<long> Size { get; private set; } = static () => 0;

    /// <summary>Allocated bytes, shown as st_blocks.</summary>
    public Func<long> AllocatedBytes { get; private set; } = static () => 0;

    /// <summary>st_mtime, st_ctime and st_atime; unless set, the time this object was made.</summary>
    public Func<DateTimeOffset> Modified { get; private set; }

    /// <summary>How long the kernel may keep the attributes; a write makes it ask anew in any case.</summary>
    public TimeSpan AttributesValidFor { get; private set; } = TimeSpan.FromHours(1);

    /// <summary>Whether reads and writes go to the data handler.</summary>
    public bool IsData => Content == null;

    /// <summary>Where the file stands among its directory's files, from 0.</summary>
    public int Index { get; internal set; } = -1;

    internal Func<byte[]>? Content { get; }

    internal byte[] NameBytes { get; }

    internal uint Mode => TypeRegular | (Permissions & 0xFFF);

    /// <summary>A file whose data requests go to the channel's <see cref="IFuseDataHandler"/>.</summary>
    /// <param name="name">Its name in the directory.</param>
    /// <param name="size">See <see cref="Size"/>; must not change while mounted.</param>
    /// <param name="permissions">See <see cref="Permissions"/>.</param>
    /// <param name="uid">Owner.</param>
    /// <param name="gid">Owner's group.</param>
    /// <param name="allocatedBytes">See <see cref="AllocatedBytes"/>; the size unless given: tar takes a file without blocks for one hole.</param>
    /// <param name="modified">See <see cref="Modified"/>.</param>
    public static FuseFile Data(
        string name, Func<long> size, uint permissions, uint uid, uint gid,
        Func<long>? allocatedBytes = null, Func<DateTimeOffset>? modified = null)
    {
        FuseFile file = new(name, null, permissions, uid, gid) { Size = size };
        file.AllocatedBytes = allocatedBytes ?? size;
        file.Modified = modified ?? file.Modified;
        return file;
    }

    /// <summary>
    /// A read-only file; <paramref name="content"/> is called at each open, on a queue's thread, and should be quick.
    /// </summary>
    public static FuseFile Text(string name, Func<byte[]> content, uint permissions, uint uid, uint gid) =>
        new(name, content, permissions, uid, gid) { AttributesValidFor = TimeSpan.Zero };
}
