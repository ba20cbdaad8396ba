using RingCore.Hosting;

namespace Vdisk.Attachments;

/// <summary>The disk, or the file system on it, is in use; nothing was changed.</summary>
internal sealed class BusyException(string message) : UserErrorException(message);
