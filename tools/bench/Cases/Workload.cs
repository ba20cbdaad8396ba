namespace Bench.Cases;

/// <summary>One case: what fio does to the file under test.</summary>
/// <param name="Name">What the command line calls it.</param>
/// <param name="Title">What a reader calls it.</param>
/// <param name="Pattern">fio's <c>rw</c>.</param>
/// <param name="BlockSize">Bytes of one request.</param>
/// <param name="Engine">fio's <c>ioengine</c>.</param>
/// <param name="Depth">Requests in flight of one job.</param>
/// <param name="Jobs">Processes that do the same at once.</param>
internal sealed record Workload(string Name, string Title, string Pattern, int BlockSize, string Engine, int Depth, int Jobs = 1)
{
    /// <summary>Measured in bytes a second rather than requests a second.</summary>
    public bool IsBandwidth => BlockSize >= 1 << 20;

    /// <summary>
    /// fio's arguments on <paramref name="file"/>, in the <paramref name="length"/> bytes from <paramref name="offset"/>.
    /// </summary>
    public IReadOnlyList<string> FioArguments(string file, long offset, long length, TimeSpan runtime) =>
    [
        $"--name={Name}",
        $"--filename={file.Replace(":", "\\:", StringComparison.Ordinal)}", // fio takes a colon for the next file
        $"--rw={Pattern}",
        .. Pattern == "randrw" ? (string[])["--rwmixread=70"] : [],
        $"--bs={BlockSize}",
        $"--ioengine={Engine}",
        $"--iodepth={Depth}",
        $"--numjobs={Jobs}",
        $"--offset={offset}",
        $"--size={length}",
        $"--runtime={(long)runtime.TotalMilliseconds}ms",
        "--time_based",
        "--direct=1",
        "--norandommap",
        "--allow_file_create=0", // a mount that has gone must fail, not be replaced by a file
        "--group_reporting",
        "--unified_rw_reporting=mixed",
        "--percentile_list=50:99",
        "--output-format=json",
    ];
}
