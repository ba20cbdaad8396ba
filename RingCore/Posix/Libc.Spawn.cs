using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <summary>Starting a child with chosen descriptors (posix_spawn(3)): these return an errno, not -1.</summary>
internal static unsafe partial class Libc
{
    /// <summary>Room for a posix_spawn_file_actions_t: 80 bytes in glibc and musl.</summary>
    internal const int SpawnFileActionsSize = 256;

    [LibraryImport(Name)]
    internal static partial int posix_spawn_file_actions_init(byte* actions);

    [LibraryImport(Name)]
    internal static partial int posix_spawn_file_actions_destroy(byte* actions);

    [LibraryImport(Name)]
    internal static partial int posix_spawn_file_actions_adddup2(byte* actions, int fd, int childFd);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int posix_spawnp(
        int* pid, string file, byte* actions, byte* attributes, byte** arguments, byte** environment);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int waitpid(int pid, int* status, int options);
}
