using RingCore.VfioUser;

namespace Backend.Server;

/// <summary>Counters of a vfio-user server, written by its thread only; other threads see slightly old values.</summary>
public sealed class VfioUserServerStatistics
{
    private readonly long[] _messages = new long[(int)VfioUserCommand.MigDataWrite + 1];

    /// <summary>Clients that have connected.</summary>
    public long Clients { get; internal set; }

    /// <summary>Requests that were refused, answered or not.</summary>
    public long Errors { get; internal set; }

    /// <summary>Messages that met an error which nobody foresaw: faults of ours. Each ended its client's connection.</summary>
    public long Faults { get; internal set; }

    /// <summary>Requests of a command; unknown ones count as command 0.</summary>
    public long Messages(VfioUserCommand command) => _messages[IndexOf(command)];

    internal void Count(VfioUserCommand command) => _messages[IndexOf(command)]++;

    private int IndexOf(VfioUserCommand command) => (int)command < _messages.Length ? (int)command : 0;
}
