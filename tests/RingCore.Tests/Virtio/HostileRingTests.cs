using System.Buffers.Binary;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.Virtio;

namespace RingCore.Tests.Virtio;

/// <summary>Every rule that the other side can break is noticed, named, and leads nowhere.</summary>
[TestFixture]
public sealed unsafe class HostileRingTests
{
    private const VirtioFeatures Features =
        VirtioFeatures.Version1 | VirtioFeatures.IndirectDescriptors | VirtioFeatures.EventIndex;

    private RingPair _pair = null!;
    private DescriptorChain _chain = null!;

    [SetUp]
    public void SetUp()
    {
        _pair = new RingPair(8, Features);
        _chain = new DescriptorChain();
    }

    [TearDown]
    public void TearDown() => _pair.Dispose();

    [Test]
    public void Chain_that_loops() => Breaks("loops", () =>
    {
        _pair.Ring.Descriptors[0] = Segment(DescriptorFlags.Next, next: 1);
        _pair.Ring.Descriptors[1] = Segment(DescriptorFlags.Next, next: 0);
    });

    [Test]
    public void Descriptor_that_is_its_own_next() =>
        Breaks("loops", () => _pair.Ring.Descriptors[0] = Segment(DescriptorFlags.Next, next: 0));

    [Test]
    public void Next_index_out_of_range() =>
        Breaks("names next 8", () => _pair.Ring.Descriptors[0] = Segment(DescriptorFlags.Next, next: 8));

    [Test]
    public void Head_out_of_range()
    {
        _pair.Ring.AvailEntry(0) = 8;
        _pair.Ring.AvailIndex = 1;
        Assert.That(() => _pair.Device.TryPop(_chain), Throws.TypeOf<RingException>().With.Message.Contains("descriptor 8"));
    }

    [Test]
    public void Avail_index_that_jumps()
    {
        _pair.Ring.AvailIndex = 9;
        Assert.That(() => _pair.Device.TryPop(_chain), Throws.TypeOf<RingException>().With.Message.Contains("moved 9"));
    }

    [Test]
    public void Same_head_made_available_without_end()
    {
        _pair.Ring.Descriptors[0] = Segment(0, next: 0);
        for (ushort i = 0; i < 8; i++)
        {
            _pair.Ring.AvailIndex = (ushort)(i + 1);
            Assert.That(_pair.Device.TryPop(_chain), Is.True);
        }

        _pair.Ring.AvailIndex = 9;
        Assert.That(() => _pair.Device.TryPop(_chain), Throws.TypeOf<RingException>().With.Message.Contains("in flight"));
    }

    [Test]
    public void Readable_after_writable() => Breaks("device-readable descriptor after", () =>
    {
        _pair.Ring.Descriptors[0] = Segment(DescriptorFlags.Next | DescriptorFlags.Write, next: 1);
        _pair.Ring.Descriptors[1] = Segment(0, next: 0);
    });

    [Test]
    public void Nested_indirect_table() => Breaks("nested indirect", () =>
    {
        PointToTable(1);
        _pair.IndirectTable(0)[0] = Segment(DescriptorFlags.Indirect, next: 0);
    });

    [Test]
    public void Indirect_descriptor_inside_a_chain() => Breaks("inside a chain", () =>
    {
        _pair.Ring.Descriptors[0] = Segment(DescriptorFlags.Next, next: 1);
        _pair.Ring.Descriptors[1] = Segment(DescriptorFlags.Indirect, next: 0);
    });

    [Test]
    public void Indirect_and_next_at_once() =>
        Breaks("both INDIRECT and NEXT", () => _pair.Ring.Descriptors[0] = Segment(DescriptorFlags.Indirect | DescriptorFlags.Next, 1));

    [TestCase(0u)]
    [TestCase(15u)]
    [TestCase(24u)]
    public void Indirect_table_of_a_broken_length(uint length) => Breaks("whole number of descriptors", () =>
    {
        PointToTable(1);
        _pair.Ring.Descriptors[0].Length = length;
    });

    [Test]
    public void Indirect_table_that_is_too_long() => Breaks("at most", () =>
    {
        PointToTable(1);
        _pair.Ring.Descriptors[0].Length = (DescriptorChain.MaxSegments + 1) * SplitRingLayout.DescriptorSize;
    });

    [TestCase(0UL)]
    [TestCase(ulong.MaxValue - 15)]
    public void Indirect_table_outside_memory(ulong address) => Breaks("outside guest memory", () =>
    {
        PointToTable(1);
        _pair.Ring.Descriptors[0].Address = address;
    });

    [Test]
    public void Indirect_without_negotiation()
    {
        using RingPair pair = new(8, VirtioFeatures.Version1);
        pair.Ring.Descriptors[0] = Segment(DescriptorFlags.Indirect, 0);
        pair.Ring.AvailIndex = 1;
        Assert.That(() => pair.Device.TryPop(_chain), Throws.TypeOf<RingException>().With.Message.Contains("without INDIRECT_DESC"));
    }

    [TestCase(0UL, 512u)]
    [TestCase(ulong.MaxValue - 10, 512u)]
    [TestCase(RingPair.Iova - 256, 512u)]
    public void Buffer_outside_memory_or_across_its_end(ulong address, uint length)
    {
        _pair.Ring.Descriptors[0] = new Descriptor { Address = address, Length = length };
        _pair.Ring.AvailIndex = 1;
        Assert.That(_pair.Device.TryPop(_chain), Is.True);
        IoVector[] pieces = new IoVector[4];
        Assert.That(
            () => _chain.Translate(_pair.Memory.Current, GuestAccess.Read, 0, length, pieces),
            Throws.TypeOf<RingException>().With.Message.Contains("outside guest memory"));
    }

    [Test]
    public void Used_id_that_the_device_does_not_have()
    {
        _pair.TryAdd([16], [1], false, out _);
        _pair.Driver.Publish();
        _pair.Ring.UsedEntry(0) = new UsedElement { Id = 5, Length = 0 };
        _pair.Ring.UsedIndex = 1;
        Assert.That(
            () => _pair.Driver.TryTakeUsed(out _, out _),
            Throws.TypeOf<RingException>().With.Message.Contains("descriptor 5, which the device does not have"));
    }

    [Test]
    public void Used_length_beyond_what_was_writable()
    {
        _pair.TryAdd([16], [1], false, out ushort head);
        _pair.Driver.Publish();
        _pair.Ring.UsedEntry(0) = new UsedElement { Id = head, Length = 2 };
        _pair.Ring.UsedIndex = 1;
        Assert.That(() => _pair.Driver.TryTakeUsed(out _, out _), Throws.TypeOf<RingException>().With.Message.Contains("claims 2 bytes"));
    }

    [Test]
    public void Used_index_that_jumps()
    {
        _pair.TryAdd([16], [1], false, out _);
        _pair.Driver.Publish();
        _pair.Ring.UsedIndex = 2;
        Assert.That(() => _pair.Driver.TryTakeUsed(out _, out _), Throws.TypeOf<RingException>().With.Message.Contains("used.idx moved 2"));
    }

    [Test]
    public void Fuzz_of_the_whole_ring_ends_in_a_named_rule_or_in_service()
    {
        int seed = Environment.TickCount;
        TestContext.Out.WriteLine($"seed {seed}");
        Random random = new(seed);
        int broken = 0;
        for (int round = 0; round < 3000; round++)
        {
            using RingPair pair = new((ushort)(1 << random.Next(7)), Features);
            Mutate(pair, random);
            try
            {
                Serve(pair);
            }
            catch (RingException e)
            {
                Assert.That(e.Message, Is.Not.Empty);
                broken++;
            }
        }

        Assert.That(broken, Is.GreaterThan(100), "the fuzz must reach the checks");
    }

    private static void Serve(RingPair pair)
    {
        DescriptorChain chain = new();
        IoVector[] pieces = new IoVector[2048];
        Span<byte> header = stackalloc byte[16];
        for (int i = 0; i < 200 && pair.Device.TryPop(chain); i++)
        {
            chain.TryCopyReadable(pair.Memory.Current, 0, header);
            chain.Translate(pair.Memory.Current, GuestAccess.Write, 0, chain.WritableLength, pieces);
            pair.Device.Push(chain.Head, 0);
            pair.Device.ShouldNotify();
        }
    }

    private static void Mutate(RingPair pair, Random random)
    {
        for (int i = random.Next(1, 6); i > 0; i--)
        {
            pair.TryAdd([16, (uint)random.Next(1, 9000)], [1], indirect: random.Next(2) == 0, out _);
        }

        pair.Driver.Publish();
        Span<byte> bytes = pair.RingBytes;
        ushort size = pair.Ring.Size;
        int hot = SplitRingLayout.DescriptorTableSize(size) + SplitRingLayout.AvailSize(size);
        for (int i = random.Next(1, 8); i > 0; i--)
        {
            int at = random.Next(2) == 0 ? random.Next(hot) : (64 * 1024) + random.Next(16384);
            at = Math.Min(at, bytes.Length - 8);
            if (random.Next(2) == 0)
            {
                bytes[at] = (byte)random.Next(256);
            }
            else
            {
                ulong interesting = random.Next(4) switch
                {
                    0 => ulong.MaxValue,
                    1 => 0,
                    2 => RingPair.Iova - 1,
                    _ => (ulong)random.NextInt64(),
                };
                BinaryPrimitives.WriteUInt64LittleEndian(bytes[at..], interesting);
            }
        }
    }

    private static Descriptor Segment(DescriptorFlags flags, ushort next) =>
        new() { Address = RingPair.Buffers, Length = 16, Flags = flags, Next = next };

    private void PointToTable(uint entries)
    {
        Descriptor* table = _pair.IndirectTable(0);
        _pair.Ring.Descriptors[0] = new Descriptor
        {
            Address = RingPair.Iova + (ulong)((byte*)table - (byte*)_pair.Ring.Descriptors),
            Length = entries * SplitRingLayout.DescriptorSize,
            Flags = DescriptorFlags.Indirect,
        };
        table[0] = Segment(0, 0);
    }

    private void Breaks(string rule, Action build)
    {
        build();
        _pair.Ring.AvailIndex = 1;
        Assert.That(() => _pair.Device.TryPop(_chain), Throws.TypeOf<RingException>().With.Message.Contains(rule));
    }
}
