namespace Bench.Contestants;

/// <summary>What a contestant is to the others.</summary>
internal enum ContestantKind
{
    /// <summary>Our disk, in one of its variants.</summary>
    Ours,

    /// <summary>The file itself: what there is to lose.</summary>
    Raw,

    /// <summary>Someone else's way to serve an image.</summary>
    Peer,
}

/// <summary>Something that shows an image as a file, to be measured beside others.</summary>
internal abstract class Contestant
{
    /// <summary><c>FAMILY</c> or <c>FAMILY/VARIANT</c>; unique in a run.</summary>
    public required string Name { get; init; }

    public abstract ContestantKind Kind { get; }

    /// <summary>What a person would type to have the same.</summary>
    public abstract string Description { get; }

    /// <summary>
    /// Length of its image in bytes when that is not the length measured: the rest, before the measured part, is a hole.
    /// </summary>
    public long? ImageLength { get; init; }

    /// <summary>A failure to start ends the run; else it only becomes a note.</summary>
    public bool IsRequired { get; init; }

    /// <summary>The part of the name before the slash: ratios are also taken to the best of a family.</summary>
    public string Family => FamilyOf(Name);

    /// <inheritdoc cref="Family"/>
    public static string FamilyOf(string name) => name.Split('/')[0];

    /// <summary>Starts serving the image in <paramref name="folder"/>; returns when the file is there.</summary>
    /// <exception cref="RingCore.Hosting.UserErrorException">It does not start; nothing of it is left.</exception>
    /// <exception cref="OperationCanceledException">Nothing of it is left.</exception>
    public abstract Serving Start(ContestantFolder folder, CancellationToken cancel);
}
