using System.Runtime.ExceptionServices;

namespace RingCore.Aio;

/// <summary>One <see cref="AioContext.Invoke"/> from another thread: the caller waits here for the loop.</summary>
internal sealed class Invocation
{
    private readonly AioContext _context;
    private readonly Action _callback;
    private readonly BottomHalf _bottomHalf;
    private readonly ManualResetEventSlim _done = new(); // never disposed: Set may still run when Wait has returned
    private ExceptionDispatchInfo? _failure;

    internal Invocation(AioContext context, Action callback)
    {
        _context = context;
        _callback = callback;
        _bottomHalf = new BottomHalf(context, Execute, "invoke") { Abandoned = Abandon };
    }

    internal void Schedule() => _bottomHalf.Schedule();

    internal void Wait()
    {
        _done.Wait();
        _failure?.Throw();
    }

    // The caller gets every exception, whatever it is: it is not swallowed, it changes threads.
    private void Execute()
    {
        try
        {
            _callback();
        }
        catch (Exception e)
        {
            _failure = ExceptionDispatchInfo.Capture(e);
        }

        _done.Set();
    }

    private void Abandon()
    {
        _failure = ExceptionDispatchInfo.Capture(new ObjectDisposedException(_context.Name));
        _done.Set();
    }
}
