using FuseFront.Fuse;
using RingCore.Posix;

namespace FuseFront.Tests.Fuse;

/// <summary>The disk's content, shared by the handlers of all queues, and what was asked of it.</summary>
internal sealed unsafe class MemoryDisk(int size) : IDisposable
{
    private readonly MemoryMapping _memory = MemoryMapping.Anonymous((nuint)size);

    internal int Size => size;

    internal Span<byte> Content => new(_memory.Pointer, size);

    internal byte* Pointer => _memory.Pointer;

    /// <summary>While set, READs are kept instead of answered.</summary>
    internal volatile bool Hold;

    /// <summary>Whether a READ that is kept lets itself be cancelled.</summary>
    internal volatile bool MayCancel;

    internal List<string> Log { get; } = [];

    internal void Note(string what)
    {
        lock (Log)
        {
            Log.Add(what);
        }
    }

    public void Dispose() => _memory.Dispose();
}

/// <summary>Serves one queue from memory, at once unless told to hold.</summary>
internal sealed unsafe class MemoryHandler(MemoryDisk disk) : IFuseDataHandler
{
    private readonly List<(int Slot, nint Payload, long Offset, int Length)> _held = new(64);

    internal FuseChannel Channel { get; set; } = null!;

    internal volatile int Held;

    internal int Submits;

    /// <summary>Answers what was held; on the queue's thread.</summary>
    internal void Release()
    {
        foreach ((int slot, nint payload, long offset, int length) in _held)
        {
            Answer(slot, (byte*)payload, offset, length);
        }

        _held.Clear();
        Held = 0;
    }

    public void Read(in FuseRequest request, FuseFile file, long offset, int length)
    {
        if (disk.Hold)
        {
            _held.Add((request.Slot, (nint)request.Payload, offset, length));
            Held = _held.Count;
            return;
        }

        Answer(request.Slot, request.Payload, offset, length);
    }

    public void Write(in FuseRequest request, FuseFile file, long offset, int length, FuseWriteFlags flags)
    {
        int n = (int)Math.Clamp(disk.Size - offset, 0, length);
        if (n == 0 && length != 0)
        {
            Channel.ReplyError(request.Slot, Errno.ENOSPC);
            return;
        }

        // offset + n is within the disk, n within the payload.
        new ReadOnlySpan<byte>(request.Payload, n).CopyTo(disk.Content[(int)offset..]);
        Channel.ReplyWritten(request.Slot, n);
    }

    public void Fsync(in FuseRequest request, FuseFile file, bool dataOnly)
    {
        disk.Note(dataOnly ? "fdatasync" : "fsync");
        Channel.ReplyEmpty(request.Slot);
    }

    public void Fallocate(in FuseRequest request, FuseFile file, FallocateMode mode, long offset, long length)
    {
        disk.Note($"fallocate {mode} {offset} {length}");
        if (offset + length > disk.Size)
        {
            Channel.ReplyError(request.Slot, Errno.ENOSPC);
            return;
        }

        disk.Content.Slice((int)offset, (int)length).Clear();
        Channel.ReplyEmpty(request.Slot);
    }

    /// <summary>As if the first MiB were a hole and all the rest data.</summary>
    public void Lseek(in FuseRequest request, FuseFile file, long offset, SeekWhence whence)
    {
        const long HoleEnd = 1 << 20;
        if (offset >= disk.Size)
        {
            Channel.ReplyError(request.Slot, Errno.ENXIO);
            return;
        }

        long data = Math.Max(offset, HoleEnd);
        long hole = offset < HoleEnd ? offset : disk.Size;
        Channel.ReplyLseek(request.Slot, whence == SeekWhence.Data ? data : hole);
    }

    public void Submit() => Submits++;

    public bool TryCancel(int slot)
    {
        int index = _held.FindIndex(h => h.Slot == slot);
        if (!disk.MayCancel || index < 0)
        {
            return false;
        }

        _held.RemoveAt(index);
        Held = _held.Count;
        return true;
    }

    private void Answer(int slot, byte* payload, long offset, int length)
    {
        int n = (int)Math.Clamp(disk.Size - offset, 0, length);

        // As in Write.
        disk.Content.Slice((int)Math.Min(offset, disk.Size), n).CopyTo(new Span<byte>(payload, n));
        Channel.ReplyRead(slot, payload, n);
    }
}
