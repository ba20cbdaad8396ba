using NLog;
using RingCore.Posix;

namespace RingCore.Aio;

/// <summary>
/// A thread that owns one context and runs it until disposed. It runs as SCHED_BATCH, so that a wake-up does not interrupt the
/// peer that is just about to send more.
/// </summary>
/// <remarks>
/// An exception that a callback lets escape ends the process: the loop's state is unknown after it, and guests would
/// wait for ever. Handlers catch the faults of their peers themselves.
/// </remarks>
public sealed class IoThread : IDisposable
{
    private static readonly Logger Log = LogManager.GetCurrentClassLogger();
    private readonly Thread _thread;
    private readonly ManualResetEventSlim _started = new();
    private bool _disposed;

    /// <exception cref="PosixException">The context cannot be created.</exception>
    public IoThread(AioContextOptions? options = null)
    {
        Context = new AioContext(options ?? new AioContextOptions { Name = "iothread" });
        _thread = new Thread(Main) { Name = Context.Name, IsBackground = true };
        _thread.Start();
        _started.Wait();
    }

    public AioContext Context { get; }

    /// <summary>The kernel's id of the thread, for <see cref="ThreadScheduling"/>.</summary>
    public int ThreadId { get; private set; }

    /// <summary>Stops the loop, once what was scheduled has run, joins the thread and disposes the context.</summary>
    /// <exception cref="InvalidOperationException">On the thread itself, which cannot wait for its own end.</exception>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        if (Thread.CurrentThread == _thread)
        {
            throw new InvalidOperationException($"The thread {Context.Name} cannot dispose itself.");
        }

        _disposed = true;
        Context.Stop();
        _thread.Join();
        Context.Dispose();
        _started.Dispose();
    }

    private void Main()
    {
        try
        {
            ThreadId = ThreadScheduling.CurrentThreadId;
            int errno = ThreadScheduling.TrySetBatch();
            if (errno != 0)
            {
                Log.Debug("{0}: SCHED_BATCH refused: {1}.", Context.Name, Errno.Name(errno));
            }

            _started.Set();
            Context.Run();
            Context.Poll(blocking: false); // what was scheduled before the end still runs
        }
        catch (Exception e)
        {
            Log.Fatal(e, "{0}: an exception escaped from a callback.", Context.Name);
            LogManager.Flush();
            Environment.FailFast($"{Context.Name}: {e.Message}", e);
        }
    }
}
