using System.Globalization;
using RingCore.CrashTest;
using RingCore.Hosting;
using RingCore.Posix;
using Vdisk.Mounts;
using Vdisk.Processes;

namespace Vdisk.CrashTesting;

/// <summary>
/// Mounts the state's file system first, as the machine would after the power came back, and then runs a command in it:
/// <c>{}</c> and the working directory are the mount point. A file system that does not mount has failed. For root. One thread.
/// </summary>
internal sealed class MountCheck : IStateCheck
{
    private static readonly TimeSpan UnmountTimeout = TimeSpan.FromSeconds(10);
    private readonly string _mountPoint;
    private readonly CommandCheck _command;
    private readonly IStateCheck? _after;
    private readonly string[] _options;

    /// <param name="command">To run in the file system.</param>
    /// <param name="folder">Where the mount point is made.</param>
    /// <param name="options">As mount -o has them, or null.</param>
    /// <param name="timeout">For the command.</param>
    /// <param name="after">A check of the image once it is unmounted again, or null; becomes this object's.</param>
    public MountCheck(string command, string folder, string? options, TimeSpan timeout, IStateCheck? after)
    {
        _mountPoint = Path.Combine(folder, "mnt");
        Directory.CreateDirectory(_mountPoint);
        _options = options is null ? [] : ["-o", options];
        _after = after;
        _command = new CommandCheck(command, _mountPoint, Path.Combine(folder, "mount-output"), _mountPoint, timeout);
    }

    /// <inheritdoc/>
    public Verdict Run(string image, StateFacts facts, CancellationToken cancel)
    {
        string device = CreateDevice(image);
        try
        {
            if (TryMount(device) is { } problem)
            {
                return new Verdict(false, 1, false, problem);
            }

            Verdict verdict;
            try
            {
                verdict = _command.Run(image, facts, cancel);
            }
            finally
            {
                Unmount();
            }

            if (!verdict.Passed)
            {
                return verdict;
            }
        }
        finally
        {
            SystemCommand.Run("losetup", "--detach", device);
            WaitUntilFree(device, image);
        }

        return _after?.Run(image, facts, cancel) ?? Verdict.Pass;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _command.Dispose();
        _after?.Dispose();
        Directory.Delete(_mountPoint);
    }

    private static string CreateDevice(string image)
    {
        SystemCommand.Outcome outcome = SystemCommand.Run("losetup", "--find", "--show", image);
        return outcome.ExitCode == 0
            ? outcome.Output
            : throw new UserErrorException($"no loop device for --mount-check: {outcome.Complaint}; run as root, or use --check");
    }

    private string? TryMount(string device)
    {
        SystemCommand.Outcome outcome = SystemCommand.Run("mount", [.. _options, "--", device, _mountPoint]);
        return outcome.ExitCode == 0 ? null : $"mount: {outcome.Complaint}";
    }

    /// <summary>Something may look at the mount for a moment, or the command may have left a process in it.</summary>
    private void Unmount()
    {
        bool isGone = new Deadline(UnmountTimeout).Until(() =>
        {
            try
            {
                MountPoint.Unmount(_mountPoint, lazy: false);
                return true;
            }
            catch (PosixException e) when (e.Errno == Errno.EBUSY)
            {
                return false;
            }
        });
        if (!isGone)
        {
            MountPoint.Unmount(_mountPoint, lazy: true);
            throw new UserErrorException($"{_mountPoint} stays in use after the check; see that the command leaves no process behind");
        }
    }

    /// <summary>A device that is given back lets go of the image in its own time.</summary>
    private static void WaitUntilFree(string device, string image)
    {
        string backing = string.Create(CultureInfo.InvariantCulture, $"/sys/block/{Path.GetFileName(device)}/loop/backing_file");
        new Deadline(UnmountTimeout).Until(() =>
        {
            try
            {
                return !File.Exists(backing) || !File.ReadAllText(backing).StartsWith(image, StringComparison.Ordinal);
            }
            catch (IOException)
            {
                return true; // it went away between the two looks
            }
        });
    }
}
