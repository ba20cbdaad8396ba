namespace RingCore.Tests;

/// <summary>
/// Runs a part of a test on a thread of its own, which ends with it: what is set for that thread stays there. What it throws, an
/// assertion too, is thrown to whoever waits for it; out of a bare thread it would end the test host.
/// </summary>
internal static class OwnThread
{
    internal static Task Start(Action action) =>
        Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    internal static void Run(Action action) => Start(action).GetAwaiter().GetResult();
}
