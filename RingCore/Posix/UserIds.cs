namespace RingCore.Posix;

/// <summary>Who this process runs as: its effective user and group.</summary>
public static class UserIds
{
    public static uint Uid => Libc.geteuid();

    public static uint Gid => Libc.getegid();

    /// <summary>Whether this process may mount as a matter of user id.</summary>
    public static bool IsRoot => Uid == 0;
}
