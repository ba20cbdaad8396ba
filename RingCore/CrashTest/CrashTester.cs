using System.Collections.Concurrent;
using System.Diagnostics;
using RingCore.Posix;

namespace RingCore.CrashTest;

/// <summary>How a <see cref="CrashTester"/> works.</summary>
public sealed record CrashOptions
{
    public required IReadOnlyList<CrashMode> Modes { get; init; }

    public required Sampling Sampling { get; init; }

    /// <summary>States checked at the same time, each on an image of its own.</summary>
    public required int Jobs { get; init; }

    /// <summary>No state before this record.</summary>
    public int From { get; init; }

    /// <summary>Failing states whose cause is looked for.</summary>
    public int Minimize { get; init; } = 20;

    /// <summary>Folder for the working images.</summary>
    public required string WorkFolder { get; init; }
}

/// <summary>
/// Runs a crash test: one thread walks the log and tells apart the states, the jobs build and check them. The log's data is
/// read as it is needed; memory goes with the sectors that the log touches, and with the number of states.
/// </summary>
/// <param name="index">Of the log.</param>
/// <param name="baseImage">The disk before the log.</param>
/// <param name="options">How.</param>
/// <param name="createCheck">Makes the check of one job: its number, and the path of its working image.</param>
public sealed class CrashTester(
    LogIndex index, PositionedFile baseImage, CrashOptions options, Func<int, string, IStateCheck> createCheck)
{
    private const int Ahead = 32;
    private readonly StepLists _steps = StepLists.Of(index);
    private readonly Dictionary<(ulong Hash, int Marks), bool?> _seen = []; // null while it is checked; guarded by itself
    private readonly List<FailingState> _failures = [];                     // guarded by itself

    /// <summary>Told on some thread after each state: the mode, how many were checked, how many failed.</summary>
    public Action<CrashMode, long, long>? Progress { get; set; }

    /// <summary>Told on some thread for each failing state whose cause is being looked for: how many are done, of how many.</summary>
    public Action<int, int>? MinimizeProgress { get; set; }

    /// <summary>Runs it.</summary>
    public CrashResults Run(CancellationToken cancel)
    {
        using BenchSet benches = new(index, baseImage, options, createCheck, _steps);
        Verdict baseVerdict = benches[0].Judge(new CrashState(StateStart.Base, 0, []), 0, cancel);
        List<ModeSummary> summaries = [];
        foreach (CrashMode mode in options.Modes)
        {
            summaries.Add(RunMode(mode, benches, cancel));
        }

        List<FailingState> failures =
            [.. _failures.OrderBy(f => options.Modes.ToList().IndexOf(f.Candidate.Mode)).ThenBy(f => f.Candidate.At).ThenBy(f => f.Candidate.Hash)];
        FindCauses(Worthwhile(failures), benches, baseVerdict, cancel);
        return new CrashResults(summaries, failures, baseVerdict);
    }

    private ModeSummary RunMode(CrashMode mode, BenchSet benches, CancellationToken cancel)
    {
        long started = Stopwatch.GetTimestamp();
        List<(ulong, int)> given = [];
        long fresh = 0;
        long failed = 0;
        long done = 0;
        using BlockingCollection<Candidate> queue = new(Ahead * options.Jobs);
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Task[] jobs = [.. Enumerable.Range(0, options.Jobs).Select(i => Task.Factory.StartNew(
            () => Work(benches[i]), stop.Token, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        try
        {
            Feed();
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // A job failed, or the user had enough: what the jobs say is the reason.
        }
        finally
        {
            queue.CompleteAdding();
            Join(jobs);
        }

        cancel.ThrowIfCancellationRequested();
        long failing = given.LongCount(key => _seen[key] == false);
        return new ModeSummary(mode, given.Count, fresh, failing, Stopwatch.GetElapsedTime(started).TotalSeconds);

        void Feed()
        {
            HashSet<(ulong, int)> own = [];
            foreach (Candidate candidate in Walk(mode))
            {
                (ulong, int) key = (candidate.Hash, candidate.Marks);
                if (!own.Add(key))
                {
                    continue;
                }

                given.Add(key);
                bool isNew;
                lock (_seen)
                {
                    isNew = _seen.TryAdd(key, null);
                }

                if (isNew)
                {
                    fresh++;
                    queue.Add(candidate, stop.Token);
                }
            }
        }

        void Work(Workbench bench)
        {
            try
            {
                foreach (Candidate candidate in queue.GetConsumingEnumerable(stop.Token))
                {
                    Verdict verdict = bench.Judge(candidate.State, candidate.StepCount, stop.Token);
                    Note(candidate, verdict);
                    long soFar = verdict.Passed ? Volatile.Read(ref failed) : Interlocked.Increment(ref failed);
                    Progress?.Invoke(mode, Interlocked.Increment(ref done), soFar);
                }
            }
            catch
            {
                stop.Cancel(); // the others, and the walk, need not go on
                throw;
            }
        }
    }

    private void Note(Candidate candidate, Verdict verdict)
    {
        lock (_seen)
        {
            _seen[(candidate.Hash, candidate.Marks)] = verdict.Passed;
        }

        if (!verdict.Passed)
        {
            lock (_failures)
            {
                _failures.Add(new FailingState { Candidate = candidate, Verdict = verdict });
            }
        }
    }

    private IEnumerable<Candidate> Walk(CrashMode mode)
    {
        StateWalk walk = new(index, baseImage, options.From);
        return mode switch
        {
            CrashMode.Flush => walk.Flush(),
            CrashMode.Prefix => walk.Prefix(),
            _ => walk.Reorder(options.Sampling),
        };
    }

    /// <summary>As many as are asked for: as many of each mode, from the log's start to its end.</summary>
    private List<FailingState> Worthwhile(List<FailingState> failures)
    {
        List<List<FailingState>> modes = [.. failures.GroupBy(f => f.Candidate.Mode).Select(m => m.ToList()).OrderBy(m => m.Count)];
        List<FailingState> chosen = [];
        for (int i = 0; i < modes.Count; i++)
        {
            List<FailingState> mode = modes[i];
            int count = Math.Min(mode.Count, (options.Minimize - chosen.Count) / (modes.Count - i));
            chosen.AddRange(Enumerable.Range(0, count).Select(k => mode[(int)((long)k * (mode.Count - 1) / Math.Max(1, count - 1))]));
        }

        return [.. chosen.OrderBy(f => f.Candidate.At)];
    }

    private void FindCauses(IReadOnlyList<FailingState> failures, BenchSet benches, Verdict baseVerdict, CancellationToken cancel)
    {
        int done = 0;
        int next = -1;
        Task[] jobs = [.. Enumerable.Range(0, Math.Min(options.Jobs, failures.Count)).Select(i => Task.Factory.StartNew(
            () => Work(benches[i]), cancel, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        Join(jobs);

        void Work(Workbench bench)
        {
            CauseSearch search = new(index, bench, baseVerdict.Passed);
            for (int i = Interlocked.Increment(ref next); i < failures.Count; i = Interlocked.Increment(ref next))
            {
                failures[i].Cause = search.Find(failures[i], cancel);
                MinimizeProgress?.Invoke(Interlocked.Increment(ref done), failures.Count);
            }
        }
    }

    /// <summary>Waits for all; the first real failure is thrown as it is.</summary>
    private static void Join(Task[] jobs)
    {
        try
        {
            Task.WaitAll(jobs);
        }
        catch (AggregateException e)
        {
            Exception first = e.Flatten().InnerExceptions.FirstOrDefault(x => x is not OperationCanceledException) ?? e.InnerExceptions[0];
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(first);
        }
    }

    /// <summary>The jobs' benches; all are made at the start, and all are removed.</summary>
    private sealed class BenchSet : IDisposable
    {
        private readonly List<Workbench> _benches = [];

        internal BenchSet(
            LogIndex index, PositionedFile baseImage, CrashOptions options, Func<int, string, IStateCheck> createCheck, StepLists steps)
        {
            try
            {
                for (int i = 0; i < options.Jobs; i++)
                {
                    string path = Path.Combine(options.WorkFolder, $"state{i}.img");
                    _benches.Add(new Workbench(index, baseImage, path, createCheck(i, path), steps));
                }
            }
            catch
            {
                Dispose();
                throw;
            }
        }

        internal Workbench this[int job] => _benches[job];

        public void Dispose() => _benches.ForEach(b => b.Dispose());
    }
}
