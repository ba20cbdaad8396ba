using Backend.Device;
using RingCore.Virtio;

namespace Backend.Tests.Device;

/// <summary>A virtio-blk look-alike without data path: it remembers what its transport asked of it.</summary>
internal sealed class PciFakeDevice(int queues = 2, ushort queueSize = 128) : IVirtioDevice
{
    internal const ulong Features = (1UL << 32) | (1UL << 29) | (1UL << 28) | (1UL << 12) | (1UL << 9);
    private byte _status;

    public ushort DeviceType { get; init; } = 2;

    public ulong OfferedFeatures => Features;

    public IReadOnlyList<VirtQueue> Queues { get; } =
        [.. Enumerable.Range(0, queues).Select(i => new VirtQueue(i, queueSize))];

    public int ConfigLength => Config.Length;

    public byte ConfigGeneration { get; set; }

    public byte Status => _status;

    internal byte[] Config { get; } = [.. Enumerable.Range(1, 60).Select(i => (byte)i)];

    internal List<int> Notified { get; } = [];

    internal List<(byte Status, ulong Features)> StatusWrites { get; } = [];

    internal int Drains { get; private set; }

    internal int Synchronizations { get; private set; }

    internal List<(int Queue, PlacementHint Hint)> Placements { get; } = [];

    internal Action? OnSynchronize { get; set; }

    internal Action? OnNotify { get; set; }

    internal bool IsDrained { get; private set; }

    public void ReadConfig(int offset, Span<byte> data)
    {
        data.Clear();
        if (offset < Config.Length)
        {
            ReadOnlySpan<byte> rest = Config.AsSpan(offset);
            rest[..Math.Min(rest.Length, data.Length)].CopyTo(data);
        }
    }

    public bool TakesPlacement { get; init; } = true;

    public int FirstTwin => 1;

    public void PlaceQueue(int index, PlacementHint hint) => Placements.Add((index, hint));

    public void WriteConfig(int offset, ReadOnlySpan<byte> data)
    {
        if (offset < Config.Length)
        {
            data[..Math.Min(data.Length, Config.Length - offset)].CopyTo(Config.AsSpan(offset));
        }
    }

    public void WriteStatus(byte status, ulong acceptedFeatures)
    {
        StatusWrites.Add((status, acceptedFeatures));
        if (status == 0)
        {
            Array.ForEach([.. Queues], queue => queue.Reset());
        }

        bool bad = (acceptedFeatures & ~OfferedFeatures) != 0;
        _status = bad ? (byte)(status & ~8) : status;
    }

    public void NotifyQueue(int index)
    {
        Notified.Add(index);
        OnNotify?.Invoke();
    }

    public bool StartQueue(int index) => true;

    public void StopQueue(int index)
    {
    }

    public void WhileDrained(Action change)
    {
        Drains++;
        IsDrained = true;
        change();
        IsDrained = false;
    }

    public void Synchronize()
    {
        Synchronizations++;
        OnSynchronize?.Invoke();
    }
}
