namespace EndToEnd.Faults;

/// <summary>Requests that succeed and do something else than they should: just that, just there.</summary>
[Category(OnceOnly.Name)]
public sealed class DamageTests : EndToEndTest
{
    private const int Block = FaultyDisk.Block;

    [Test]
    public void Torn_writes_leave_their_first_bytes_only()
    {
        using FaultyDisk disk = new(Space);
        byte[] old = [.. disk.Expected];
        disk.Add("tear: on write every 4 tear 512");
        disk.Write(0, 16 * Block);
        Assert.That(disk.Count("tear"), Is.EqualTo((16, 4)));
        for (int block = 3; block < 16; block += 4)
        {
            disk.ExpectOld(old, (block * Block) + 512, Block - 512);
        }

        disk.RequireImage();
    }

    [Test]
    public void Corrupt_read_has_three_wrong_bits_in_its_range_and_the_image_none()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("rot: on read at 4K..8K corrupt 3 bits");
        byte[] read = disk.Read(0, 4 * Block);
        Assert.That(FaultyDisk.BitsThatDiffer(read.AsSpan(Block, Block), disk.Expected.AsSpan(Block, Block)), Is.EqualTo(3));
        disk.Expected.AsSpan(Block, Block).CopyTo(read.AsSpan(Block));
        FaultyDisk.RequireSame(read, disk.Expected.AsSpan(0, read.Length), "rest");
        Assert.That(disk.Count("rot"), Is.EqualTo((1, 1)));
        disk.RequireImage();
        disk.Fault("pause").Succeeded();
        disk.RequireDisk();
        Assert.That(disk.Count("rot"), Is.EqualTo((1, 1)), "a paused rule does not count");
    }

    [Test]
    public void Corrupt_write_has_wrong_bits_on_the_image()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("rot: on write at 8K..12K corrupt 5 bits");
        byte[] data = disk.Write(0, 4 * Block);
        Assert.That(disk.Count("rot"), Is.EqualTo((1, 1)));
        byte[] image = File.ReadAllBytes(disk.Disk.Image);
        Assert.That(FaultyDisk.BitsThatDiffer(image.AsSpan(2 * Block, Block), data.AsSpan(2 * Block, Block)), Is.EqualTo(5));
        disk.Expect(image.AsSpan(2 * Block, Block), 2 * Block);
        disk.RequireImage();
    }

    [Test]
    public void Misdirected_writes_land_elsewhere_and_their_place_keeps_what_it_had()
    {
        using FaultyDisk disk = new(Space);
        byte[] old = [.. disk.Expected];
        disk.Add("astray: on write at 64K skip 2 misdirect +1M");
        disk.Write(64 << 10, Block, seed: 1);
        disk.Write(64 << 10, Block, seed: 2);
        disk.RequireImage();
        byte[] before = [.. disk.Expected];
        byte[] third = disk.Write(64 << 10, Block, seed: 3);
        Assert.That(disk.Count("astray"), Is.EqualTo((3, 1)));
        disk.ExpectOld(before, 64 << 10, Block);
        disk.Expect(third, (64 << 10) + (1 << 20));
        disk.RequireImage();
        Assert.That(old.AsSpan(64 << 10, Block).SequenceEqual(disk.Expected.AsSpan(64 << 10, Block)), Is.False, "the first two arrived");
    }

    [Test]
    public void Misdirected_read_answers_what_is_elsewhere()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("astray: on read at 1M..1028K misdirect -512");
        byte[] read = disk.Read(1 << 20, 2 * Block);
        FaultyDisk.RequireSame(read.AsSpan(0, Block), disk.Expected.AsSpan((1 << 20) - 512, Block), "block that is read elsewhere");
        FaultyDisk.RequireSame(read.AsSpan(Block), disk.Expected.AsSpan((1 << 20) + Block, Block), "next one");
        Assert.That(disk.Count("astray"), Is.EqualTo((1, 1)));
        disk.RequireImage();
    }

    [Test]
    public void Dropped_writes_are_as_many_as_the_list_says_and_the_same_by_the_same_seed()
    {
        List<int> first = BlocksDropped("11");
        Assert.That(first, Is.Not.Empty.And.Count.LessThan(64));
        Assert.That(BlocksDropped("11"), Is.EqualTo(first));
        Assert.That(BlocksDropped("12"), Is.Not.EqualTo(first));
    }

    /// <summary>A hole is made by a discard, which promises no zeros, and a write-zeroes of the same range, which does.</summary>
    [Test]
    public void Dropped_discard_and_zeroing_keep_what_they_were_to_clear()
    {
        using FaultyDisk disk = new(Space);
        disk.Add("hole: on discard at 0..64K count 1 drop");
        disk.Add("zero: on write-zeroes at 8K..16K drop");
        Tool.Run("fallocate", "--punch-hole", "--offset=0", "--length=64KiB", disk.DiskFile).Succeeded();
        Tool.Run("fallocate", "--zero-range", "--offset=1MiB", "--length=8KiB", disk.DiskFile).Succeeded();
        Assert.That((disk.Count("hole"), disk.Count("zero")), Is.EqualTo(((1, 1), (1, 1))));
        disk.Expect(new byte[8 << 10], 0);
        disk.Expect(new byte[48 << 10], 16 << 10);
        disk.Expect(new byte[8 << 10], 1 << 20);
        disk.RequireImage();
    }

    private List<int> BlocksDropped(string seed)
    {
        using FaultyDisk disk = new(Space, "--fault-seed", seed);
        byte[] old = [.. disk.Expected];
        disk.Add("lost: on write probability 25% drop");
        byte[] data = disk.Write(0, 64 * Block);
        byte[] image = File.ReadAllBytes(disk.Disk.Image);
        List<int> dropped = [];
        for (int block = 0; block < 64; block++)
        {
            if (!image.AsSpan(block * Block, Block).SequenceEqual(data.AsSpan(block * Block, Block)))
            {
                dropped.Add(block);
                disk.ExpectOld(old, block * Block, Block);
            }
        }

        Assert.That(disk.Count("lost"), Is.EqualTo((64, dropped.Count)));
        disk.RequireImage();
        return dropped;
    }
}
