namespace Backend.Tests.Server;

/// <summary>A front-end whose eventfds block holds up neither the end of its session nor the next front-end.</summary>
[TestFixture(0)]
[TestFixture(1)]
public sealed class VhostUserStuckThreadTests(int ioThreads) : VhostUserFixture
{
    protected override int IoThreads => ioThreads;

    [Test]
    public void A_full_call_does_not_keep_the_front_end_from_leaving()
    {
        (VhostUserTestClient client, VhostUserTestGuest guest) = Start();
        using FullEventFd full = new(guest.Calls[0]);
        guest.Write(0, 5, 0xAB);
        WaitUsed(guest, 1);
        client.Dispose();
        TurnUntil(() => !Server.HasClient, "the server notices");
        Assert.That(full.HasRescued, Is.False);
        Assert.That(Disk.Bytes[5 * 512], Is.EqualTo(0xAB));
        ConnectAndNegotiate();
    }

    [Test]
    public void A_full_call_does_not_keep_a_ring_from_stopping_and_its_edge_stays()
    {
        (VhostUserTestClient client, VhostUserTestGuest guest) = Start();
        using FullEventFd full = new(guest.Calls[0]);
        guest.Write(0, 5, 0xAB);
        WaitUsed(guest, 1);
        Assert.That(client.GetVringBase(0), Is.EqualTo(1));
        Assert.That(full.HasRescued, Is.False);
        Assert.That(guest.Calls[0].TestAndClear(), Is.True);
    }
}
