using RingCore.Log;
using RingCore.Posix;

namespace RingCore.CrashTest;

/// <summary>One job's working image and check: brings the image into a state, has it checked, and clears up. One thread.</summary>
public sealed class Workbench : IDisposable
{
    private readonly LogIndex _index;
    private readonly WorkImage _image;
    private readonly IStateCheck _check;
    private readonly IReadOnlyList<Piece> _stable;
    private readonly IReadOnlyList<Piece> _all;

    /// <param name="index">Of the log.</param>
    /// <param name="baseImage">The disk before the log; stays the caller's.</param>
    /// <param name="path">The working image to make.</param>
    /// <param name="check">Becomes this object's.</param>
    /// <param name="steps">Both lists of steps, which all jobs share.</param>
    public Workbench(LogIndex index, PositionedFile baseImage, string path, IStateCheck check, StepLists steps)
    {
        _index = index;
        _check = check;
        _stable = steps.Stable;
        _all = steps.All;
        _image = new WorkImage(index, baseImage, path);
    }

    /// <summary>Judges a state.</summary>
    /// <param name="state">Which; its pieces have no sector twice.</param>
    /// <param name="stepCount">Steps of what it starts from.</param>
    /// <param name="cancel">Ends it.</param>
    public Verdict Judge(CrashState state, int stepCount, CancellationToken cancel)
    {
        _image.Become(state.Start == StateStart.Prefix ? _all : _stable, state.Start == StateStart.Base ? 0 : stepCount, state.Pieces);
        int marks = _index.MarksUpTo(state.At);
        StateFacts facts = new(
            StateSpec.Format(state, _index), state.At, marks == 0 ? "" : _index.Marks[marks - 1].Text, marks);
        Verdict verdict = _check.Run(_image.Path, facts, cancel);
        _image.Repair();
        return verdict;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _check.Dispose();
        _image.Dispose();
    }
}

/// <summary>The lists that states' steps are counted in.</summary>
/// <param name="Stable">In the order of becoming stable.</param>
/// <param name="All">In the order of completion.</param>
public sealed record StepLists(IReadOnlyList<Piece> Stable, IReadOnlyList<Piece> All)
{
    public static StepLists Of(LogIndex index) => new(DiskTimeline.StableSteps(index), DiskTimeline.AllSteps(index));
}
