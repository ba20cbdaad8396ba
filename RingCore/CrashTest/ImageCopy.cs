using RingCore.Posix;

namespace RingCore.CrashTest;

/// <summary>Copies of images: shared blocks where the file system can, else only the data, holes left as holes.</summary>
public static class ImageCopy
{
    private const int ChunkBytes = 1 << 20;
    private const long RangeBytes = 64 << 20;

    /// <summary>Makes <paramref name="target"/>, which is empty, read as <paramref name="source"/>.</summary>
    /// <param name="target">A new file.</param>
    /// <param name="source">An image.</param>
    /// <param name="progress">Told the share that is done, 0 to 1.</param>
    /// <param name="cancel">Ends it.</param>
    public static void Copy(PositionedFile target, PositionedFile source, Action<double>? progress = null, CancellationToken cancel = default)
    {
        if (source.IsRegular && target.TryClone(source))
        {
            return;
        }

        target.SetLength(source.Length);
        bool inKernel = source.IsRegular;
        byte[] buffer = [];
        for (long at = 0; source.TryNextData(at, source.Length, out long start, out long length); at = start + length)
        {
            length = Math.Min(length, inKernel ? RangeBytes : ChunkBytes);
            if (inKernel)
            {
                inKernel = target.TryCopyRange(source, start, length);
            }

            if (!inKernel)
            {
                length = Math.Min(length, ChunkBytes);
                buffer = buffer.Length > 0 ? buffer : new byte[ChunkBytes];
                int n = source.Read(start, buffer.AsSpan(0, (int)length));
                target.Write(start, buffer.AsSpan(0, n));
            }

            cancel.ThrowIfCancellationRequested();
            progress?.Invoke((double)(start + length) / source.Length);
        }
    }
}
