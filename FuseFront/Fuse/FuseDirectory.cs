namespace FuseFront.Fuse;

/// <summary>
/// All that a mount shows: a root directory with a fixed set of files. Immutable, so every queue's thread may read it. Node
/// ids are 1 for the root and 2 + index for the files.
/// </summary>
public sealed class FuseDirectory
{
    internal const ulong RootNodeId = 1;
    private const uint TypeDirectory = 0x4000;
    private readonly FuseFile[] _files;

    /// <param name="files">With distinct names, each in no other directory.</param>
    public FuseDirectory(params ReadOnlySpan<FuseFile> files)
    {
        _files = files.ToArray();
        for (int i = 0; i < _files.Length; i++)
        {
            _files[i].Index = i;
        }
    }

    /// <summary>The files, in the order of a listing.</summary>
    public IReadOnlyList<FuseFile> Files => _files;

    /// <summary>Permission bits of the root directory.</summary>
    public uint Permissions { get; init; } = 0x1ED;

    /// <summary>Owner of the root directory.</summary>
    public uint Uid { get; init; }

    /// <summary>Owner's group.</summary>
    public uint Gid { get; init; }

    /// <summary>st_mtime of the root directory.</summary>
    public DateTimeOffset Modified { get; init; } = DateTimeOffset.UtcNow;

    internal uint Mode => TypeDirectory | (Permissions & 0xFFF);

    internal static ulong NodeId(FuseFile file) => (ulong)file.Index + 2;

    /// <summary>The file with this node id; null for the root and for ids never given out.</summary>
    internal FuseFile? Find(ulong nodeId) => nodeId >= 2 && nodeId - 2 < (ulong)_files.Length ? _files[(int)(nodeId - 2)] : null;

    /// <summary>The file with this name; null when there is none.</summary>
    internal FuseFile? Find(ReadOnlySpan<byte> name)
    {
        foreach (FuseFile file in _files)
        {
            if (name.SequenceEqual(file.NameBytes))
            {
                return file;
            }
        }

        return null;
    }
}
