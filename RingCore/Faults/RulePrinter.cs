using System.Globalization;
using System.Text;
using RingCore.Posix;
using RingCore.Units;

namespace RingCore.Faults;

/// <summary>The other way round from <see cref="RuleParser"/>.</summary>
internal static class RulePrinter
{
    public static string Print(FaultRule rule)
    {
        var text = new StringBuilder();
        if (rule.Name is not null)
        {
            text.Append(rule.Name).Append(": ");
        }

        text.Append("on ").Append(rule.Event.Word());
        if (rule.At is { } at)
        {
            text.Append(" at ").Append(ByteSize.FormatExact(at.Start));
            text.Append(at.End is { } end ? $"..{ByteSize.FormatExact(end)}" : "");
        }

        PrintConditions(rule, text);
        return text.Append(' ').Append(Print(rule.Action)).ToString();
    }

    private static void PrintConditions(FaultRule rule, StringBuilder text)
    {
        if (rule.Size is { } size)
        {
            text.Append(" size ").Append(ByteSize.FormatExact(size.Min));
            text.Append(size.Max == size.Min ? "" : $"..{ByteSize.FormatExact(size.Max)}");
        }

        AppendNumber(text, "queue", rule.Queue);
        AppendNumber(text, "skip", rule.Skip);
        AppendNumber(text, "every", rule.Every);
        AppendNumber(text, "count", rule.Count);
        text.Append(rule.FromNs is { } from ? $" from {new Duration(from)}" : "");
        text.Append(rule.ToNs is { } to ? $" to {new Duration(to)}" : "");
        text.Append(rule.Probability is { } percent ? $" probability {RuleUnits.PrintPercent(percent)}" : "");
        text.Append(rule.When is { } state ? $" when {state}" : "");
    }

    private static void AppendNumber(StringBuilder text, string word, long? number)
    {
        if (number is { } value)
        {
            text.Append(' ').Append(word).Append(' ').Append(value.ToString(CultureInfo.InvariantCulture));
        }
    }

    private static string Print(FaultAction action) => action switch
    {
        FailAction fail => $"fail {Errno.Name(fail.Errno)}",
        DelayAction delay when delay.MinNs == delay.MaxNs => $"delay {new Duration(delay.MinNs)}",
        DelayAction delay => $"delay {new Duration(delay.MinNs)}..{new Duration(delay.MaxNs)}",
        TearAction tear => $"tear {ByteSize.FormatExact(tear.Bytes)}",
        CorruptBitsAction corrupt => $"corrupt {corrupt.Bits.ToString(CultureInfo.InvariantCulture)} {(corrupt.Bits == 1 ? "bit" : "bits")}",
        CorruptRingAction corrupt => $"corrupt {RuleParser.FieldWords[(int)corrupt.Field]}",
        MisdirectAction { Offset: < 0 } misdirect => $"misdirect -{ByteSize.FormatExact(-misdirect.Offset)}",
        MisdirectAction misdirect => $"misdirect +{ByteSize.FormatExact(misdirect.Offset)}",
        DropAction => "drop",
        HangAction => "hang",
        RateAction rate => $"rate {ByteSize.FormatExact(rate.BytesPerSecond)}/s",
        LoseAction => "lose",
        SpuriousAction => "spurious",
        KillAction => "kill backend",
        PowerCutAction { Keep: PowerCutKeep.None } => "powercut",
        PowerCutAction cut => $"powercut keep {cut.Keep.Word()}",
        SetStateAction set => $"set {set.State}",
        _ => throw new ArgumentOutOfRangeException(nameof(action), action, "unknown action"),
    };
}
