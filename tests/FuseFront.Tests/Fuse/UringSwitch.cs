using FuseFront.Fuse;
using NUnit.Framework;
using RingCore.Posix;

namespace FuseFront.Tests.Fuse;

/// <summary>The machine's one switch of FUSE over io_uring, which counts at mount time. Root turns it.</summary>
internal static class UringSwitch
{
    /// <summary>What it says; null when it cannot be turned.</summary>
    internal static string? Read() =>
        UserIds.IsRoot && File.Exists(FuseUringSupport.Switch) ? File.ReadAllText(FuseUringSupport.Switch) : null;

    internal static void Write(string value) => File.WriteAllText(FuseUringSupport.Switch, value);

    /// <summary>
    /// Turns it on where possible, each time, since tests of another process may have turned it back; passes the test over
    /// where FUSE over io_uring cannot be had.
    /// </summary>
    internal static void Require()
    {
        if (Read() is { } value && !value.StartsWith('Y'))
        {
            Write("Y");
        }

        if (FuseUringSupport.Obstacle() is { } obstacle)
        {
            Assert.Ignore($"FUSE over io_uring: {obstacle}");
        }
    }
}
