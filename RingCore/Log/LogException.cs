namespace RingCore.Log;

/// <summary>A file is no log, or one that cannot be used. The message is whole: it names the file and what to do.</summary>
public sealed class LogException(string message) : IOException(message);
