using System.Text.Json.Serialization;

namespace RingCore.Hosting;

/// <summary>What attach.json records about one attachment.</summary>
public sealed record Attachment
{
    /// <summary>Name of the attachment's folder.</summary>
    public required string Id { get; init; }

    /// <summary>Full path of the image, or <c>vhost-user:</c> and the full path of a socket.</summary>
    public required string Image { get; init; }

    /// <summary>
    /// The socket of the vhost-user back end that serves the disk and is not ours to start or stop; null when
    /// <see cref="Backend"/> does. <see cref="Image"/> is then how it was typed.
    /// </summary>
    public string? VhostUserSocket { get; init; }

    /// <summary>Where the disk's file is mounted, symbolic links resolved.</summary>
    public required string Directory { get; init; }

    /// <summary>As <see cref="Directory"/>, the way it was typed (made absolute).</summary>
    public required string DirectoryAsGiven { get; init; }

    /// <summary>Whether the attachment got as far as a ready disk.</summary>
    public bool Ready { get; init; }

    /// <summary>The command that makes the attachment; of interest while <see cref="Ready"/> is false, or in the foreground.</summary>
    public ProcessIdentity? Owner { get; init; }

    public ProcessIdentity? Backend { get; init; }

    public ProcessIdentity? Front { get; init; }

    /// <summary>When attach was called.</summary>
    public DateTimeOffset AttachedAt { get; init; }

    /// <summary>The arguments that the two processes were started with.</summary>
    public IReadOnlyList<string> BackendArguments { get; init; } = [];

    /// <inheritdoc cref="BackendArguments"/>
    public IReadOnlyList<string> FrontArguments { get; init; } = [];

    /// <summary>The file system inside the disk that <c>vdisk mount</c> mounted; null after a plain attach.</summary>
    public InnerMount? Mount { get; init; }
}

/// <summary>A mount of the file system inside a disk.</summary>
public sealed record InnerMount
{
    /// <summary>The mount point, symbolic links resolved.</summary>
    public required string Target { get; init; }

    /// <inheritdoc cref="Attachment.DirectoryAsGiven"/>
    public required string TargetAsGiven { get; init; }

    /// <summary>1 and up; 0 is the whole disk.</summary>
    public int Partition { get; init; }

    /// <summary>The loop device, when the kernel's own file system drivers serve it.</summary>
    public string? LoopDevice { get; init; }

    /// <summary>The fuse2fs process, when that serves it.</summary>
    public ProcessIdentity? Fuse2fs { get; init; }
}

/// <summary>Generated JSON code of the record.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    WriteIndented = true)]
[JsonSerializable(typeof(Attachment))]
public sealed partial class AttachmentJson : JsonSerializerContext;
