using RingCore.Framing;
using RingCore.Posix;
using RingCore.VhostUser;

namespace Backend.Server;

/// <content>The front-end's memory: all at once, or region by region.</content>
internal sealed partial class VhostUserSession
{
    private void SetMemTable()
    {
        PayloadReader reader = new(_connection.Payload);
        if (!reader.TryRead(out VhostUserMemoryTable table) || table.Count > VhostUserMemoryTable.MaxRegions)
        {
            throw new ProtocolException($"a memory table of {table.Count} regions", Errno.EINVAL);
        }

        RequireDescriptors((int)table.Count);
        VhostUserMemoryRegion[] regions = new VhostUserMemoryRegion[table.Count];
        for (int i = 0; i < regions.Length; i++)
        {
            if (!reader.TryRead(out regions[i]))
            {
                throw new ProtocolException($"a memory table cut short at region {i}", Errno.EINVAL);
            }
        }

        _transport.WithRingsStopped(() => Replace(regions));
    }

    private void Replace(VhostUserMemoryRegion[] regions)
    {
        _transport.Regions.Clear();
        try
        {
            for (int i = 0; i < regions.Length; i++)
            {
                _transport.Regions.Add(regions[i], _connection.Descriptor(i));
            }
        }
        catch
        {
            // Half a table is none.
            _transport.Regions.Clear();
            throw;
        }
    }

    private void AddMemReg()
    {
        VhostUserMemoryRegion region = Payload<VhostUserSingleMemoryRegion>().Region;
        RequireDescriptors(1);
        _transport.WithRingsStopped(() => _transport.Regions.Add(region, _connection.Descriptor(0)));
    }

    /// <summary>Some front-ends send a descriptor along; it is closed with the message.</summary>
    private void RemMemReg()
    {
        VhostUserMemoryRegion region = Payload<VhostUserSingleMemoryRegion>().Region;
        _transport.WithRingsStopped(() =>
        {
            if (!_transport.Regions.Remove(region))
            {
                throw new PosixException(Errno.ENOENT, $"unmap guest memory {region.GuestAddress:x}+{region.Size:x}");
            }
        });
    }
}
