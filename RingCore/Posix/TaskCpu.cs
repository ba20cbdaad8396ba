using System.Buffers.Text;

namespace RingCore.Posix;

/// <summary>
/// Tells on which CPU another thread ran last (/proc/PID/stat). Keeps the file of the last one open: asking again about
/// the same thread costs one system call and allocates nothing. One thread at a time.
/// </summary>
public sealed class TaskCpu : IDisposable
{
    /// <summary>Fields between the one after the name (the state, field 3) and the CPU (field 39) of proc_pid_stat(5).</summary>
    private const int FieldsBefore = 36;

    private readonly byte[] _text = new byte[1024];
    private readonly string _proc;
    private FileDescriptor? _file;
    private uint _id;

    public TaskCpu()
        : this("/proc")
    {
    }

    /// <param name="proc">Where the threads' folders are.</param>
    internal TaskCpu(string proc) => _proc = proc;

    /// <summary>The CPU that the thread runs or last ran on; -1 when that cannot be told: it is gone, or hidden from this process.</summary>
    public int Of(uint threadId)
    {
        if (threadId != _id)
        {
            _file?.Dispose();
            _file = Open(threadId);
            _id = threadId;
        }

        int length = _file == null ? 0 : FileIo.ReadAt(_file, _text, 0);
        ReadOnlySpan<byte> text = _text.AsSpan(0, Math.Max(length, 0));

        // The name, in parentheses, may itself hold spaces and parentheses.
        text = text[(text.LastIndexOf((byte)')') + 1)..].TrimStart((byte)' ');
        for (int i = 0; i < FieldsBefore; i++)
        {
            text = text[(text.IndexOf((byte)' ') + 1)..];
        }

        return Utf8Parser.TryParse(text, out int cpu, out _) ? cpu : -1;
    }

    public void Dispose() => _file?.Dispose();

    private FileDescriptor? Open(uint threadId)
    {
        try
        {
            return threadId == 0 ? null : FileDescriptor.Open($"{_proc}/{threadId}/stat", OpenFlags.ReadOnly);
        }
        catch (PosixException)
        {
            // Whatever the reason (gone while it was looked for, hidden by hidepid, no descriptor left), the answer is -1: a hint
            // that is missing must not cost its user anything.
            return null;
        }
    }
}
