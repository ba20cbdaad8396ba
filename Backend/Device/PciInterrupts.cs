using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Device;

/// <summary>
/// The interrupts of a PCI function by VFIO index: INTx, MSI (none), MSI-X, ERR and REQ. The server thread binds, masks and
/// triggers; the lines themselves are raised from anywhere.
/// </summary>
public sealed class PciInterrupts
{
    private readonly VirtioPciProxy _proxy;
    private readonly IrqLine[][] _lines =
        [[new IntxLine()], [], [], [new GuestNotifier()], [new GuestNotifier()]];

    internal PciInterrupts(VirtioPciProxy proxy)
    {
        _proxy = proxy;
        Intx = (IntxLine)_lines[VfioPciIrq.Intx][0];
    }

    /// <summary>The INTx pin.</summary>
    public IntxLine Intx { get; }

    /// <summary>The client has MSI-X switched on: vectors are set up, be they bound to an eventfd or not.</summary>
    public bool IsMsixActive { get; private set; }

    /// <summary>Number of interrupts of an index below <see cref="VfioPciIrq.Count"/>.</summary>
    public int Count(int index) => _lines[index].Length;

    /// <summary>One line.</summary>
    public IrqLine Line(int index, int vector) => _lines[index][vector];

    /// <summary>
    /// Binds lines from <paramref name="start"/> on to eventfds, whose ownership passes to the lines; null unbinds. Those that
    /// are replaced are closed after a grace period.
    /// </summary>
    public void Assign(int index, int start, ReadOnlySpan<EventFd?> fds)
    {
        List<(IrqLine Line, EventFd Fd)> retired = [];
        for (int i = 0; i < fds.Length; i++)
        {
            IrqLine line = _lines[index][start + i];
            Retire(retired, line, line.Assign(fds[i]));
        }

        if (index == VfioPciIrq.Msix && fds.Length > 0)
        {
            IsMsixActive = true;
            _proxy.UpdateInterruptMode();
        }

        // An edge that the client has not consumed moves on to the new binding.
        foreach ((IrqLine line, EventFd fd) in retired)
        {
            if (Drain(fd))
            {
                line.Trigger();
            }
        }

        CloseAfterGracePeriod(retired);
    }

    /// <summary>Unbinds and unmasks every line of an index (SET_IRQS with count 0).</summary>
    public void Disable(int index) => Disable([index]);

    /// <summary>Unbinds everything: the client is gone.</summary>
    public void Clear() => Disable([VfioPciIrq.Intx, VfioPciIrq.Msi, VfioPciIrq.Msix, VfioPciIrq.Err, VfioPciIrq.Req]);

    internal void Build(GuestNotifier[] vectors) => _lines[VfioPciIrq.Msix] = [.. vectors];

    internal void ClearPending()
    {
        foreach (IrqLine line in _lines.SelectMany(l => l))
        {
            line.ClearPending();
        }
    }

    internal void Unmask()
    {
        foreach (IrqLine line in _lines.SelectMany(l => l))
        {
            line.SetMasked(false);
        }
    }

    private static void Retire(List<(IrqLine Line, EventFd Fd)> retired, IrqLine line, EventFd? old)
    {
        if (old is not null)
        {
            retired.Add((line, old));
        }
    }

    /// <summary>
    /// Empties an eventfd that no longer belongs to a line. A hostile client may have made it blocking again and filled it, so
    /// that a thread which signals it hangs, and with it the grace period: this frees that thread.
    /// </summary>
    private static bool Drain(EventFd fd)
    {
        fd.Descriptor.SetNonBlocking(true);
        return fd.TestAndClear();
    }

    private void Disable(ReadOnlySpan<int> indices)
    {
        List<(IrqLine Line, EventFd Fd)> retired = [];
        foreach (int index in indices)
        {
            foreach (IrqLine line in _lines[index])
            {
                Retire(retired, line, line.Assign(null));
                line.SetMasked(false);
            }
        }

        if (indices.Contains(VfioPciIrq.Msix))
        {
            IsMsixActive = false;
            _proxy.UpdateInterruptMode();
        }

        retired.ForEach(r => Drain(r.Fd));
        CloseAfterGracePeriod(retired);
    }

    private void CloseAfterGracePeriod(List<(IrqLine Line, EventFd Fd)> retired)
    {
        if (retired.Count > 0)
        {
            _proxy.Device.Synchronize();
            retired.ForEach(r => r.Fd.Dispose());
        }
    }
}
