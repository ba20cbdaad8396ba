using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>Stands where data requests cannot come: the kernel sends them over io_uring, and none over /dev/fuse.</summary>
internal sealed class NoDataHandler : IFuseDataHandler
{
    public void Read(in FuseRequest request, FuseFile file, long offset, int length) => Refuse(request);

    public void Write(in FuseRequest request, FuseFile file, long offset, int length, FuseWriteFlags flags) => Refuse(request);

    public void Fsync(in FuseRequest request, FuseFile file, bool dataOnly) => Refuse(request);

    public void Fallocate(in FuseRequest request, FuseFile file, FallocateMode mode, long offset, long length) =>
        Refuse(request);

    public void Lseek(in FuseRequest request, FuseFile file, long offset, SeekWhence whence) => Refuse(request);

    public void Submit()
    {
    }

    public bool TryCancel(int slot) => false;

    private static void Refuse(in FuseRequest request) => request.Channel.ReplyError(request.Slot, Errno.EIO);
}
