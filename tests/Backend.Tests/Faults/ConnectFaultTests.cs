using Backend.Block;
using Backend.Faults;
using Backend.Tests.Server;
using RingCore.Faults;

namespace Backend.Tests.Faults;

/// <summary>Rules about clients that connect.</summary>
[TestFixture]
public sealed class ConnectFaultTests : VfioUserFixture, IFaultHost
{
    private readonly List<PowerCutKeep> _cuts = [];

    [Test]
    public void Client_is_sent_away_and_the_next_one_served()
    {
        FaultEngine engine = Install("on connect count 1 drop");
        TestClient refused = Connect();
        TurnUntil(() => engine.List()[0].Hits == 1, "the rule strikes");
        refused.Dispose();
        Assert.That(Server.HasClient, Is.False);
        Assert.That(Server.Statistics.Clients, Is.Zero);
        ConnectAndNegotiate();
        Assert.That(Server.Statistics.Clients, Is.EqualTo(1));
    }

    [Test]
    public void Other_actions_leave_the_client_alone()
    {
        Install("on connect powercut keep all");
        ConnectAndNegotiate();
        Assert.That(_cuts, Is.EqualTo([PowerCutKeep.All]));
    }

    void IFaultHost.Kill(string why) => Assert.Fail(why);

    void IFaultHost.CutPower(PowerCutKeep keep, ulong seed) => _cuts.Add(keep);

    private FaultEngine Install(string rule)
    {
        FaultEngine engine = new(1, new BlockLimits { Length = 4096 }, 1, this);
        engine.Add(RuleParser.Parse(rule));
        Server.Admits = new DeviceFaults(engine).Admits;
        return engine;
    }
}
