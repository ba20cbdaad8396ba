namespace RingCore.Hosting;

/// <summary>Thrown by a <see cref="ControlSocket"/>'s handler to refuse a request with a sentence and an errno, such as EBUSY.</summary>
public sealed class ControlRefusalException(string message, int errno) : Exception(message)
{
    /// <summary>The positive error number.</summary>
    public int Errno { get; } = errno;
}
