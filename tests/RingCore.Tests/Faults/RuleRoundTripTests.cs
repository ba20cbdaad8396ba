using FsCheck;
using FsCheck.Fluent;
using RingCore.Faults;
using RingCore.Posix;

namespace RingCore.Tests.Faults;

[TestFixture]
public sealed class RuleRoundTripTests
{
    private static readonly Gen<long> Sizes = Gen.OneOf(
        Gen.Choose(0, 5000).Select(n => (long)n),
        Gen.Choose(1, 5000).Select(n => n * 1024L),
        Gen.Choose(1, 5000).Select(n => n * (1L << 30)),
        Gen.Choose(1, int.MaxValue).Select(n => (n * 1_000_000_001L) + 1));

    private static readonly Gen<long> Positive = Sizes.Select(n => Math.Max(1, n));

    private static readonly Gen<string> Names =
        from first in Gen.Elements("abcXYZ".ToCharArray())
        from rest in Gen.ListOf(Gen.Elements("aZ09-_".ToCharArray()))
        select first + new string([.. rest]);

    [Test]
    public void Printed_rule_parses_to_the_same_rule() =>
        Check.QuickThrowOnFailure(Prop.ForAll(Rules().ToArbitrary(), rule => RuleParser.Parse(rule.ToString()) == rule));

    [Test]
    public void Any_text_is_a_rule_or_refused_with_a_column_inside_it()
    {
        Gen<string> words = Gen.Elements(
            "on", "write", "at", "1M..2M", ":", "..", "size", "4K", "queue", "count", "3", "fail", "EIO", "x", "#", "%", "5s", "+1", "\t", "é");
        Gen<string> texts = Gen.ListOf(words).Select(list => string.Join(' ', list));
        Check.QuickThrowOnFailure(Prop.ForAll(texts.ToArbitrary(), text =>
        {
            try
            {
                return RuleParser.Parse(text) is not null;
            }
            catch (RuleSyntaxException e)
            {
                return e.Column >= 1 && e.Column <= text.Length + 1;
            }
        }));
    }

    private static Gen<T?> Maybe<T>(Gen<T> gen)
        where T : struct =>
        Gen.OneOf(Gen.Constant<T?>(null), gen.Select(v => (T?)v));

    private static Gen<string?> MaybeName() => Gen.OneOf(Gen.Constant<string?>(null), Names.Select(n => (string?)n));

    private static Gen<FaultRule> Rules() =>
        from e in Gen.Elements(Enum.GetValues<FaultEvent>())
        from action in Actions(e)
        from name in MaybeName()
        from at in Maybe(Sizes.SelectMany(s => Maybe(Positive).Select(l => new RuleRange(s, s + l))))
        from size in Maybe(Sizes.SelectMany(s => Sizes.Select(l => new RuleSizes(s, s + l))))
        from queue in Maybe(Gen.Choose(0, 63))
        from skip in Maybe(Positive)
        from every in Maybe(Positive)
        from count in Maybe(Positive)
        from start in Maybe(Sizes)
        from span in Maybe(Positive)
        from percent in Maybe(Gen.Choose(1, 1_000_000).Select(n => n / 10_000m))
        from state in MaybeName()
        select new FaultRule(e, action)
        {
            Name = name,
            At = e.HasRange() ? at : null,
            Size = e.HasRange() ? size : null,
            Queue = e.HasQueue() ? queue : null,
            Skip = skip,
            Every = every,
            Count = count,
            FromNs = start,
            ToNs = span is null ? null : (start ?? 0) + span,
            Probability = percent,
            When = state,
        };

    private static Gen<FaultAction> Actions(FaultEvent e) =>
        Gen.Elements(RuleParser.ActionsOf(e).ToArray()).SelectMany(word => Action(word, e));

    private static Gen<FaultAction> Action(string word, FaultEvent e) => word switch
    {
        "fail" => Gen.Elements(Errno.EIO, Errno.ENOSPC, Errno.EOPNOTSUPP, Errno.EILSEQ).Select(n => (FaultAction)new FailAction(n)),
        "delay" => Sizes.SelectMany(min => Positive.Select(more => (FaultAction)new DelayAction(min, min + more))),
        "hang" => Gen.Constant<FaultAction>(new HangAction()),
        "rate" => Positive.Select(n => (FaultAction)new RateAction(n)),
        "tear" => Positive.Select(n => (FaultAction)new TearAction(n)),
        "corrupt" when e == FaultEvent.Ring => Gen.Elements(Enum.GetValues<UsedRingField>()).Select(f => (FaultAction)new CorruptRingAction(f)),
        "corrupt" => Gen.Choose(1, RuleParser.MaxBits).Select(n => (FaultAction)new CorruptBitsAction(n)),
        "misdirect" => Positive.SelectMany(n => Gen.Elements(1, -1).Select(s => (FaultAction)new MisdirectAction(n * s))),
        "drop" => Gen.Constant<FaultAction>(new DropAction()),
        "lose" => Gen.Constant<FaultAction>(new LoseAction()),
        "spurious" => Gen.Constant<FaultAction>(new SpuriousAction()),
        "kill" => Gen.Constant<FaultAction>(new KillAction()),
        "powercut" => Gen.Elements(Enum.GetValues<PowerCutKeep>()).Select(k => (FaultAction)new PowerCutAction(k)),
        "set" => Names.Select(n => (FaultAction)new SetStateAction(n)),
        _ => throw new ArgumentOutOfRangeException(nameof(word), word, "an action without a generator"),
    };
}
