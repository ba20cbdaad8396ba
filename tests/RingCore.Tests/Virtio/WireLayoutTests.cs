using System.Diagnostics;
using System.Runtime.InteropServices;
using RingCore.Virtio;

namespace RingCore.Tests.Virtio;

/// <summary>The wire structs have the sizes and offsets of the kernel's own headers: a C program compiled against them says so.</summary>
[TestFixture]
public sealed class WireLayoutTests
{
    private const string Source = """
        #include <linux/virtio_blk.h>
        #include <linux/virtio_ring.h>
        #include <stddef.h>
        #include <stdio.h>
        #define S(t) printf(#t " %zu\n", sizeof(t))
        #define O(t, f) printf(#t "." #f " %zu\n", offsetof(t, f))
        int main(void) {
          S(struct vring_desc); O(struct vring_desc, len); O(struct vring_desc, flags); O(struct vring_desc, next);
          S(struct vring_used_elem); O(struct vring_used_elem, len);
          O(struct vring_avail, idx); O(struct vring_avail, ring); O(struct vring_used, idx); O(struct vring_used, ring);
          S(struct virtio_blk_outhdr); O(struct virtio_blk_outhdr, sector);
          S(struct virtio_blk_discard_write_zeroes);
          O(struct virtio_blk_discard_write_zeroes, num_sectors); O(struct virtio_blk_discard_write_zeroes, flags);
          O(struct virtio_blk_config, size_max); O(struct virtio_blk_config, seg_max); O(struct virtio_blk_config, blk_size);
          O(struct virtio_blk_config, physical_block_exp); O(struct virtio_blk_config, min_io_size);
          O(struct virtio_blk_config, opt_io_size); O(struct virtio_blk_config, wce); O(struct virtio_blk_config, num_queues);
          O(struct virtio_blk_config, max_discard_sectors); O(struct virtio_blk_config, discard_sector_alignment);
          O(struct virtio_blk_config, max_write_zeroes_sectors); O(struct virtio_blk_config, write_zeroes_may_unmap);
          return 0;
        }
        """;

    [Test]
    public void Structs_agree_with_the_kernel_headers()
    {
        Dictionary<string, long> kernel = RunC(Source);
        Dictionary<string, long> ours = new()
        {
            ["struct vring_desc"] = Marshal.SizeOf<Descriptor>(),
            ["struct vring_desc.len"] = Offset<Descriptor>(nameof(Descriptor.Length)),
            ["struct vring_desc.flags"] = Offset<Descriptor>(nameof(Descriptor.Flags)),
            ["struct vring_desc.next"] = Offset<Descriptor>(nameof(Descriptor.Next)),
            ["struct vring_used_elem"] = Marshal.SizeOf<UsedElement>(),
            ["struct vring_used_elem.len"] = Offset<UsedElement>(nameof(UsedElement.Length)),
            ["struct vring_avail.idx"] = SplitRingLayout.AvailIndexOffset,
            ["struct vring_avail.ring"] = SplitRingLayout.AvailRingOffset,
            ["struct vring_used.idx"] = SplitRingLayout.UsedIndexOffset,
            ["struct vring_used.ring"] = SplitRingLayout.UsedRingOffset,
            ["struct virtio_blk_outhdr"] = Marshal.SizeOf<BlkRequestHeader>(),
            ["struct virtio_blk_outhdr.sector"] = Offset<BlkRequestHeader>(nameof(BlkRequestHeader.Sector)),
            ["struct virtio_blk_discard_write_zeroes"] = Marshal.SizeOf<BlkDiscardSegment>(),
            ["struct virtio_blk_discard_write_zeroes.num_sectors"] = Offset<BlkDiscardSegment>(nameof(BlkDiscardSegment.SectorCount)),
            ["struct virtio_blk_discard_write_zeroes.flags"] = Offset<BlkDiscardSegment>(nameof(BlkDiscardSegment.Flags)),
            ["struct virtio_blk_config.size_max"] = Offset<BlkConfig>(nameof(BlkConfig.SizeMax)),
            ["struct virtio_blk_config.seg_max"] = Offset<BlkConfig>(nameof(BlkConfig.SegMax)),
            ["struct virtio_blk_config.blk_size"] = Offset<BlkConfig>(nameof(BlkConfig.BlockSize)),
            ["struct virtio_blk_config.physical_block_exp"] = Offset<BlkConfig>(nameof(BlkConfig.PhysicalBlockExponent)),
            ["struct virtio_blk_config.min_io_size"] = Offset<BlkConfig>(nameof(BlkConfig.MinIoSize)),
            ["struct virtio_blk_config.opt_io_size"] = Offset<BlkConfig>(nameof(BlkConfig.OptimalIoSize)),
            ["struct virtio_blk_config.wce"] = Offset<BlkConfig>(nameof(BlkConfig.Writeback)),
            ["struct virtio_blk_config.num_queues"] = Offset<BlkConfig>(nameof(BlkConfig.QueueCount)),
            ["struct virtio_blk_config.max_discard_sectors"] = Offset<BlkConfig>(nameof(BlkConfig.MaxDiscardSectors)),
            ["struct virtio_blk_config.discard_sector_alignment"] = Offset<BlkConfig>(nameof(BlkConfig.DiscardSectorAlignment)),
            ["struct virtio_blk_config.max_write_zeroes_sectors"] = Offset<BlkConfig>(nameof(BlkConfig.MaxWriteZeroesSectors)),
            ["struct virtio_blk_config.write_zeroes_may_unmap"] = Offset<BlkConfig>(nameof(BlkConfig.WriteZeroesMayUnmap)),
        };
        Assert.That(ours, Is.EquivalentTo(kernel));
    }

    private static long Offset<T>(string field) => Marshal.OffsetOf<T>(field);

    private static Dictionary<string, long> RunC(string source)
    {
        string folder = Directory.CreateTempSubdirectory("wire-layout").FullName;
        try
        {
            File.WriteAllText(Path.Combine(folder, "layout.c"), source);
            Run("gcc", folder, "-o", "layout", "layout.c");
            return Run(Path.Combine(folder, "layout"), folder)
                .Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .ToDictionary(line => line[..line.LastIndexOf(' ')], line => long.Parse(line[(line.LastIndexOf(' ') + 1)..]));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string Run(string program, string folder, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments)
        {
            WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.That(process.ExitCode, Is.Zero, $"{program}: {errors}");
        return output;
    }
}
