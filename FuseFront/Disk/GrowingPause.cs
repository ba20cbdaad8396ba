using System.Diagnostics;

namespace FuseFront.Disk;

/// <summary>
/// How long to leave off something that did not work: each time that it soon fails again, longer. A passing disturbance must
/// cost no more than it lasted itself; one that stays soon gets the longest pause. Times are of <see cref="Stopwatch"/>.
/// May be shared by threads, whose experiences then count alike.
/// </summary>
internal sealed class GrowingPause
{
    private const int FirstMs = 50;
    private const int Growth = 4;
    private const int LongestMs = 8000;
    private static readonly long TicksPerMs = Stopwatch.Frequency / 1000;
    private readonly Lock _lock = new(); // taken every few milliseconds
    private long _until;
    private long _calmUntil;

    /// <summary>Length of the next pause in milliseconds.</summary>
    public int NextMs { get; private set; } = FirstMs;

    public bool IsOver(long now) => now >= Volatile.Read(ref _until); // pairs with Begin; nothing else hangs on it

    /// <summary>It has failed.</summary>
    public void Begin(long now)
    {
        lock (_lock)
        {
            long until = now + (NextMs * TicksPerMs);
            NextMs = Math.Min(NextMs * Growth, LongestMs);
            _calmUntil = until + (NextMs * TicksPerMs);
            Volatile.Write(ref _until, until); // pairs with IsOver
        }
    }

    /// <summary>It works. Once that has been so for as long as the next pause would be, that one becomes shorter.</summary>
    public void Works(long now)
    {
        lock (_lock)
        {
            if (now >= _calmUntil)
            {
                NextMs = Math.Max(FirstMs, NextMs / Growth);
                _calmUntil = now + (NextMs * TicksPerMs);
            }
        }
    }
}
