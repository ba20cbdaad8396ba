using System.Diagnostics.CodeAnalysis;

namespace RingCore.Posix;

/// <summary>A Linux system call failed. Keeps the errno, so that a caller can act on it or pass it on unchanged.</summary>
public sealed class PosixException : IOException
{
    /// <param name="errno">The positive error number.</param>
    /// <param name="call">The call that failed and what it was about, for instance <c>open /tmp/disk.img</c>.</param>
    public PosixException(int errno, string call)
        : base($"{call}: {Posix.Errno.Describe(errno)} ({Posix.Errno.Name(errno)})", errno)
    {
        Errno = errno;
        Call = call;
    }

    /// <summary>The positive error number (<see cref="Posix.Errno"/>).</summary>
    public int Errno { get; }

    /// <summary>What was attempted.</summary>
    public string Call { get; }

    /// <summary>Throws with the calling thread's last P/Invoke error.</summary>
    [DoesNotReturn]
    public static void ThrowLast(string call) =>
        throw new PosixException(System.Runtime.InteropServices.Marshal.GetLastPInvokeError(), call);

    /// <summary>Returns <paramref name="result"/>, or throws with the last P/Invoke error when it is negative.</summary>
    public static int Check(int result, string call)
    {
        if (result < 0)
        {
            ThrowLast(call);
        }

        return result;
    }

    /// <inheritdoc cref="Check(int, string)"/>
    public static nint Check(nint result, string call)
    {
        if (result < 0)
        {
            ThrowLast(call);
        }

        return result;
    }
}
