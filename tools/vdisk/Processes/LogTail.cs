using System.Text;

namespace Vdisk.Processes;

/// <summary>Copies log files to a writer, each line with its process's name: what is appended to them, on a thread of its own, or their ends.</summary>
internal sealed class LogTail : IDisposable
{
    private const int PauseMs = 100;
    private const int EndLines = 20;
    private readonly (string Name, string Path)[] _logs;
    private readonly TextWriter _output;
    private readonly ManualResetEventSlim _stop = new();
    private readonly Thread _thread;

    public LogTail(TextWriter output, params (string Name, string Path)[] logs)
    {
        _output = output;
        _logs = logs;
        _thread = new Thread(Run) { IsBackground = true, Name = "log tail" };
        _thread.Start();
    }

    /// <summary>Copies the last lines of each log. False when there are none.</summary>
    public static bool ShowEnds(TextWriter output, params IEnumerable<(string Name, string Path)> logs)
    {
        bool any = false;
        foreach ((string name, string path) in logs.Where(log => File.Exists(log.Path)))
        {
            foreach (string line in File.ReadLines(path).TakeLast(EndLines))
            {
                output.WriteLine(Line(name, line));
                any = true;
            }
        }

        return any;
    }

    /// <summary>Copies what is left, then ends.</summary>
    public void Dispose()
    {
        _stop.Set();
        _thread.Join();
        _stop.Dispose();
    }

    private void Run()
    {
        long[] positions = new long[_logs.Length];
        bool last;
        do
        {
            last = _stop.Wait(PauseMs);
            for (int i = 0; i < _logs.Length; i++)
            {
                positions[i] = Copy(_logs[i].Name, _logs[i].Path, positions[i]);
            }
        }
        while (!last);
    }

    /// <summary>Copies the whole lines from <paramref name="position"/> on, and returns where the next one begins.</summary>
    private long Copy(string name, string path, long position)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            file.Position = file.Length < position ? 0 : position; // shorter: the log was archived and began anew
            using var reader = new BinaryReader(file);
            byte[] fresh = reader.ReadBytes(1 << 20);
            int end = Array.LastIndexOf(fresh, (byte)'\n') + 1;
            foreach (string line in Encoding.UTF8.GetString(fresh, 0, end).Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                _output.WriteLine(Line(name, line));
            }

            return file.Position - fresh.Length + end;
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return 0; // not written yet, or removed at the end
        }
    }

    private static string Line(string name, string line) => $"{name,-9} | {line}";
}
