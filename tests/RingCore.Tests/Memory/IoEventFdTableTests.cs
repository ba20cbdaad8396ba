using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using RingCore.Memory;
using RingCore.Posix;

namespace RingCore.Tests.Memory;

public class IoEventFdTableTests
{
    private static readonly uint[] Sizes = [0, 1, 2, 4, 8];
    private readonly EventFd[] _pool = new EventFd[6];

    [OneTimeSetUp]
    public void CreatePool()
    {
        for (int i = 0; i < _pool.Length; i++)
        {
            _pool[i] = new EventFd();
        }
    }

    [OneTimeTearDown]
    public void DisposePool() => Array.ForEach(_pool, e => e.Dispose());

    [Test]
    public void A_doorbell_of_any_length_matches_every_width_at_its_address_only()
    {
        IoEventFdTable<EventFd> table = new([Entry(0x3004, 0, false, 0, 1)]);
        foreach (uint size in Sizes.Skip(1))
        {
            Assert.That(table.Match(0x3004, size, 7), Is.SameAs(_pool[1]));
            Assert.That(table.Match(0x3000, size, 7), Is.Null);
            Assert.That(table.Match(0x3005, size, 7), Is.Null);
        }
    }

    [Test]
    public void A_sized_doorbell_matches_its_width_only()
    {
        IoEventFdTable<EventFd> table = new([Entry(0x3004, 2, false, 0, 1)]);
        Assert.That(table.Match(0x3004, 2, 7), Is.SameAs(_pool[1]));
        Assert.That(table.Match(0x3004, 4, 7), Is.Null);
        Assert.That(table.Match(0x3004, 0, 7), Is.Null, "no write has no bytes");
        Assert.That(table.Match(0x3004, 3, 7), Is.Null);
    }

    [Test]
    public void Matched_data_choose_among_doorbells_of_one_address()
    {
        IoEventFdTable<EventFd> table = new([Entry(16, 2, true, 0, 0), Entry(16, 2, true, 1, 1), Entry(16, 2, true, 3, 3)]);
        Assert.That(table.Match(16, 2, 0), Is.SameAs(_pool[0]));
        Assert.That(table.Match(16, 2, 1), Is.SameAs(_pool[1]));
        Assert.That(table.Match(16, 2, 2), Is.Null);
        Assert.That(table.Match(16, 2, 3), Is.SameAs(_pool[3]));
        Assert.That(table.Match(16, 2, 0x1_0003), Is.SameAs(_pool[3]), "a 2-byte write has no higher bits");
    }

    [Test]
    public void The_first_in_the_order_wins()
    {
        IoEventFdTable<EventFd> table = new([Entry(16, 2, true, 1, 0), Entry(16, 2, false, 0, 1), Entry(16, 0, false, 0, 2)]);
        Assert.That(table.Match(16, 2, 1), Is.SameAs(_pool[2]));
        table = new([Entry(16, 2, true, 1, 0), Entry(16, 2, false, 0, 1)]);
        Assert.That(table.Match(16, 2, 1), Is.SameAs(_pool[1]));
    }

    [Test]
    public void Entries_come_in_their_order()
    {
        IoEventFd<EventFd>[] expected =
        [
            Entry(0, 4, false, 0, 0), Entry(8, 0, false, 0, 0), Entry(8, 2, false, 0, 0), Entry(8, 2, true, 0, 0),
            Entry(8, 2, true, 1, 0), Entry(8, 2, true, 1, 1), Entry(8, 4, false, 0, 0),
        ];
        IoEventFd<EventFd>[] shuffled = [.. expected];
        new Random(7).Shuffle(shuffled);
        Assert.That(new IoEventFdTable<EventFd>(shuffled).Entries.ToArray(), Is.EqualTo(expected));
    }

    [Test]
    public void Sizes_that_no_write_has_are_refused() =>
        Assert.That(() => Entry(0, 3, false, 0, 0), Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.EINVAL));

    [Test]
    public void A_match_allocates_nothing()
    {
        IoEventFdTable<EventFd> table = new([.. Enumerable.Range(0, 64).Select(i => Entry((ulong)i * 4, 0, false, 0, i % 6))]);
        table.Match(0, 2, 0);
        long before = GC.GetAllocatedBytesForCurrentThread();
        int hits = 0;
        for (int i = 0; i < 1000; i++)
        {
            hits += table.Match((ulong)(i % 128) * 2, 2, 0) is null ? 0 : 1;
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        Assert.That(hits, Is.Positive);
    }

    [Test]
    public void Match_agrees_with_a_naive_search_through_the_sorted_list()
    {
        // Small ranges, so that entries collide in every part of the key.
        var entry =
            from address in Gen.Choose(0, 3)
            from size in Gen.Elements(Sizes)
            from match in Gen.Elements(true, false)
            from data in Gen.Choose(0, 3)
            from target in Gen.Choose(0, 5)
            select (address, size, match, data, target);
        var write =
            from address in Gen.Choose(0, 4)
            from size in Gen.Elements<uint>(1, 2, 4, 8)
            from data in Gen.Choose(0, 4)
            select (address, size, data);
        var property = Prop.ForAll(
            Arb.From(Gen.ListOf(entry)),
            Arb.From(Gen.ListOf(write)),
            (entries, writes) =>
            {
                IoEventFd<EventFd>[] made =
                    [.. entries.Select(e => Entry((ulong)e.address, e.size, e.match, (ulong)e.data, e.target))];
                IoEventFdTable<EventFd> table = new(made);
                return writes.All(w => ReferenceEquals(
                    table.Match((ulong)w.address, w.size, (ulong)w.data), Naive(made, (ulong)w.address, w.size, (ulong)w.data)));
            });
        Check.QuickThrowOnFailure(property);
    }

    private static EventFd? Naive(IoEventFd<EventFd>[] entries, ulong address, uint size, ulong data)
    {
        foreach (IoEventFd<EventFd> e in entries.OrderBy(e => e))
        {
            if (e.Address == address && (e.Size == 0 || e.Size == size) && (!e.MatchData || e.Data == data))
            {
                return e.Target;
            }
        }

        return null;
    }

    private IoEventFd<EventFd> Entry(ulong address, uint size, bool match, ulong data, int target) =>
        new(address, size, match, data, _pool[target], _pool[target].Descriptor);
}
