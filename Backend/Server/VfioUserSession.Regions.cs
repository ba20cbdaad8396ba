using RingCore.Framing;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Server;

/// <summary>REGION_READ and REGION_WRITE. A posted doorbell is the hot path: it allocates nothing and is not answered.</summary>
internal sealed partial class VfioUserSession
{
    private int RegionRead()
    {
        PayloadReader reader = new(_connection.Payload);
        if (!reader.TryRead(out VfioUserRegionAccess access) || !reader.Rest.IsEmpty || !IsAllowed(access))
        {
            return Errno.EINVAL;
        }

        PayloadWriter writer = new(BeginReply(16 + (int)access.Count));
        writer.Write(access);
        return _device.ReadRegion((int)access.Region, access.Offset, writer.Reserve((int)access.Count));
    }

    private int RegionWrite()
    {
        PayloadReader reader = new(_connection.Payload);
        if (!reader.TryRead(out VfioUserRegionAccess access) || reader.Rest.Length != access.Count || !IsAllowed(access))
        {
            return Errno.EINVAL;
        }

        int errno = _device.WriteRegion((int)access.Region, access.Offset, reader.Rest);
        if (errno == 0 && !_connection.Header.WantsNoReply)
        {
            PayloadWriter writer = new(BeginReply(16));
            writer.Write(access);
        }

        return errno;
    }

    private bool IsAllowed(in VfioUserRegionAccess access)
    {
        if (access.Region >= VfioPciRegion.Count || access.Count > VfioUserConnection.MaxDataTransferSize)
        {
            return false;
        }

        ulong size = _device.RegionSize((int)access.Region);
        return access.Offset <= size && access.Count <= size - access.Offset;
    }
}
