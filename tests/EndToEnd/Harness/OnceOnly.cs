namespace EndToEnd.Harness;

/// <summary>
/// The category of tests whose outcome does not depend on how requests travel (FUSE over io_uring or not, io_uring or
/// not): scripts/test runs them once, and leaves them out where it runs the others again.
/// </summary>
public static class OnceOnly
{
    public const string Name = "OnceOnly";
}
