using RingCore.Virtio;

namespace RingCore.Hosting;

/// <summary>The virtio features that a person may name on a command line, and how they are written there: <c>event-idx,indirect</c>.</summary>
public static class FeatureNames
{
    private static readonly (string Name, VirtioFeatures Feature)[] Names =
    [
        ("event-idx", VirtioFeatures.EventIndex),
        ("indirect", VirtioFeatures.IndirectDescriptors),
        ("mq", VirtioFeatures.BlkMultiQueue),
        ("flush", VirtioFeatures.BlkFlush),
        ("config-wce", VirtioFeatures.BlkConfigWce),
        ("discard", VirtioFeatures.BlkDiscard),
        ("write-zeroes", VirtioFeatures.BlkWriteZeroes),
    ];

    /// <summary>Every name, for help and messages.</summary>
    public static string All => string.Join(", ", Names.Select(n => n.Name));

    /// <summary>Reads names with commas between them. False: <paramref name="unknown"/> is none of them.</summary>
    public static bool TryParse(string text, out VirtioFeatures features, out string? unknown)
    {
        features = VirtioFeatures.None;
        unknown = null;
        foreach (string word in text.Split(',', StringSplitOptions.TrimEntries))
        {
            VirtioFeatures feature = Names.FirstOrDefault(n => n.Name == word).Feature;
            if (feature == VirtioFeatures.None)
            {
                unknown = word;
                return false;
            }

            features |= feature;
        }

        return true;
    }

    /// <summary>The inverse of <see cref="TryParse"/>; null when there is none.</summary>
    public static string? Format(VirtioFeatures features) =>
        features == VirtioFeatures.None ? null : string.Join(',', Names.Where(n => features.HasFlag(n.Feature)).Select(n => n.Name));
}
