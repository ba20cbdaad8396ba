using RingCore.Log;
using RingCore.Posix;
using RingCore.Tests.Hosting;

namespace RingCore.Tests.Log;

/// <summary>What is written into a log comes back, whatever happens to its end.</summary>
public sealed class RecordLogTests
{
    [Test]
    public void Records_come_back_as_they_were_written()
    {
        using TestLog log = new();
        byte[] data = Data(1536, 1);
        log.Write(4096, data, flags: LogFlags.ForceUnitAccess);
        log.Zero(LogOperation.Discard, 8, 16);
        log.Zero(LogOperation.WriteZeroes, 24, 8);
        log.Write(0, data, after: 1, error: 5);
        log.Mark("half way ½");
        log.Flush(after: 3);

        using LogReader reader = log.Read();
        List<LogRecord> records = [.. reader.Scan()];
        Assert.That(reader.Tail, Is.Null);
        Assert.That(reader.Header.ImageLength, Is.EqualTo(log.ImageLength));
        Assert.That(records.Select(r => r.Number), Is.EqualTo(Enumerable.Range(1, 6)));
        Assert.That(records.Select(r => r.After), Is.EqualTo(new[] { 0, 1, 2, 1, 4, 3 }));
        Assert.That(records.Select(r => r.Operation), Is.EqualTo(new[]
        {
            LogOperation.Write, LogOperation.Discard, LogOperation.WriteZeroes, LogOperation.Write, LogOperation.Mark, LogOperation.Flush,
        }));
        Assert.That(records.Select(r => r.TimeNs), Is.Ordered);
        Assert.That((records[0].IsForced, records[0].IsChange, records[3].IsChange), Is.EqualTo((true, true, false)));
        Assert.That(DataOf(reader, records[0]), Is.EqualTo(data));
        Assert.That((records[1].Offset, records[1].Length), Is.EqualTo((4096L, 8192L)));
        Assert.That(reader.ReadText(records[4]), Is.EqualTo("half way ½"));
    }

    [Test]
    public void Log_cut_at_any_byte_is_readable_up_to_its_last_whole_record()
    {
        using TestLog log = new();
        List<long> ends = [LogFormat.HeaderSize];
        foreach (int sectors in (ReadOnlySpan<int>)[1, 2, 1])
        {
            log.Write(0, sectors, 7);
            ends.Add(ends[^1] + LogFormat.SizeOf(sectors * 512));
        }

        log.Read().Dispose();
        byte[] whole = File.ReadAllBytes(log.Path);
        Assert.That(whole, Has.Length.EqualTo(ends[^1]));
        for (int length = LogFormat.HeaderSize; length <= whole.Length; length += length < 200 ? 1 : 37)
        {
            File.WriteAllBytes(log["cut.log"], whole[..length]);
            using LogReader reader = LogReader.Open(log["cut.log"]);
            int expected = ends.FindLastIndex(e => e <= length);
            Assert.That(reader.Scan().Count(), Is.EqualTo(expected), $"cut at {length}");
            Assert.That(reader.Tail?.Position, Is.EqualTo(ends.Contains(length) ? (long?)null : ends[expected]), $"cut at {length}");
        }
    }

    [Test]
    public void Damage_is_found_wherever_it_is()
    {
        using TestLog log = new();
        log.Write(0, 1, 1);
        log.Write(1, 1, 2);
        log.Read().Dispose();
        byte[] whole = File.ReadAllBytes(log.Path);
        long second = LogFormat.HeaderSize + LogFormat.SizeOf(512);
        for (long at = LogFormat.HeaderSize; at < whole.Length; at += 13)
        {
            byte[] damaged = [.. whole];
            damaged[at] ^= 0x10;
            File.WriteAllBytes(log["bad.log"], damaged);
            using LogReader reader = LogReader.Open(log["bad.log"]);
            Assert.That(reader.Scan().Count(), Is.EqualTo(at < second ? 0 : 1), $"byte {at}");
            Assert.That(reader.Tail, Is.Not.Null, $"byte {at}");
        }
    }

    [Test]
    public void Foreign_file_is_refused_with_what_to_do()
    {
        using TestLog log = new();
        File.WriteAllText(log["text"], "hello");
        Assert.That(() => LogReader.Open(log["text"]), Throws.TypeOf<LogException>().With.Message.Contains("is not a log").And.Message.Contains("--record"));
        Assert.That(() => LogReader.Open(log["none"]), Throws.TypeOf<LogException>().With.Message.Contains("No such file"));
        log.Read().Dispose();
        byte[] header = File.ReadAllBytes(log.Path);
        header[20] ^= 1;
        File.WriteAllBytes(log["header"], header);
        Assert.That(() => LogReader.Open(log["header"]), Throws.TypeOf<LogException>().With.Message.Contains("damaged header"));
    }

    [Test]
    public void Log_that_exists_is_never_written_over()
    {
        using TestLog log = new();
        Assert.That(
            () => LogWriter.Create(log.Path, new LogHeader { ImageLength = 512, BlockSize = 512, Created = DateTimeOffset.UtcNow }),
            Throws.TypeOf<LogException>().With.Message.Contains("exists"));
    }

    [Test]
    public void Log_that_cannot_be_begun_leaves_no_file_behind()
    {
        Assume.That(UserIds.IsRoot, "mounts need root");
        using ScratchFolder folder = new();
        string full = Directory.CreateDirectory(folder["full"]).FullName;
        MountPoint.Mount("tmpfs", full, "tmpfs", MountFlags.None, "size=4k");
        try
        {
            File.WriteAllBytes(Path.Combine(full, "filler"), new byte[4096]);
            string path = Path.Combine(full, "disk.log");
            Assert.That(
                () => LogWriter.Create(path, new LogHeader { ImageLength = 512, BlockSize = 512, Created = DateTimeOffset.UtcNow }),
                Throws.TypeOf<LogException>().With.Message.Contains("No space left"));
            Assert.That(File.Exists(path), Is.False);
        }
        finally
        {
            MountPoint.Unmount(full, lazy: true);
        }
    }

    [TestCase(-1)]
    [TestCase(LogFormat.MaxData + 1)]
    public void Record_of_an_impossible_length_is_not_taken(int length)
    {
        using TestLog log = new();
        Assert.That(
            () => log.Writer.Take(new LogRecord { Number = 0, After = 0, Operation = LogOperation.Write, DataLength = length }),
            Throws.InstanceOf<ArgumentOutOfRangeException>());
        Assert.That(log.Writer.Last, Is.Zero);
    }

    [Test]
    public void Log_on_trial_goes_unless_it_got_a_record()
    {
        using ScratchFolder folder = new();
        LogHeader header = new() { ImageLength = 512, BlockSize = 512, Created = DateTimeOffset.UtcNow };
        string path = folder["trial.log"];
        LogWriter.Create(path, header).Dispose();
        Assert.That(File.Exists(path), Is.False, "nothing in it");
        LogWriter kept = LogWriter.Create(path, header);
        kept.Keep();
        kept.Dispose();
        Assert.That(File.Exists(path), Is.True, "the disk was served");
        File.Delete(path);
        LogWriter used = LogWriter.Create(path, header);
        used.Mark("something");
        used.Dispose();
        Assert.That(File.Exists(path), Is.True, "it has a record");
    }

    [Test]
    public void Record_larger_than_the_buffers_is_kept_whole()
    {
        using TestLog log = new(imageLength: 64 << 20);
        byte[] large = Data(9 << 20, 3);
        log.Write(0, 1, 1);
        log.Write(4096, large);
        log.Write(0, 1, 2);
        using LogReader reader = log.Read();
        List<LogRecord> records = [.. reader.Scan()];
        Assert.That(records, Has.Count.EqualTo(3));
        Assert.That(DataOf(reader, records[1]).AsSpan().SequenceEqual(large), Is.True);
    }

    [Test]
    public void Queues_that_write_at_once_get_their_data_in_the_order_of_numbers()
    {
        const int threads = 4;
        const int each = 400;
        using TestLog log = new(imageLength: 64 << 20);
        long[][] numbers = new long[threads][];
        Thread[] queues = [.. Enumerable.Range(0, threads).Select(t => new Thread(() =>
            numbers[t] = [.. Enumerable.Range(0, each).Select(i => log.Write((t * each * 64) + (i * 32), 1 + (i % 32), (byte)((t * 31) + i)))]))];
        Array.ForEach(queues, q => q.Start());
        Array.ForEach(queues, q => Assert.That(q.Join(TimeSpan.FromSeconds(60)), Is.True));

        using LogReader reader = log.Read();
        List<LogRecord> records = [.. reader.Scan()];
        Assert.That(reader.Tail, Is.Null);
        Assert.That(records, Has.Count.EqualTo(threads * each));
        for (int t = 0; t < threads; t++)
        {
            Assert.That(numbers[t], Is.Ordered);
            for (int i = 0; i < each; i++)
            {
                LogRecord record = records[(int)numbers[t][i] - 1];
                Assert.That(record.Offset, Is.EqualTo(((t * each * 64) + (i * 32)) * 512L));
                Assert.That(DataOf(reader, record), Is.All.EqualTo((byte)((t * 31) + i)));
            }
        }
    }

    [Test]
    public void Mark_is_in_the_file_when_the_call_returns()
    {
        using TestLog log = new();
        long number = log.Mark("now");
        using LogReader reader = LogReader.Open(log.Path);
        Assert.That(reader.Scan().Select(r => r.Number), Is.EqualTo(new[] { number }));
    }

    private static byte[] DataOf(LogReader reader, LogRecord record)
    {
        byte[] data = new byte[record.DataLength];
        reader.ReadData(record, 0, data);
        return data;
    }

    private static byte[] Data(int length, int seed)
    {
        byte[] data = new byte[length];
        new Random(seed).NextBytes(data);
        return data;
    }
}
