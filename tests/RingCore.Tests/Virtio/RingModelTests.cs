using FsCheck;
using FsCheck.Fluent;
using RingCore.Virtio;

namespace RingCore.Tests.Virtio;

/// <summary>
/// Model check: any interleaving of what driver and device may do, over any queue size and chain shape, with and without
/// EVENT_IDX, from any starting index. Nothing is lost, nothing comes twice, nobody sleeps while there is work.
/// </summary>
[TestFixture(true)]
[TestFixture(false)]
public sealed class RingModelTests(bool eventIndex)
{
    private VirtioFeatures Features =>
        VirtioFeatures.Version1 | VirtioFeatures.IndirectDescriptors | (eventIndex ? VirtioFeatures.EventIndex : 0);

    [Test]
    public void Nothing_is_lost_or_doubled_and_nobody_sleeps_over_work()
    {
        Gen<(int LogSize, int Seed)> cases =
            from logSize in Gen.Choose(0, 6)
            from seed in Gen.Choose(0, int.MaxValue)
            select (logSize, seed);
        Prop.ForAll(cases.ToArbitrary(), c => Run((ushort)(1 << c.LogSize), c.Seed, steps: 600))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(150));
    }

    [Test]
    public void Indexes_wrap_at_two_to_the_sixteenth()
    {
        foreach (ushort size in new ushort[] { 1, 2, 8 })
        {
            Run(size, seed: size, steps: 400_000 / size);
        }
    }

    /// <summary>Runs random steps; throws on any deviation from the model.</summary>
    private void Run(ushort size, int seed, int steps)
    {
        using RingPair pair = new(size, Features);
        Model model = new(pair, new Random(seed));
        for (int i = 0; i < steps; i++)
        {
            model.Step();
        }

        model.Finish();
    }

    private sealed class Model(RingPair pair, Random random)
    {
        private readonly DescriptorChain _chain = new();
        private readonly HashSet<ushort> _added = [];
        private readonly Dictionary<ushort, uint> _answers = [];
        private readonly List<(ushort Head, uint Writable)> _taken = [];
        private readonly Dictionary<ushort, (uint Readable, uint Writable)> _shapes = [];
        private bool _deviceSleeps;
        private bool _driverSleeps;
        private bool _devicePolls;

        public void Step()
        {
            switch (random.Next(8))
            {
                case 0 or 1 or 2:
                    Add();
                    break;
                case 3:
                    Publish();
                    break;
                case 4 or 5 when !_deviceSleeps:
                    ServeSome();
                    break;
                case 6 when !_deviceSleeps:
                    Answer(random.Next(4));
                    break;
                case 7 when !_driverSleeps:
                    TakeSome();
                    break;
                default:
                    break;
            }
        }

        /// <summary>Both sides go on only as their wake-ups allow; all that was added must come back.</summary>
        public void Finish()
        {
            Publish();
            for (int idle = 0; idle < 3;)
            {
                int before = pair.Driver.Outstanding;
                if (!_deviceSleeps)
                {
                    ServeSome();
                    Answer(int.MaxValue);
                }

                if (!_driverSleeps)
                {
                    TakeSome();
                }

                idle = pair.Driver.Outstanding == before ? idle + 1 : 0;
            }

            Assert.That(pair.Driver.Outstanding, Is.Zero, "a chain was lost, or a wake-up was");
            Assert.That(_added, Is.Empty);
        }

        private void Add()
        {
            uint[] readable = Lengths(random.Next(1, 4));
            uint[] writable = Lengths(random.Next(0, 4));
            if (pair.TryAdd(readable, writable, indirect: random.Next(2) == 0, out ushort head))
            {
                Assert.That(_added.Add(head), Is.True);
                _shapes[head] = ((uint)readable.Sum(l => l), (uint)writable.Sum(l => l));
            }
        }

        private void Publish()
        {
            pair.Driver.Publish();
            if (pair.Driver.ShouldKick())
            {
                _deviceSleeps = false;
            }
        }

        private void ServeSome()
        {
            if (!_devicePolls)
            {
                pair.Device.DisableNotifications();
            }

            for (int n = random.Next(1, 8); n > 0 && pair.Device.TryPop(_chain); n--)
            {
                (uint readable, uint writable) = _shapes[_chain.Head];
                Assert.That(_chain.ReadableLength, Is.EqualTo(readable));
                Assert.That(_chain.WritableLength, Is.EqualTo(writable));
                _taken.Add((_chain.Head, writable));
            }

            _devicePolls = random.Next(4) == 0 && !pair.Device.IsEmpty;
            if (!_devicePolls && !pair.Device.EnableNotifications())
            {
                Answer(int.MaxValue); // Completions do not need a kick.
                _deviceSleeps = true;
            }
        }

        private void Answer(int most)
        {
            while (most-- > 0 && _taken.Count > 0)
            {
                int at = random.Next(_taken.Count);
                (ushort head, uint writable) = _taken[at];
                _taken.RemoveAt(at);
                uint written = writable == 0 ? 0 : (uint)random.Next((int)writable + 1);
                _answers.Add(head, written);
                pair.Device.Push(head, written);
                if (random.Next(3) == 0)
                {
                    Interrupt();
                }
            }

            Interrupt();
        }

        private void Interrupt()
        {
            if (pair.Device.ShouldNotify())
            {
                _driverSleeps = false;
            }
        }

        private void TakeSome()
        {
            pair.Driver.DisableInterrupts();
            for (int n = random.Next(1, 8); n > 0 && pair.TryTake(out ushort head, out uint written); n--)
            {
                Assert.That(_added.Remove(head), Is.True, "came back twice");
                Assert.That(_answers.Remove(head, out uint expected), Is.True);
                Assert.That(written, Is.EqualTo(expected));
            }

            if (!pair.Driver.EnableInterrupts())
            {
                _driverSleeps = true;
            }
        }

        private uint[] Lengths(int count)
        {
            uint[] lengths = new uint[count];
            for (int i = 0; i < count; i++)
            {
                lengths[i] = (uint)random.Next(1, 5000);
            }

            return lengths;
        }
    }
}
