using Backend.Block;
using RingCore.Aio;
using RingCore.Faults;
using RingCore.Posix;

namespace Backend.Faults;

/// <summary>
/// A volatile write cache: a read sees every write, the image gets one only when it is flushed, must be stable (FUA) or the
/// cache is full. Writes go down in the order of coming, by one thread of this filter's own. A power cut loses what is in the
/// cache. All queues share it; its lock is held for copying, never while something is waited for.
/// </summary>
internal sealed class VolatileCacheFilter : FilterDriver
{
    private readonly IoThread _thread;
    private readonly CacheWriter _writer;

    /// <param name="below">The image.</param>
    /// <param name="size">Bytes that it holds before the oldest writes go down.</param>
    internal VolatileCacheFilter(IBlockDriver below, long size)
        : base(below)
    {
        Store = new CacheStore(size);
        _thread = new IoThread(new AioContextOptions { Name = "cache" });
        try
        {
            CacheWriter? writer = null;
            _thread.Context.Invoke(() => writer = new CacheWriter(Store, below, _thread.Context));
            _writer = writer!;
        }
        catch
        {
            _thread.Dispose();
            throw;
        }
    }

    internal CacheStore Store { get; }

    /// <inheritdoc/>
    public override IBlockQueue OpenQueue(AioContext context, int index = 0) =>
        new VolatileCacheQueue(Store, _writer, Below.OpenQueue(context, index), context, index);

    /// <summary>Cuts the power. Any thread but the cache's own; returns when the image is as the cut leaves it.</summary>
    internal PowerCutReport Cut(PowerCutKeep keep, ulong seed)
    {
        Store.SetPower(on: false);
        PowerCutReport? report = null;
        using ManualResetEventSlim done = new();
        _thread.Context.ScheduleOneShot(() => _writer.Cut(keep, seed, result =>
        {
            report = result;
            done.Set();
        }));
        done.Wait();
        return report!;
    }

    /// <summary>After a cut: the cache is empty and takes requests again.</summary>
    internal void PowerOn() => Store.SetPower(on: true);

    /// <summary>An orderly end: what is in the cache goes down first.</summary>
    public override void Dispose()
    {
        if (Store.IsPowered)
        {
            int error = _writer.FlushAndWait();
            if (error != 0)
            {
                CacheWriter.Log.Error("the volatile cache could not be written to the image: {0}", Errno.Describe(error));
            }
        }

        _thread.Context.Invoke(_writer.Dispose);
        _thread.Dispose();
        Store.Dispose();
        base.Dispose();
    }
}
