using System.Diagnostics;
using System.Globalization;
using RingCore.Hosting;
using RingCore.Posix;
using Vdisk.Attachments;
using Vdisk.Processes;

namespace Vdisk.Mounts;

/// <summary>An ext2, ext3 or ext4 file system on a disk by fuse2fs, which needs no root.</summary>
internal static class Fuse2fsMount
{
    private const string Program = "fuse2fs";
    private static readonly TimeSpan ReadyTimeout = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan FlushTimeout = TimeSpan.FromSeconds(60);

    /// <exception cref="UserErrorException">fuse2fs is not installed.</exception>
    public static void RequireInstalled()
    {
        if (!Programs.IsInstalled(Program))
        {
            string otherwise = UserIds.IsRoot ? "say --via loop" : "be root";
            throw new UserErrorException($"{Program} is not installed; run 'apt-get install {Program}', or {otherwise}");
        }
    }

    /// <summary>Starts fuse2fs and waits until it has mounted.</summary>
    /// <param name="session">The attachment; its record learns of the process before anything can fail.</param>
    /// <param name="partition">Null for the whole disk.</param>
    /// <param name="readOnly">Mount read-only.</param>
    /// <param name="allowOther">Other users see it too, and have the rights that the files' modes give them.</param>
    /// <param name="cancel">Ends the wait.</param>
    public static void Mount(AttachSession session, Partition? partition, bool readOnly, bool allowOther, CancellationToken cancel)
    {
        string target = session.Record.Mount!.Target;
        // With fakeroot it lets everybody do everything, so among several users the kernel has to look at the modes.
        string options = "fakeroot" + (readOnly ? ",ro" : ",rw") + (allowOther ? ",allow_other,default_permissions" : "")
            + (partition is { } part ? string.Create(CultureInfo.InvariantCulture, $",offset={part.Offset}") : "");

        // The shell gives it a file to complain to: a pipe would break when this command ends. exec keeps the pid.
        var start = new ProcessStartInfo("/bin/sh")
        {
            ArgumentList =
            {
                "-c", "log=$1; shift; exec setsid \"$@\" </dev/null >>\"$log\" 2>&1", "sh", session.Folder.Fuse2fsLog,
                Program, "-f", session.DiskFile, target, "-o", options,
            },
        };
        start.Environment["PATH"] = $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/sbin";
        using Process process = Process.Start(start)!;
        session.Update(session.Record with { Mount = session.Record.Mount with { Fuse2fs = ProcessIdentity.Of(process.Id) } });

        // Mounted is not enough: it may end at the first thing that it is asked.
        new Deadline(ReadyTimeout).Until(() => process.HasExited || (IsAt(target) && PathStatus.TryRead(target, out _) == 0), cancel);
        if (process.HasExited)
        {
            throw new UserErrorException(Complaint(session, process.ExitCode));
        }

        if (!IsAt(target))
        {
            throw new UserErrorException($"fuse2fs did not mount in {ReadyTimeout.TotalSeconds:0} s; repair the file system first: 'fsck.ext4 {session.Record.Image}'");
        }
    }

    /// <summary>Unmounts, and waits until fuse2fs has written everything and ended.</summary>
    /// <exception cref="BusyException"/>
    public static void Unmount(InnerMount mount, bool lazy)
    {
        using ProcessHandle? process = mount.Fuse2fs?.Open();
        bool dead = process is null;
        if (IsAt(mount.Target))
        {
            TakeOff(mount.Target, lazy || dead);
        }

        if (process is not null && !process.WaitForExit(FlushTimeout))
        {
            throw new UserErrorException(
                $"fuse2fs (pid {process.Pid}) still writes to the disk after {FlushTimeout.TotalSeconds:0} s; run 'vdisk umount' again when it has ended");
        }
    }

    private static bool IsAt(string target) => MountTable.Read().At(target)?.Type.StartsWith("fuse.ext", StringComparison.Ordinal) == true;

    private static void TakeOff(string target, bool lazy)
    {
        if (UserIds.IsRoot)
        {
            try
            {
                MountPoint.Unmount(target, lazy);
                return;
            }
            catch (PosixException e) when (e.Errno == Errno.EBUSY)
            {
                throw BusyException.At(target);
            }
        }

        SystemCommand.Outcome outcome = SystemCommand.Run("fusermount3", [.. lazy ? ["-u", "-z"] : (string[])["-u"], "--", target]);
        if (outcome.ExitCode != 0 && IsAt(target))
        {
            throw outcome.Error.Contains("busy", StringComparison.OrdinalIgnoreCase) ? BusyException.At(target) : new UserErrorException(outcome.Complaint);
        }
    }

    private static string Complaint(AttachSession session, int exitCode)
    {
        string log = session.Folder.Fuse2fsLog;
        string? line = File.Exists(log) ? File.ReadLines(log).FirstOrDefault(line => line.Trim().Length > 0) : null;
        return line is null
            ? $"fuse2fs ended with code {exitCode}; repair the file system first: 'fsck.ext4 {session.Record.Image}'"
            : $"fuse2fs: {line.Trim().TrimEnd('.')}; it mounts ext2, ext3 and ext4 only, be root for others";
    }
}
