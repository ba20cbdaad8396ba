using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <content>What a child in a process group of its own needs beyond <c>Libc.Spawn.cs</c>.</content>
internal static unsafe partial class Libc
{
    /// <summary>Room for a posix_spawnattr_t: 336 bytes in glibc and musl.</summary>
    internal const int SpawnAttributesSize = 512;

    internal const short POSIX_SPAWN_SETPGROUP = 2;
    internal const short POSIX_SPAWN_SETSIGDEF = 4;
    internal const short POSIX_SPAWN_SETSIGMASK = 8;

    [LibraryImport(Name)]
    internal static partial int posix_spawnattr_init(byte* attributes);

    [LibraryImport(Name)]
    internal static partial int posix_spawnattr_destroy(byte* attributes);

    [LibraryImport(Name)]
    internal static partial int posix_spawnattr_setflags(byte* attributes, short flags);

    [LibraryImport(Name)]
    internal static partial int posix_spawnattr_setpgroup(byte* attributes, int group);

    /// <summary><paramref name="set"/> is a sigset_t, 128 bytes.</summary>
    [LibraryImport(Name)]
    internal static partial int posix_spawnattr_setsigdefault(byte* attributes, byte* set);

    [LibraryImport(Name)]
    internal static partial int posix_spawnattr_setsigmask(byte* attributes, byte* set);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int posix_spawn_file_actions_addopen(byte* actions, int fd, string path, int flags, uint mode);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int posix_spawn_file_actions_addchdir_np(byte* actions, string path);

    [LibraryImport(Name, EntryPoint = "kill", SetLastError = true)]
    internal static partial int signalGroup(int minusGroup, int signal);
}
