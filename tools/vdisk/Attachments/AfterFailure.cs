using RingCore.Hosting;

namespace Vdisk.Attachments;

/// <summary>Takes back what had come about when something failed.</summary>
internal static class AfterFailure
{
    /// <summary>
    /// Tries every step, whatever became of the one before. A step that fails is a line on stderr, so that the failure which
    /// made it necessary is the one that the command ends with.
    /// </summary>
    public static void Do(params ReadOnlySpan<Action> steps)
    {
        foreach (Action step in steps)
        {
            try
            {
                step();
            }
            catch (Exception e)
            {
                Console.Error.WriteLine($"vdisk: cleaning up: {CommandHost.Describe(e)}");
            }
        }
    }
}
