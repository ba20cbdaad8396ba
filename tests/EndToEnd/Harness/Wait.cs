namespace EndToEnd.Harness;

/// <summary>Waits on conditions, with a bound.</summary>
public static class Wait
{
    /// <summary>Asks every few milliseconds until the condition holds; false when the time is over first.</summary>
    public static bool Until(TimeSpan bound, Func<bool> condition)
    {
        long end = Environment.TickCount64 + (long)bound.TotalMilliseconds;
        while (!condition())
        {
            if (Environment.TickCount64 > end)
            {
                return false;
            }

            Thread.Sleep(5);
        }

        return true;
    }

    /// <summary>As <see cref="Until"/>; fails the test when the time is over first.</summary>
    public static void For(string what, Func<bool> condition) =>
        Assert.That(Until(Tool.StandardTimeout, condition), Is.True, $"waited in vain for: {what}");
}
