using System.Globalization;
using RingCore.Hosting;
using RingCore.Posix;
using Vdisk.Attachments;
using Vdisk.Processes;

namespace Vdisk.Mounts;

/// <summary>The file system on a disk by the kernel's own driver, over a loop device. For root.</summary>
internal static class LoopMount
{
    /// <summary>Makes the loop device over the disk, or over one partition of it. Returns its path.</summary>
    public static string CreateDevice(string diskFile, Partition? partition, bool readOnly)
    {
        // Direct I/O spares the page cache a second copy; a kernel that cannot do it here goes without.
        SystemCommand.Outcome outcome = Losetup("on", diskFile, partition, readOnly);
        if (outcome.ExitCode != 0)
        {
            outcome = Losetup("off", diskFile, partition, readOnly);
        }

        return outcome.ExitCode == 0
            ? outcome.Output
            : throw new UserErrorException($"no loop device: {outcome.Complaint}; try --via fuse2fs");
    }

    /// <summary>Mounts the device at <paramref name="target"/>.</summary>
    public static void Mount(string device, string target, string? type, bool readOnly)
    {
        List<string> arguments = [];
        arguments.AddRange(type is null ? [] : ["-t", type]);
        arguments.AddRange(readOnly ? ["-o", "ro"] : []);
        SystemCommand.Outcome outcome = SystemCommand.Run("mount", [.. arguments, "--", device, target]);
        if (outcome.ExitCode != 0)
        {
            throw new UserErrorException(outcome.Error.Contains("wrong fs type", StringComparison.Ordinal)
                ? "no file system that this kernel can mount was found on the disk; make one (mkfs), or name its --partition or --type"
                : $"{outcome.Complaint}; see the kernel log (dmesg)");
        }
    }

    /// <summary>Unmounts what is mounted at <paramref name="target"/> from <paramref name="device"/>; nothing when it is gone already.</summary>
    /// <exception cref="BusyException"/>
    public static void Unmount(string device, string target, bool lazy)
    {
        if (MountTable.Read().At(target)?.Source != device)
        {
            return;
        }

        try
        {
            MountPoint.Unmount(target, lazy);
        }
        catch (PosixException e) when (e.Errno == Errno.EBUSY)
        {
            throw BusyException.At(target);
        }
    }

    /// <summary>Gives the device back; nothing when it does not show <paramref name="diskFile"/> (any more).</summary>
    public static void DeleteDevice(string device, string diskFile)
    {
        string backing = $"/sys/block/{Path.GetFileName(device)}/loop/backing_file";
        if (!File.Exists(backing) || File.ReadAllText(backing).TrimEnd('\n') != diskFile)
        {
            return;
        }

        SystemCommand.Outcome outcome = SystemCommand.Run("losetup", "--detach", device);
        if (outcome.ExitCode != 0)
        {
            throw new UserErrorException($"{device} cannot be given back: {outcome.Complaint}; run 'losetup -d {device}', then umount again");
        }
    }

    private static SystemCommand.Outcome Losetup(string directIo, string diskFile, Partition? partition, bool readOnly)
    {
        List<string> arguments = ["--find", "--show", $"--direct-io={directIo}"];
        arguments.AddRange(readOnly ? ["--read-only"] : []);
        if (partition is { } part)
        {
            arguments.Add("--offset=" + part.Offset.ToString(CultureInfo.InvariantCulture));
            arguments.Add("--sizelimit=" + part.Length.ToString(CultureInfo.InvariantCulture));
        }

        return SystemCommand.Run("losetup", [.. arguments, diskFile]);
    }
}
