namespace RingCore.Log;

/// <summary>What a record of the log is about.</summary>
public enum LogOperation : byte
{
    /// <summary>Data follows.</summary>
    Write = 1,

    /// <summary>The range reads as zeroes from then on.</summary>
    Discard = 2,

    /// <summary>The range reads as zeroes from then on.</summary>
    WriteZeroes = 3,

    /// <summary>Makes stable what completed before it was submitted.</summary>
    Flush = 4,

    /// <summary>A text of the user's.</summary>
    Mark = 5,
}

[Flags]
public enum LogFlags : byte
{
    None = 0,

    /// <summary>Stable when it completes.</summary>
    ForceUnitAccess = 1,

    /// <summary>Write-zeroes: the range may be deallocated.</summary>
    MayUnmap = 2,
}

/// <summary>The names that people read and programs get.</summary>
public static class LogOperationNames
{
    public static string Name(this LogOperation operation) => operation switch
    {
        LogOperation.Write => "write",
        LogOperation.Discard => "discard",
        LogOperation.WriteZeroes => "write-zeroes",
        LogOperation.Flush => "flush",
        _ => "mark",
    };
}
