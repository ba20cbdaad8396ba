using static RingCore.Posix.PosixException;

namespace RingCore.Posix;

/// <summary>A pipe(2), both ends non-blocking. Owns them.</summary>
public sealed unsafe class Pipe : IDisposable
{
    public Pipe()
    {
        int* fds = stackalloc int[2]; // pipe2 writes two
        Check(Libc.pipe2(fds, (int)(OpenFlags.CloseOnExec | OpenFlags.NonBlocking)), "pipe2");
        ReadEnd = new FileDescriptor(fds[0]);
        WriteEnd = new FileDescriptor(fds[1]);
    }

    public FileDescriptor ReadEnd { get; }

    public FileDescriptor WriteEnd { get; }

    public void Dispose()
    {
        WriteEnd.Dispose();
        ReadEnd.Dispose();
    }
}
