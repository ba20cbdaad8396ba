using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <summary>Who owns a path and what lies there, symbolic links not followed (statx(2)).</summary>
/// <param name="Type">The S_IFMT bits of the mode.</param>
/// <param name="Permissions">The lower twelve bits of the mode.</param>
/// <param name="Owner">The user id.</param>
public readonly record struct PathStatus(int Type, int Permissions, uint Owner)
{
    private const int TypeMask = 0xF000;
    private const int TypeSocket = 0xC000;
    private const int TypeDirectory = 0x4000;
    private const int TypeRegular = 0x8000;
    private const int AtFdCwd = -100;
    private const int AtSymlinkNoFollow = 0x100;
    private const uint StatxBasic = 0x7FF;
    private const int OwnerOffset = 20;
    private const int ModeOffset = 28;

    public bool IsSocket => Type == TypeSocket;

    public bool IsDirectory => Type == TypeDirectory;

    public bool IsRegularFile => Type == TypeRegular;

    /// <summary>Looks at <paramref name="path"/>; returns 0 or the positive errno.</summary>
    public static unsafe int TryRead(string path, out PathStatus status)
    {
        // struct statx is 256 bytes, and so is the buffer.
        Span<byte> raw = stackalloc byte[256];
        status = default;
        fixed (byte* p = raw)
        {
            if (Libc.pathStatx(AtFdCwd, path, AtSymlinkNoFollow, StatxBasic, p) < 0)
            {
                return Marshal.GetLastPInvokeError();
            }
        }

        int mode = BinaryPrimitives.ReadUInt16LittleEndian(raw[ModeOffset..]);
        status = new PathStatus(mode & TypeMask, mode & 0xFFF, BinaryPrimitives.ReadUInt32LittleEndian(raw[OwnerOffset..]));
        return 0;
    }

    /// <summary>chmod(2).</summary>
    /// <exception cref="PosixException">With its errno.</exception>
    public static void SetPermissions(string path, int permissions) =>
        PosixException.Check(Libc.changeMode(path, (uint)permissions), $"chmod {path}");

    /// <summary>mkdir(2) with mode 0700; returns 0 or the positive errno, EEXIST among them: the maker is one.</summary>
    public static int MakePrivateDirectory(string path) =>
        Libc.makeDirectory(path, 0b111_000_000) == 0 ? 0 : Marshal.GetLastPInvokeError();
}
