namespace EndToEnd.Peers;

/// <summary>qemu-storage-daemon serving one image as a vhost-user-blk device: another project's back end. Disposing ends it.</summary>
internal sealed class StorageDaemon : IDisposable
{
    private readonly Tool _process;

    /// <summary>Returns when it listens.</summary>
    /// <param name="format">As qemu names it: <c>raw</c>, <c>qcow2</c>.</param>
    /// <param name="blockSize">Bytes of a logical block.</param>
    public StorageDaemon(TestSpace space, string image, string format, bool writable = true, string name = "qsd", int blockSize = 512)
    {
        Socket = space.Path($"{name}.sock");
        _process = Tool.Start(
            "qemu-storage-daemon",
            [
                "--blockdev", $"driver=file,node-name=f,filename={image},discard=unmap",
                "--blockdev", $"driver={format},node-name=d,file=f,discard=unmap",
                "--export",
                $"type=vhost-user-blk,id=e,node-name=d,addr.type=unix,addr.path={Socket},writable={(writable ? "on" : "off")},num-queues=2,logical-block-size={blockSize}",
            ],
            space.Environment);
        Wait.For("the storage daemon", () => File.Exists(Socket) || _process.HasExited);
        Assert.That(_process.HasExited, Is.False, "the storage daemon ended at once");
    }

    public string Socket { get; }

    /// <summary>What vdisk calls the disk.</summary>
    public string Disk => $"vhost-user:{Socket}";

    /// <summary>Makes an empty image.</summary>
    public static string CreateImage(TestSpace space, long bytes, string name = "disk.qcow2")
    {
        Tool.Run("qemu-img", "create", "-q", "-f", "qcow2", space.Path(name), $"{bytes}").Succeeded();
        return space.Path(name);
    }

    public void Kill()
    {
        _process.Signal(LiveProcess.SigKill);
        Wait.For("its end", () => _process.HasExited);
    }

    /// <summary>Ends it as a person would, which writes the image out.</summary>
    public void End()
    {
        _process.Signal(LiveProcess.SigTerm);
        _process.WaitForExit(Tool.StandardTimeout).Succeeded();
    }

    public void Dispose() => _process.Dispose();
}
