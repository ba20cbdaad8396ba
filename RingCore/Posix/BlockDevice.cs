using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>Questions to a block device (include/uapi/linux/fs.h).</summary>
public static unsafe class BlockDevice
{
    private const nuint BlkGetSize64 = 0x80081272;
    private const nuint BlkSszGet = 0x1268;
    private const nuint BlkPbszGet = 0x127B;

    /// <summary>Size in bytes.</summary>
    public static long GetSize(FileDescriptor fd)
    {
        long size;
        Check(Libc.ioctl(fd.Number, BlkGetSize64, &size), "ioctl BLKGETSIZE64");
        return size;
    }

    /// <summary>Smallest unit that the device addresses, in bytes: the alignment of its direct I/O.</summary>
    public static int GetLogicalBlockSize(FileDescriptor fd)
    {
        int size;
        Check(Libc.ioctl(fd.Number, BlkSszGet, &size), "ioctl BLKSSZGET");
        return size;
    }

    /// <summary>Smallest unit that the device writes without read-modify-write, in bytes.</summary>
    public static int GetPhysicalBlockSize(FileDescriptor fd)
    {
        int size;
        Check(Libc.ioctl(fd.Number, BlkPbszGet, &size), "ioctl BLKPBSZGET");
        return size;
    }
}
