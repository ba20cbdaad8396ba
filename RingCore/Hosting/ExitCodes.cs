namespace RingCore.Hosting;

/// <summary>The exit codes of every program of this project.</summary>
public static class ExitCodes
{
    public const int Success = 0;

    /// <summary>It was asked for properly and did not work.</summary>
    public const int Failure = 1;

    /// <summary>The command line is wrong.</summary>
    public const int Usage = 2;

    /// <summary>Ended by Ctrl-C before it was done (128 + SIGINT); by a second one without tidying up.</summary>
    public const int Interrupted = 130;
}
