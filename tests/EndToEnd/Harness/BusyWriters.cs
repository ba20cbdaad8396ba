namespace EndToEnd.Harness;

/// <summary>
/// Threads that write 4 KiB blocks without pause, each in a part of its own, and remember what was acknowledged. Each ends
/// at its first error.
/// </summary>
public sealed class BusyWriters : IDisposable
{
    private const int Block = 4096;
    private const int BlocksEach = 64;
    private readonly DiskIo _io;
    private readonly Thread[] _threads;
    private readonly byte[] _acknowledged;
    private readonly bool[] _isUncertain;
    private readonly int[] _errors;
    private long _writes;

    public BusyWriters(string file, int count = 4)
    {
        _io = DiskIo.Open(file);
        _acknowledged = new byte[count * BlocksEach];
        _isUncertain = new bool[count * BlocksEach];
        _errors = new int[count];
        _threads = [.. Enumerable.Range(0, count).Select(i => new Thread(() => Work(i)) { IsBackground = true })];
        foreach (Thread thread in _threads)
        {
            thread.Start();
        }

        Wait.For("writes under way", () => Interlocked.Read(ref _writes) > 200);
    }

    /// <summary>Bytes of the disk that are written to.</summary>
    public static long Bytes(int count = 4) => (long)count * BlocksEach * Block;

    /// <summary>The error that ended each thread; 0 while it works.</summary>
    public IReadOnlyList<int> Errors => _errors;

    /// <summary>Waits until every thread has met its error; false when one has not in time.</summary>
    public bool WaitForErrors(TimeSpan bound) => _threads.All(t => t.Join(bound));

    /// <summary>Fails unless the image holds each block's last acknowledged write; the one that failed may be there or not.</summary>
    public void RequireAcknowledged(string image)
    {
        using DiskIo io = DiskIo.Open(image, DiskIo.ReadOnly);
        Assert.Multiple(() =>
        {
            for (int i = 0; i < _acknowledged.Length; i++)
            {
                byte[] block = io.Read((long)i * Block, Block);
                byte[] expected = [.. Enumerable.Repeat(_acknowledged[i], Block)];
                byte[] next = [.. Enumerable.Repeat((byte)(_acknowledged[i] + 1), Block)];
                bool held = block.AsSpan().SequenceEqual(expected) || (_isUncertain[i] && block.AsSpan().SequenceEqual(next));
                Assert.That(held, Is.True, $"block {i} has not what was acknowledged");
            }
        });
    }

    /// <inheritdoc/>
    public void Dispose() => _io.Dispose();

    private void Work(int index)
    {
        byte[] data = new byte[Block];
        for (int round = 0; ; round++)
        {
            int block = (index * BlocksEach) + (round % BlocksEach);
            byte value = (byte)(_acknowledged[block] + 1);
            data.AsSpan().Fill(value);
            long result = _io.TryWrite(data, (long)block * Block);
            if (result != Block)
            {
                _isUncertain[block] = true;
                _errors[index] = (int)-result;
                return;
            }

            _acknowledged[block] = value;
            Interlocked.Increment(ref _writes); // read by the constructor's wait
        }
    }
}
