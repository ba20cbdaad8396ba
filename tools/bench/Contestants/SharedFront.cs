using Bench.Measuring;
using RingCore.Hosting;

namespace Bench.Contestants;

/// <summary>
/// Our front over a vhost-user-blk back end, ours or another's: with one and the same front, what differs between two of these
/// is the back end.
/// </summary>
internal sealed class SharedFront : Contestant
{
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(15);

    /// <summary>The back end, for the shell, in which <c>{image}</c> and <c>{socket}</c> stand for paths. It stays in the foreground.</summary>
    public required string Backend { get; init; }

    public required bool IsOurs { get; init; }

    /// <summary>Options of <c>vdisk attach</c> that are the front's.</summary>
    public required IReadOnlyList<string> Options { get; init; }

    /// <inheritdoc cref="VdiskDisk.RuntimeFolder"/>
    public required string RuntimeFolder { get; init; }

    public override ContestantKind Kind => IsOurs ? ContestantKind.Ours : ContestantKind.Peer;

    public override string Description => $"{string.Join(' ', ["vdisk attach", .. Options])} vhost-user:{{socket}}, over {Backend}";

    public override Serving Start(ContestantFolder folder, CancellationToken cancel)
    {
        string socket = Path.Combine(folder.Path, "s.sock");
        VdiskDisk front = new() { Name = Name, Options = Options, RuntimeFolder = RuntimeFolder, Attaches = $"vhost-user:{socket}" };
        ServerSession backend = new(
            Backend
                .Replace("{image}", PeerTemplate.Quote(folder.Image), StringComparison.Ordinal)
                .Replace("{socket}", PeerTemplate.Quote(socket), StringComparison.Ordinal),
            folder.Log);
        try
        {
            WaitUntilListening(backend, socket, cancel);
            return new Running(Name, front.Start(folder, cancel), backend);
        }
        catch
        {
            End(backend);
            throw;
        }
    }

    private void WaitUntilListening(ServerSession backend, string socket, CancellationToken cancel)
    {
        for (long end = Environment.TickCount64 + (long)StartTimeout.TotalMilliseconds; !File.Exists(socket);)
        {
            if (backend.HasExited || Environment.TickCount64 > end)
            {
                throw new UserErrorException($"{Name}: its back end does not listen at {socket}{backend.LastWords}");
            }

            cancel.WaitHandle.WaitOne(20);
            cancel.ThrowIfCancellationRequested();
        }
    }

    private static void End(ServerSession backend)
    {
        backend.End(() => { });
        backend.Dispose();
    }

    private sealed class Running(string name, Serving front, ServerSession backend) : Serving
    {
        public override string File => front.File;

        public override void Verify()
        {
            if (backend.HasExited)
            {
                throw new UserErrorException($"{name}: its back end has ended with code {backend.ExitCode}{backend.LastWords}");
            }

            front.Verify();
        }

        public override IReadOnlyList<int> Processes() => [.. front.Processes(), .. backend.Processes()];

        public override VdiskCounters? Counters() => front.Counters();

        public override void Dispose()
        {
            try
            {
                front.Dispose();
            }
            finally
            {
                End(backend);
            }
        }
    }
}
