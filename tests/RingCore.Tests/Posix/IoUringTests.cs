using System.Runtime.CompilerServices;
using NUnit.Framework;
using RingCore.Posix;

namespace RingCore.Tests.Posix;

[TestFixture]
public sealed unsafe class IoUringTests
{
    private const IoUringSetup Deferred =
        IoUringSetup.SubmitAll | IoUringSetup.SingleIssuer | IoUringSetup.DeferTaskRun | IoUringSetup.TaskRunFlag;

    private static readonly IoUringSetup[] Setups = [IoUringSetup.None, Deferred, IoUringSetup.Sqe128];

    [SetUp]
    public void RequireIoUring()
    {
        if (IoUring.UnavailableErrno != 0)
        {
            Assert.Ignore($"io_uring: {Errno.Name(IoUring.UnavailableErrno)}");
        }
    }

    /// <summary>A ring, or a skipped test where the kernel is too old for the flags.</summary>
    private static IoUring Create(uint entries, IoUringSetup setup = IoUringSetup.None, uint completions = 0)
    {
        try
        {
            return new IoUring(entries, setup, completions);
        }
        catch (PosixException e) when (e.Errno == Errno.EINVAL && setup != IoUringSetup.None)
        {
            Assert.Ignore($"this kernel does not know {setup}");
            throw;
        }
    }

    private static IoUringCqe WaitForOne(IoUring ring)
    {
        IoUringCqe cqe;
        while (!ring.TryPeek(out cqe))
        {
            Assert.That(ring.SubmitAndWait(1, 30_000_000_000), Is.GreaterThanOrEqualTo(0));
        }

        ring.Advance();
        return cqe;
    }

    /// <summary>Two completions, in whichever order, by their user data.</summary>
    private static Dictionary<ulong, IoUringCqe> WaitForTwo(IoUring ring) =>
        new[] { WaitForOne(ring), WaitForOne(ring) }.ToDictionary(cqe => cqe.UserData);

    [TestCaseSource(nameof(Setups))]
    public void Entries_complete_with_their_user_data_over_many_turns_of_the_rings(IoUringSetup setup)
    {
        using IoUring ring = Create(4, setup);
        for (ulong i = 0; i < 100; i += 4)
        {
            for (ulong j = 0; j < 4; j++)
            {
                IoUringSqe* sqe = ring.GetSqe();
                sqe->PrepareNop();
                sqe->UserData = i + j;
            }

            Assert.That(ring.GetSqe() == null, Is.True, "a full ring hands out nothing");
            Assert.That(ring.SubmitAndWait(4), Is.EqualTo(4));
            Assert.That((ring.Completions, ring.Unsubmitted, ring.SqSpace), Is.EqualTo((4u, 0u, 4u)));
            for (ulong j = 0; j < 4; j++)
            {
                Assert.That(WaitForOne(ring).UserData, Is.EqualTo(i + j));
            }
        }

        Assert.That(ring.TryPeek(out _), Is.False);
    }

    [TestCaseSource(nameof(Setups))]
    public void Data_is_written_and_read_back(IoUringSetup setup)
    {
        using IoUring ring = Create(8, setup);
        using FileDescriptor file = MemFd.CreateSealed("ring", 8192);
        using MemoryMapping memory = MemoryMapping.Anonymous(8192);
        new Span<byte>(memory.Pointer, 4096).Fill(0x5A);
        ring.GetSqe()->PrepareWrite(file, memory.Pointer, 4096, 4096);
        Assert.That(WaitForOne(ring).Result, Is.EqualTo(4096));
        ring.GetSqe()->PrepareRead(file, memory.Pointer + 4096, 4096, 4096);
        Assert.That(WaitForOne(ring).Result, Is.EqualTo(4096));
        Assert.That(new Span<byte>(memory.Pointer + 4096, 4096).ContainsAnyExcept((byte)0x5A), Is.False);
        ring.GetSqe()->PrepareFSync(file, dataOnly: true);
        Assert.That(WaitForOne(ring).Result, Is.Zero);
    }

    [Test]
    public void Vectors_are_scattered_and_gathered()
    {
        using IoUring ring = Create(8);
        using FileDescriptor file = MemFd.CreateSealed("ring", 4096);
        byte* source = stackalloc byte[6] { 1, 2, 3, 4, 5, 6 };
        byte* target = stackalloc byte[6];
        IoVector* vectors = stackalloc IoVector[2] { new(source + 3, 3), new(source, 3) };
        ring.GetSqe()->PrepareWriteV(file, vectors, 2, 100);
        Assert.That(WaitForOne(ring).Result, Is.EqualTo(6));
        vectors[0] = new IoVector(target, 1);
        vectors[1] = new IoVector(target + 1, 5);
        ring.GetSqe()->PrepareReadV(file, vectors, 2, 100);
        Assert.That(WaitForOne(ring).Result, Is.EqualTo(6));
        Assert.That(new Span<byte>(target, 6).ToArray(), Is.EqualTo((byte[])[4, 5, 6, 1, 2, 3]));
    }

    [Test]
    public void Registered_buffers_and_files_are_used_by_their_numbers()
    {
        using IoUring ring = Create(8);
        using FileDescriptor file = MemFd.CreateSealed("ring", 4096);
        using MemoryMapping memory = MemoryMapping.Anonymous(8192);
        try
        {
            ring.RegisterBufferTable(3);
        }
        catch (PosixException e) when (e.Errno == Errno.EINVAL)
        {
            Assert.Ignore("this kernel has no tables of buffers (before Linux 5.19)");
        }

        Assert.That(ring.RegisterBuffer(0, new IoVector(memory.Pointer, 4096)), Is.Zero);
        Assert.That(ring.RegisterBuffer(1, new IoVector(memory.Pointer + 4096, 4096)), Is.Zero);
        Assert.That(ring.RegisterBuffer(3, new IoVector(memory.Pointer, 4096)), Is.EqualTo(-Errno.EINVAL), "past the table");
        Assert.That(ring.RegisterBuffer(2, new IoVector((byte*)4096, 4096)), Is.EqualTo(-Errno.EFAULT), "nothing there");
        ring.RegisterFiles([file]);
        new Span<byte>(memory.Pointer, 512).Fill(7);
        IoUringSqe* sqe = ring.GetSqe();
        sqe->PrepareWriteFixed(file, memory.Pointer, 512, 0, bufferIndex: 0);
        sqe->SetFixedFile(0);
        Assert.That(WaitForOne(ring).Result, Is.EqualTo(512));
        sqe = ring.GetSqe();
        sqe->PrepareReadFixed(file, memory.Pointer + 4096, 512, 0, bufferIndex: 1);
        sqe->SetFixedFile(0);
        Assert.That(WaitForOne(ring).Result, Is.EqualTo(512));
        Assert.That(memory.Pointer[4096 + 511], Is.EqualTo(7));
        sqe = ring.GetSqe();
        sqe->PrepareReadFixed(file, memory.Pointer, 512, 0, bufferIndex: 1); // not inside buffer 1
        Assert.That(WaitForOne(ring).Result, Is.EqualTo(-Errno.EFAULT));
        ring.GetSqe()->PrepareReadFixed(file, memory.Pointer, 512, 0, bufferIndex: 2); // nothing there
        Assert.That(WaitForOne(ring).Result, Is.EqualTo(-Errno.EFAULT));
        Assert.That(ring.UnregisterFiles(), Is.Zero);
        Assert.That(ring.UnregisterBuffers(), Is.Zero);
        Assert.That(ring.UnregisterBuffers(), Is.EqualTo(-Errno.ENXIO), "there are none");
    }

    [Test]
    public void The_eventfd_is_signalled_for_completions_unless_that_is_off()
    {
        using IoUring ring = Create(8, Deferred);
        using EventFd signal = new();
        ring.RegisterEventFd(signal.Descriptor);
        foreach (bool on in (bool[])[true, false, true])
        {
            ring.SignalsEventFd = on;
            Assert.That(ring.SignalsEventFd, Is.EqualTo(on));
            ring.GetSqe()->PrepareNop();
            WaitForOne(ring);
            Assert.That(signal.TestAndClear(), Is.EqualTo(on));
        }
    }

    [Test]
    public void A_hole_is_punched()
    {
        const int KeepSizePunchHole = 3;
        using IoUring ring = Create(8);
        using FileDescriptor file = MemFd.CreateSealed("ring", 8192);
        using MemoryMapping view = MemoryMapping.Shared(file, 0, 8192, writable: true);
        new Span<byte>(view.Pointer, 8192).Fill(1);
        ring.GetSqe()->PrepareFAllocate(file, KeepSizePunchHole, 0, 4096);
        Assert.That(WaitForOne(ring).Result, Is.Zero);
        Assert.That((view.Pointer[0], view.Pointer[4095], view.Pointer[4096]), Is.EqualTo(((byte)0, (byte)0, (byte)1)));
    }

    [Test]
    public void A_registered_eventfd_is_signalled_by_completions()
    {
        using IoUring ring = Create(8);
        using EventFd eventFd = new();
        ring.RegisterEventFd(eventFd.Descriptor);
        ring.GetSqe()->PrepareNop();
        Assert.That(ring.Submit(), Is.EqualTo(1));
        Assert.That(WaitForOne(ring).Result, Is.Zero);
        Assert.That(eventFd.TestAndClear(), Is.True);
        ring.UnregisterEventFd();
        ring.GetSqe()->PrepareNop();
        WaitForOne(ring);
        Assert.That(eventFd.TestAndClear(), Is.False);
    }

    [TestCaseSource(nameof(Setups))]
    public void A_wait_ends_with_its_time(IoUringSetup setup)
    {
        using IoUring ring = Create(8, setup);
        Assert.That(ring.SubmitAndWait(1, 1_000_000), Is.Zero);
        Assert.That(ring.Completions, Is.Zero);
    }

    [TestCaseSource(nameof(Setups))]
    public void A_poll_completes_when_the_descriptor_is_ready_and_can_be_cancelled(IoUringSetup setup)
    {
        using IoUring ring = Create(8, setup);
        using EventFd eventFd = new();
        IoUringSqe* sqe = ring.GetSqe();
        sqe->PreparePollAdd(eventFd.Descriptor, PollEvents.In);
        sqe->UserData = 1;
        Assert.That(ring.SubmitAndWait(0), Is.EqualTo(1));
        Assert.That(ring.Completions, Is.Zero);
        eventFd.Signal();
        Assert.That((PollEvents)WaitForOne(ring).Result, Is.EqualTo(PollEvents.In));
        eventFd.TestAndClear();
        sqe = ring.GetSqe();
        sqe->PreparePollAdd(eventFd.Descriptor, PollEvents.In);
        sqe->UserData = 2;
        sqe = ring.GetSqe();
        sqe->PrepareCancel(2);
        sqe->UserData = 3;
        Dictionary<ulong, IoUringCqe> results = WaitForTwo(ring);
        Assert.That((results[2].Result, results[3].Result), Is.EqualTo((-Errno.ECANCELED, 0)));
    }

    [TestCaseSource(nameof(Setups))]
    public void A_poll_that_stays_completes_for_every_signal_though_nobody_reads_the_counter(IoUringSetup setup)
    {
        using IoUring ring = Create(8, setup);
        using EventFd eventFd = new();
        IoUringSqe* sqe = ring.GetSqe();
        sqe->PreparePollMultishot(eventFd.Descriptor, PollEvents.In);
        sqe->UserData = 1;
        Assert.That(ring.SubmitAndWait(0), Is.EqualTo(1));
        for (int i = 0; i < 100; i++)
        {
            Assert.That(ring.Completions, Is.Zero);
            eventFd.Signal();
            IoUringCqe cqe = WaitForOne(ring);
            Assert.That((cqe.UserData, (PollEvents)cqe.Result, cqe.HasMore), Is.EqualTo((1ul, PollEvents.In, true)));
        }

        sqe = ring.GetSqe();
        sqe->PrepareCancel(1);
        sqe->UserData = 2;
        Dictionary<ulong, IoUringCqe> last = WaitForTwo(ring);
        Assert.That((last[1].Result, last[2].Result), Is.EqualTo((-Errno.ECANCELED, 0)));
        Assert.That((last[1].HasMore, last[2].HasMore), Is.EqualTo((false, false)));
    }

    [Test]
    public void Waiting_for_requests_does_not_look_like_waiting_for_a_disk()
    {
        using EventFd never = new();
        using ManualResetEventSlim over = new();
        bool isKnown = false;
        Thread waiter = new(() =>
        {
            using IoUring ring = Create(8);
            isKnown = (ring.Features & IoUringFeatures.NoIoWait) != 0;
            ring.GetSqe()->PreparePollAdd(never.Descriptor, PollEvents.In);
            while (isKnown && !over.IsSet)
            {
                ring.SubmitAndWait(1, 300_000_000);
            }
        });
        waiter.Start();
        int least = int.MaxValue;
        for (int i = 0; i < 100 && least > 0; i++)
        {
            Thread.Sleep(10); // others may well wait for a disk now and then
            string line = File.ReadLines("/proc/stat").First(l => l.StartsWith("procs_blocked ", StringComparison.Ordinal));
            least = Math.Min(least, int.Parse(line.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture));
        }

        over.Set();
        waiter.Join();
        Assume.That(isKnown, "this kernel counts every wait");
        Assert.That(least, Is.Zero);
    }

    [Test]
    public void Deferred_work_is_announced_without_a_system_call()
    {
        using IoUring ring = Create(8, Deferred);
        using EventFd eventFd = new();
        ring.GetSqe()->PreparePollAdd(eventFd.Descriptor, PollEvents.In);
        ring.SubmitAndWait(0);
        Assert.That(ring.HasKernelWork, Is.False);
        eventFd.Signal();
        Assert.That(ring.HasKernelWork, Is.True);
        Assert.That(ring.Completions, Is.Zero);
        Assert.That(ring.SubmitAndWait(0), Is.Zero);
        Assert.That(ring.Completions, Is.EqualTo(1));
    }

    [Test]
    public void Completions_beyond_the_ring_are_kept_and_flushed()
    {
        using IoUring ring = Create(2, IoUringSetup.None, completions: 4);
        const int Count = 10;
        for (ulong i = 0; i < Count; i++)
        {
            IoUringSqe* sqe = ring.GetSqe();
            sqe->PrepareNop();
            sqe->UserData = i;
            Assert.That(ring.Submit(), Is.EqualTo(1));
        }

        Assert.That((ring.Completions, ring.HasKernelWork), Is.EqualTo((4u, true)));
        List<ulong> seen = [];
        while (seen.Count < Count)
        {
            while (ring.TryPeek(out IoUringCqe cqe))
            {
                seen.Add(cqe.UserData);
                ring.Advance();
            }

            Assert.That(ring.SubmitAndWait(0), Is.GreaterThanOrEqualTo(0));
        }

        Assert.That(seen, Is.EqualTo(Enumerable.Range(0, Count).Select(i => (ulong)i)));
        Assert.That(ring.HasKernelWork, Is.False);
    }

    [Test]
    public void An_entry_is_handed_out_zeroed_to_its_full_size()
    {
        using IoUring ring = Create(1, IoUringSetup.Sqe128);
        for (int turn = 0; turn < 2; turn++)
        {
            IoUringSqe* sqe = ring.GetSqe();
            Span<byte> bytes = new(sqe, 128);
            Assert.That(bytes.ContainsAnyExcept((byte)0), Is.False);
            sqe->PrepareNop();
            new Span<byte>(&sqe->Command, 80).Fill(0xFF); // a command's argument may take all of it
            WaitForOne(ring);
        }
    }

    [Test]
    public void A_disabled_ring_starts_on_the_thread_that_enables_it()
    {
        using IoUring ring = Create(4, Deferred | IoUringSetup.Disabled);
        int result = -1;
        Thread thread = new(() =>
        {
            ring.Enable();
            ring.GetSqe()->PrepareNop();
            result = ring.SubmitAndWait(1);
        });
        thread.Start();
        thread.Join();
        Assert.That(result, Is.EqualTo(1));
        ring.GetSqe()->PrepareNop();
        Assert.That(ring.Submit(), Is.EqualTo(-Errno.EEXIST), "another thread may not submit");
    }

    [Test]
    public void Known_and_unknown_operations_are_told_apart()
    {
        using IoUring ring = Create(2);
        Assert.That(ring.Supports(IoUringOp.Nop), Is.True);
        Assert.That(ring.Supports(IoUringOp.FAllocate), Is.True);
        Assert.That(ring.Supports((IoUringOp)255), Is.False);
    }

    [Test]
    public void Bad_arguments_are_errors()
    {
        Assert.That(() => new IoUring(0), Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.EINVAL));
        Assert.That(() => new IoUring(8, (IoUringSetup)(1u << 31)), Throws.InstanceOf<PosixException>());
        Assert.That(() => new IoUring(8, IoUringSetup.Cqe32), Throws.ArgumentException);
    }

    [Test]
    public void Nothing_is_allocated_in_a_round()
    {
        using IoUring ring = Create(8, Deferred);
        void Round()
        {
            ring.GetSqe()->PrepareNop();
            ring.SubmitAndWait(1, 1_000_000_000);
            while (ring.TryPeek(out _))
            {
                ring.Advance();
            }
        }

        for (int i = 0; i < 100; i++)
        {
            Round();
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 500; i++)
        {
            Round();
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
    }

    /// <summary>Against offsetof and sizeof of linux/io_uring.h.</summary>
    [Test]
    public void Structs_are_laid_out_as_the_kernel_has_them()
    {
        IoUringSqe s;
        byte* b = (byte*)&s;
        Assert.Multiple(() =>
        {
            Assert.That(sizeof(IoUringSqe), Is.EqualTo(64));
            Assert.That(sizeof(IoUringCqe), Is.EqualTo(16));
            Assert.That(sizeof(IoUringParams), Is.EqualTo(120));
            Assert.That(sizeof(IoUringSqOffsets), Is.EqualTo(40));
            Assert.That(sizeof(IoUringCqOffsets), Is.EqualTo(40));
            Assert.That(sizeof(IoUringGetEventsArgument), Is.EqualTo(24));
            Assert.That(sizeof(KernelTimeSpec), Is.EqualTo(16));
        });
        long[] offsets =
        [
            (byte*)&s.Opcode - b, (byte*)&s.Flags - b, (byte*)&s.IoPriority - b, (byte*)&s.Offset - b, (byte*)&s.CommandOp - b,
            (byte*)&s.Address - b, (byte*)&s.Length - b, (byte*)&s.OpFlags - b, (byte*)&s.UserData - b,
            (byte*)&s.BufferIndex - b, &s.Command - b,
        ];
        Assert.That(offsets, Is.EqualTo((long[])[0, 1, 2, 8, 8, 16, 24, 28, 32, 40, 48]));
        IoUringParams p;
        byte* q = (byte*)&p;
        long[] parameters =
        [
            (byte*)&p.Flags - q, (byte*)&p.Features - q, (byte*)&p.Sq - q, (byte*)&p.Cq - q, (byte*)&p.Sq.Array - q,
            (byte*)&p.Cq.Cqes - q, (byte*)&p.Cq.Flags - q,
        ];
        Assert.That(parameters, Is.EqualTo((long[])[8, 20, 40, 80, 64, 100, 104]));
        IoUringGetEventsArgument a;
        Assert.That((byte*)&a.Timeout - (byte*)&a, Is.EqualTo(16));
        Assert.That(Unsafe.SizeOf<IoVector>(), Is.EqualTo(16));
    }
}
