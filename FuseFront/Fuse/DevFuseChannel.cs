using FuseFront.Fuse.Wire;
using RingCore.Aio;
using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>
/// A channel over /dev/fuse: one readv a request, which puts head and arguments into private memory and the payload straight
/// into a free slot, and one writev a reply. It owns at most one slot that no request lives in, the next one to receive
/// into.
/// </summary>
internal sealed unsafe partial class DevFuseChannel : FuseChannel
{
    /// <summary>Most requests received before the loop's other work gets its turn.</summary>
    private const int BatchLimit = 64;

    private const int NoSlot = -1;

    private readonly FuseDevice _device;
    private readonly bool _ownsDevice;
    private readonly FuseDirectoryServer _server;
    private readonly MemoryMapping _memory;
    private readonly AioHandler _handlers;
    private readonly BottomHalf _resume;
    private int _nextSlot = NoSlot;
    private bool _running;
    private bool _hooked;

    // Receiving has stopped for want of a slot.
    private bool _starved;

    /// <param name="beside">
    /// Counters of the channel that this one serves beside, on the same thread: then it only gets what that one does not, and
    /// busy-polling does not look at it.
    /// </param>
    internal DevFuseChannel(
        FuseSession session, int index, AioContext context, IFuseSlotSource slots, IFuseDataHandler handler,
        FuseDirectoryServer server, FuseDevice device, bool ownsDevice, FuseChannelStatistics? beside = null)
        : base(session, index, context, slots, handler, beside)
    {
        _device = device;
        _ownsDevice = ownsDevice;
        _server = server;
        _memory = MemoryMapping.Anonymous(MemoryLength);
        _resume = context.CreateBottomHalf(Resume, "fuse-resume");
        _handlers = new AioHandler
        {
            Read = OnReadable,
            Poll = beside == null ? PollDevice : static () => false,
            PollReady = static () => { },
            IsExclusive = true,
        };
    }

    /// <inheritdoc/>
    public override void Start() => Context.Invoke(() =>
    {
        _running = true;
        Hook();
    });

    /// <inheritdoc/>
    public override void Stop() => Context.Invoke(StopReceiving);

    /// <inheritdoc/>
    public override void ResumeReceiving()
    {
        if (_starved)
        {
            _resume.Schedule();
        }
    }

    /// <inheritdoc/>
    internal override void LookOnce() => _resume.Schedule();

    /// <inheritdoc/>
    public override void Dispose()
    {
        _resume.Dispose();
        if (_ownsDevice)
        {
            _device.Dispose();
        }

        _memory.Dispose();
    }

    private void StopReceiving()
    {
        _running = false;
        _starved = false;
        _resume.Cancel();
        Unhook();
        if (_nextSlot != NoSlot)
        {
            Slots.Return(_nextSlot);
            _nextSlot = NoSlot;
        }
    }

    private void OnReadable()
    {
        if (ReceiveHooked() == 1 && TakesTurns && _hooked)
        {
            Context.YieldNextEvent(_device.Descriptor);
        }
    }

    /// <summary>One batch while the descriptor is watched. Returns the number of requests.</summary>
    private int ReceiveHooked()
    {
        if (ReceiveBatch(out int received) == Outcome.NoSlot)
        {
            // Level-triggered readiness would wake this loop over and over. The wake-up was this channel's alone, so the others
            // are told to look for what it leaves behind.
            _starved = true;
            Unhook();
            Session.TellOthers(this);
        }

        return received;
    }

    /// <summary>
    /// There is no memory to look at: the probe is a read that finds nothing. What it finds is served at once, so that nothing
    /// received can be forgotten when polling ends. Where the loop yields, it is for an answer, and others may take what comes.
    /// </summary>
    private bool PollDevice()
    {
        return _hooked && Context.PollYields == 0 && ReceiveHooked() != 0;
    }

    private void Resume()
    {
        if (!_starved)
        {
            if (_hooked)
            {
                ReceiveHooked();
            }

            return;
        }

        switch (ReceiveBatch(out _))
        {
            case Outcome.Dry:
                _starved = false;
                Hook();
                break;
            case Outcome.BatchFull:
                _resume.Schedule();
                break;
            default:
                break;
        }
    }

    private void Hook()
    {
        if (!_hooked)
        {
            _hooked = true;
            Context.SetFdHandler(_device.Descriptor, _handlers);
        }
    }

    private void Unhook()
    {
        if (_hooked)
        {
            _hooked = false;
            Context.SetFdHandler(_device.Descriptor, null);
        }
    }
}
