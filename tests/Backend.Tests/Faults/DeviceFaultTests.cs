using System.Text;
using Backend.Block;
using Backend.Faults;
using Backend.Tests.Device;
using RingCore.Faults;
using RingCore.Virtio;

namespace Backend.Tests.Faults;

/// <summary>Rules about kicks, irqs and the used ring, and how errors look to the driver, on a whole device.</summary>
[TestFixture]
public sealed class DeviceFaultTests
{
    private DeviceRig _rig = null!;
    private FaultEngine _engine = null!;
    private FaultFilter _filter = null!;

    [SetUp]
    public void SetUp()
    {
        _rig = new DeviceRig();
        PowerControl power = new(null);
        _engine = new FaultEngine(1, _rig.Disk.Limits, 1, new Host(power));
        _filter = new FaultFilter(_rig.Disk, _engine, power.Switch);
    }

    [TearDown]
    public void TearDown() => _rig.Dispose();

    [Test]
    public void Filter_goes_in_while_the_device_runs()
    {
        _rig.Start();
        byte[] data = new byte[512];
        Assert.That(_rig.Do(BlkRequestType.Out, 0, data), Is.EqualTo(BlkStatus.Ok));
        Install("on write fail EIO", "on discard fail EOPNOTSUPP", "on flush fail EOPNOTSUPP");
        Assert.That(_rig.Do(BlkRequestType.Out, 0, data), Is.EqualTo(BlkStatus.IoError));
        Assert.That(_rig.Do(BlkRequestType.Discard, 0, DeviceRig.RangeBytes(0, 8)), Is.EqualTo(BlkStatus.Unsupported));
        Assert.That(_rig.Do(BlkRequestType.Flush, 0), Is.EqualTo(BlkStatus.Unsupported));
        _rig.Device.ReplaceDriver(_rig.Disk);
        Assert.That(_rig.Do(BlkRequestType.Out, 0, data), Is.EqualTo(BlkStatus.Ok));
    }

    [Test]
    public void Each_request_is_an_occasion_though_neighbours_would_be_merged()
    {
        _rig.Start();
        ArmedRule rule = Install("on write every 2 fail EIO")[0];
        List<int> numbers = [.. Enumerable.Range(0, 6).Select(i => _rig.Add(BlkRequestType.Out, (ulong)i, new byte[512]))];
        _rig.Kick();
        _rig.Wait(6);
        Assert.That(
            numbers.Select(n => _rig.StatusOf(n)),
            Is.EqualTo([BlkStatus.Ok, BlkStatus.IoError, BlkStatus.Ok, BlkStatus.IoError, BlkStatus.Ok, BlkStatus.IoError]));
        Assert.That((rule.Seen, rule.Hits), Is.EqualTo((6, 3)));
    }

    [Test]
    public void Neighbours_are_merged_again_when_the_rules_are_gone()
    {
        _rig.Start();
        Install("on write every 2 fail EIO");
        _engine.Clear();
        for (uint i = 0; i < 4; i++)
        {
            _rig.Add(BlkRequestType.Out, i, new byte[512]);
        }

        _rig.Kick();
        _rig.Wait(4);
        Assert.That(_rig.Disk.Log.ToArray(), Is.EqualTo([(BlockOperation.Write, 0L, 2048L, 4)]));
    }

    [Test]
    public void Get_id_passes_the_rules_and_still_answers()
    {
        _rig.Start();
        Install("on get-id every 2 fail EIO");
        int number = _rig.Add(BlkRequestType.GetId, 0, readLength: 20);
        _rig.Kick();
        _rig.Wait(1);
        Assert.That(_rig.StatusOf(number), Is.EqualTo(BlkStatus.Ok));
        Assert.That(Encoding.ASCII.GetString(_rig.Data(number)[..20]).TrimEnd('\0'), Is.EqualTo(_rig.Device.Config.Serial));
        Assert.That(_rig.Do(BlkRequestType.GetId, 0, readLength: 20), Is.EqualTo(BlkStatus.IoError));
    }

    [Test]
    public void Lost_kick_is_not_heard_and_the_next_one_is()
    {
        _rig.Start();
        ArmedRule rule = Install("on kick count 1 lose")[0];
        _rig.Add(BlkRequestType.Flush, 0);
        _rig.Driver().Publish();
        _rig.Ring();
        Assert.That(() => rule.Hits, Is.EqualTo(1).After(20_000, 1));
        Assert.That(_rig.Driver().TryTakeUsed(out _, out _), Is.False);
        _rig.Ring();
        _rig.Wait(1);
    }

    [Test]
    public void Lost_irq_leaves_the_request_in_the_used_ring()
    {
        _rig.Start();
        ArmedRule rule = Install("on irq count 1 lose")[0];
        _rig.Driver().EnableInterrupts();
        int before = _rig.Transport.PendingIrqs(0);
        _rig.Add(BlkRequestType.Flush, 0);
        _rig.Driver().Publish();
        _rig.Ring();
        Assert.That(() => rule.Hits, Is.EqualTo(1).After(20_000, 1));
        Assert.That(_rig.Driver().TryTakeUsed(out _, out _), Is.True);
        Assert.That(_rig.Transport.PendingIrqs(0), Is.EqualTo(before));
    }

    [Test]
    public void Spurious_irq_follows_the_real_one()
    {
        _rig.Start();
        Install("on irq count 1 spurious");
        _rig.Driver().EnableInterrupts();
        int before = _rig.Transport.PendingIrqs(0);
        _rig.Add(BlkRequestType.Flush, 0);
        _rig.Driver().Publish();
        _rig.Ring();
        Assert.That(() => _rig.Transport.PendingIrqs(0), Is.EqualTo(before + 2).After(20_000, 1));
    }

    [TestCase("used-id")]
    [TestCase("used-length")]
    [TestCase("used-index")]
    public void Driver_notices_a_wrong_used_ring(string field)
    {
        _rig.Start();
        Install($"on ring count 1 corrupt {field}");
        _rig.Add(BlkRequestType.Flush, 0);
        _rig.Kick();
        Assert.That(() => TryTake(), Is.EqualTo("broken").After(20_000, 1));
    }

    [Test]
    public void Power_cut_by_a_rule_fails_every_later_request()
    {
        _rig.Start();
        Install("on flush count 1 powercut");
        Assert.That(_rig.Do(BlkRequestType.Flush, 0), Is.EqualTo(BlkStatus.IoError));
        Assert.That(_rig.Do(BlkRequestType.In, 0, readLength: 512), Is.EqualTo(BlkStatus.IoError));
        Assert.That(_rig.Do(BlkRequestType.GetId, 0, readLength: 20), Is.EqualTo(BlkStatus.IoError));
    }

    [Test]
    public void Reset_of_the_device_does_not_wait_for_what_hangs()
    {
        _rig.Start();
        ArmedRule rule = Install("on flush hang")[0];
        _rig.Add(BlkRequestType.Flush, 0);
        _rig.Kick();
        Assert.That(() => rule.Holding, Is.EqualTo(1).After(20_000, 1));
        _rig.Device.WriteStatus(0, 0);
        Assert.That(rule.Holding, Is.Zero);
    }

    private string TryTake()
    {
        try
        {
            if (!_rig.Driver().TryTakeUsed(out _, out uint written))
            {
                return "nothing";
            }

            // Flush has one writable byte: more is a lie that the driver above the ring has to notice.
            return written > 1 ? "broken" : "good";
        }
        catch (RingException)
        {
            return "broken";
        }
    }

    private List<ArmedRule> Install(params string[] rules)
    {
        List<ArmedRule> armed = [.. rules.Select(r => _engine.Add(RuleParser.Parse(r)))];
        _rig.Device.ReplaceDriver(_filter, new DeviceFaults(_engine));
        return armed;
    }

    private sealed class Host(PowerControl power) : IFaultHost
    {
        public void Kill(string why) => Assert.Fail(why);

        public void CutPower(PowerCutKeep keep, ulong seed) => power.Cut(keep, seed);
    }
}
