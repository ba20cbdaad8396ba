using NUnit.Framework;
using RingCore.Posix;

namespace RingCore.Tests.Posix;

public sealed class ChildProcessTests
{
    [Test]
    public void Exit_code_and_error_output_come_back()
    {
        (int exitCode, string error) = ChildProcess.Run("sh", ["-c", "echo why >&2; exit 3"]);
        Assert.That(exitCode, Is.EqualTo(3));
        Assert.That(error, Is.EqualTo("why"));
    }

    [Test]
    public void Death_by_a_signal_is_told_as_a_shell_tells_it() =>
        Assert.That(ChildProcess.Run("sh", ["-c", "kill -9 $$"]).ExitCode, Is.EqualTo(137));

    [Test]
    public void Only_the_chosen_descriptor_is_inherited()
    {
        (UnixSocket kept, UnixSocket other) = UnixSocket.CreatePair();
        using (kept)
        using (other)
        {
            string script = $"test -e /proc/self/fd/{kept.Descriptor.Number} && ! test -e /proc/self/fd/{other.Descriptor.Number}";
            (int exitCode, _) = ChildProcess.Run("sh", ["-c", script], inherited: kept.Descriptor);
            Assert.That(exitCode, Is.Zero);
        }
    }

    [Test]
    public void A_variable_is_added_to_the_environment() =>
        Assert.That(ChildProcess.Run("sh", ["-c", "test \"$GIVEN\" = 'a b' && test -n \"$PATH\""], ("GIVEN", "a b")).ExitCode, Is.Zero);

    [Test]
    public void A_missing_program_is_ENOENT() =>
        Assert.That(
            () => ChildProcess.Run("no-such-program-here", []),
            Throws.TypeOf<PosixException>().With.Property(nameof(PosixException.Errno)).EqualTo(Errno.ENOENT));
}
