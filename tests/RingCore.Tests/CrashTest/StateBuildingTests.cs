using RingCore.CrashTest;
using RingCore.Log;
using RingCore.Tests.Log;

namespace RingCore.Tests.CrashTest;

/// <summary>States built step by step are what they are when built anew, and their hashes tell them apart.</summary>
public sealed class StateBuildingTests
{
    private const int DiskSectors = 256;

    [Test]
    public void Replay_at_each_record_equals_a_model([Values(1, 2, 3)] int seed)
    {
        using CrashRig rig = new(RandomLog(seed, out List<byte[]> model));
        for (int at = 0; at <= rig.Index.Count; at++)
        {
            byte[] content = rig.Content(new CrashState(StateStart.Prefix, at, []));
            Assert.That(content.AsSpan().SequenceEqual(model[at]), Is.True, $"seed {seed}, record {at}");
        }
    }

    [Test]
    public void Every_state_is_built_as_it_says_and_hashed_by_its_content([Values(1, 2, 3)] int seed)
    {
        using CrashRig rig = new(RandomLog(seed, out _));
        Dictionary<string, ulong> hashOf = [];
        StateWalk walk = new(rig.Index, rig.Base, 0);
        List<Candidate> all = [.. walk.Flush(), .. walk.Prefix(), .. walk.Reorder(new Sampling(200, seed, 512))];
        foreach (Candidate candidate in all)
        {
            string content = Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(rig.Content(candidate.State)));
            Assert.That(hashOf.TryGetValue(content, out ulong hash) ? hash : candidate.Hash, Is.EqualTo(candidate.Hash), candidate.State.ToString());
            hashOf[content] = candidate.Hash;
        }

        Assert.That(hashOf.Values.Distinct().Count(), Is.EqualTo(hashOf.Count), "different contents, different hashes");
    }

    [Test]
    public void Checked_image_is_the_state_even_if_checks_write_to_it([Values] bool spoil)
    {
        using CrashRig rig = new(RandomLog(4, out _));
        int checks = 0;
        Lock gate = new();
        CrashResults results = rig.Test(
            (content, facts) =>
            {
                lock (gate)
                {
                    checks++;
                    return content.AsSpan().SequenceEqual(rig.Content(StateSpec.Parse(facts.Spec, rig.Index)));
                }
            },
            limit: 150);
        Assert.That(results.Failures.Select(f => f.Candidate.State.ToString()), Is.Empty);
        Assert.That(checks, Is.GreaterThan(100));
        if (spoil)
        {
            RequireRepair(rig);
        }
    }

    private static void RequireRepair(CrashRig rig)
    {
        // Some checks write, some truncate, some replace the file: the next state is right all the same.
        StepLists steps = StepLists.Of(rig.Index);
        string path = Path.Combine(Path.GetDirectoryName(rig.Base.Path)!, "work.img");
        using WorkImage work = new(rig.Index, rig.Base, path);
        Random random = new(5);
        foreach (Candidate candidate in new StateWalk(rig.Index, rig.Base, 0).Reorder(new Sampling(80, 1, 512)))
        {
            work.Become(steps.Stable, candidate.StepCount, candidate.Pieces);
            Assert.That(File.ReadAllBytes(path).AsSpan().SequenceEqual(rig.Content(candidate.State)), Is.True, candidate.State.ToString());
            Spoil(path, random.Next(5), random);
            work.Repair();
        }
    }

    private static void Spoil(string path, int how, Random random)
    {
        byte[] noise = new byte[700];
        random.NextBytes(noise);
        switch (how)
        {
            case 0:
                using (FileStream file = File.OpenWrite(path))
                {
                    file.Position = random.Next(DiskSectors * 512 - noise.Length);
                    file.Write(noise);
                }

                break;
            case 1:
                using (FileStream file = File.OpenWrite(path))
                {
                    file.SetLength(random.Next(DiskSectors * 512));
                }

                break;
            case 2:
                File.WriteAllBytes(path + ".new", noise);
                File.Move(path + ".new", path, overwrite: true);
                break;
            case 3:
                File.Delete(path);
                break;
        }
    }

    [Test]
    public void All_ways_are_given_out_where_they_are_few()
    {
        TestLog log = new();
        log.Write(0, 2, 1);
        log.Write(1, 2, 2);
        using CrashRig rig = new(log);
        HashSet<string> found = [];
        foreach (Candidate candidate in new StateWalk(rig.Index, rig.Base, 2).Reorder(new Sampling(1000, 1, 512)))
        {
            byte[] content = rig.Content(candidate.State);
            found.Add($"{content[0]}{content[512]}{content[1024]}");
        }

        // The first sector: nothing or 1; the second: nothing, 1 or 2; the third: nothing or 2.
        string[] expected = ["000", "002", "010", "012", "020", "022", "100", "102", "110", "112", "120", "122"];
        Assert.That(found.Order(), Is.EqualTo(expected));
    }

    [Test]
    public void Nothing_smaller_than_the_sector_size_is_torn()
    {
        TestLog log = new();
        log.Write(0, 16, 1);
        using CrashRig rig = new(log);
        HashSet<string> found = [];
        foreach (Candidate candidate in new StateWalk(rig.Index, rig.Base, 1).Reorder(new Sampling(1000, 1, 4096)))
        {
            found.Add(Convert.ToHexString([.. rig.Content(candidate.State).Chunk(512).Take(16).Select(s => s[0])]));
        }

        Assert.That(found.Order(), Is.EqualTo(new[]
        {
            new string('0', 32), string.Concat(Enumerable.Repeat("00", 8)) + string.Concat(Enumerable.Repeat("01", 8)),
            string.Concat(Enumerable.Repeat("01", 8)) + string.Concat(Enumerable.Repeat("00", 8)), string.Concat(Enumerable.Repeat("01", 16)),
        }));
    }

    [Test]
    public void Limit_and_seed_choose_the_same_states_each_time()
    {
        using CrashRig rig = new(RandomLog(6, out _));
        List<string> Once(int seed) => [.. new StateWalk(rig.Index, rig.Base, 0).Reorder(new Sampling(50, seed, 512)).Select(c => c.State.ToString())];
        Assert.That(Once(1), Is.EqualTo(Once(1)));
        Assert.That(Once(1), Is.Not.EqualTo(Once(2)));
        Assert.That(Once(1), Has.Count.LessThanOrEqualTo(60).And.Count.GreaterThan(20));
    }

    [TestCase("prefix:3")]
    [TestCase("cut:2+1+3.0-0.1-1")]
    [TestCase("base:0+2")]
    public void State_is_read_as_it_is_written(string text)
    {
        TestLog log = new();
        log.Write(0, 2, 1);
        log.Write(4, 1, 1);
        log.Write(8, 3, 1);
        using CrashRig rig = new(log);
        Assert.That(StateSpec.Format(StateSpec.Parse(text, rig.Index), rig.Index), Is.EqualTo(text));
    }

    [TestCase("prefix", "it starts with")]
    [TestCase("cut:9", "it starts with")]
    [TestCase("cut:1+7", "'7' is not the number")]
    [TestCase("cut:1+2", "'2' is not the number")]
    [TestCase("cut:1+1.0-4", "'0-4' is not a range")]
    [TestCase("cut:1+1.1", "'1' is not a range")]
    public void Wrong_state_is_refused_with_the_place(string text, string part)
    {
        TestLog log = new();
        log.Write(0, 2, 1);
        log.Flush();
        using CrashRig rig = new(log);
        Assert.That(() => StateSpec.Parse(text, rig.Index), Throws.TypeOf<LogException>().With.Message.Contains(part));
    }

    private static TestLog RandomLog(int seed, out List<byte[]> model)
    {
        Random random = new(seed);
        TestLog log = new(DiskSectors * 512);
        byte[] disk = new byte[DiskSectors * 512];
        random.NextBytes(disk.AsSpan(0, disk.Length / 2)); // the rest is a hole
        using (FileStream image = File.OpenWrite(log.BasePath))
        {
            image.Write(disk.AsSpan(0, disk.Length / 2));
        }

        model = [[.. disk]];
        for (int i = 1; i <= 40; i++)
        {
            int sector = random.Next(DiskSectors - 40);
            int count = random.Next(1, 40);
            long after = Math.Max(0, i - 1 - random.Next(4));
            switch (random.Next(10))
            {
                case 0 or 1:
                    log.Flush(after);
                    break;
                case 2:
                    log.Zero(random.Next(2) == 0 ? LogOperation.Discard : LogOperation.WriteZeroes, sector, count);
                    disk.AsSpan(sector * 512, count * 512).Clear();
                    break;
                case 3:
                    log.Mark($"m{i}");
                    break;
                default:
                    byte[] data = new byte[count * 512];
                    random.NextBytes(data);
                    log.Write(sector * 512L, data, after, random.Next(6) == 0 ? LogFlags.ForceUnitAccess : LogFlags.None);
                    data.CopyTo(disk, sector * 512);
                    break;
            }

            model.Add([.. disk]);
        }

        return log;
    }
}
