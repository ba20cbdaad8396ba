using FsCheck;
using FsCheck.Fluent;
using NUnit.Framework;
using RingCore.Memory;
using RingCore.Posix;

namespace RingCore.Tests.Memory;

public class MemoryRegionTests
{
    private readonly EventFd[] _pool = new EventFd[4];

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
    public void A_lone_change_is_its_own_transaction()
    {
        (AddressSpace<EventFd> space, MemoryRegion<EventFd> region, Recorder recorder) = Create();
        region.AddIoEventFd(Entry(4, 0));
        Assert.That(recorder.Take(), Is.EqualTo(new[] { "+4", "commit" }));
        Assert.That(region.IoEventFds.Match(4, 2, 0), Is.SameAs(_pool[0]));
        region.RemoveIoEventFd(Entry(4, 0));
        Assert.That(recorder.Take(), Is.EqualTo(new[] { "-4", "commit" }));
        Assert.That(region.IoEventFds.Match(4, 2, 0), Is.Null);
        Assert.That(space.Regions, Has.Count.EqualTo(1));
    }

    [Test]
    public void Nothing_is_seen_before_the_outermost_commit()
    {
        (AddressSpace<EventFd> space, MemoryRegion<EventFd> region, Recorder recorder) = Create();
        using (space.Begin())
        {
            region.AddIoEventFd(Entry(0, 0));
            using (space.Begin())
            {
                region.AddIoEventFd(Entry(4, 1));
            }

            Assert.That(recorder.Take(), Is.Empty);
            Assert.That(region.IoEventFds.Entries.Length, Is.Zero);
        }

        Assert.That(recorder.Take(), Is.EqualTo(new[] { "+0", "+4", "commit" }));
    }

    [Test]
    public void Only_the_net_difference_is_told()
    {
        (AddressSpace<EventFd> space, MemoryRegion<EventFd> region, Recorder recorder) = Create();
        region.AddIoEventFd(Entry(0, 0));
        region.AddIoEventFd(Entry(4, 1));
        recorder.Take();
        using (space.Begin())
        {
            region.RemoveIoEventFd(Entry(0, 0));
            region.AddIoEventFd(Entry(8, 2));
            region.RemoveIoEventFd(Entry(4, 1));
            region.AddIoEventFd(Entry(4, 1));
            region.AddIoEventFd(Entry(12, 2));
            region.RemoveIoEventFd(Entry(12, 2));
        }

        Assert.That(recorder.Take(), Is.EqualTo(new[] { "-0", "+8", "commit" }));
        using (space.Begin())
        {
            region.RemoveIoEventFd(Entry(8, 2));
            region.AddIoEventFd(Entry(8, 2));
        }

        Assert.That(recorder.Take(), Is.Empty, "nothing has changed in the end");
    }

    [Test]
    public void A_transaction_commits_once_however_often_it_is_disposed()
    {
        (AddressSpace<EventFd> space, MemoryRegion<EventFd> region, Recorder recorder) = Create();
        using MemoryTransaction<EventFd> outer = space.Begin();
        MemoryTransaction<EventFd> inner = space.Begin();
        inner.Commit();
        inner.Dispose();
        region.AddIoEventFd(Entry(0, 0));
        Assert.That(recorder.Take(), Is.Empty);
        outer.Commit();
        Assert.That(recorder.Take(), Is.EqualTo(new[] { "+0", "commit" }));
    }

    [Test]
    public void Doubles_strangers_and_what_does_not_fit_are_refused()
    {
        (_, MemoryRegion<EventFd> region, _) = Create();
        region.AddIoEventFd(Entry(0, 0));
        Assert.That(ErrnoOf(() => region.AddIoEventFd(Entry(0, 0))), Is.EqualTo(Errno.EEXIST));
        Assert.That(ErrnoOf(() => region.RemoveIoEventFd(Entry(4, 0))), Is.EqualTo(Errno.ENOENT));
        Assert.That(ErrnoOf(() => region.AddIoEventFd(Entry(0x100, 0))), Is.EqualTo(Errno.EINVAL));
        Assert.That(
            ErrnoOf(() => region.AddIoEventFd(new IoEventFd<EventFd>(0xFE, 4, false, 0, _pool[0], _pool[0].Descriptor))),
            Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void A_listener_learns_what_is_there_when_it_comes_and_loses_it_when_it_goes()
    {
        (AddressSpace<EventFd> space, MemoryRegion<EventFd> region, _) = Create();
        region.AddIoEventFd(Entry(4, 0));
        Recorder late = new();
        space.AddListener(late);
        Assert.That(late.Take(), Is.EqualTo(new[] { "+4", "commit" }));
        space.RemoveListener(late);
        Assert.That(late.Take(), Is.EqualTo(new[] { "-4", "commit" }));
        region.AddIoEventFd(Entry(8, 0));
        Assert.That(late.Take(), Is.Empty);
        Assert.That(ErrnoOf(() => space.RemoveListener(late)), Is.EqualTo(Errno.ENOENT));
    }

    [Test]
    public void Listeners_that_follow_random_nested_changes_know_exactly_the_table()
    {
        // An operation: 0..15 toggles an entry, 16 begins a transaction, 17 ends one.
        var property = Prop.ForAll(
            Arb.From(Gen.ListOf(Gen.Choose(0, 17))),
            operations =>
            {
                (AddressSpace<EventFd> space, MemoryRegion<EventFd> region, Recorder recorder) = Create();
                Mirror mirror = new();
                space.AddListener(mirror);
                SortedSet<int> model = [];
                SortedSet<int> committed = [];
                Stack<MemoryTransaction<EventFd>> open = [];
                bool good = true;
                foreach (int operation in operations)
                {
                    Apply(operation, space, region, model, open);
                    committed = open.Count == 0 ? [.. model] : committed;
                    good &= mirror.Known.SetEquals(committed.Select(i => EntryOf(i)));
                    good &= region.IoEventFds.Entries.ToArray().SequenceEqual(committed.Select(i => EntryOf(i)).Order());
                }

                while (open.TryPop(out MemoryTransaction<EventFd>? transaction))
                {
                    transaction.Dispose();
                }

                return good && mirror.Known.SetEquals(model.Select(i => EntryOf(i))) && mirror.IsConsistent;
            });
        Check.QuickThrowOnFailure(property);
    }

    private void Apply(
        int operation, AddressSpace<EventFd> space, MemoryRegion<EventFd> region, SortedSet<int> model,
        Stack<MemoryTransaction<EventFd>> open)
    {
        switch (operation)
        {
            case 16:
                open.Push(space.Begin());
                break;
            case 17:
                if (open.TryPop(out MemoryTransaction<EventFd>? transaction))
                {
                    transaction.Dispose();
                }

                break;
            default:
                if (model.Add(operation))
                {
                    region.AddIoEventFd(EntryOf(operation));
                }
                else
                {
                    model.Remove(operation);
                    region.RemoveIoEventFd(EntryOf(operation));
                }

                break;
        }
    }

    private IoEventFd<EventFd> EntryOf(int i) =>
        new((ulong)(i & 1) * 4, (i & 2) == 0 ? 0u : 2u, (i & 4) != 0, 5, _pool[i >> 3], _pool[i >> 3].Descriptor);

    private (AddressSpace<EventFd> Space, MemoryRegion<EventFd> Region, Recorder Recorder) Create()
    {
        AddressSpace<EventFd> space = new();
        MemoryRegion<EventFd> region = space.CreateRegion("bar", 0x100);
        Recorder recorder = new();
        space.AddListener(recorder);
        recorder.Take();
        return (space, region, recorder);
    }

    private IoEventFd<EventFd> Entry(ulong address, int target) =>
        new(address, 0, false, 0, _pool[target], _pool[target].Descriptor);

    private static int ErrnoOf(Action action)
    {
        try
        {
            action();
            return 0;
        }
        catch (PosixException e)
        {
            return e.Errno;
        }
    }

    private sealed class Recorder : IMemoryListener<EventFd>
    {
        private readonly List<string> _events = [];

        public void IoEventFdAdded(MemoryRegion<EventFd> region, in IoEventFd<EventFd> entry) => _events.Add($"+{entry.Address}");

        public void IoEventFdDeleted(MemoryRegion<EventFd> region, in IoEventFd<EventFd> entry) =>
            _events.Add($"-{entry.Address}");

        public void Committed() => _events.Add("commit");

        internal string[] Take()
        {
            string[] taken = [.. _events];
            _events.Clear();
            return taken;
        }
    }

    private sealed class Mirror : IMemoryListener<EventFd>
    {
        internal HashSet<IoEventFd<EventFd>> Known { get; } = [];

        internal bool IsConsistent { get; private set; } = true;

        public void IoEventFdAdded(MemoryRegion<EventFd> region, in IoEventFd<EventFd> entry) => IsConsistent &= Known.Add(entry);

        public void IoEventFdDeleted(MemoryRegion<EventFd> region, in IoEventFd<EventFd> entry) =>
            IsConsistent &= Known.Remove(entry);
    }
}
