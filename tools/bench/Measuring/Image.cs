using Bench.Contestants;

namespace Bench.Measuring;

/// <summary>Makes the images: data everywhere in the measured part, so that no read meets a hole.</summary>
internal static class Image
{
    private const int Chunk = 4 << 20;

    /// <summary>Writes <paramref name="path"/>; returns the part with data, which is its end.</summary>
    /// <exception cref="OperationCanceledException"/>
    public static Region Create(string path, long dataLength, long? imageLength, CancellationToken cancel)
    {
        Region region = new((imageLength ?? dataLength) - dataLength, dataLength);
        byte[] data = new byte[Chunk];
        new Random(7).NextBytes(data);
        using FileStream file = new(path, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        file.Position = region.Offset;
        for (long left = dataLength; left > 0;)
        {
            cancel.ThrowIfCancellationRequested();
            int n = (int)Math.Min(left, Chunk);
            file.Write(data, 0, n);
            left -= n;
        }

        return region;
    }
}
