namespace FuseFront.Fuse;

/// <summary>What INIT agreed on.</summary>
/// <param name="KernelMinor">The kernel's minor protocol version; the major is 7.</param>
/// <param name="Minor">The minor version both sides speak.</param>
/// <param name="Offered">All that the kernel offered.</param>
/// <param name="Flags">What was taken of it.</param>
/// <param name="MaxWrite">Longest WRITE in bytes.</param>
/// <param name="MaxPages">Most pages of one request.</param>
/// <param name="MaxBackground">Asynchronous requests that the kernel keeps in flight at most.</param>
/// <param name="MaxReadahead">Bytes read ahead for mmapped pages.</param>
public sealed record FuseNegotiation(
    int KernelMinor,
    int Minor,
    FuseInitFlags Offered,
    FuseInitFlags Flags,
    int MaxWrite,
    int MaxPages,
    int MaxBackground,
    int MaxReadahead);
