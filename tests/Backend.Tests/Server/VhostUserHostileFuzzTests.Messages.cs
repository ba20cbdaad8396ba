using System.Runtime.InteropServices;
using RingCore.Posix;
using RingCore.VhostUser;
using RingCore.Virtio;

namespace Backend.Tests.Server;

/// <content>The messages of a session, and how they are bent.</content>
public partial class VhostUserHostileFuzzTests
{
    private const uint Version1 = 1;
    private const uint NeedReply = 8;

    /// <summary>A start that makes the rings run, and then anything.</summary>
    private List<(byte[] Bytes, FileDescriptor[] Fds)> ValidSession(Random random)
    {
        List<(byte[], FileDescriptor[])> messages = [];
        ulong protocol = random.Next(4) == 0 ? 0 : ulong.MaxValue;
        Add(VhostUserRequest.SetProtocolFeatures, Number(protocol & (ulong)(VhostUserProtocolFeatures.MultiQueue
            | VhostUserProtocolFeatures.ReplyAck | VhostUserProtocolFeatures.Config | VhostUserProtocolFeatures.InflightShmFd
            | VhostUserProtocolFeatures.ResetDevice | VhostUserProtocolFeatures.ConfigureMemSlots | VhostUserProtocolFeatures.Status)));
        AddFeatures();
        if (random.Next(2) == 0)
        {
            AddNotes();
        }

        AddTable();
        for (uint i = 0; i < Queues; i++)
        {
            AddRing(i);
        }

        int count = random.Next(5, 60);
        for (int i = 0; i < count; i++)
        {
            AddAny();
        }

        return messages;

        void Add(VhostUserRequest request, byte[] payload, params FileDescriptor[] fds) => messages.Add(
            (VhostUserTestClient.Message(request, Version1 | (random.Next(4) == 0 ? 0 : NeedReply), payload), fds));

        void State(VhostUserRequest request, uint ring, uint value) =>
            Add(request, VhostUserTestClient.Bytes(new VhostUserVringState { Index = ring, Value = value }));

        void AddFeatures()
        {
            VirtioFeatures features = VirtioFeatures.Version1 | VirtioFeatures.VhostUserProtocolFeatures;
            features |= random.Next(2) == 0 ? VirtioFeatures.IndirectDescriptors | VirtioFeatures.BlkDiscard : VirtioFeatures.None;
            features ^= random.Next(6) == 0 ? VirtioFeatures.VhostUserProtocolFeatures : VirtioFeatures.None;
            features ^= random.Next(6) == 0 ? VirtioFeatures.Version1 : VirtioFeatures.None;
            Add(VhostUserRequest.SetFeatures, Number((ulong)features));
        }

        void AddTable() => Add(VhostUserRequest.SetMemTable, VhostUserTestClient.MemTable([VhostUserTestGuest.Region]), _guest.Memory);

        void AddNotes()
        {
            VhostUserInflight inflight = new() { MmapSize = 8192, QueueCount = Queues, QueueSize = VhostUserTestGuest.RingSize };
            Add(VhostUserRequest.GetInflightFd, VhostUserTestClient.Bytes(inflight));
            Add(VhostUserRequest.SetInflightFd, VhostUserTestClient.Bytes(inflight), Notes);
            if (random.Next(2) == 0)
            {
                byte[] garbage = new byte[2048];
                random.NextBytes(garbage);
                (garbage[8], garbage[9], garbage[10], garbage[11]) = (1, 0, (byte)VhostUserTestGuest.RingSize, 0);
                using MemoryMapping mapping = MemoryMapping.Shared(Notes, 0, 8192, writable: true);
                unsafe
                {
                    garbage.CopyTo(new Span<byte>(mapping.Pointer, 8192)); // all of the mapping
                }
            }
        }

        void AddRing(uint ring)
        {
            State(VhostUserRequest.SetVringNum, ring, VhostUserTestGuest.RingSize);
            State(VhostUserRequest.SetVringBase, ring, random.Next(4) == 0 ? (uint)random.Next(65536) : 0);
            Add(VhostUserRequest.SetVringAddr, VhostUserTestClient.Bytes(VhostUserTestGuest.Address((int)ring)));
            AddFd(VhostUserRequest.SetVringCall, ring, _guest.Calls[0]);
            AddFd(VhostUserRequest.SetVringKick, ring, _guest.Kicks[(int)ring]);
            State(VhostUserRequest.SetVringEnable, ring, 1);
        }

        void AddFd(VhostUserRequest request, uint ring, EventFd fd)
        {
            bool has = random.Next(6) != 0;
            Add(request, Number(ring | (has ? 0 : VhostUserVringFd.NoDescriptor)), has ? [fd.Descriptor] : []);
        }

        void AddSlot()
        {
            VhostUserMemoryRegion region = VhostUserTestGuest.Region;
            ulong at = (ulong)random.Next(4) << 32;
            region.GuestAddress += at;
            region.UserAddress += at;
            byte[] payload = VhostUserTestClient.Bytes(new VhostUserSingleMemoryRegion { Region = region });
            if (random.Next(3) == 0)
            {
                Add(VhostUserRequest.RemMemReg, payload);
            }
            else
            {
                Add(VhostUserRequest.AddMemReg, payload, _guest.Memory);
            }
        }

        void AddAny()
        {
            uint ring = (uint)random.Next(Queues);
            switch (random.Next(14))
            {
                case 0: AddRing(ring); break;
                case 1: AddTable(); break;
                case 2: AddNotes(); break;
                case 3: AddFeatures(); break;
                case 4: State(VhostUserRequest.GetVringBase, ring, 0); break;
                case 5: State(VhostUserRequest.SetVringEnable, ring, (uint)random.Next(2)); break;
                case 6: AddFd(VhostUserRequest.SetVringKick, ring, _guest.Kicks[(int)ring]); break;
                case 7: AddFd(random.Next(2) == 0 ? VhostUserRequest.SetVringCall : VhostUserRequest.SetVringErr, ring, _guest.Calls[1]); break;
                case 8: AddSlot(); break;
                case 9: Add(VhostUserRequest.SetStatus, Number((ulong)random.Next(256) * (ulong)random.Next(2))); break;
                case 10:
                    VhostUserConfig config = new() { Offset = (uint)random.Next(60), Size = (uint)random.Next(60) };
                    Add(
                        random.Next(3) == 0 ? VhostUserRequest.SetConfig : VhostUserRequest.GetConfig,
                        [.. VhostUserTestClient.Bytes(config), .. new byte[config.Size]]);
                    break;
                case 11: State(VhostUserRequest.SetVringNum, ring, 1u << random.Next(12)); break;
                default: Add((VhostUserRequest)random.Next(45), Number(AnyNumber(random))); break;
            }
        }
    }

    private static void ReplaceNumber(byte[] message, Random random)
    {
        int words = (message.Length - VhostUserHeader.Length) / sizeof(ulong);
        if (words > 0)
        {
            MemoryMarshal.Write(message.AsSpan(VhostUserHeader.Length + (random.Next(words) * sizeof(ulong))), AnyNumber(random));
        }
    }

    private static byte[] Number(ulong value) => VhostUserTestClient.Bytes(value);
}
