using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <content>epoll(7).</content>
internal static unsafe partial class Libc
{
    private const nint SysEpollPWait2 = 441;

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int epoll_create1(int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int epoll_ctl(int epoll, int operation, int fd, void* @event);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int epoll_wait(int epoll, void* events, int count, int timeoutMs);

    /// <summary>Only with a timeout of 0: then it cannot sleep.</summary>
    [SuppressGCTransition]
    [LibraryImport(Name, EntryPoint = "epoll_wait", SetLastError = true)]
    internal static partial int epoll_waitNb(int epoll, void* events, int count, int timeoutMs);

    /// <summary>epoll_wait with a timeout in nanoseconds (Linux 5.11); by number, since older C libraries do not wrap it.</summary>
    internal static int epoll_pwait2(int epoll, void* events, int count, KernelTimeSpec* timeout) =>
        (int)syscall(SysEpollPWait2, epoll, (nint)events, count, (nint)timeout, 0, 0);
}
