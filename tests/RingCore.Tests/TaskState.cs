namespace RingCore.Tests;

/// <summary>What the kernel says about a thread of this process.</summary>
internal static class TaskState
{
    /// <summary>It waits for something. False for 0, which is no thread yet.</summary>
    // /proc/TASK/stat: the state follows the name in parentheses.
    internal static bool IsAsleep(int threadId) =>
        threadId != 0 && File.ReadAllText($"/proc/self/task/{threadId}/stat").Contains(") S ", StringComparison.Ordinal);
}
