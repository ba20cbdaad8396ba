namespace FuseFront.Fuse;

/// <summary>
/// Contents of the open text files, by handle: each open sees the text as it was then, to its end, on whatever queue its
/// reads come. Any thread. Handles start at 1; 0 is that of data files.
/// </summary>
internal sealed class FuseTextSnapshots
{
    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, byte[]> _contents = [];
    private ulong _lastHandle;

    internal ulong Open(byte[] content)
    {
        lock (_lock)
        {
            _contents.Add(++_lastHandle, content);
            return _lastHandle;
        }
    }

    internal byte[]? Find(ulong handle)
    {
        lock (_lock)
        {
            return _contents.GetValueOrDefault(handle);
        }
    }

    internal void Close(ulong handle)
    {
        lock (_lock)
        {
            _contents.Remove(handle);
        }
    }
}
