using RingCore.CrashTest;
using RingCore.Log;
using RingCore.Posix;
using RingCore.Tests.Log;

namespace RingCore.Tests.CrashTest;

/// <summary>A log that has been read, its base image, and a crash test over both whose check is a function.</summary>
internal sealed class CrashRig : IDisposable
{
    private readonly TestLog _log;
    private readonly LogReader _reader;

    internal CrashRig(TestLog log)
    {
        _log = log;
        _reader = log.Read();
        Index = LogIndex.Load(_reader);
        Base = PositionedFile.Open(log.BasePath, OpenFlags.ReadOnly);
    }

    internal LogIndex Index { get; }

    internal PositionedFile Base { get; }

    /// <summary>The whole disk in a state, built anew: the model for what is built step by step.</summary>
    internal byte[] Content(CrashState state)
    {
        string path = _log[$"model{Guid.NewGuid():N}"];
        using (PositionedFile target = PositionedFile.Open(path, OpenFlags.ReadWrite | OpenFlags.Create | OpenFlags.Exclusive))
        {
            StateImage.Build(Index, Base, target, state, _ => { }, CancellationToken.None);
        }

        byte[] content = File.ReadAllBytes(path);
        File.Delete(path);
        return content;
    }

    internal CrashResults Test(Func<byte[], StateFacts, bool> check, long limit = 1000, int jobs = 2, int sector = 512, int from = 0, params CrashMode[] modes)
    {
        string folder = _log[$"work{Guid.NewGuid():N}"];
        Directory.CreateDirectory(folder);
        CrashOptions options = new()
        {
            Modes = modes.Length > 0 ? modes : Enum.GetValues<CrashMode>(),
            Sampling = new Sampling(limit, 7, sector),
            Jobs = jobs,
            From = from,
            WorkFolder = folder,
        };
        CrashResults results = new CrashTester(Index, Base, options, (_, _) => new FunctionCheck(check)).Run(CancellationToken.None);
        Assert.That(Directory.GetFiles(folder), Is.Empty, "working images are removed");
        return results;
    }

    public void Dispose()
    {
        Base.Dispose();
        _reader.Dispose();
        _log.Dispose();
    }

    private sealed class FunctionCheck(Func<byte[], StateFacts, bool> check) : IStateCheck
    {
        public Verdict Run(string image, StateFacts facts, CancellationToken cancel) =>
            check(File.ReadAllBytes(image), facts) ? Verdict.Pass : new Verdict(false, 1, false, "bad");

        public void Dispose()
        {
        }
    }
}
