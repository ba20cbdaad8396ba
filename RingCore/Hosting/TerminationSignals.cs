using System.Runtime.InteropServices;
using RingCore.Posix;

namespace RingCore.Hosting;

/// <summary>
/// Turns SIGINT, SIGTERM and SIGHUP into one call of a callback, so that a process can finish what is in flight. A second
/// SIGINT ends the process at once with code 130. Handlers are taken off again by <see cref="Dispose"/>.
/// </summary>
public sealed class TerminationSignals : IDisposable
{
    private readonly Action<PosixSignal> _callback;
    private readonly PosixSignalRegistration[] _registrations;
    private int _signalled;

    /// <param name="callback">
    /// Runs once, on a thread of the runtime; it only wakes whoever stops the process, and returns.
    /// </param>
    public TerminationSignals(Action<PosixSignal> callback)
    {
        _callback = callback;
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, Handle),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, Handle),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, Handle),
        ];
    }

    /// <summary>Restores the default handling.</summary>
    public void Dispose()
    {
        foreach (PosixSignalRegistration registration in _registrations)
        {
            registration.Dispose();
        }
    }

    private void Handle(PosixSignalContext context)
    {
        context.Cancel = true;

        // Pairs with nothing but itself: signals may arrive on two threads at once, and one of them is the first.
        if (Interlocked.Exchange(ref _signalled, 1) == 0)
        {
            _callback(context.Signal);
        }
        else if (context.Signal == PosixSignal.SIGINT)
        {
            ProcessControl.ExitNow(ExitCodes.Interrupted);
        }
    }
}
