using FuseFront.Driver;
using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Tests.Driver;

/// <summary>A device that takes small segments, or few, gets no others, and a whole request all the same.</summary>
public sealed unsafe class TransferLimitsTests
{
    private const VirtioFeatures Bounded = VirtioFeatures.BlkSizeMax | VirtioFeatures.BlkSegMax | VirtioFeatures.IndirectDescriptors;
    private const int Most = QueueMemory.MaxTransfer;

    [TestCase(4u << 20, 126u, 256, ExpectedResult = (int[])[1, Most], Description = "one holds it all")]
    [TestCase(0u, 126u, 256, ExpectedResult = (int[])[1, Most], Description = "qemu: offered, and not meant")]
    [TestCase(1u << 17, 126u, 256, ExpectedResult = (int[])[9, Most], Description = "SPDK")]
    [TestCase(1u << 20, 126u, 256, ExpectedResult = (int[])[2, Most], Description = "an unaligned one needs a block more")]
    [TestCase(1u << 16, 8u, 256, ExpectedResult = (int[])[8, (8 << 16) - 4096], Description = "few segments")]
    [TestCase(1u << 16, 0u, 256, ExpectedResult = (int[])[1, (1 << 16) - 4096], Description = "at least one")]
    [TestCase(1u << 16, 126u, 8, ExpectedResult = (int[])[6, (6 << 16) - 4096], Description = "no chain is longer than the queue")]
    [TestCase(8704u, 1u, 256, ExpectedResult = (int[])[1, 4096], Description = "a page and a block")]
    public int[] Segments_and_longest_transfer(uint sizeMax, uint segMax, int queueSize)
    {
        TransferLimits limits = TransferLimits.Of(Bounded, new BlkConfig { SizeMax = sizeMax, SegMax = segMax }, (ushort)queueSize);
        Assert.That(limits.Segments * (long)limits.SegmentBytes, Is.GreaterThanOrEqualTo(limits.MaxTransfer + QueueMemory.MaxBlockSize));
        return [limits.Segments, limits.MaxTransfer];
    }

    [TestCase(VirtioFeatures.BlkSizeMax)]
    [TestCase(VirtioFeatures.BlkSizeMax | VirtioFeatures.BlkSegMax)]
    [TestCase(VirtioFeatures.BlkSizeMax | VirtioFeatures.IndirectDescriptors)]
    public void One_segment_where_more_are_not_agreed_on(VirtioFeatures features)
    {
        TransferLimits limits = TransferLimits.Of(features, new BlkConfig { SizeMax = 1 << 17, SegMax = 126 }, 256);
        Assert.That((limits.Segments, limits.MaxTransfer), Is.EqualTo((1, (1 << 17) - 4096)));
    }

    [TestCase(511u, 126u)]
    [TestCase(4096u, 1u)]
    [TestCase(512u, 15u)]
    public void Device_that_cannot_take_a_page_is_refused(uint sizeMax, uint segMax) => Assert.That(
        () => TransferLimits.Of(Bounded, new BlkConfig { SizeMax = sizeMax, SegMax = segMax }, 256),
        Throws.InstanceOf<ProtocolException>().With.Message.Contains($"segments of {sizeMax} bytes"));

    [Test]
    public void Data_is_split_over_segments_and_the_slot_serves_small_requests_again()
    {
        using DriverRig rig = new(device =>
        {
            device.OfferedFeatures |= Bounded;
            device.Config = device.Config with { SizeMax = 8192, SegMax = 14 };
        });
        Assert.That(rig.Queue.TryTakeSlot(out int slot), Is.True);
        byte[] data = new byte[20_480];
        new Random(3).NextBytes(data);
        data.CopyTo(new Span<byte>(rig.Queue.Payload(slot), data.Length)); // A payload is far larger.
        rig.Queue.Write(slot, 5, rig.Queue.Payload(slot), (uint)data.Length);
        FakeRequest write = Exchange(rig);
        Assert.That(write.Data.Select(d => d.Length), Is.EqualTo(new[] { 8192, 8192, 4096 }));
        Assert.That(Content(write), Is.EqualTo(data));

        rig.Queue.Read(slot, 5, rig.Queue.Payload(slot), 16_384);
        FakeRequest read = Exchange(rig);
        Assert.That(read.Data.Select(d => d.Length), Is.EqualTo(new[] { 8192, 8192 }));
        Assert.That(read.Writable, Is.EqualTo(16_385));

        rig.Queue.Read(slot, 5, rig.Queue.Payload(slot), 512);
        Assert.That(Exchange(rig).Data.Select(d => d.Length), Is.EqualTo(new[] { 512 }));
        rig.Queue.Flush(slot);
        Assert.That(Exchange(rig).Data, Is.Empty);
        Assert.That(rig.Ends, Is.EqualTo(Enumerable.Repeat((slot, BlkStatus.Ok), 4)));
    }

    private static FakeRequest Exchange(DriverRig rig)
    {
        rig.Queue.Submit();
        FakeRequest request = rig.Device.Take().Single();
        rig.Device.Answer(request);
        rig.Queue.Complete();
        return request;
    }

    // Guest memory that the chain names, mapped until the reset.
    private static byte[] Content(FakeRequest request) =>
        [.. request.Data.SelectMany(d => new ReadOnlySpan<byte>((void*)d.Address, d.Length).ToArray())];
}
