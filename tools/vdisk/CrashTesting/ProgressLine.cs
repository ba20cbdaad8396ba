using System.Diagnostics;
using System.Globalization;

namespace Vdisk.CrashTesting;

/// <summary>
/// A line on stderr that shows how far a long work is: drawn over itself, at most ten times a second, and only on a terminal.
/// Any thread.
/// </summary>
internal sealed class ProgressLine : IDisposable
{
    private const int BarWidth = 30;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private readonly Lock _gate = new();
    private readonly bool _isTerminal = !Console.IsErrorRedirected;
    private long _shown;
    private bool _isDrawn;

    /// <summary>Draws, if it is time to.</summary>
    /// <param name="what">What is being done.</param>
    /// <param name="share">How much of it is done, 0 to 1.</param>
    public void Show(string what, double share)
    {
        if (!_isTerminal)
        {
            return;
        }

        lock (_gate)
        {
            if (_isDrawn && Stopwatch.GetElapsedTime(_shown) < Interval)
            {
                return;
            }

            _shown = Stopwatch.GetTimestamp();
            _isDrawn = true;
            int filled = (int)(Math.Clamp(share, 0, 1) * BarWidth);
            string bar = new string('━', filled) + new string('─', BarWidth - filled);
            Console.Error.Write(string.Create(CultureInfo.InvariantCulture, $"\r\e[K{bar} {Math.Clamp(share, 0, 1) * 100,3:0}% {what}"));
        }
    }

    /// <summary>Takes the line away.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            if (_isDrawn)
            {
                Console.Error.Write("\r\e[K");
                _isDrawn = false;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Clear();
}
