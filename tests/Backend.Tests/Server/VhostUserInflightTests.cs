using System.Runtime.InteropServices;
using RingCore.Posix;
using RingCore.VhostUser;

namespace Backend.Tests.Server;

/// <summary>
/// The notes of requests under way. What a backend that was killed has left is written here byte by byte, as the protocol lays it
/// out, not by the code that is tested.
/// </summary>
public unsafe class VhostUserInflightTests : VhostUserFixture
{
    private const int Header = 16;
    private const int Entry = 16;

    [Test]
    public void Buffer_is_as_large_as_asked_sealed_and_empty()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        (VhostUserInflight inflight, FileDescriptor fd) = GetBuffer(client);
        Assert.That(inflight.MmapSize, Is.GreaterThanOrEqualTo(Queues * (Header + (Entry * VhostUserTestGuest.RingSize))));
        Assert.That(FileIdentity.Of(fd).Size, Is.GreaterThanOrEqualTo(inflight.MmapOffset + inflight.MmapSize));
        Assert.That(MemFd.GetSeals(fd) & MemFdSeals.Shrink, Is.Not.EqualTo(MemFdSeals.None));
        Set(client, inflight, fd);
    }

    [TestCase(0, 16), TestCase(Queues + 1, 16), TestCase(1, 0), TestCase(1, 1025), TestCase(ushort.MaxValue, ushort.MaxValue)]
    public void Impossible_buffer_ends_the_session(int queues, int size)
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        client.Post(
            VhostUserRequest.GetInflightFd, Bytes(new VhostUserInflight { QueueCount = (ushort)queues, QueueSize = (ushort)size }));
        Assert.That(client.IsClosedByServer(), Is.True);
    }

    [Test]
    public void Buffer_that_does_not_fit_its_file_is_refused()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        (VhostUserInflight good, FileDescriptor fd) = GetBuffer(client);
        FileDescriptor small = Own(MemFd.CreateSealed("small", 16));
        Assert.That(client.Result(VhostUserRequest.SetInflightFd, Bytes(good), small), Is.EqualTo(Errno.EINVAL), "small file");
        foreach (Func<VhostUserInflight, VhostUserInflight> change in (Func<VhostUserInflight, VhostUserInflight>[])
            [
                i => i with { MmapSize = 8 },
                i => i with { MmapOffset = 4096 },
                i => i with { MmapOffset = 8 },
                i => i with { MmapOffset = ulong.MaxValue - 4095 },
                i => i with { QueueCount = 0 },
                i => i with { QueueSize = 1024 },
            ])
        {
            Assert.That(client.Result(VhostUserRequest.SetInflightFd, Bytes(change(good)), fd), Is.EqualTo(Errno.EINVAL));
        }

        Assert.That(client.Result(VhostUserRequest.SetInflightFd, Bytes(good)), Is.EqualTo(Errno.EINVAL), "no descriptor");
        FileDescriptor nothing = Own(FileDescriptor.Open("/dev/null", OpenFlags.ReadWrite));
        Assert.That(client.Result(VhostUserRequest.SetInflightFd, Bytes(good), nothing), Is.EqualTo(Errno.EPERM), "cannot be sealed");
    }

    [Test]
    public void Running_ring_keeps_its_buffer()
    {
        (VhostUserTestClient client, _) = Start();
        (VhostUserInflight inflight, FileDescriptor fd) = GetBuffer(client);
        Assert.That(client.Result(VhostUserRequest.SetInflightFd, Bytes(inflight), fd), Is.EqualTo(Errno.EBUSY));
    }

    [Test]
    public void Request_is_marked_while_it_is_under_way_and_not_afterwards()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        (VhostUserInflight inflight, FileDescriptor fd) = GetBuffer(client);
        using MemoryMapping mapping = Map(inflight, fd);
        Set(client, inflight, fd);
        VhostUserTestGuest guest = StartRing(client);
        Disk.Hold = true;
        guest.Write(2, 2, 1);
        TurnUntil(() => Disk.HeldCount == 1, "the write is under way");
        Assert.That(mapping.Pointer[Header + (Entry * 2 * VhostUserTestGuest.DescriptorsEach)], Is.EqualTo(1));
        Disk.Release();
        WaitUsed(guest, 1);
        Assert.That(mapping.Pointer[Header + (Entry * 2 * VhostUserTestGuest.DescriptorsEach)], Is.Zero);
    }

    [Test]
    public void What_a_killed_backend_had_taken_is_done_again_in_its_order_and_before_anything_new()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        (VhostUserInflight inflight, FileDescriptor fd) = GetBuffer(client);
        using MemoryMapping mapping = Map(inflight, fd);
        WriteHeader(mapping, lastBatchHead: 0, usedIndex: 1);
        WriteEntry(mapping, head: 6, counter: 8);
        WriteEntry(mapping, head: 3, counter: 6); // slot 1 was taken first; then slot 0, which overtook it, then slot 2
        Set(client, inflight, fd);
        VhostUserTestGuest guest = StartRing(client, nextAvail: 1, beforeStart: g =>
        {
            g.AddWrite(1, 10, 0xA1);
            g.AddWrite(0, 20, 0xA2);
            g.AddWrite(2, 30, 0xA3);
            g.AddWrite(3, 40, 0xA4); // not taken yet
            g.PublishUsed(slot: 0);
        });
        Assert.That(WaitUsed(guest, 4), Is.EqualTo((int[])[0, 1, 2, 3]));
        Assert.That(Disk.Log.Select(l => l.Offset / 512), Is.EqualTo((long[])[10, 30, 40]));
        guest.Write(4, 50, 0xA5);
        Assert.That(WaitUsed(guest, 1), Is.EqualTo((int[])[4]));
        Assert.That(client.GetVringBase(0), Is.EqualTo(5));
    }

    [Test]
    public void What_was_answered_is_not_done_again_though_its_mark_is_still_there()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        (VhostUserInflight inflight, FileDescriptor fd) = GetBuffer(client);
        using MemoryMapping mapping = Map(inflight, fd);
        WriteHeader(mapping, lastBatchHead: 3, usedIndex: 0);
        WriteEntry(mapping, head: 3, counter: 0);
        WriteEntry(mapping, head: 0, counter: 1);
        Set(client, inflight, fd);
        VhostUserTestGuest guest = StartRing(client, beforeStart: g =>
        {
            g.AddWrite(1, 10, 0xA1);
            g.AddWrite(0, 20, 0xA2);
            g.PublishUsed(slot: 1);
        });
        Assert.That(WaitUsed(guest, 2), Is.EqualTo((int[])[1, 0]));
        Assert.That(Disk.Log.Select(l => l.Offset / 512), Is.EqualTo((long[])[20]));
    }

    [Test]
    public void Interrupt_that_a_killed_backend_may_have_left_out_is_made_up_for()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        VhostUserTestGuest guest = StartRing(client);
        Assert.That(guest.Calls[0].TestAndClear(), Is.True);
    }

    [Test]
    public void Ring_that_was_stopped_in_order_starts_from_its_base_and_not_from_old_notes()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        (VhostUserInflight inflight, FileDescriptor fd) = GetBuffer(client);
        Set(client, inflight, fd);
        VhostUserTestGuest guest = StartRing(client);
        guest.Write(0, 0, 1);
        WaitUsed(guest, 1);
        Assert.That(client.GetVringBase(0), Is.EqualTo(1));
        guest.SetUp(client, 0, nextAvail: 1);
        guest.Start(client, 0);
        guest.Write(1, 1, 1);
        Assert.That(WaitUsed(guest, 1), Is.EqualTo((int[])[1]));
    }

    [Test]
    public void Ring_larger_than_its_notes_is_refused()
    {
        VhostUserTestClient client = ConnectAndNegotiate();
        (VhostUserInflight inflight, FileDescriptor fd) = GetBuffer(client, size: VhostUserTestGuest.RingSize / 2);
        Set(client, inflight, fd);
        VhostUserTestGuest guest = CreateGuest();
        guest.Share(client);
        guest.SetUp(client, 0);
        client.Tell(VhostUserRequest.SetVringKick, 0, guest.Kicks[0].Descriptor);
        Assert.That(client.Result(VhostUserRequest.SetVringEnable, 0, 1u), Is.EqualTo(Errno.EINVAL));
    }

    /// <summary>What the notes say is not believed: at worst the ring breaks.</summary>
    [Test]
    public void Notes_that_are_garbage_do_no_harm()
    {
        const int rounds = 200;
        int seed = int.TryParse(Environment.GetEnvironmentVariable("FUZZ_SEED"), out int given) ? given : Environment.TickCount;
        TestContext.Out.WriteLine($"FUZZ_SEED={seed}");
        Random random = new(seed);
        for (int round = 0; round < rounds; round++)
        {
            VhostUserTestClient client = ConnectAndNegotiate();
            (VhostUserInflight inflight, FileDescriptor fd) = GetBuffer(client);
            using (MemoryMapping mapping = Map(inflight, fd))
            {
                random.NextBytes(new Span<byte>(mapping.Pointer, (int)inflight.MmapSize)); // all of the mapping
                for (int i = 0; i < VhostUserTestGuest.RingSize; i++)
                {
                    mapping.Pointer[Header + (i * Entry)] = (byte)random.Next(2);
                }

                WriteHeader(mapping, (ushort)random.Next(32), (ushort)-random.Next(20));
                Set(client, inflight, fd);
                VhostUserTestGuest guest = StartRing(client, beforeStart: g => g.AddWrite(random.Next(5), 1, 1));
                guest.Kicks[0].Signal();
                TurnAWhile();
                client.Dispose();
                TurnUntil(() => !Server.HasClient, "the session ends");
            }

            Assert.That(Server.Faults, Is.Zero, $"seed {seed}, round {round}");
        }
    }

    private VhostUserTestGuest StartRing(
        VhostUserTestClient client, Action<VhostUserTestGuest>? beforeStart = null, ushort nextAvail = 0)
    {
        VhostUserTestGuest guest = CreateGuest();
        guest.Share(client);
        beforeStart?.Invoke(guest);
        guest.SetUp(client, 0, nextAvail);
        guest.Start(client, 0);
        return guest;
    }

    private static (VhostUserInflight Inflight, FileDescriptor Descriptor) GetBuffer(
        VhostUserTestClient client, int size = VhostUserTestGuest.RingSize)
    {
        List<FileDescriptor> descriptors = [];
        byte[] answer = client.Ask(
            VhostUserRequest.GetInflightFd,
            [.. Bytes(new VhostUserInflight { QueueCount = Queues, QueueSize = (ushort)size }), 0, 0, 0, 0],
            descriptors);
        Assert.That(answer, Has.Length.EqualTo(VhostUserInflight.PaddedLength));
        Assert.That(descriptors, Has.Count.EqualTo(1));
        return (MemoryMarshal.Read<VhostUserInflight>(answer), descriptors[0]);
    }

    private static void Set(VhostUserTestClient client, VhostUserInflight inflight, FileDescriptor fd) =>
        Assert.That(client.Result(VhostUserRequest.SetInflightFd, Bytes(inflight), fd), Is.Zero);

    private static MemoryMapping Map(VhostUserInflight inflight, FileDescriptor fd) =>
        MemoryMapping.Shared(fd, (long)inflight.MmapOffset, (nuint)inflight.MmapSize, writable: true);

    // QueueRegionSplit of the first ring: features, version, desc_num, last_batch_head, used_idx. All inside the mapping.
    private static void WriteHeader(MemoryMapping mapping, ushort lastBatchHead, ushort usedIndex)
    {
        ushort* fields = (ushort*)(mapping.Pointer + 8);
        (fields[0], fields[1], fields[2], fields[3]) = (1, VhostUserTestGuest.RingSize, lastBatchHead, usedIndex);
    }

    // DescStateSplit: inflight, padding, next, counter.
    private static void WriteEntry(MemoryMapping mapping, ushort head, ulong counter)
    {
        byte* entry = mapping.Pointer + Header + (head * Entry);
        *entry = 1;
        *(ulong*)(entry + 8) = counter;
    }

    private static byte[] Bytes(VhostUserInflight inflight) => VhostUserTestClient.Bytes(inflight);
}
