using System.Globalization;
using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>
/// Mounting without privileges: fusermount3, a set-user-id program of libfuse, mounts for us and hands back the connected
/// /dev/fuse over the socket named in _FUSE_COMMFD.
/// </summary>
internal static class Fusermount
{
    private const string Program = "fusermount3";
    private const string SocketVariable = "_FUSE_COMMFD";

    internal static FuseDevice Mount(string path, FuseMountOptions options)
    {
        (UnixSocket ours, UnixSocket theirs) = UnixSocket.CreatePair();
        using (ours)
        {
            string error;
            using (theirs)
            {
                string number = theirs.Descriptor.Number.ToString(CultureInfo.InvariantCulture);
                (_, error) = Run(["-o", Options(options), "--", path], (SocketVariable, number), theirs.Descriptor);
            }

            // The descriptor is what counts, and the program has ended: it is there now, or never.
            return ReceiveDevice(ours) ?? throw new FuseMountException($"{path}: {Sentence(error)}", Errno.EPERM);
        }
    }

    /// <exception cref="PosixException">EBUSY: in use. EPERM: any other reason that the program gave.</exception>
    internal static void Unmount(string path, bool lazy)
    {
        List<string> arguments = lazy ? ["-u", "-z", "--", path] : ["-u", "--", path];
        (int exitCode, string error) = Run(arguments, null, null);
        if (exitCode == 0)
        {
            return;
        }

        if (error.Contains("busy", StringComparison.OrdinalIgnoreCase))
        {
            throw new PosixException(Errno.EBUSY, $"{Program} -u {path}");
        }

        throw new FuseMountException($"{path}: {Sentence(error)}", Errno.EPERM);
    }

    /// <summary>The option string; commas and backslashes of the source are escaped with a backslash.</summary>
    internal static string Options(FuseMountOptions options)
    {
        string source = options.Source.Replace("\\", "\\\\", StringComparison.Ordinal)
            .Replace(",", "\\,", StringComparison.Ordinal);
        return $"fsname={source},subtype={options.Subtype},default_permissions,max_read={options.MaxTransfer},nosuid,nodev"
            + (options.ReadOnly ? ",ro" : string.Empty)
            + (options.AllowOther ? ",allow_other" : string.Empty);
    }

    private static (int ExitCode, string Error) Run(List<string> arguments, (string, string)? variable, FileDescriptor? inherited)
    {
        try
        {
            return ChildProcess.Run(Program, arguments, variable, inherited);
        }
        catch (PosixException e) when (e.Errno == Errno.ENOENT)
        {
            throw new FuseMountException($"{Program} is not installed: install the package fuse3, or run as root", e.Errno);
        }
    }

    private static FuseDevice? ReceiveDevice(UnixSocket socket)
    {
        List<FileDescriptor> received = [];
        _ = socket.Receive(new byte[1], received, out _);
        foreach (FileDescriptor surplus in received.Skip(1))
        {
            surplus.Dispose();
        }

        return received.Count == 0 ? null : new FuseDevice(received[0]);
    }

    private static string Sentence(string error) =>
        error.Length == 0 ? $"{Program} gave no reason" : error.Split('\n')[0];
}
