namespace RingCore.Hosting;

/// <summary>
/// A failure that the person at the terminal can mend. The message is the one line that they see: it names what failed
/// and, after a semicolon, what to do next.
/// </summary>
public class UserErrorException : Exception
{
    public UserErrorException(string message, int exitCode = ExitCodes.Failure)
        : base(message) => ExitCode = exitCode;

    public UserErrorException(string message, Exception inner)
        : base(message, inner) => ExitCode = ExitCodes.Failure;

    /// <summary>What the process ends with (<see cref="ExitCodes"/>).</summary>
    public int ExitCode { get; }
}
