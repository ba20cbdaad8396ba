namespace Bench.Contestants;

/// <summary>The peers that are measured when their programs are installed.</summary>
internal static class KnownPeers
{
    /// <summary>A peer, the programs that it needs, and where Debian has them.</summary>
    internal sealed record Known(PeerTemplate Template, string[] Programs, string Remedy);

    // passthrough_hp: the kernel's own pass-through would leave the server, which is to be measured, out.
    private const string PassthroughHp = "exec passthrough_hp --foreground --nopassthrough";

    public static IReadOnlyList<Known> All { get; } =
    [
        new(
            PeerTemplate.Parse(
                "qemu-storage-daemon=exec qemu-storage-daemon --blockdev driver=file,node-name=disk,filename={image} "
                + "--export type=fuse,id=fuse,node-name=disk,mountpoint={file},writable=on"),
            ["qemu-storage-daemon"],
            "apt-get install qemu-system-common"),
        new(
            PeerTemplate.Parse("nbdfuse=exec nbdfuse {dir}/disk [ nbdkit file {image} ]"),
            ["nbdfuse", "nbdkit"],
            "apt-get install libnbd-bin nbdkit"),
        Passthrough("dev-single", "--single"),
        Passthrough("dev", ""),
        Passthrough("uring", "-o io_uring"),
    ];

    private static Known Passthrough(string mode, string options) => new(
        PeerTemplate.Parse($"passthrough_hp/{mode}={PassthroughHp} {options} {{source}} {{dir}}"),
        ["passthrough_hp"],
        "build libfuse's examples");
}
