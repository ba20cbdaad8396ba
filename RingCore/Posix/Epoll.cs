using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>
/// One epoll(7) instance and a buffer of events. <see cref="Wait"/> and the events it leaves are for one thread at a time;
/// allocates nothing after construction. Level triggered but for <see cref="PollEvents.Edge"/>.
/// </summary>
public sealed unsafe class Epoll : IDisposable
{
    private const int EpollCloExec = 0x80000;
    private const int CtlAdd = 1;
    private const int CtlDelete = 2;
    private const int CtlModify = 3;
    private const long NsPerMs = 1_000_000;

    // struct epoll_event is packed on x86-64 and nowhere else: u32 events, u64 data.
    private static readonly int EventSize = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 12 : 16;
    private static readonly int DataOffset = EventSize - sizeof(ulong);

    private readonly FileDescriptor _descriptor;
    private readonly int _number;
    private readonly MemoryMapping _buffer;
    private readonly int _capacity;
    private bool _hasNanoseconds = true;

    /// <param name="capacity">Most events one <see cref="Wait"/> returns.</param>
    public Epoll(int capacity = 128)
    {
        _capacity = capacity;
        _descriptor = FileDescriptor.FromResult(Libc.epoll_create1(EpollCloExec), "epoll_create1");
        _number = _descriptor.Number;
        _buffer = MemoryMapping.Anonymous((nuint)(capacity * EventSize));
    }

    /// <summary>The instance itself, which is readable while one of the watched is ready; still owned by this object.</summary>
    public FileDescriptor Descriptor => _descriptor;

    /// <summary>Starts to watch; any thread. <paramref name="data"/> comes back with every event.</summary>
    /// <exception cref="PosixException">EPERM for a descriptor that cannot be polled (a regular file), EEXIST, ENOSPC.</exception>
    public void Add(FileDescriptor fd, PollEvents events, ulong data) => Control(CtlAdd, fd, events, data);

    /// <summary>Changes what is watched for; not for a watch with <see cref="PollEvents.Exclusive"/>.</summary>
    public void Modify(FileDescriptor fd, PollEvents events, ulong data) => Control(CtlModify, fd, events, data);

    /// <summary>Ends a watch. The handle may have been disposed, as long as a reference keeps the descriptor open.</summary>
    public void Remove(FileDescriptor fd) => Control(CtlDelete, fd, PollEvents.None, 0);

    /// <summary>
    /// Waits for events. <paramref name="timeoutNs"/> negative waits for ever, 0 not at all. Without epoll_pwait2 the time is
    /// rounded up to milliseconds.
    /// </summary>
    /// <returns>The number of events to <see cref="GetEvent"/>; 0 at the end of the time and after a signal.</returns>
    public int Wait(long timeoutNs)
    {
        int n = timeoutNs switch
        {
            0 => Libc.epoll_waitNb(_number, _buffer.Pointer, _capacity, 0),
            < 0 => Libc.epoll_wait(_number, _buffer.Pointer, _capacity, -1),
            _ => WaitFor(timeoutNs),
        };
        if (n >= 0)
        {
            return n;
        }

        if (Marshal.GetLastPInvokeError() != Posix.Errno.EINTR)
        {
            ThrowLast("epoll_wait");
        }

        return 0;
    }

    /// <summary>Event <paramref name="index"/> (below what <see cref="Wait"/> returned) of the last wait.</summary>
    public PollEvents GetEvent(int index, out ulong data)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)index, (uint)_capacity);
        byte* e = _buffer.Pointer + (index * EventSize); // below _capacity events of EventSize bytes
        data = Unsafe.ReadUnaligned<ulong>(e + DataOffset);
        return (PollEvents)Unsafe.ReadUnaligned<uint>(e);
    }

    public void Dispose()
    {
        _descriptor.Dispose();
        _buffer.Dispose();
    }

    private int WaitFor(long timeoutNs)
    {
        if (_hasNanoseconds)
        {
            KernelTimeSpec time = new(timeoutNs);
            int n = Libc.epoll_pwait2(_number, _buffer.Pointer, _capacity, &time);
            if (n >= 0 || Marshal.GetLastPInvokeError() is not (Posix.Errno.ENOSYS or Posix.Errno.EPERM))
            {
                return n;
            }

            _hasNanoseconds = false; // an older kernel, or a sandbox that does not know the call
        }

        long ms = Math.Min((timeoutNs / NsPerMs) + (timeoutNs % NsPerMs == 0 ? 0 : 1), int.MaxValue);
        return Libc.epoll_wait(_number, _buffer.Pointer, _capacity, (int)ms);
    }

    private void Control(int operation, FileDescriptor fd, PollEvents events, ulong data)
    {
        byte* e = stackalloc byte[16]; // at least EventSize
        Unsafe.WriteUnaligned(e, (uint)events);
        Unsafe.WriteUnaligned(e + DataOffset, data);
        Check(Libc.epoll_ctl(_number, operation, (int)fd.DangerousGetHandle(), e), "epoll_ctl");
    }
}
