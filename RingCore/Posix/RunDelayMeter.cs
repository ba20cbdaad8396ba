using System.Buffers.Text;

namespace RingCore.Posix;

/// <summary>
/// How long a thread was ready to run and did not get a CPU: the kernel's own account (/proc/PID/task/TID/schedstat). One
/// thread at a time; a look costs one system call and allocates nothing.
/// </summary>
public sealed class RunDelayMeter : IDisposable
{
    private readonly FileDescriptor? _file;
    private readonly byte[] _text = new byte[128];
    private long _delayNs;
    private long _slices;

    /// <summary>For the calling thread. Where the kernel keeps no account, <see cref="MeanDelayNs"/> is always 0.</summary>
    public RunDelayMeter()
    {
        try
        {
            _file = FileDescriptor.Open($"/proc/self/task/{ThreadScheduling.CurrentThreadId}/schedstat", OpenFlags.ReadOnly);
        }
        catch (PosixException e) when (e.Errno == Errno.ENOENT)
        {
            // A kernel without CONFIG_SCHED_INFO.
        }

        MeanDelayNs();
    }

    /// <summary>Mean wait for a CPU, in nanoseconds, of the time slices that began since the last call.</summary>
    public long MeanDelayNs()
    {
        int length = _file == null ? 0 : FileIo.ReadAt(_file, _text, 0);
        ReadOnlySpan<byte> text = _text.AsSpan(0, Math.Max(length, 0));
        if (!TryTake(ref text, out _) || !TryTake(ref text, out long delay) || !TryTake(ref text, out long slices))
        {
            return 0;
        }

        long mean = slices == _slices ? 0 : (delay - _delayNs) / (slices - _slices);
        _delayNs = delay;
        _slices = slices;
        return mean;
    }

    public void Dispose() => _file?.Dispose();

    private static bool TryTake(ref ReadOnlySpan<byte> text, out long value)
    {
        if (!Utf8Parser.TryParse(text, out value, out int used))
        {
            return false;
        }

        text = text[Math.Min(used + 1, text.Length)..];
        return true;
    }
}
