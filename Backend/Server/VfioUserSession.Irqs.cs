using RingCore.Aio;
using RingCore.Framing;
using RingCore.Posix;
using RingCore.VfioUser;

namespace Backend.Server;

/// <summary>SET_IRQS: one action on a range of interrupts, with no data, a boolean each, or an eventfd each.</summary>
internal sealed partial class VfioUserSession
{
    private EventFd? _endOfInterrupt;

    private int SetIrqs()
    {
        PayloadReader reader = new(_connection.Payload);
        if (!reader.TryRead(out VfioIrqSet set) || !IsValid(set, reader.Rest.Length))
        {
            return Errno.EINVAL;
        }

        if (set.Count == 0)
        {
            _device.Interrupts.Disable((int)set.Index);
            if (set.Index == VfioPciIrq.Intx)
            {
                SetEndOfInterrupt(null);
            }

            return 0;
        }

        return (set.Flags & VfioIrqSetFlags.DataEventFd) != 0
            ? SetEventFds(set)
            : Act(set, reader.Rest[..((set.Flags & VfioIrqSetFlags.DataBool) != 0 ? (int)set.Count : 0)]);
    }

    private bool IsValid(in VfioIrqSet set, int dataLength)
    {
        const VfioIrqSetFlags Known = VfioIrqSetFlags.DataMask | VfioIrqSetFlags.AnyAction;
        VfioIrqSetFlags data = set.Flags & VfioIrqSetFlags.DataMask;
        VfioIrqSetFlags action = set.Flags & VfioIrqSetFlags.AnyAction;
        if (set.ArgSize < 20 || set.Index >= VfioPciIrq.Count || (set.Flags & ~Known) != 0
            || !uint.IsPow2((uint)data) || !uint.IsPow2((uint)action))
        {
            return false;
        }

        if (set.Index is VfioPciIrq.Err or VfioPciIrq.Req && action != VfioIrqSetFlags.ActionTrigger)
        {
            return false;
        }

        if ((ulong)set.Start + set.Count > (ulong)_device.Interrupts.Count((int)set.Index))
        {
            return false;
        }

        if (set.Count == 0)
        {
            return set.Start == 0 && set.Flags == (VfioIrqSetFlags.ActionTrigger | VfioIrqSetFlags.DataNone)
                && _connection.DescriptorCount == 0;
        }

        return data switch
        {
            VfioIrqSetFlags.DataNone => _connection.DescriptorCount == 0,
            VfioIrqSetFlags.DataBool => _connection.DescriptorCount == 0 && dataLength == set.Count,
            _ => _connection.DescriptorCount == 0 || (uint)_connection.DescriptorCount == set.Count,
        };
    }

    /// <summary>Triggers, masks or unmasks each interrupt of the range, or those whose boolean is true.</summary>
    private int Act(in VfioIrqSet set, ReadOnlySpan<byte> chosen)
    {
        for (int i = 0; i < (int)set.Count; i++)
        {
            if (!chosen.IsEmpty && chosen[i] == 0)
            {
                continue;
            }

            Device.IrqLine line = _device.Interrupts.Line((int)set.Index, (int)set.Start + i);
            switch (set.Flags & VfioIrqSetFlags.AnyAction)
            {
                case VfioIrqSetFlags.ActionTrigger:
                    line.Trigger();
                    break;
                case VfioIrqSetFlags.ActionMask:
                    line.SetMasked(true);
                    break;
                default:
                    line.SetMasked(false);
                    break;
            }
        }

        return 0;
    }

    /// <summary>
    /// Binds the range to the eventfds that came along, or to none when there are none. On INTx an eventfd for UNMASK tells us
    /// the end of an interrupt.
    /// </summary>
    private int SetEventFds(in VfioIrqSet set)
    {
        bool trigger = (set.Flags & VfioIrqSetFlags.ActionTrigger) != 0;
        bool unmaskIntx = set.Index == VfioPciIrq.Intx && (set.Flags & VfioIrqSetFlags.ActionUnmask) != 0;
        if (!trigger && !unmaskIntx)
        {
            return Errno.EOPNOTSUPP;
        }

        for (int i = 0; i < _connection.DescriptorCount; i++)
        {
            if (!FileIdentity.IsEventFd(_connection.Descriptor(i)))
            {
                return Errno.EINVAL;
            }
        }

        EventFd?[] fds = new EventFd?[set.Count];
        for (int i = 0; i < _connection.DescriptorCount; i++)
        {
            fds[i] = new EventFd(_connection.TakeDescriptor(i));
        }

        if (trigger)
        {
            _device.Interrupts.Assign((int)set.Index, (int)set.Start, fds);
        }
        else
        {
            SetEndOfInterrupt(fds[0]);
        }

        return 0;
    }

    private void SetEndOfInterrupt(EventFd? fd)
    {
        if (_endOfInterrupt is { } old)
        {
            Context.SetFdHandler(old.Descriptor, null);
            old.Dispose();
        }

        _endOfInterrupt = fd;
        if (fd is not null)
        {
            Context.SetFdHandler(fd.Descriptor, new AioHandler { Read = () => OnEndOfInterrupt(fd), IsExternal = true });
        }
    }

    private void OnEndOfInterrupt(EventFd fd)
    {
        // The client shares the descriptor's flags and may have made it blocking again.
        fd.Descriptor.SetNonBlocking(true);
        if (fd.TestAndClear())
        {
            _device.Interrupts.Intx.EndOfInterrupt();
        }
    }
}
