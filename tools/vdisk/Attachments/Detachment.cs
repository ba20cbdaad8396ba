using System.Text.Json.Nodes;
using RingCore.Hosting;
using RingCore.Posix;
using Vdisk.Mounts;

namespace Vdisk.Attachments;

/// <summary>
/// Ends an attachment, in whatever state it is: the front first, which finishes, flushes and unmounts, then the backend,
/// then what is left of a mount, then the folder. Only processes whose pid and start time are recorded are ended.
/// </summary>
internal static class Detachment
{
    private static readonly TimeSpan KillTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan CleanTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan HungNotice = TimeSpan.FromSeconds(1);

    /// <summary>Detaches; refuses when the disk is in use, unless <paramref name="lazy"/>.</summary>
    /// <param name="folder">The attachment's folder.</param>
    /// <param name="record">Its record.</param>
    /// <param name="lazy">Unmount at once; programs that have the file open keep it until the timeout at most.</param>
    /// <param name="timeout">For each process to end by itself; then it is killed.</param>
    /// <exception cref="UserErrorException">In use, or a process had to be killed.</exception>
    public static void Detach(AttachmentFolder folder, Attachment record, bool lazy, TimeSpan timeout)
    {
        List<string> killed = [];
        using (ProcessHandle? front = record.Front?.Open())
        {
            if (front is not null)
            {
                AskToUnmount(folder, record, front, lazy, timeout);
                EndFront(folder, record, front, timeout, killed);
            }
        }

        string? recording = RecordingFailure(folder, record); // the front has flushed: nothing more is recorded
        Finish(folder, record, timeout, killed);
        if (killed.Count > 0)
        {
            string names = string.Join(" and ", killed);
            throw new UserErrorException(
                $"detached, but {names} did not end in {timeout.TotalSeconds:0.#} s and had to be killed; check the data in {record.Image}");
        }

        if (recording is not null)
        {
            throw new UserErrorException($"detached, but {recording}");
        }
    }

    /// <summary>What is missing in the log of a disk that was to be recorded; null when nothing is, or nobody can tell.</summary>
    private static string? RecordingFailure(AttachmentFolder folder, Attachment record)
    {
        if (!record.BackendArguments.Any(a => a.StartsWith("--record=", StringComparison.Ordinal)) || record.Backend?.IsAlive() != true)
        {
            return null;
        }

        try
        {
            RecordingStats? recording = StatsJson.ToBackendStats(ControlClient.Call(folder.BackendControl, "stats", CleanTimeout)).Recording;
            return recording?.Failure is { } failure
                ? $"recording to {recording.File} had ended ({failure}); the log is good up to then, crash-test only that"
                : null;
        }
        catch (Exception e) when (e is ControlException or System.Text.Json.JsonException)
        {
            return $"the backend did not say whether recording went well ({e.Message}); see what 'vdisk log show' says";
        }
    }

    /// <summary>Removes all there is of an attachment that did not come about, or is dead. Asks nobody.</summary>
    public static void Clean(AttachmentFolder folder, Attachment record)
    {
        List<string> killed = [];
        using (ProcessHandle? front = record.Front?.Open())
        {
            if (front?.Signal(ProcessHandle.SigTerm) == true)
            {
                End(front, "fusefront", CleanTimeout, killed);
            }
        }

        Finish(folder, record, CleanTimeout, killed);
    }

    private static void Finish(AttachmentFolder folder, Attachment record, TimeSpan timeout, List<string> killed)
    {
        DiskMount.Drop(record.Directory);
        using (ProcessHandle? backend = record.Backend?.Open())
        {
            if (backend?.Signal(ProcessHandle.SigTerm) == true)
            {
                End(backend, "backend", timeout, killed);
            }
        }

        folder.Remove();
    }

    /// <summary>Has the front unmount. One that does not answer is told to end.</summary>
    private static void AskToUnmount(AttachmentFolder folder, Attachment record, ProcessHandle front, bool lazy, TimeSpan timeout)
    {
        try
        {
            ControlClient.Call(folder.FrontControl, new JsonObject { ["op"] = "detach", ["lazy"] = lazy }, timeout);
        }
        catch (ControlException e) when (e.Failure == ControlFailure.Unreachable)
        {
            front.Signal(ProcessHandle.SigTerm);
        }
        catch (ControlException e) when (e.Errno == Errno.EBUSY)
        {
            string? advice = HungRequests.Count(folder) is > 0 and int hung
                ? $"{HungRequests.Describe(hung)}; {HungRequests.Advice(record)}"
                : null;
            throw BusyException.At(record.Directory, Registry.PlaceOf(record), advice);
        }
        catch (ControlException e)
        {
            throw new UserErrorException(e.Message, e);
        }
    }

    /// <summary>
    /// As <see cref="End"/>, for a front, which waits for what is in flight: says so when that hangs, and has it given up at
    /// three quarters of the time, so that what was acknowledged can still be made stable.
    /// </summary>
    private static void EndFront(AttachmentFolder folder, Attachment record, ProcessHandle front, TimeSpan timeout, List<string> killed)
    {
        TimeSpan quarter = timeout / 4;
        TimeSpan first = quarter < HungNotice ? quarter : HungNotice;
        if (front.WaitForExit(first))
        {
            return;
        }

        if (HungRequests.Count(folder) is > 0 and int hung)
        {
            Console.Error.WriteLine(
                $"vdisk: {HungRequests.Describe(hung)} and will be given up in {(quarter * 3).TotalSeconds:0.#} s; {HungRequests.Advice(record)}");
        }

        if (front.WaitForExit((quarter * 2) - first))
        {
            return;
        }

        front.Signal(ProcessHandle.SigTerm);
        if (front.WaitForExit(quarter))
        {
            return;
        }

        try
        {
            ControlClient.Call(folder.FrontControl, "stop", quarter); // the second time: waits no longer
        }
        catch (ControlException)
        {
            // It has just ended, or does not hear: both show below.
        }

        if (!front.WaitForExit(quarter))
        {
            Kill(front, "fusefront", killed);
        }
    }

    /// <summary>Waits for a process that was asked to end; reminds it by SIGTERM at half time, and kills it at the end.</summary>
    private static void End(ProcessHandle process, string name, TimeSpan timeout, List<string> killed)
    {
        if (process.WaitForExit(timeout / 2))
        {
            return;
        }

        process.Signal(ProcessHandle.SigTerm);
        if (!process.WaitForExit(timeout / 2))
        {
            Kill(process, name, killed);
        }
    }

    private static void Kill(ProcessHandle process, string name, List<string> killed)
    {
        if (process.Signal(ProcessHandle.SigKill))
        {
            killed.Add($"{name} (pid {process.Pid})");
        }

        if (!process.WaitForExit(KillTimeout))
        {
            throw new UserErrorException(
                $"{name} (pid {process.Pid}) cannot be killed, it waits in the kernel; see /proc/{process.Pid}/stack, then detach again");
        }
    }
}
