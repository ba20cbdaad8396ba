using System.Diagnostics;
using Backend.Block;
using RingCore.Aio;
using RingCore.Faults;
using RingCore.Posix;

namespace Backend.Faults;

/// <summary>
/// One queue's way through the rules. This file has what waits: requests that are delayed, rated or hung; <c>.Outcomes</c>
/// has what happens to them in the end. Context's thread only, save for the bottom half that wakes it.
/// </summary>
internal sealed partial class FaultQueue : FilterQueue
{
    private readonly FaultFilter _filter;
    private readonly FaultEngine _engine;
    private readonly AioTimer _timer;
    private readonly BottomHalf _lookAgain;
    private readonly List<Held> _held = [];

    internal FaultQueue(FaultFilter filter, IBlockQueue below, AioContext context, int index)
        : base(below, index)
    {
        _filter = filter;
        _engine = filter.Engine;
        _timer = context.CreateTimer(ReleaseDue);
        _lookAgain = context.CreateBottomHalf(ReleaseDue, "fault rules changed");
        _engine.Changed += _lookAgain.Schedule;
        _filter.Power.Changed += _lookAgain.Schedule;
    }

    /// <inheritdoc/>
    public override int InFlight => _held.Count + _works + Below.InFlight;

    /// <summary>To a rule each request of the driver is an occasion of its own.</summary>
    public override bool TakesMerged => _engine.Active is null && Below.TakesMerged;

    /// <inheritdoc/>
    public override bool TakesGetId => true;

    /// <inheritdoc/>
    public override void Submit(BlockRequest request)
    {
        if (_filter.Power.IsOff)
        {
            request.Complete(Errno.EIO);
            return;
        }

        ArmedRule[]? rules = _engine.Active?.Of(EventOf(request.Operation));
        if (rules is null)
        {
            PassOn(request);
            return;
        }

        bool hasRange = request.Operation is not (BlockOperation.Flush or BlockOperation.GetId);
        FaultVerdict verdict = _engine.Decide(rules, Index, hasRange ? request.Offset : -1, request.Length);
        if (verdict.Hang is null && verdict.NotBefore == 0)
        {
            Perform(request, verdict.Outcome, verdict.Draw);
        }
        else
        {
            Hold(request, verdict);
        }
    }

    /// <summary>What hangs ends with EIO, as on a device that is reset; what is late starts now.</summary>
    public override void LetGo()
    {
        while (_held.Count > 0)
        {
            Held held = TakeHeld(0);
            if (held.Verdict.Hang is not null)
            {
                held.Request.Complete(Errno.EIO);
            }
            else
            {
                Perform(held.Request, held.Verdict.Outcome, held.Verdict.Draw);
            }
        }

        Below.LetGo();
        Below.Commit();
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _engine.Changed -= _lookAgain.Schedule;
        _filter.Power.Changed -= _lookAgain.Schedule;
        _timer.Dispose();
        _lookAgain.Dispose();
        base.Dispose();
    }

    private static FaultEvent EventOf(BlockOperation operation) => operation switch
    {
        BlockOperation.Read => FaultEvent.Read,
        BlockOperation.Write => FaultEvent.Write,
        BlockOperation.Flush => FaultEvent.Flush,
        BlockOperation.Discard => FaultEvent.Discard,
        BlockOperation.WriteZeroes => FaultEvent.WriteZeroes,
        _ => FaultEvent.GetId,
    };

    private void PassOn(BlockRequest request)
    {
        if (request.Operation == BlockOperation.GetId)
        {
            request.Complete(0);
        }
        else
        {
            Below.Submit(request);
        }
    }

    private void Hold(BlockRequest request, FaultVerdict verdict)
    {
        verdict.Hang?.Hold();
        _held.Add(new Held(request, verdict));
        ArmTimer();
    }

    private Held TakeHeld(int index)
    {
        Held held = _held[index];
        _held.RemoveAt(index);
        held.Verdict.Hang?.Release();
        return held;
    }

    /// <summary>Starts what need not wait any longer, in the order of coming.</summary>
    private void ReleaseDue()
    {
        long now = Stopwatch.GetTimestamp();
        bool isOff = _filter.Power.IsOff;
        for (int i = 0; i < _held.Count;)
        {
            if (!isOff && WaitsUntil(_held[i].Verdict) > now)
            {
                i++;
                continue;
            }

            Held held = TakeHeld(i);
            Perform(held.Request, held.Verdict.Outcome, held.Verdict.Draw);
            isOff = _filter.Power.IsOff; // an outcome may have cut it
        }

        Below.Commit();
        ArmTimer();
    }

    private void ArmTimer()
    {
        long next = long.MaxValue;
        foreach (Held held in _held)
        {
            next = Math.Min(next, WaitsUntil(held.Verdict));
        }

        if (next == long.MaxValue)
        {
            _timer.Cancel();
            return;
        }

        // Rounded up: a timer that fires early would only be armed once more.
        double left = Math.Max(0, next - Stopwatch.GetTimestamp()) / (double)Stopwatch.Frequency;
        _timer.Arm(TimeSpan.FromTicks((long)Math.Ceiling(left * TimeSpan.TicksPerSecond)));
    }

    private long WaitsUntil(FaultVerdict verdict)
    {
        bool hangs = verdict.Hang is { IsRetired: false } && _engine.Active is not null;
        return hangs ? Math.Max(verdict.NotBefore, verdict.Hang!.EndsAt) : verdict.NotBefore;
    }

    private readonly record struct Held(BlockRequest Request, FaultVerdict Verdict);
}
