using System.Globalization;
using System.Text;
using NLog;
using NLog.Config;
using NLog.Layouts;
using NLog.Targets;

namespace RingCore.Hosting;

/// <summary>Sets NLog up in code; no configuration file is looked for. Call it once, before the first line is logged.</summary>
public static class LogSetup
{
    /// <summary>What <c>--log-level</c> takes; the first is the standard one.</summary>
    public static readonly string[] Levels = ["info", "trace", "debug", "warn", "error", "off"];

    private const long ArchiveAboveBytes = 16 << 20;
    private static bool _configured;
    private static bool _hasFile;

    /// <summary>
    /// Sends every logger of this process to <paramref name="file"/> (appended; each line is on disk when the call
    /// returns), to stderr, to both or to none.
    /// </summary>
    /// <param name="processName">Named in the first line.</param>
    /// <param name="level">One of <see cref="Levels"/>.</param>
    /// <param name="file">Path of the log file, or null.</param>
    /// <param name="toStderr">Whether lines go to stderr as well.</param>
    /// <exception cref="UserErrorException">The file cannot be written.</exception>
    public static void Configure(string processName, string level, string? file, bool toStderr)
    {
        LogLevel lowest = LogLevel.FromString(level);
        var configuration = new LoggingConfiguration();
        var layout = new LineLayout();
        if (file is not null)
        {
            RequireWritable(file);
            string path = Path.GetFullPath(file); // NLog would take a relative one from the program's own folder
            configuration.AddRule(lowest, LogLevel.Fatal, new FileTarget("file")
            {
                FileName = Layout.FromMethod(_ => path),
                Layout = layout,
                AutoFlush = true,
                KeepFileOpen = true,
                ArchiveAboveSize = ArchiveAboveBytes,
                MaxArchiveFiles = 1,
            });
        }

        if (toStderr)
        {
            configuration.AddRule(lowest, LogLevel.Fatal, new ConsoleTarget("stderr") { StdErr = true, AutoFlush = true, Layout = layout });
        }

        LogManager.Configuration = configuration;
        _configured = true;
        _hasFile = file is not null;
        LogManager.GetLogger(processName).Info("pid {0}, log level {1}", Environment.ProcessId, level);
    }

    /// <summary>
    /// The line with which a process ends that failed. Nothing without <see cref="Configure"/>, or when the log is stderr
    /// alone, which has the line already.
    /// </summary>
    internal static void LogFailure(Exception e)
    {
        if (!_configured || !_hasFile)
        {
            return; // NLog would look for configuration files without one
        }

        Logger log = LogManager.GetLogger(nameof(CommandHost));
        if (e is UserErrorException)
        {
            log.Error("ended: {0}", e.Message);
        }
        else
        {
            log.Fatal(e, "ended: {0}", e.Message);
        }
    }

    /// <summary>Writes out and closes the log, if there is one.</summary>
    internal static void Close()
    {
        if (_configured)
        {
            LogManager.Shutdown();
            _configured = false;
        }
    }

    private static void RequireWritable(string file)
    {
        try
        {
            using var probe = new FileStream(file, FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"log file {file} cannot be written: {e.Message}; choose another with --log-file", e);
        }
    }

    /// <summary>
    /// <c>2026-01-31T12:00:00.123Z INFO  DeviceQueue: message</c>, then the exception if there is one. Written in code
    /// because parsing a layout string costs start-up time.
    /// </summary>
    private sealed class LineLayout : Layout
    {
        protected override string GetFormattedMessage(LogEventInfo logEvent)
        {
            var line = new StringBuilder(128);
            AppendTo(logEvent, line);
            return line.ToString();
        }

        protected override void RenderFormattedMessage(LogEventInfo logEvent, StringBuilder target) => AppendTo(logEvent, target);

        private static void AppendTo(LogEventInfo logEvent, StringBuilder line)
        {
            string logger = logEvent.LoggerName ?? "";
            line.Append(logEvent.TimeStamp.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture))
                .Append(' ')
                .Append(logEvent.Level.Name.ToUpperInvariant().PadRight(5))
                .Append(' ')
                .Append(logger.AsSpan(logger.LastIndexOf('.') + 1))
                .Append(": ")
                .Append(logEvent.FormattedMessage);
            if (logEvent.Exception is not null)
            {
                line.Append('\n').Append(logEvent.Exception);
            }
        }
    }
}
