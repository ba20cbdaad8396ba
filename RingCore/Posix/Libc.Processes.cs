using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <content>Processes, sessions and what the file system says about a path. Names differ from C's where other topics use those.</content>
internal static unsafe partial class Libc
{
    internal const int SYS_pidfd_send_signal = 424;
    internal const int SYS_pidfd_open = 434;

    [LibraryImport(Name, EntryPoint = "syscall", SetLastError = true)]
    internal static partial nint pidfdOpen(nint number, nint pid, nint flags);

    [LibraryImport(Name, EntryPoint = "syscall", SetLastError = true)]
    internal static partial nint pidfdSendSignal(nint number, nint pidfd, nint signal, nint info, nint flags);

    [LibraryImport(Name, EntryPoint = "setsid", SetLastError = true)]
    internal static partial int newSession();

    [LibraryImport(Name, EntryPoint = "dup2", SetLastError = true)]
    internal static partial int replaceDescriptor(int from, int to);

    [LibraryImport(Name, EntryPoint = "_exit")]
    internal static partial void exitNow(int code);

    [LibraryImport(Name, EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int pathStatx(int directory, string path, int flags, uint mask, byte* result);

    [LibraryImport(Name, EntryPoint = "mkdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int makeDirectory(string path, uint mode);

    [LibraryImport(Name, EntryPoint = "chmod", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int changeMode(string path, uint mode);
}
