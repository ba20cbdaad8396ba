namespace Vdisk.Processes;

/// <summary>A bound on a wait that has several parts.</summary>
internal sealed class Deadline(TimeSpan total)
{
    private readonly long _end = Environment.TickCount64 + (long)total.TotalMilliseconds;

    /// <summary>The whole span.</summary>
    public TimeSpan Total { get; } = total;

    /// <summary>What is left of it in milliseconds, never below 0.</summary>
    public int LeftMs => (int)Math.Clamp(_end - Environment.TickCount64, 0, int.MaxValue);

    public bool IsOver => LeftMs == 0;

    /// <summary>Asks <paramref name="condition"/> every few milliseconds until it holds; false when the time is over first.</summary>
    public bool Until(Func<bool> condition, CancellationToken cancel = default)
    {
        for (int pauseMs = 1; !condition(); pauseMs = Math.Min(pauseMs * 2, 50))
        {
            if (IsOver)
            {
                return false;
            }

            cancel.WaitHandle.WaitOne(Math.Min(pauseMs, LeftMs));
            cancel.ThrowIfCancellationRequested();
        }

        return true;
    }
}
