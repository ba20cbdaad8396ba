using RingCore.Hosting;

namespace Vdisk.Processes;

/// <summary>A process did not do what it was started for, and did not say why: what its log says has to be shown. The message has no remedy yet.</summary>
internal sealed class SilentFailureException(string message) : UserErrorException(message);
