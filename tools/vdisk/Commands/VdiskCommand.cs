using System.CommandLine;

namespace Vdisk.Commands;

/// <summary><c>vdisk</c>: the one command a person types. It starts and stops the two halves, and speaks to them over their sockets.</summary>
internal static class VdiskCommand
{
    public static RootCommand Build() =>
        new("Virtual disks in user space: a raw image as the file DIR/disk, served by two processes.")
        {
            CreateCommand.Build(),
            AttachCommand.Build(),
            DetachCommand.Build(),
            MountCommand.Build(),
            UmountCommand.Build(),
            ListCommand.Build(),
            StatsCommand.Build(),
            FaultCommand.Build(),
            PowerCommands.BuildCut(),
            PowerCommands.BuildPower(),
            LogCommand.Build(),
            ReplayCommand.Build(),
            CrashTestCommand.Build(),
        };
}
