using RingCore.Framing;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Server;

/// <summary>DMA_MAP and DMA_UNMAP: the client's memory. The device is quiet while the map changes.</summary>
internal sealed partial class VfioUserSession
{
    private const VfioUserDmaMapFlags KnownMapFlags = VfioUserDmaMapFlags.Read | VfioUserDmaMapFlags.Write;

    private int DmaMap()
    {
        PayloadReader reader = new(_connection.Payload);
        if (!reader.TryRead(out VfioUserDmaMap map) || map.ArgSize < 32 || (map.Flags & ~KnownMapFlags) != 0
            || map.Offset > long.MaxValue || _connection.DescriptorCount > 1)
        {
            return Errno.EINVAL;
        }

        // Ranges without a descriptor (ROM, BARs of other devices) and those that allow nothing are known, but out of reach.
        FileDescriptor? fd = _connection.DescriptorCount == 1 && map.Flags != VfioUserDmaMapFlags.None
            ? _connection.Descriptor(0)
            : null;
        bool writable = (map.Flags & VfioUserDmaMapFlags.Write) != 0;
        return Quietly(() => _device.Memory.Add(map.Address, map.Size, fd, (long)map.Offset, writable));
    }

    private int DmaUnmap()
    {
        PayloadReader reader = new(_connection.Payload);
        if (!reader.TryRead(out VfioUserDmaUnmap unmap) || unmap.ArgSize < 24)
        {
            return Errno.EINVAL;
        }

        int errno = unmap.Flags switch
        {
            VfioUserDmaUnmapFlags.None => Quietly(() => Remove(unmap)),
            VfioUserDmaUnmapFlags.All when unmap is { Address: 0, Size: 0 } => Quietly(_device.Memory.Clear),
            _ when (unmap.Flags & VfioUserDmaUnmapFlags.All) != 0 => Errno.EINVAL,
            _ => Errno.EOPNOTSUPP,
        };
        if (errno == 0)
        {
            PayloadWriter writer = new(BeginReply(24));
            writer.Write(unmap);
        }

        return errno;
    }

    private void Remove(in VfioUserDmaUnmap unmap)
    {
        if (!_device.Memory.Remove(unmap.Address, unmap.Size))
        {
            throw new PosixException(Errno.ENOENT, $"unmap guest memory {unmap.Address:x}+{unmap.Size:x}");
        }
    }

    /// <summary>Changes memory while no request is in flight; a refusal does not disturb the device's resumption.</summary>
    private int Quietly(Action change)
    {
        int errno = 0;
        _device.Device.WhileDrained(() =>
        {
            try
            {
                change();
            }
            catch (PosixException e)
            {
                Log.Debug("{0}", e.Message);
                errno = e.Errno;
            }
        });
        return errno;
    }
}
