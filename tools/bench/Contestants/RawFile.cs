using Bench.Measuring;

namespace Bench.Contestants;

/// <summary>The image itself, without anyone between.</summary>
internal sealed class RawFile : Contestant
{
    public override ContestantKind Kind => ContestantKind.Raw;

    public override string Description => "the image itself";

    public override Serving Start(ContestantFolder folder, CancellationToken cancel) => new Plain(folder.Image);

    private sealed class Plain(string file) : Serving
    {
        public override string File => file;

        public override void Verify() => MountCheck.RequireNoFuse(file);

        public override IReadOnlyList<int> Processes() => [];

        public override void Dispose()
        {
            // Nothing runs, and the folder's owner removes the file.
        }
    }
}
