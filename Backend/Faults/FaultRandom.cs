namespace Backend.Faults;

/// <summary>
/// Random numbers that are a function of their place: the same seed, rule and occasion give the same number, whichever thread
/// asks, and nothing is kept between two calls. The mixing is SplitMix64's (Steele, Lea, Flood 2014).
/// </summary>
internal static class FaultRandom
{
    private const ulong Gamma = 0x9E3779B97F4A7C15;

    /// <summary>The number at place <paramref name="index"/> of the sequence that <paramref name="key"/> names.</summary>
    internal static ulong At(ulong key, ulong index)
    {
        ulong z = key + ((index + 1) * Gamma);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>The same, from 0 to below <paramref name="bound"/>, which is positive.</summary>
    internal static long Below(ulong key, ulong index, long bound) =>
        (long)Math.BigMul(At(key, index), (ulong)bound, out _); // the upper half of the product

    /// <summary>Happens with this probability, from 0 to 1.</summary>
    internal static bool Chance(ulong key, ulong index, double probability) =>
        (At(key, index) >> 11) * (1.0 / (1UL << 53)) < probability;
}
