using FuseFront.Fuse;
using FuseFront.Tests.Fuse;
using NUnit.Framework;
using RingCore.Posix;

namespace FuseFront.Tests;

/// <summary>Whatever went wrong, no mount of the tests outlives them. The switch of FUSE over io_uring is as it was.</summary>
[SetUpFixture]
public sealed class LeftOverMounts
{
    private string? _switch;

    [OneTimeSetUp]
    public void RememberSwitch() => _switch = UringSwitch.Read();

    [OneTimeTearDown]
    public void Unmount()
    {
        foreach (MountEntry entry in MountTable.Read().Entries.Where(e => e.Type == "fuse." + MountedDisk.Subtype))
        {
            MountPoint.Unmount(entry.Path, lazy: true);
        }

        if (_switch != null)
        {
            UringSwitch.Write(_switch);
        }
    }
}
