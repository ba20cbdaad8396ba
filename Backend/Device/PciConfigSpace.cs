using System.Buffers.Binary;

namespace Backend.Device;

/// <summary>
/// 256 bytes of PCI configuration space (PCI Local Bus 3.0 §6): bytes, and a mask of the bits that software may write. BAR
/// sizing, read-only identity and stored COMMAND bits all follow from the mask. One thread.
/// </summary>
internal sealed class PciConfigSpace
{
    internal const int Size = 256;
    internal const int Command = 0x04;
    internal const int Status = 0x06;
    internal const int Revision = 0x08;
    internal const int BarBase = 0x10;
    internal const int CapabilityPointer = 0x34;
    internal const ushort CommandInterruptDisable = 0x400;
    internal const byte StatusInterrupt = 0x08;
    internal const byte StatusCapabilities = 0x10;

    // I/O, memory, bus master, parity, SERR, interrupt disable.
    private const ushort CommandWritable = 0x0547;
    private const int FirstCapability = 0x40;
    private readonly byte[] _bytes = new byte[Size];
    private readonly byte[] _writable = new byte[Size];
    private byte[] _initial = [];
    private int _lastLink = CapabilityPointer;
    private int _free = FirstCapability;

    /// <summary>Fills in the header of a device of the given identity with interrupt pin INTA.</summary>
    internal PciConfigSpace(ushort vendor, ushort device, byte revision, uint classCode, ushort subVendor, ushort subDevice)
    {
        Set16(0x00, vendor);
        Set16(0x02, device);
        _bytes[Revision] = revision;
        _bytes[0x09] = (byte)classCode;
        Set16(0x0A, (ushort)(classCode >> 8));
        Set16(0x2C, subVendor);
        Set16(0x2E, subDevice);
        _bytes[Status] = StatusCapabilities;
        _bytes[0x3D] = 1;
        BinaryPrimitives.WriteUInt16LittleEndian(_writable.AsSpan(Command), CommandWritable);
        _writable[0x0C] = 0xFF;
        _writable[0x3C] = 0xFF;
    }

    /// <summary>A memory BAR; a 64-bit prefetchable one takes the next register too.</summary>
    internal void AddMemoryBar(int index, uint size, bool is64BitPrefetchable)
    {
        AddBar(index, size, is64BitPrefetchable ? 0xCu : 0u);
        if (is64BitPrefetchable)
        {
            _writable.AsSpan(BarBase + (4 * (index + 1)), 4).Fill(0xFF);
        }
    }

    /// <summary>An I/O BAR.</summary>
    internal void AddIoBar(int index, uint size) => AddBar(index, size, 1);

    /// <summary>Appends a capability; returns its offset. <paramref name="body"/> is what follows id and next link.</summary>
    internal int AddCapability(byte id, ReadOnlySpan<byte> body)
    {
        int at = _free;
        _bytes[_lastLink] = (byte)at;
        _bytes[at] = id;
        body.CopyTo(_bytes.AsSpan(at + 2));
        _lastLink = at + 1;
        _free = (at + 2 + body.Length + 3) & ~3;
        return at;
    }

    /// <summary>Lets software write <paramref name="length"/> bytes.</summary>
    internal void MakeWritable(int offset, int length, byte mask = 0xFF) => _writable.AsSpan(offset, length).Fill(mask);

    /// <summary>What is there now is what <see cref="Reset"/> goes back to.</summary>
    internal void Seal() => _initial = [.. _bytes];

    internal void Reset() => _initial.CopyTo(_bytes, 0);

    internal ushort Get16(int offset) => BinaryPrimitives.ReadUInt16LittleEndian(_bytes.AsSpan(offset));

    internal uint Get32(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_bytes.AsSpan(offset));

    internal byte Get8(int offset) => _bytes[offset];

    internal void Set8(int offset, byte value) => _bytes[offset] = value;

    internal void Set16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(_bytes.AsSpan(offset), value);

    /// <summary>Bytes as the device itself sees them.</summary>
    internal Span<byte> Raw(int offset, int length) => _bytes.AsSpan(offset, length);

    /// <summary>Software reads; the caller has checked the range.</summary>
    internal void Read(int offset, Span<byte> data) => _bytes.AsSpan(offset, data.Length).CopyTo(data);

    /// <summary>Software writes; the caller has checked the range.</summary>
    internal void Write(int offset, ReadOnlySpan<byte> data)
    {
        for (int i = 0; i < data.Length; i++)
        {
            byte mask = _writable[offset + i];
            _bytes[offset + i] = (byte)((_bytes[offset + i] & ~mask) | (data[i] & mask));
        }
    }

    private void AddBar(int index, uint size, uint type)
    {
        int at = BarBase + (4 * index);
        BinaryPrimitives.WriteUInt32LittleEndian(_bytes.AsSpan(at), type);
        BinaryPrimitives.WriteUInt32LittleEndian(_writable.AsSpan(at), ~(size - 1));
    }
}
