namespace Backend.Device;

/// <summary>How a virtio device shows itself on PCI.</summary>
public sealed record VirtioPciOptions
{
    /// <summary>
    /// Also speak the legacy interface (virtio 1.3 §4.1.4.10): transitional device id, revision 0, and an I/O BAR 0 with the
    /// legacy registers.
    /// </summary>
    public bool Transitional { get; init; }

    /// <summary>Also offer notification through an I/O BAR, where the value written names the queue.</summary>
    public bool ModernPioNotify { get; init; }

    /// <summary>
    /// Doorbells in memory match writes of any length (which KVM serves without decoding the instruction); else 2-byte writes.
    /// </summary>
    public bool FastMmio { get; init; } = true;

    /// <summary>MSI-X vectors; null: one for each queue and one for configuration changes.</summary>
    public int? VectorCount { get; init; }
}
