namespace Backend.Block;

/// <summary>An image cannot be used. The message is one line for a person: it names the file and says what to do next.</summary>
public sealed class ImageException(string path, string problem, Exception? cause = null)
    : IOException($"{path}: {problem}", cause)
{
    /// <summary>The image.</summary>
    public string Path { get; } = path;
}
