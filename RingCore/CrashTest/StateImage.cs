using RingCore.Log;
using RingCore.Posix;

namespace RingCore.CrashTest;

/// <summary>Writes one state of the disk as a new image file: what <c>vdisk replay</c> does.</summary>
public static class StateImage
{
    private const int ChunkBytes = 1 << 20;

    /// <summary>Copies the base image and applies what the state says.</summary>
    /// <param name="index">Of the log.</param>
    /// <param name="baseImage">The disk before the log.</param>
    /// <param name="target">A new file.</param>
    /// <param name="state">Which state.</param>
    /// <param name="progress">Told the share that is done, 0 to 1.</param>
    /// <param name="cancel">Ends it.</param>
    public static void Build(
        LogIndex index, PositionedFile baseImage, PositionedFile target, CrashState state, Action<double> progress, CancellationToken cancel)
    {
        ImageCopy.Copy(target, baseImage, done => progress(done / 2), cancel);
        IReadOnlyList<Piece> pieces = [.. Steps(index, state), .. state.Pieces];
        byte[] buffer = new byte[ChunkBytes];
        for (int i = 0; i < pieces.Count; i++)
        {
            Apply(index, target, pieces[i], buffer);
            if ((i & 255) == 0)
            {
                cancel.ThrowIfCancellationRequested();
                progress(0.5 + (i / 2.0 / pieces.Count));
            }
        }

        progress(1);
    }

    /// <summary>What a state starts with, as pieces on the base image.</summary>
    public static IEnumerable<Piece> Steps(LogIndex index, CrashState state)
    {
        switch (state.Start)
        {
            case StateStart.Cut:
                DiskTimeline timeline = new(index);
                timeline.MoveTo(state.At);
                return timeline.Steps;
            case StateStart.Prefix:
                return Enumerable.Range(1, state.At).Where(n => index[n].IsChange).Select(index.Whole);
            default:
                return [];
        }
    }

    private static void Apply(LogIndex index, PositionedFile target, in Piece piece, byte[] buffer)
    {
        LogRecord record = index[piece.Record];
        long skip = (long)piece.Skip * Piece.SectorSize;
        long length = (long)piece.Count * Piece.SectorSize;
        if (record.Operation != LogOperation.Write)
        {
            target.Zero(record.Offset + skip, length);
            return;
        }

        while (length > 0)
        {
            Span<byte> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, length));
            index.Log.ReadData(record, skip, part);
            target.Write(record.Offset + skip, part);
            skip += part.Length;
            length -= part.Length;
        }
    }
}
