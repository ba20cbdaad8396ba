using System.Text.Json.Nodes;

namespace EndToEnd.Faults;

/// <summary>
/// A small attached disk with random content, on which rules are tried by dd. The test says what the image must hold in
/// the end, and every byte of it is compared: a rule does what it says and no more.
/// </summary>
internal sealed class FaultyDisk : IDisposable
{
    internal const int Block = 4096;
    internal const int Size = 8 << 20;
    private readonly TestSpace _space;

    internal FaultyDisk(TestSpace space, params string[] options)
    {
        _space = space;
        Expected = TestData.Random(Size, seed: 99);
        string image = space.Path("faulty.img");
        File.WriteAllBytes(image, Expected);
        Disk = space.Attach(image, options);
    }

    internal AttachedDisk Disk { get; }

    /// <summary>What the image must hold.</summary>
    internal byte[] Expected { get; }

    internal string DiskFile => Disk.DiskFile;

    internal RunResult Fault(string command, params string[] arguments) => Disk.Fault(command, arguments);

    internal void Add(string rule) => Fault("add", rule).Succeeded();

    internal JsonObject Rule(string name) => Disk.FaultRule(name);

    /// <summary>How often a rule could have struck, and has.</summary>
    internal (long Seen, long Hits) Count(string name)
    {
        JsonObject rule = Rule(name);
        return ((long)rule["seen"]!, (long)rule["hits"]!);
    }

    /// <summary>Writes with dd, in requests of one block each; all of it must succeed, and is expected on the image.</summary>
    /// <returns>The data.</returns>
    internal byte[] Write(long offset, int length, int seed = 1)
    {
        byte[] data = TestData.Random(length, seed);
        TryWrite(data, offset).Succeeded();
        Expect(data, offset);
        return data;
    }

    /// <summary>Writes with dd, in requests of one block each.</summary>
    internal RunResult TryWrite(byte[] data, long offset, params string[] operands)
    {
        string input = _space.Path("dd.in");
        File.WriteAllBytes(input, data);
        return Tool.Run(
            "dd", [$"if={input}", $"of={DiskFile}", $"bs={Block}", $"seek={offset}", "oflag=direct,seek_bytes", "conv=notrunc", .. operands]);
    }

    /// <summary>Reads with dd, in requests of one block each; all of it must succeed.</summary>
    internal byte[] Read(long offset, int length)
    {
        TryRead(offset, length, out byte[] data).Succeeded();
        return data;
    }

    /// <summary>Reads with dd, in requests of one block each.</summary>
    internal RunResult TryRead(long offset, int length, out byte[] data)
    {
        string output = _space.Path("dd.out");
        RunResult result = Tool.Run(
            "dd", $"if={DiskFile}", $"of={output}", $"bs={Block}", $"skip={offset}", $"count={length}", "iflag=direct,skip_bytes,count_bytes");
        data = File.ReadAllBytes(output);
        return result;
    }

    internal void Expect(ReadOnlySpan<byte> data, long offset) => data.CopyTo(Expected.AsSpan((int)offset));

    /// <summary>What was there before is still there: takes the old content back into what is expected.</summary>
    internal void ExpectOld(ReadOnlySpan<byte> old, long offset, long length) => old.Slice((int)offset, (int)length).CopyTo(Expected.AsSpan((int)offset));

    /// <summary>Every byte of the image is as expected.</summary>
    internal void RequireImage() => RequireSame(File.ReadAllBytes(Disk.Image), Expected, "image");

    /// <summary>Every byte that the disk shows is as expected.</summary>
    internal void RequireDisk() => RequireSame(Read(0, Size), Expected, "disk");

    internal static void RequireSame(ReadOnlySpan<byte> found, ReadOnlySpan<byte> expected, string what)
    {
        Assert.That(found.Length, Is.EqualTo(expected.Length));
        int same = found.CommonPrefixLength(expected);
        Assert.That(same, Is.EqualTo(expected.Length), $"the {what} differs from what is expected at byte {same}");
    }

    /// <summary>In how many bits two differ.</summary>
    internal static int BitsThatDiffer(ReadOnlySpan<byte> one, ReadOnlySpan<byte> other)
    {
        int bits = 0;
        for (int i = 0; i < one.Length; i++)
        {
            bits += int.PopCount(one[i] ^ other[i]);
        }

        return bits;
    }

    public void Dispose() => Disk.Dispose();
}
