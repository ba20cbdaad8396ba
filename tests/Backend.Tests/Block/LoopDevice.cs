using NUnit.Framework;

namespace Backend.Tests.Block;

/// <summary>A loop device over a file; ignores the test where none can be had.</summary>
internal sealed class LoopDevice : IDisposable
{
    internal LoopDevice(string file, int blockSize)
    {
        (int code, string output) = ScratchDirectory.Run("losetup", $"--find --show --sector-size {blockSize} {file}");
        if (code != 0)
        {
            Assert.Ignore($"no loop device here: {output}");
        }

        Path = output;
    }

    internal string Path { get; }

    public void Dispose() => ScratchDirectory.Run("losetup", $"--detach {Path}");
}
