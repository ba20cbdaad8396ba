using System.CommandLine;
using RingCore.Hosting;
using Vdisk.Commands;

// vdisk: the one command a person types. It starts and stops the two halves, and speaks to them over their sockets.
return CommandHost.Run(
    new RootCommand("Virtual disks in user space: a raw image as the file DIR/disk, served by two processes.")
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
    },
    args);
