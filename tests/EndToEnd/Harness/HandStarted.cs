namespace EndToEnd.Harness;

/// <summary>The two halves started by hand, as a person would with two terminals.</summary>
public static class HandStarted
{
    /// <summary>Starts a backend that listens at <paramref name="socket"/>.</summary>
    public static Tool Backend(TestSpace space, string image, string socket, params string[] options) =>
        Backend(space, "--vfio-user", image, socket, options);

    /// <summary>As <see cref="Backend(TestSpace, string, string, string[])"/>, serving over vhost-user.</summary>
    public static Tool VhostUserBackend(TestSpace space, string image, string socket, params string[] options) =>
        Backend(space, "--vhost-user", image, socket, options);

    private static Tool Backend(TestSpace space, string protocol, string image, string socket, string[] options)
    {
        Tool backend = Tool.Start(
            Programs.Backend,
            [protocol, socket, "--image", image, "--control", space.Path("backend.ctl"), "--log-file", space.Path("backend.log"), .. options],
            space.Environment);
        Wait.For("the backend", () => File.Exists(space.Path("backend.ctl")) || backend.HasExited);
        return backend;
    }

    /// <summary>Starts a front; returns when the disk is there.</summary>
    public static Tool Front(TestSpace space, string socket, string directory, params string[] options)
    {
        Tool front = Tool.Start(
            Programs.Front,
            ["--vfio-user", socket, "--log-file", space.Path("fusefront.log"), .. options, directory],
            space.Environment);
        Wait.For("the disk", () => File.Exists(Path.Combine(directory, "disk")) || front.HasExited);
        Assert.That(front.HasExited, Is.False, "the front ended at once");
        return front;
    }
}
