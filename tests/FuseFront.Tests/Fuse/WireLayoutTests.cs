using System.Diagnostics;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using FuseFront.Fuse.Wire;
using NUnit.Framework;

namespace FuseFront.Tests.Fuse;

/// <summary>
/// Pins every size and offset of the FUSE structs, to literals and, where there is a compiler, to the C header.
/// </summary>
public sealed class WireLayoutTests
{
    private static readonly Layout[] Layouts =
    [
        Of<FuseInHeader>("fuse_in_header", 40, "Length=len@0 Opcode=opcode@4 Unique=unique@8 NodeId=nodeid@16 Uid=uid@24 Gid=gid@28 Pid=pid@32 TotalExtensionLength=total_extlen@36 Padding=padding@38"),
        Of<FuseOutHeader>("fuse_out_header", 16, "Length=len@0 Error=error@4 Unique=unique@8"),
        Of<FuseInitIn>("fuse_init_in", 64, "Major=major@0 Minor=minor@4 MaxReadahead=max_readahead@8 Flags=flags@12 Flags2=flags2@16 Unused=unused@20"),
        Of<FuseInitInShort>(null, 16, "Major=major@0 Minor=minor@4 MaxReadahead=max_readahead@8 Flags=flags@12"),
        Of<FuseInitOut>("fuse_init_out", 64, "Major=major@0 Minor=minor@4 MaxReadahead=max_readahead@8 Flags=flags@12 MaxBackground=max_background@16 CongestionThreshold=congestion_threshold@18 MaxWrite=max_write@20 TimeGranularity=time_gran@24 MaxPages=max_pages@28 MapAlignment=map_alignment@30 Flags2=flags2@32 MaxStackDepth=@36 RequestTimeout=@40 Unused=@42"),
        Of<FuseReadIn>("fuse_read_in", 40, "Handle=fh@0 Offset=offset@8 Size=size@16 ReadFlags=read_flags@20 LockOwner=lock_owner@24 Flags=flags@32 Padding=padding@36"),
        Of<FuseWriteIn>("fuse_write_in", 40, "Handle=fh@0 Offset=offset@8 Size=size@16 WriteFlags=write_flags@20 LockOwner=lock_owner@24 Flags=flags@32 Padding=padding@36"),
        Of<FuseWriteOut>("fuse_write_out", 8, "Size=size@0 Padding=padding@4"),
        Of<FuseFsyncIn>("fuse_fsync_in", 16, "Handle=fh@0 FsyncFlags=fsync_flags@8 Padding=padding@12"),
        Of<FuseFallocateIn>("fuse_fallocate_in", 32, "Handle=fh@0 Offset=offset@8 Length=length@16 Mode=mode@24 Padding=padding@28"),
        Of<FuseLseekIn>("fuse_lseek_in", 24, "Handle=fh@0 Offset=offset@8 Whence=whence@16 Padding=padding@20"),
        Of<FuseLseekOut>("fuse_lseek_out", 8, "Offset=offset@0"),
        Of<FuseInterruptIn>("fuse_interrupt_in", 8, "Unique=unique@0"),
        Of<FuseAttr>("fuse_attr", 88, "Ino=ino@0 Size=size@8 Blocks=blocks@16 Atime=atime@24 Mtime=mtime@32 Ctime=ctime@40 AtimeNs=atimensec@48 MtimeNs=mtimensec@52 CtimeNs=ctimensec@56 Mode=mode@60 Nlink=nlink@64 Uid=uid@68 Gid=gid@72 Rdev=rdev@76 BlockSize=blksize@80 Flags=flags@84"),
        Of<FuseEntryOut>("fuse_entry_out", 128, "NodeId=nodeid@0 Generation=generation@8 EntryValid=entry_valid@16 AttrValid=attr_valid@24 EntryValidNs=entry_valid_nsec@32 AttrValidNs=attr_valid_nsec@36 Attr=attr@40"),
        Of<FuseAttrOut>("fuse_attr_out", 104, "AttrValid=attr_valid@0 AttrValidNs=attr_valid_nsec@8 Dummy=dummy@12 Attr=attr@16"),
        Of<FuseSetAttrIn>("fuse_setattr_in", 88, "Valid=valid@0 Padding=padding@4 Handle=fh@8 Size=size@16 LockOwner=lock_owner@24 Atime=atime@32 Mtime=mtime@40 Ctime=ctime@48 AtimeNs=atimensec@56 MtimeNs=mtimensec@60 CtimeNs=ctimensec@64 Mode=mode@68 Unused4=unused4@72 Uid=uid@76 Gid=gid@80 Unused5=unused5@84"),
        Of<FuseOpenIn>("fuse_open_in", 8, "Flags=flags@0 OpenFlags=open_flags@4"),
        Of<FuseOpenOut>("fuse_open_out", 16, "Handle=fh@0 OpenFlags=open_flags@8 Padding=padding@12"),
        Of<FuseReleaseIn>("fuse_release_in", 24, "Handle=fh@0 Flags=flags@8 ReleaseFlags=release_flags@12 LockOwner=lock_owner@16"),
        Of<FuseStatFsOut>("fuse_statfs_out", 80, "Blocks=st.blocks@0 BlocksFree=st.bfree@8 BlocksAvailable=st.bavail@16 Files=st.files@24 FilesFree=st.ffree@32 BlockSize=st.bsize@40 NameLength=st.namelen@44 FragmentSize=st.frsize@48 Padding=st.padding@52 Spare=st.spare@56"),
        Of<FuseUringHeaders>(null, 288, "InOut=@0 Arguments=@128 Entry=@256"),
        Of<FuseUringEntry>(null, 32, "Flags=flags@0 CommitId=commit_id@8 PayloadSize=payload_sz@16 Padding=padding@20 Reserved=reserved@24"),
        Of<FuseUringCommand>(null, 24, "Flags=flags@0 CommitId=commit_id@8 QueueId=qid@16 Padding0=@18 Padding1=@20"),
        Of<FuseDirent>("fuse_dirent", 24, "Ino=ino@0 Offset=off@8 NameLength=namelen@16 Type=type@20"),
    ];

    [TestCaseSource(nameof(Layouts))]
    public void Struct_has_the_size_and_offsets_of_the_protocol(Layout layout)
    {
        Assert.That(Marshal.SizeOf(layout.Type), Is.EqualTo(layout.Size));
        FieldInfo[] fields = layout.Type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public);
        Assert.That(fields.Select(f => f.Name), Is.EquivalentTo(layout.Fields.Select(f => f.Name)), "every field is pinned");
        foreach (Field field in layout.Fields)
        {
            Assert.That((int)Marshal.OffsetOf(layout.Type, field.Name), Is.EqualTo(field.Offset), field.Name);
        }
    }

    [Test]
    public void Structs_agree_with_the_C_header()
    {
        StringBuilder program = new("#include <stddef.h>\n#include <sys/ioctl.h>\n#include <linux/fuse.h>\n");
        foreach (Layout layout in Layouts.Where(l => l.Header != null))
        {
            program.AppendLine($"_Static_assert(sizeof(struct {layout.Header}) == {layout.Size}, \"sizeof {layout.Header}\");");
            foreach (Field field in layout.Fields.Where(f => f.HeaderName.Length != 0))
            {
                program.AppendLine(
                    $"_Static_assert(offsetof(struct {layout.Header}, {field.HeaderName}) == {field.Offset}, \"{layout.Header}.{field.HeaderName}\");");
            }
        }

        foreach ((string name, FuseOpcode value) in HeaderOpcodes)
        {
            program.AppendLine($"_Static_assert({name} == {(uint)value}, \"{name}\");");
        }

        program.AppendLine("_Static_assert(FUSE_DEV_IOC_CLONE == 0x8004E500, \"FUSE_DEV_IOC_CLONE\");");
        program.AppendLine($"_Static_assert(FOPEN_PARALLEL_DIRECT_WRITES == {FuseOpenOut.ParallelDirectWrites}, \"FOPEN_PARALLEL_DIRECT_WRITES\");");
        program.AppendLine($"_Static_assert(FOPEN_DIRECT_IO == {FuseOpenOut.DirectIo} && FOPEN_CACHE_DIR == {FuseOpenOut.CacheDirectory}, \"FOPEN\");");
        program.AppendLine($"_Static_assert(FUSE_DIRENT_ALIGN(24 + 5) == {FuseDirent.RecordLength(24, 5)}, \"FUSE_DIRENT_ALIGN\");");

        Assert.That(Compile(program.ToString()), Is.Empty);
    }

    private static readonly (string Name, FuseOpcode Value)[] HeaderOpcodes =
    [
        ("FUSE_LOOKUP", FuseOpcode.Lookup), ("FUSE_FORGET", FuseOpcode.Forget), ("FUSE_GETATTR", FuseOpcode.GetAttr),
        ("FUSE_SETATTR", FuseOpcode.SetAttr), ("FUSE_READLINK", FuseOpcode.ReadLink), ("FUSE_SYMLINK", FuseOpcode.SymLink),
        ("FUSE_MKNOD", FuseOpcode.MakeNode), ("FUSE_MKDIR", FuseOpcode.MakeDirectory), ("FUSE_UNLINK", FuseOpcode.Unlink),
        ("FUSE_RMDIR", FuseOpcode.RemoveDirectory), ("FUSE_RENAME", FuseOpcode.Rename), ("FUSE_LINK", FuseOpcode.Link),
        ("FUSE_OPEN", FuseOpcode.Open), ("FUSE_READ", FuseOpcode.Read), ("FUSE_WRITE", FuseOpcode.Write),
        ("FUSE_STATFS", FuseOpcode.StatFs), ("FUSE_RELEASE", FuseOpcode.Release), ("FUSE_FSYNC", FuseOpcode.Fsync),
        ("FUSE_SETXATTR", FuseOpcode.SetXattr), ("FUSE_GETXATTR", FuseOpcode.GetXattr), ("FUSE_LISTXATTR", FuseOpcode.ListXattr),
        ("FUSE_REMOVEXATTR", FuseOpcode.RemoveXattr), ("FUSE_FLUSH", FuseOpcode.Flush), ("FUSE_INIT", FuseOpcode.Init),
        ("FUSE_OPENDIR", FuseOpcode.OpenDirectory), ("FUSE_READDIR", FuseOpcode.ReadDirectory),
        ("FUSE_RELEASEDIR", FuseOpcode.ReleaseDirectory), ("FUSE_FSYNCDIR", FuseOpcode.FsyncDirectory),
        ("FUSE_GETLK", FuseOpcode.GetLock), ("FUSE_SETLK", FuseOpcode.SetLock), ("FUSE_SETLKW", FuseOpcode.SetLockWait),
        ("FUSE_ACCESS", FuseOpcode.Access), ("FUSE_CREATE", FuseOpcode.Create), ("FUSE_INTERRUPT", FuseOpcode.Interrupt),
        ("FUSE_BMAP", FuseOpcode.Bmap), ("FUSE_DESTROY", FuseOpcode.Destroy), ("FUSE_IOCTL", FuseOpcode.Ioctl),
        ("FUSE_POLL", FuseOpcode.Poll), ("FUSE_NOTIFY_REPLY", FuseOpcode.NotifyReply), ("FUSE_BATCH_FORGET", FuseOpcode.BatchForget),
        ("FUSE_FALLOCATE", FuseOpcode.Fallocate), ("FUSE_READDIRPLUS", FuseOpcode.ReadDirectoryPlus),
        ("FUSE_RENAME2", FuseOpcode.Rename2), ("FUSE_LSEEK", FuseOpcode.Lseek), ("FUSE_COPY_FILE_RANGE", FuseOpcode.CopyFileRange),
        ("FUSE_SETUPMAPPING", FuseOpcode.SetupMapping), ("FUSE_REMOVEMAPPING", FuseOpcode.RemoveMapping),
        ("FUSE_SYNCFS", FuseOpcode.SyncFs), ("FUSE_TMPFILE", FuseOpcode.TemporaryFile),
    ];

    /// <summary>The compiler's complaints; the test is passed over where there is no compiler or no header.</summary>
    private static string Compile(string program)
    {
        Assume.That(File.Exists("/usr/include/linux/fuse.h"), "the kernel's headers are not installed");
        using Process? gcc = Tool.TryStart("gcc", "-x", "c", "-fsyntax-only", "-");
        Assume.That(gcc, Is.Not.Null, "gcc is not installed");
        gcc!.StandardInput.Write(program);
        gcc.StandardInput.Close();
        string errors = gcc.StandardError.ReadToEnd();
        gcc.WaitForExit();
        return errors;
    }

    private static Layout Of<T>(string? header, int size, string fields)
        where T : unmanaged =>
        new(typeof(T), header, size, [.. fields.Split(' ').Select(Field.Parse)]);

    /// <summary>One struct's expected layout.</summary>
    public sealed record Layout(Type Type, string? Header, int Size, Field[] Fields)
    {
        public override string ToString() => Type.Name;
    }

    /// <summary>One field: its name here, in the header (empty: newer than the header at hand may be), its offset.</summary>
    public sealed record Field(string Name, string HeaderName, int Offset)
    {
        public static Field Parse(string text)
        {
            string[] parts = text.Split('=', '@');
            return new Field(parts[0], parts[1], int.Parse(parts[2], System.Globalization.CultureInfo.InvariantCulture));
        }
    }
}
