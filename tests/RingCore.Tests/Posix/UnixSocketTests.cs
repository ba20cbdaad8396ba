using NUnit.Framework;
using RingCore.Posix;

namespace RingCore.Tests.Posix;

public class UnixSocketTests
{
    private string _path = string.Empty;

    [SetUp]
    public void NamePath() => _path = Path.Combine(Path.GetTempPath(), $"ringcore-{Guid.NewGuid():N}.sock");

    [TearDown]
    public void RemovePath() => File.Delete(_path);

    [Test]
    public void Bytes_and_descriptors_arrive_and_refer_to_the_same_file()
    {
        (UnixSocket a, UnixSocket b) = UnixSocket.CreatePair();
        using UnixSocket first = a;
        using UnixSocket second = b;
        using EventFd eventFd = new();
        Assert.That(first.Send("hello"u8, [eventFd.Descriptor]), Is.EqualTo(5));

        byte[] buffer = new byte[16];
        List<FileDescriptor> descriptors = [];
        Assert.That(second.Receive(buffer, descriptors, out bool lost), Is.EqualTo(5));
        Assert.That(lost, Is.False);
        Assert.That(descriptors, Has.Count.EqualTo(1));
        using EventFd received = new(descriptors[0]);
        received.Signal();
        Assert.That(eventFd.TestAndClear(), Is.True);
    }

    [Test]
    public void Received_descriptors_are_close_on_exec()
    {
        (UnixSocket a, UnixSocket b) = UnixSocket.CreatePair();
        using UnixSocket first = a;
        using UnixSocket second = b;
        using EventFd eventFd = new();
        first.Send("x"u8, [eventFd.Descriptor]);
        List<FileDescriptor> descriptors = [];
        second.Receive(new byte[1], descriptors, out _);
        using FileDescriptor received = descriptors[0];
        Assert.That(Libc.fcntl(received.Number, Libc.F_GETFD, 0) & 1, Is.EqualTo(1));
    }

    [Test]
    public void Descriptors_end_a_read_so_that_they_belong_to_its_last_byte()
    {
        (UnixSocket a, UnixSocket b) = UnixSocket.CreatePair();
        using UnixSocket first = a;
        using UnixSocket second = b;
        using EventFd eventFd = new();
        first.Send("aa"u8);
        first.Send("bb"u8, [eventFd.Descriptor]);
        first.Send("cc"u8);
        byte[] buffer = new byte[16];
        List<FileDescriptor> descriptors = [];
        int total = 0;
        while (descriptors.Count == 0)
        {
            int n = second.Receive(buffer, descriptors, out _);
            Assert.That(n, Is.Positive);
            total += n;
        }

        Assert.That(total, Is.EqualTo(4));
        descriptors[0].Dispose();
    }

    [Test]
    public void Unwanted_descriptors_do_not_stay_open()
    {
        (UnixSocket a, UnixSocket b) = UnixSocket.CreatePair();
        using UnixSocket first = a;
        using UnixSocket second = b;
        (UnixSocket c, UnixSocket d) = UnixSocket.CreatePair();
        using UnixSocket witness = d;
        first.Send("x"u8, [c.Descriptor]);
        c.Dispose();
        Assert.That(second.Receive(new byte[8], null, out bool lost), Is.EqualTo(1));
        Assert.That(lost, Is.True);

        // The last descriptor of the other end is gone: end of file.
        Assert.That(witness.Receive(new byte[8], null, out _), Is.Zero);
    }

    [Test]
    public void The_most_descriptors_pass_in_one_message()
    {
        (UnixSocket a, UnixSocket b) = UnixSocket.CreatePair();
        using UnixSocket first = a;
        using UnixSocket second = b;
        using EventFd eventFd = new();
        FileDescriptor[] many = Enumerable.Repeat(eventFd.Descriptor, UnixSocket.MaxDescriptors).ToArray();
        Assert.That(first.Send("x"u8, many), Is.EqualTo(1));
        List<FileDescriptor> descriptors = [];
        second.Receive(new byte[8], descriptors, out bool lost);
        Assert.That(lost, Is.False);
        Assert.That(descriptors, Has.Count.EqualTo(UnixSocket.MaxDescriptors));
        descriptors.ForEach(f => f.Dispose());
        Assert.That(() => first.Send("x"u8, [.. many, eventFd.Descriptor]), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void An_idle_socket_does_not_block_and_a_closed_peer_is_the_end()
    {
        (UnixSocket a, UnixSocket b) = UnixSocket.CreatePair();
        using UnixSocket second = b;
        Assert.That(second.Receive(new byte[1], null, out _), Is.EqualTo(-Errno.EAGAIN));
        Assert.That(second.Descriptor.Wait(PollEvents.In, 0), Is.False);
        a.Dispose();
        Assert.That(second.Descriptor.Wait(PollEvents.In, 10_000), Is.True);
        Assert.That(second.Receive(new byte[1], null, out _), Is.Zero);
        Assert.That(second.Send("x"u8), Is.EqualTo(-Errno.EPIPE));
    }

    [Test]
    public void A_full_socket_takes_part_and_then_nothing()
    {
        (UnixSocket a, UnixSocket b) = UnixSocket.CreatePair();
        using UnixSocket first = a;
        using UnixSocket second = b;
        byte[] data = new byte[4 << 20];
        Assert.That(first.Send(data), Is.Positive.And.LessThan(data.Length));
        Assert.That(first.Send(data), Is.EqualTo(-Errno.EAGAIN));
    }

    [Test]
    public void Clients_connect_to_a_listener_in_turn()
    {
        using UnixListener listener = UnixListener.Bind(_path);
        Assert.That(listener.Accept(), Is.Null);
        using UnixSocket client = UnixSocket.Connect(_path);
        using UnixSocket? server = listener.Accept();
        Assert.That(server, Is.Not.Null);
        client.Send("x"u8);
        Assert.That(server!.Receive(new byte[4], null, out _), Is.EqualTo(1));
    }

    [Test]
    public void A_listener_removes_its_file_but_not_one_of_somebody_else()
    {
        UnixListener.Bind(_path).Dispose();
        Assert.That(File.Exists(_path), Is.False);

        UnixListener listener = UnixListener.Bind(_path);
        File.Delete(_path);
        File.WriteAllText(_path, "mine");
        listener.Dispose();
        Assert.That(File.ReadAllText(_path), Is.EqualTo("mine"));
    }

    [Test]
    public void A_stale_socket_file_is_replaced()
    {
        UnixListener dead = UnixListener.Bind(_path);
        dead.Descriptor.Dispose();
        Assert.That(File.Exists(_path), Is.True);
        using UnixListener listener = UnixListener.Bind(_path);
        using UnixSocket client = UnixSocket.Connect(_path);
        using UnixSocket? server = listener.Accept();
        Assert.That(server, Is.Not.Null);
    }

    [Test]
    public void A_live_socket_is_not_taken_over()
    {
        using UnixListener listener = UnixListener.Bind(_path);
        PosixException e = Assert.Throws<PosixException>(() => UnixListener.Bind(_path))!;
        Assert.That(e.Errno, Is.EqualTo(Errno.EADDRINUSE));
        Assert.That(e.Message, Does.Contain(_path));
        Assert.That(File.Exists(_path), Is.True);
    }

    [Test]
    public void A_live_socket_with_a_full_backlog_is_not_taken_over()
    {
        using UnixListener listener = UnixListener.Bind(_path, backlog: 0);
        using UnixSocket waiting = UnixSocket.Connect(_path);
        Assert.That(
            () => UnixListener.Bind(_path), Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.EADDRINUSE));
    }

    [Test]
    public void A_file_of_another_kind_is_left_alone()
    {
        File.WriteAllText(_path, "data");
        Assert.That(
            () => UnixListener.Bind(_path), Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.EADDRINUSE));
        Assert.That(File.ReadAllText(_path), Is.EqualTo("data"));
    }

    [Test]
    public void Paths_that_no_socket_address_can_hold_are_refused()
    {
        string tooLong = "/tmp/" + new string('x', 120);
        Assert.That(
            () => UnixListener.Bind(tooLong), Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.ENAMETOOLONG));
        Assert.That(
            () => UnixSocket.Connect(tooLong), Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.ENAMETOOLONG));
        Assert.That(
            () => UnixSocket.Connect(_path), Throws.InstanceOf<PosixException>().With.Property("Errno").EqualTo(Errno.ENOENT));
    }

    [Test]
    public void Eventfds_are_told_from_other_descriptors()
    {
        using EventFd eventFd = new();
        using FileDescriptor memory = MemFd.CreateSealed("test", 4096);
        Assert.That(FileIdentity.IsEventFd(eventFd.Descriptor), Is.True);
        Assert.That(FileIdentity.IsEventFd(memory), Is.False);
    }

    [Test]
    public void A_duplicate_is_the_same_file_and_another_memfd_is_not()
    {
        using FileDescriptor memory = MemFd.CreateSealed("test", 8192);
        using FileDescriptor duplicate = memory.Duplicate();
        using FileDescriptor other = MemFd.CreateSealed("test", 8192);
        FileIdentity identity = FileIdentity.Of(memory);
        Assert.That(identity.Size, Is.EqualTo(8192));
        Assert.That(identity.IsSameFile(FileIdentity.Of(duplicate)), Is.True);
        Assert.That(identity.IsSameFile(FileIdentity.Of(other)), Is.False);
        Assert.That(FileIdentity.Of("/nonexistent/path"), Is.Null);
    }
}
