using System.Numerics;
using Backend.Block;
using Backend.Faults;
using RingCore.Posix;

namespace Backend.Tests.Faults;

/// <summary>Each action on data does what it says, and every byte outside of it is as it would have been.</summary>
[TestFixture]
public sealed class DataFaultTests
{
    private FaultRig _rig = null!;
    private byte[] _expected = null!;

    [SetUp]
    public void SetUp()
    {
        _rig = new FaultRig();
        _expected = FaultRig.Pattern();
    }

    [TearDown]
    public void TearDown() => _rig.Dispose();

    [Test]
    public void Without_a_rule_requests_go_through()
    {
        Written(4096, Ones(8192));
        Assert.That(_rig.Read(4096, 8192, out byte[] data), Is.Zero);
        Assert.That(data, Is.EqualTo(Ones(8192)));
        Assert.That(_rig.Run(BlockOperation.WriteZeroes, 0, 4096), Is.Zero);
        _expected.AsSpan(0, 4096).Clear();
        AssertImage();
    }

    [Test]
    public void Fail_answers_the_error_and_writes_nothing()
    {
        ArmedRule rule = _rig.Add("on write at 64K..128K count 2 fail ENOSPC");
        Assert.That(_rig.Write(64 * 1024 - 4096, Ones(8192)), Is.EqualTo(Errno.ENOSPC), "touches the range");
        Assert.That(_rig.Write(128 * 1024 - 512, Ones(512)), Is.EqualTo(Errno.ENOSPC));
        AssertImage();
        Written(64 * 1024, Ones(4096));
        AssertImage();
        Assert.That((rule.Seen, rule.Hits), Is.EqualTo((2, 2)));
    }

    [TestCase(64 * 1024 - 512, 512)]
    [TestCase(128 * 1024, 512)]
    public void Fail_leaves_neighbours_of_its_range_alone(long offset, int length)
    {
        ArmedRule rule = _rig.Add("on write at 64K..128K fail EIO");
        Written(offset, Ones(length));
        AssertImage();
        Assert.That(rule.Seen, Is.Zero);
    }

    [TestCase(BlockOperation.Read, "on read fail EIO", Errno.EIO)]
    [TestCase(BlockOperation.Flush, "on flush fail EIO", Errno.EIO)]
    [TestCase(BlockOperation.Discard, "on discard fail EOPNOTSUPP", Errno.EOPNOTSUPP)]
    [TestCase(BlockOperation.WriteZeroes, "on write-zeroes fail EIO", Errno.EIO)]
    [TestCase(BlockOperation.GetId, "on get-id fail EIO", Errno.EIO)]
    [TestCase(BlockOperation.GetId, "on any fail EIO", Errno.EIO)]
    public void Every_request_can_fail(BlockOperation operation, string rule, int errno)
    {
        _rig.Add(rule);
        Assert.That(_rig.Run(operation, 0, 4096), Is.EqualTo(errno));
        AssertImage();
    }

    [Test]
    public void Tear_lets_only_the_first_bytes_reach_the_image()
    {
        _rig.Add("on write tear 512");
        Assert.That(_rig.Write(8192, Ones(4096)), Is.Zero);
        Ones(512).CopyTo(_expected, 8192);
        AssertImage();
    }

    [Test]
    public void Tear_of_a_range_writes_what_is_before_and_behind_it()
    {
        _rig.Add("on write at 8K..12K tear 1000");
        Assert.That(_rig.Write(4096, Ones(16384)), Is.Zero);
        Ones(4096).CopyTo(_expected, 4096);
        Ones(1000).CopyTo(_expected, 8192);
        Ones(8192).CopyTo(_expected, 12288);
        AssertImage();
    }

    [Test]
    public void Drop_acknowledges_and_writes_nothing_of_its_range()
    {
        _rig.Add("on write at 8K..9K drop");
        Assert.That(_rig.Write(8192 - 512, Ones(2048)), Is.Zero);
        Ones(512).CopyTo(_expected, 8192 - 512);
        Ones(512).CopyTo(_expected, 9216);
        AssertImage();
    }

    [TestCase(BlockOperation.Discard, "on discard at 8K..16K drop")]
    [TestCase(BlockOperation.WriteZeroes, "on write-zeroes at 8K..16K drop")]
    public void Drop_of_zeroing_keeps_its_range(BlockOperation operation, string rule)
    {
        _rig.Add(rule);
        Assert.That(_rig.Run(operation, 4096, 16384), Is.Zero);
        _expected.AsSpan(4096, 4096).Clear();
        _expected.AsSpan(16384, 4096).Clear();
        AssertImage();
    }

    [Test]
    public void Misdirected_write_lands_elsewhere()
    {
        ArmedRule rule = _rig.Add("on write at 64K skip 2 misdirect +4K");
        Written(65536, Ones(512));
        Written(65536, Ones(1024));
        Assert.That(_rig.Write(65536, Ones(2048)), Is.Zero);
        Ones(2048).CopyTo(_expected, 65536 + 4096);
        AssertImage();
        Assert.That((rule.Seen, rule.Hits), Is.EqualTo((3, 1)));
    }

    [Test]
    public void Misdirected_read_answers_what_is_elsewhere()
    {
        _rig.Add("on read at 4K..8K misdirect -4K");
        Assert.That(_rig.Read(2048, 8192, out byte[] data), Is.Zero);
        byte[] expected = FaultRig.Pattern()[2048..10240];
        FaultRig.Pattern().AsSpan(0, 4096).CopyTo(expected.AsSpan(2048));
        Assert.That(data, Is.EqualTo(expected));
    }

    [Test]
    public void Misdirection_past_the_disk_loses_a_write_and_fails_a_read()
    {
        _rig.Add("on write misdirect -1M");
        _rig.Add("on read misdirect +1M");
        Assert.That(_rig.Write(0, Ones(512)), Is.Zero);
        Assert.That(_rig.Read(0, 512, out _), Is.EqualTo(Errno.EIO));
        AssertImage();
    }

    [TestCase(3)]
    [TestCase(1)]
    [TestCase(4096 * 8)]
    [TestCase(65536)]
    public void Corrupt_read_turns_just_so_many_bits_inside_its_range(int bits)
    {
        _rig.Add($"on read at 4K..8K corrupt {bits} bits");
        Assert.That(_rig.Read(0, 16384, out byte[] data), Is.Zero);
        int most = Math.Min(bits, 4096 * 8);
        Assert.That(BitsApart(data.AsSpan(4096, 4096), _expected.AsSpan(4096, 4096)), Is.EqualTo(most));
        Assert.That(BitsApart(data, _expected.AsSpan(0, 16384)), Is.EqualTo(most));
        AssertImage();
    }

    [Test]
    public void Corrupt_write_spoils_the_image_and_not_the_drivers_memory()
    {
        _rig.Add("on write at 4K..5K corrupt 5 bits");
        BlockRequest request = _rig.Request(BlockOperation.Write, 2048, 8192, Ones(8192));
        Assert.That(_rig.Run(request), Is.Zero);
        Assert.That(FaultRig.DataOf(request).SequenceEqual(Ones(8192)), Is.True);
        byte[] image = _rig.Image();
        Ones(8192).CopyTo(_expected, 2048);
        Assert.That(BitsApart(image.AsSpan(4096, 1024), _expected.AsSpan(4096, 1024)), Is.EqualTo(5));
        Assert.That(BitsApart(image, _expected), Is.EqualTo(5));
    }

    [Test]
    public void Corrupt_get_id_spoils_the_serial()
    {
        _rig.Add("on get-id corrupt 2 bits");
        BlockRequest request = _rig.Request(BlockOperation.GetId, 0, 20, Ones(20));
        Assert.That(_rig.Run(request), Is.Zero);
        Assert.That(BitsApart(FaultRig.DataOf(request), Ones(20)), Is.EqualTo(2));
    }

    [Test]
    public void First_outcome_decides_and_later_rules_are_not_asked()
    {
        ArmedRule first = _rig.Add("on write count 1 fail EIO");
        ArmedRule second = _rig.Add("on write count 1 fail ENOSPC");
        Assert.That(_rig.Write(0, Ones(512)), Is.EqualTo(Errno.EIO));
        Assert.That(second.Seen, Is.Zero);
        Assert.That(_rig.Write(0, Ones(512)), Is.EqualTo(Errno.ENOSPC));
        Assert.That((first.Hits, second.Hits), Is.EqualTo((1, 1)));
    }

    [Test]
    public void Kill_is_handed_to_the_host()
    {
        _rig.Add("deadly: on write skip 1 count 1 kill backend");
        Written(0, Ones(512));
        _rig.Write(0, Ones(1024));
        AssertImage();
        Assert.That(_rig.Killed, Has.Count.EqualTo(1));
    }

    private static byte[] Ones(int length)
    {
        byte[] bytes = new byte[length];
        Array.Fill(bytes, (byte)0xA5);
        return bytes;
    }

    private static int BitsApart(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        int bits = 0;
        for (int i = 0; i < a.Length; i++)
        {
            bits += BitOperations.PopCount((uint)(a[i] ^ b[i]));
        }

        return bits;
    }

    private void Written(long offset, byte[] data)
    {
        Assert.That(_rig.Write(offset, data), Is.Zero);
        data.CopyTo(_expected, offset);
    }

    private void AssertImage() => Assert.That(_rig.Image().AsSpan().SequenceEqual(_expected), Is.True, "image");
}
