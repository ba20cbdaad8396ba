using Bench.Contestants;
using RingCore.Hosting;

namespace Bench.Tests;

public class PeerTemplateTests
{
    private string _path = "";

    [SetUp]
    public void MakeFolder() => _path = Directory.CreateTempSubdirectory("bench it's ").FullName;

    [TearDown]
    public void RemoveFolder() => Directory.Delete(_path, recursive: true);

    [Test]
    public void Placeholders_become_paths_as_one_word_each()
    {
        ContestantFolder folder = new(_path);
        PeerTemplate template = PeerTemplate.Parse("hp/dev=serve --opt=a=b {source} {dir} {image} {file}");
        string expected = string.Join(' ', new[] { folder.Source, folder.Mount, folder.Image, folder.File }.Select(PeerTemplate.Quote));
        Assert.That(template.Name, Is.EqualTo("hp/dev"));
        Assert.That(template.For(folder), Is.EqualTo($"serve --opt=a=b {expected}"));
        Assert.That(template.NeedsFile, Is.True);
    }

    [TestCase("/plain-path_1.x", "/plain-path_1.x")]
    [TestCase("/a b", "'/a b'")]
    [TestCase("/it's", @"'/it'\''s'")]
    public void Quoting_survives_the_shell(string path, string expected) => Assert.That(PeerTemplate.Quote(path), Is.EqualTo(expected));

    [Test]
    public void Shell_variables_are_left_alone() =>
        Assert.That(PeerTemplate.Parse("x=${home}/serve {dir}").Command, Is.EqualTo("${home}/serve {dir}"));

    [TestCase("serve {dir}", "NAME=COMMAND")]
    [TestCase("=serve {dir}", "NAME=COMMAND")]
    [TestCase("a b=serve {dir}", "NAME=COMMAND")]
    [TestCase("a/b/c=serve {dir}", "NAME=COMMAND")]
    [TestCase("a=", "NAME=COMMAND")]
    [TestCase("a=serve {mnt}", "{mnt}")]
    [TestCase("a=serve {image}", "nowhere to mount")]
    public void A_wrong_peer_is_a_usage_error(string text, string reason) =>
        Assert.That(
            () => PeerTemplate.Parse(text),
            Throws.TypeOf<UserErrorException>().With.Message.Contains(reason).And.Property("ExitCode").EqualTo(ExitCodes.Usage));

    [Test]
    public void Contestants_are_chosen_by_name_or_family()
    {
        Contestant[] all = [Lineup.Raw(), Lineup.Peer("hp/a=x {dir}"), Lineup.Peer("hp/b=x {dir}")];
        Assert.That(Lineup.Choose(all, []), Has.Count.EqualTo(3));
        Assert.That(Lineup.Choose(all, ["hp"]).Select(c => c.Name), Is.EqualTo(["hp/a", "hp/b"]));
        Assert.That(Lineup.Choose(all, ["hp/b", "raw"]).Select(c => c.Name), Is.EqualTo(["raw", "hp/b"]));
        Assert.That(() => Lineup.Choose(all, ["qemu"]), Throws.TypeOf<UserErrorException>());
        Assert.That(() => Lineup.Choose([Lineup.Raw(), Lineup.Raw()], []), Throws.TypeOf<UserErrorException>());
    }
}
