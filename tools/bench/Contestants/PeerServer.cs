using Bench.Measuring;
using RingCore.Hosting;

namespace Bench.Contestants;

/// <summary>Someone else's server, FUSE and all.</summary>
internal sealed class PeerServer : Contestant
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(15);

    public required PeerTemplate Template { get; init; }

    public override ContestantKind Kind => ContestantKind.Peer;

    public override string Description => Template.Command;

    public override Serving Start(ContestantFolder folder, CancellationToken cancel)
    {
        if (Template.NeedsFile)
        {
            File.WriteAllBytes(folder.File, []);
        }

        Running running = new(Name, folder, new ServerSession(Template.For(folder), folder.Log));
        try
        {
            running.WaitUntilServing(cancel);
            return running;
        }
        catch
        {
            running.Dispose();
            throw;
        }
    }

    private sealed class Running(string name, ContestantFolder folder, ServerSession server) : Serving
    {
        public override string File => folder.File;

        public void WaitUntilServing(CancellationToken cancel)
        {
            string problem = "";
            for (long end = Environment.TickCount64 + (long)StartTimeout.TotalMilliseconds; Environment.TickCount64 < end;)
            {
                if (server.HasExited)
                {
                    throw new UserErrorException(
                        $"{name} ended with code {server.ExitCode} before {File} was there; it must stay in the foreground{server.LastWords}");
                }

                problem = MountCheck.ProblemWithFuse(folder) ?? "";
                if (problem.Length == 0)
                {
                    return;
                }

                cancel.WaitHandle.WaitOne(20);
                cancel.ThrowIfCancellationRequested();
            }

            throw new UserErrorException($"{name} does not serve after {StartTimeout.TotalSeconds:0} s: {problem}{server.LastWords}");
        }

        public override void Verify()
        {
            if (server.HasExited)
            {
                throw new UserErrorException($"{name} has ended with code {server.ExitCode}{server.LastWords}");
            }

            MountCheck.RequireFuse(folder);
        }

        public override IReadOnlyList<int> Processes() => server.Processes();

        public override void Dispose()
        {
            server.End(() => FuseUnmount.All(folder)); // a server may wait for its mount's end
            server.Dispose();
            FuseUnmount.All(folder);
        }
    }
}
