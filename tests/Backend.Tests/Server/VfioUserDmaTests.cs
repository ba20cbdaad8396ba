using NUnit.Framework;
using RingCore.Memory;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Tests.Server;

public unsafe class VfioUserDmaTests : VfioUserFixture
{
    private FileDescriptor _ram = null!;

    [SetUp]
    public void CreateRam() => _ram = MemFd.CreateSealed("ram", 1 << 20);

    [TearDown]
    public void CloseRam() => _ram.Dispose();

    [Test]
    public void A_mapped_range_is_the_clients_memory()
    {
        TestClient client = ConnectAndNegotiate();
        Answer answer = client.Map(0x100000, 0x2000, _ram, 0x1000);
        Assert.That(answer.Error, Is.Zero);
        Assert.That(answer.Payload, Is.Empty);
        Assert.That(Memory.Current.TryGetPointer(0x100004, 4, GuestAccess.Write, out byte* p), Is.True);
        *p = 0x42;
        using MemoryMapping view = MemoryMapping.Shared(_ram, 0, 1 << 20, false);
        Assert.That(view.Pointer[0x1004], Is.EqualTo(0x42));
        Assert.That(Device.Drains, Is.EqualTo(1), "the device was quiet");
    }

    [Test]
    public void Flags_say_what_the_device_may_do()
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(client.Map(0, 0x1000, _ram, flags: 1).Error, Is.Zero);
        Assert.That(Memory.Current.TryGetPointer(0, 1, GuestAccess.Read, out _), Is.True);
        Assert.That(Memory.Current.TryGetPointer(0, 1, GuestAccess.Write, out _), Is.False);
        Assert.That(client.Map(0x1000, 0x1000, _ram, flags: 0).Error, Is.Zero);
        Assert.That(Memory.Current.TryGetPointer(0x1000, 1, GuestAccess.Read, out _), Is.False);
        Assert.That(client.Map(0x2000, 0x1000, _ram, flags: 4).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Map(0x2000, 0x1000, _ram, flags: 0x80000003).Error, Is.EqualTo(Errno.EINVAL));
    }

    [Test]
    public void A_range_without_descriptor_is_accepted_and_not_accessible()
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(client.Map(0xC0000, 0x20000, null).Error, Is.Zero);
        Assert.That(Memory.Current.Count, Is.EqualTo(1));
        Assert.That(Memory.Current.TryGetPointer(0xC0000, 1, GuestAccess.Read, out _), Is.False);
        Assert.That(client.Unmap(0xC0000, 0x20000).Error, Is.Zero);
    }

    [Test]
    public void Bad_maps_are_refused()
    {
        TestClient client = ConnectAndNegotiate();
        Assert.That(client.Map(0, 0x2000, _ram).Error, Is.Zero);
        Assert.That(client.Map(0x1000, 0x2000, _ram).Error, Is.EqualTo(Errno.EEXIST), "overlap");
        Assert.That(client.Map(0, 0x1000, _ram).Error, Is.EqualTo(Errno.EEXIST));
        Assert.That(client.Map(0, 0x2000, _ram).Error, Is.Zero, "identical");
        Assert.That(client.Map(0, 0x2000, _ram, 0x1000).Error, Is.EqualTo(Errno.EEXIST), "not quite");
        Assert.That(client.Map(0x10000, (8UL << 40) + 0x1000, _ram).Error, Is.EqualTo(Errno.ENOSPC), "too large");
        Assert.That(client.Map(0x10000, 0, _ram).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Map(ulong.MaxValue - 0xFFF, 0x2000, _ram).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Map(0x10000, 0x200000, _ram).Error, Is.EqualTo(Errno.EINVAL), "past the file");
        Assert.That(client.Map(0x10000, 0x1000, _ram, ulong.MaxValue - 0xFFF).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Map(0x10000, 0x1000, _ram, argSize: 31).Error, Is.EqualTo(Errno.EINVAL));
        byte[] map = Bytes(new VfioUserDmaMap { ArgSize = 32, Flags = (VfioUserDmaMapFlags)3, Address = 0x10000, Size = 0x1000 });
        Assert.That(client.Ask(VfioUserCommand.DmaMap, map, _ram, _ram).Error, Is.EqualTo(Errno.EINVAL), "two descriptors");
        Assert.That(Memory.Current.Count, Is.EqualTo(1));
    }

    [Test]
    public void Memory_that_could_shrink_under_us_is_refused()
    {
        TestClient client = ConnectAndNegotiate();
        string path = Path.Combine(Path.GetDirectoryName(SocketPath)!, "memory");
        File.WriteAllBytes(path, new byte[0x1000]);
        using FileDescriptor file = FileDescriptor.Open(path, OpenFlags.ReadWrite);
        Assert.That(client.Map(0, 0x1000, file).Error, Is.EqualTo(Errno.EPERM));
        using EventFd notMemory = new();
        Assert.That(client.Map(0, 0x1000, notMemory.Descriptor).Error, Is.Not.Zero);
    }

    [Test]
    public void Unmap_echoes_the_range_and_wants_it_exact()
    {
        TestClient client = ConnectAndNegotiate();
        client.Map(0x2000, 0x2000, _ram);
        Assert.That(client.Unmap(0x2000, 0x1000).Error, Is.EqualTo(Errno.ENOENT));
        Assert.That(client.Unmap(0x3000, 0x1000).Error, Is.EqualTo(Errno.ENOENT));
        Assert.That(client.Unmap(0x9000, 0x1000).Error, Is.EqualTo(Errno.ENOENT));
        Assert.That(client.Unmap(0x2000, 0x2000, argSize: 23).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Unmap(0x2000, 0x2000, flags: 4).Error, Is.EqualTo(Errno.EOPNOTSUPP));
        Assert.That(client.Unmap(0x2000, 0x2000, flags: 1).Error, Is.EqualTo(Errno.EOPNOTSUPP));
        Answer answer = client.Unmap(0x2000, 0x2000);
        Assert.That(answer.Error, Is.Zero);
        Assert.That(answer.Payload, Has.Length.EqualTo(24));
        Assert.That(answer.As<VfioUserDmaUnmap>().Address, Is.EqualTo(0x2000));
        Assert.That(answer.As<VfioUserDmaUnmap>().Size, Is.EqualTo(0x2000));
        Assert.That(Memory.Current.Count, Is.Zero);
    }

    [Test]
    public void Unmap_all_takes_every_range_and_no_arguments()
    {
        TestClient client = ConnectAndNegotiate();
        client.Map(0x2000, 0x2000, _ram);
        client.Map(0x8000, 0x2000, null);
        Assert.That(client.Unmap(0x2000, 0, flags: 2).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Unmap(0, 0x1000, flags: 2).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(client.Unmap(0, 0, flags: 3).Error, Is.EqualTo(Errno.EINVAL));
        Assert.That(Memory.Current.Count, Is.EqualTo(2));
        Assert.That(client.Unmap(0, 0, flags: 2).Error, Is.Zero);
        Assert.That(Memory.Current.Count, Is.Zero);
    }

    [Test]
    public void Maps_and_unmaps_may_be_pipelined()
    {
        TestClient client = ConnectAndNegotiate();
        for (ushort i = 0; i < 40; i++)
        {
            byte[] map = Bytes(new VfioUserDmaMap
            {
                ArgSize = 32, Flags = (VfioUserDmaMapFlags)3, Address = i * 0x1000UL, Size = 0x1000, Offset = i * 0x1000UL,
            });
            client.SendRaw(TestClient.Message(i, (ushort)VfioUserCommand.DmaMap, 0, map), _ram);
            byte[] unmap = Bytes(new VfioUserDmaUnmap { ArgSize = 24, Address = i * 0x1000UL, Size = 0x1000 });
            client.SendRaw(TestClient.Message((ushort)(1000 + i), (ushort)VfioUserCommand.DmaUnmap, 0, unmap));
        }

        for (ushort i = 0; i < 40; i++)
        {
            Answer map = client.Answer();
            Assert.That((map.Header.Id, map.Error), Is.EqualTo((i, 0)));
            Answer unmap = client.Answer();
            Assert.That((unmap.Header.Id, unmap.Error), Is.EqualTo(((ushort)(1000 + i), 0)));
        }
    }

    [Test]
    public void A_reset_keeps_the_maps()
    {
        TestClient client = ConnectAndNegotiate();
        client.Map(0x2000, 0x2000, _ram);
        Assert.That(client.Ask(VfioUserCommand.Reset, []).Error, Is.Zero);
        Assert.That(Memory.Current.TryGetPointer(0x2000, 1, GuestAccess.Write, out _), Is.True);
    }
}
