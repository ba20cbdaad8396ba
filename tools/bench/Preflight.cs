using Bench.Contestants;
using Bench.Measuring;
using RingCore.Hosting;
using RingCore.Posix;
using RingCore.Units;

namespace Bench;

/// <summary>What would fail later, said before anything has started.</summary>
internal static class Preflight
{
    /// <summary>The tools are there, and the images fit.</summary>
    /// <exception cref="UserErrorException">With what to do.</exception>
    public static void Require(BenchOptions options, IReadOnlyList<Contestant> contestants)
    {
        List<string> tools = ["fio"];
        if (options.Hog)
        {
            tools.Add("stress-ng");
        }

        if (tools.Find(t => !Command.IsInstalled(t)) is { } missing)
        {
            throw new UserErrorException($"{missing} is missing; as root: apt-get install {missing}");
        }

        long wanted = contestants.Count * options.Size;
        long free = new DriveInfo(options.Directory).AvailableFreeSpace;
        long room = FileSystemKind.Of(options.Directory) == FileSystemKind.Tmpfs ? Math.Min(free, Machine.AvailableMemory()) : free;
        if (wanted > room / 10 * 8)
        {
            throw new UserErrorException(
                $"{contestants.Count} images of {ByteSize.Format(options.Size)} do not fit into {options.Directory} "
                + $"({ByteSize.Format(room)} free); use --size or --contestants");
        }
    }
}
