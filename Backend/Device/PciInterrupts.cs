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
    private readonly RetiredEventFds _retired = new();
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
    /// are replaced are closed after a grace period; an edge that the client has not fetched from one of them moves on to the new
    /// binding.
    /// </summary>
    public void Assign(int index, int start, ReadOnlySpan<EventFd?> fds)
    {
        for (int i = 0; i < fds.Length; i++)
        {
            IrqLine line = _lines[index][start + i];
            _retired.Add(line, line.Assign(fds[i]));
        }

        if (index == VfioPciIrq.Msix && fds.Length > 0)
        {
            IsMsixActive = true;
            _proxy.UpdateInterruptMode();
        }

        _retired.Close(_proxy.Device, keepEdges: true);
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

    /// <summary>As <see cref="IVirtioTransport.FreeStuckThreads"/>.</summary>
    internal void FreeStuckThreads()
    {
        _retired.FreeStuckThreads();
        foreach (IrqLine line in _lines.SelectMany(l => l))
        {
            line.FreeStuckThread();
        }
    }

    private void Disable(ReadOnlySpan<int> indices)
    {
        foreach (int index in indices)
        {
            foreach (IrqLine line in _lines[index])
            {
                _retired.Add(line, line.Assign(null));
                line.SetMasked(false);
            }
        }

        if (indices.Contains(VfioPciIrq.Msix))
        {
            IsMsixActive = false;
            _proxy.UpdateInterruptMode();
        }

        _retired.Close(_proxy.Device, keepEdges: false);
    }
}
