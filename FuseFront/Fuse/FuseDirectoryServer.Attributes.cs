using FuseFront.Fuse.Wire;
using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>Attributes, listings and the size of the whole.</summary>
internal sealed partial class FuseDirectoryServer
{
    private const int BlockSize = 4096;
    private const int NameMax = 255;
    private static readonly byte[] Dot = "."u8.ToArray();
    private static readonly byte[] DotDot = ".."u8.ToArray();

    private int GetAttr(ulong nodeId, ref WireWriter writer) =>
        TryGetAttributes(nodeId, out FuseAttrOut attributes) ? Done(ref writer, attributes) : -Errno.ENOENT;

    /// <summary>
    /// Times may be "set" (they stay as they are); size, owner and permissions only to what they are already. Except that a data
    /// file is opened with O_TRUNC as a block device is: without effect, so that plain dd and cp write onto the disk. That
    /// comes as size 0 without a file handle (as truncate(2) to 0 does, which cannot be told from it).
    /// </summary>
    private int SetAttr(ulong nodeId, ref WireReader reader, ref WireWriter writer)
    {
        if (!reader.TryRead(out FuseSetAttrIn wanted))
        {
            return -Errno.EINVAL;
        }

        if (!TryGetAttributes(nodeId, out FuseAttrOut now))
        {
            return -Errno.ENOENT;
        }

        bool opensTruncating = wanted.Size == 0 && (wanted.Valid & FuseSetAttrIn.ValidHandle) == 0
            && directory.Find(nodeId) is { IsData: true };
        bool changes = (wanted.Valid & FuseSetAttrIn.ValidSize) != 0 && wanted.Size != now.Attr.Size && !opensTruncating
            || (wanted.Valid & FuseSetAttrIn.ValidMode) != 0 && (wanted.Mode & 0xFFF) != (now.Attr.Mode & 0xFFF)
            || (wanted.Valid & FuseSetAttrIn.ValidUid) != 0 && wanted.Uid != now.Attr.Uid
            || (wanted.Valid & FuseSetAttrIn.ValidGid) != 0 && wanted.Gid != now.Attr.Gid;
        return changes ? -Errno.EPERM : Done(ref writer, now);
    }

    private int ReadDirectory(ulong nodeId, ref WireReader reader, ref WireWriter writer, bool withAttributes)
    {
        if (!reader.TryRead(out FuseReadIn arguments))
        {
            return -Errno.EINVAL;
        }

        if (nodeId != FuseDirectory.RootNodeId)
        {
            return -Errno.ENOTDIR;
        }

        // Positions: 0 is ".", 1 is "..", then the files. A record's offset is the position after it.
        int total = directory.Files.Count + 2;
        int room = (int)Math.Min(arguments.Size, (uint)writer.Free);
        for (ulong position = arguments.Offset; position < (ulong)total; position++)
        {
            if (!TryAppend((int)position, room, ref writer, withAttributes))
            {
                break;
            }
        }

        return writer.Length;
    }

    private unsafe bool TryAppend(int position, int room, ref WireWriter writer, bool withAttributes)
    {
        FuseFile? file = position < 2 ? null : directory.Files[position - 2];
        byte[] name = file?.NameBytes ?? (position == 0 ? Dot : DotDot);
        int head = sizeof(FuseDirent) + (withAttributes ? sizeof(FuseEntryOut) : 0);
        if (writer.Length + FuseDirent.RecordLength(head, name.Length) > room)
        {
            return false;
        }

        if (withAttributes)
        {
            // A zero node id says: no lookup done, as it must be for "." and "..".
            writer.TryWrite(file == null ? default : Entry(file));
        }

        writer.TryWrite(new FuseDirent
        {
            Ino = file == null ? FuseDirectory.RootNodeId : FuseDirectory.NodeId(file),
            Offset = (ulong)position + 1,
            NameLength = (uint)name.Length,
            Type = (file?.Mode ?? directory.Mode) >> 12,
        });
        writer.Write(name, FuseDirent.RecordLength(head, name.Length) - head);
        return true;
    }

    private int StatFs(ref WireWriter writer)
    {
        long size = 0;
        long allocated = 0;
        foreach (FuseFile file in directory.Files)
        {
            size += file.Size();
            allocated += file.AllocatedBytes();
        }

        ulong free = (ulong)Math.Max(0, size - allocated) / BlockSize;
        return Done(ref writer, new FuseStatFsOut
        {
            Blocks = (ulong)size / BlockSize,
            BlocksFree = free,
            BlocksAvailable = free,
            Files = (ulong)directory.Files.Count + 1,
            BlockSize = BlockSize,
            FragmentSize = BlockSize,
            NameLength = NameMax,
        });
    }

    private bool TryGetAttributes(ulong nodeId, out FuseAttrOut attributes)
    {
        FuseFile? file = directory.Find(nodeId);
        TimeSpan valid = file?.AttributesValidFor ?? NamesValidFor;
        attributes = new FuseAttrOut
        {
            AttrValid = (ulong)valid.TotalSeconds,
            AttrValidNs = Nanoseconds(valid),
            Attr = file != null ? Attributes(file) : RootAttributes(),
        };
        return file != null || nodeId == FuseDirectory.RootNodeId;
    }

    private static FuseEntryOut Entry(FuseFile file) => new()
    {
        NodeId = FuseDirectory.NodeId(file),
        EntryValid = (ulong)NamesValidFor.TotalSeconds,
        AttrValid = (ulong)file.AttributesValidFor.TotalSeconds,
        AttrValidNs = Nanoseconds(file.AttributesValidFor),
        Attr = Attributes(file),
    };

    private static FuseAttr Attributes(FuseFile file)
    {
        FuseAttr attributes = new()
        {
            Ino = FuseDirectory.NodeId(file),
            Size = (ulong)file.Size(),
            Blocks = (ulong)file.AllocatedBytes() / 512,
            Mode = file.Mode,
            Nlink = 1,
            Uid = file.Uid,
            Gid = file.Gid,
            BlockSize = BlockSize,
        };
        SetTimes(ref attributes, file.Modified());
        return attributes;
    }

    private FuseAttr RootAttributes()
    {
        FuseAttr attributes = new()
        {
            Ino = FuseDirectory.RootNodeId,
            Mode = directory.Mode,
            Nlink = 2,
            Uid = directory.Uid,
            Gid = directory.Gid,
            BlockSize = BlockSize,
        };
        SetTimes(ref attributes, directory.Modified);
        return attributes;
    }

    private static void SetTimes(ref FuseAttr attributes, DateTimeOffset time)
    {
        TimeSpan sinceEpoch = time - DateTimeOffset.UnixEpoch;
        ulong seconds = (ulong)Math.Max(0, (long)Math.Floor(sinceEpoch.TotalSeconds));
        uint nanoseconds = Nanoseconds(sinceEpoch);
        attributes.Atime = attributes.Mtime = attributes.Ctime = seconds;
        attributes.AtimeNs = attributes.MtimeNs = attributes.CtimeNs = nanoseconds;
    }

    private static uint Nanoseconds(TimeSpan time) => (uint)(Math.Max(0, time.Ticks) % TimeSpan.TicksPerSecond * 100);
}
