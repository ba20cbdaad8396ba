using RingCore.Hosting;

namespace Vdisk.Attachments;

/// <summary>How an attachment is doing.</summary>
internal enum AttachmentState
{
    /// <summary>Both processes run and the disk was ready.</summary>
    Attached,

    /// <summary>The command that makes it is still at it.</summary>
    Attaching,

    /// <summary>The backend has ended: the disk answers EIO.</summary>
    BackendDead,

    /// <summary>The front has ended: the mount is dead.</summary>
    FrontDead,

    /// <summary>Nothing of it runs.</summary>
    Dead,
}

/// <summary>Finds the state of an attachment, and says it.</summary>
internal static class AttachmentStates
{
    public static AttachmentState Of(AttachmentFolder folder, Attachment attachment)
    {
        if (!attachment.Ready && attachment.Owner?.IsAlive() == true)
        {
            return AttachmentState.Attaching;
        }

        bool front = attachment.Front?.IsAlive() == true;
        bool backend = attachment.VhostUserSocket is null ? attachment.Backend?.IsAlive() == true : front && ForeignBackend.IsConnected(folder);
        return (backend, front) switch
        {
            (true, true) => AttachmentState.Attached,
            (false, true) => AttachmentState.BackendDead,
            (true, false) => AttachmentState.FrontDead,
            _ => AttachmentState.Dead,
        };
    }

    public static string Describe(this AttachmentState state) => state switch
    {
        AttachmentState.Attached => "attached",
        AttachmentState.Attaching => "attaching",
        AttachmentState.BackendDead => "backend dead",
        AttachmentState.FrontDead => "front dead",
        _ => "dead",
    };
}
