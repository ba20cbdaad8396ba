using System.Runtime.InteropServices;

namespace RingCore.Virtio;

/// <summary>struct virtq_desc, 16 bytes, little endian (virtio 1.3 §2.7.5).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct Descriptor
{
    /// <summary>Guest address (IOVA) of the buffer.</summary>
    public ulong Address;

    /// <summary>Length in bytes.</summary>
    public uint Length;

    public DescriptorFlags Flags;

    /// <summary>Index of the next descriptor when <see cref="DescriptorFlags.Next"/> is set.</summary>
    public ushort Next;
}

/// <summary>Flags of a descriptor (virtio 1.3 §2.7.5).</summary>
[Flags]
public enum DescriptorFlags : ushort
{
    None = 0,

    /// <summary>VIRTQ_DESC_F_NEXT: the chain goes on.</summary>
    Next = 1,

    /// <summary>VIRTQ_DESC_F_WRITE: the device writes this buffer; otherwise it reads it.</summary>
    Write = 2,

    /// <summary>VIRTQ_DESC_F_INDIRECT: the buffer is a table of descriptors.</summary>
    Indirect = 4,
}

/// <summary>struct virtq_used_elem, 8 bytes (virtio 1.3 §2.7.8).</summary>
[StructLayout(LayoutKind.Sequential)]
public struct UsedElement
{
    /// <summary>Head descriptor of the chain that was used.</summary>
    public uint Id;

    /// <summary>Bytes written into the device-writable part of the chain.</summary>
    public uint Length;
}
