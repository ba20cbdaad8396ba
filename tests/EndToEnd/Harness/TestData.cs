using System.Globalization;
using System.IO.Hashing;

namespace EndToEnd.Harness;

/// <summary>Bytes to write.</summary>
public static class TestData
{
    public static byte[] Random(int length, int seed)
    {
        byte[] data = new byte[length];
        new Random(seed).NextBytes(data);
        return data;
    }
}

/// <summary>A file seen from outside.</summary>
public static class FileState
{
    /// <summary>st_blocks, in bytes.</summary>
    public static long AllocatedBytes(string path) =>
        long.Parse(Tool.Run("stat", "--format=%b", path).Succeeded().Output, CultureInfo.InvariantCulture) * 512;

    /// <summary>XxHash3 of the content.</summary>
    public static string Hash(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 1 << 20);
        var hash = new XxHash3();
        hash.Append(file);
        return Convert.ToHexString(hash.GetCurrentHash());
    }
}
