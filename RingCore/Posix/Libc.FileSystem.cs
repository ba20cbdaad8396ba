using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <content>What kind of file system a path is on, and signals to process groups.</content>
internal static unsafe partial class Libc
{
    /// <summary>sizeof(struct statfs) on 64-bit Linux; the type is its first word.</summary>
    internal const int StatfsSize = 120;

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int statfs(string path, long* buffer);

    [LibraryImport(Name, EntryPoint = "kill", SetLastError = true)]
    internal static partial int signalProcesses(int pid, int signal);
}
