namespace FuseFront.Disk;

/// <summary>How long a placed queue's thread looks for work before it sleeps, in nanoseconds (AioContext.PollMaxNs and PollMinNs).</summary>
/// <param name="MaxNs">At most.</param>
/// <param name="MinNs">At least, whatever it has learnt.</param>
/// <param name="Yields">For the answer to a lone request: so often it lets others run first, instead (AioContext.PollYields).</param>
internal readonly record struct PlacedPolling(long MaxNs, long MinNs, int Yields = 0)
{
    /// <summary>The device mostly needs one or two. If it was interrupted, or waits for the medium, more than this would not help.</summary>
    private const int LoneYields = 4;

    /// <summary>About what a wake-up across CPUs costs: looking for so long instead can at most double it.</summary>
    private const long ApartNs = 25_000;

    /// <summary>Longer than the device takes to wake up, and to find out that it had better not sleep again.</summary>
    private const long BesideNs = 50_000;

    /// <param name="pollMaxNs">What <c>--poll-max-ns</c> says; null for <c>auto</c>.</param>
    public static PlacedPolling Of(Placement placement, long? pollMaxNs) => placement switch
    {
        // On one CPU with the application or the device, looking would keep them from doing what is looked for.
        Placement.Together when pollMaxNs != 0 => new PlacedPolling(0, 0, LoneYields),
        Placement.Together or Placement.Spread => default,
        Placement.Beside => new PlacedPolling(pollMaxNs ?? BesideNs, Math.Min(pollMaxNs ?? BesideNs, BesideNs)),
        Placement.Apart => new PlacedPolling(pollMaxNs ?? ApartNs, 0),
        _ => new PlacedPolling(pollMaxNs ?? 0, 0),
    };
}
