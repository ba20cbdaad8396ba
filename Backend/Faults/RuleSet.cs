using RingCore.Faults;

namespace Backend.Faults;

/// <summary>The rules in use, by event, each in the order of adding. Immutable, so that a queue reads it without a lock.</summary>
internal sealed class RuleSet
{
    private readonly ArmedRule[]?[] _byEvent = new ArmedRule[]?[FaultEvents.Count];

    internal RuleSet(IEnumerable<ArmedRule> rules)
    {
        foreach (ArmedRule rule in rules)
        {
            if (rule.Rule.Event == FaultEvent.Any)
            {
                for (FaultEvent e = 0; e < FaultEvent.Any; e++)
                {
                    Append(e, rule);
                }
            }
            else
            {
                Append(rule.Rule.Event, rule);
            }
        }
    }

    /// <summary>Null when there are none.</summary>
    internal ArmedRule[]? Of(FaultEvent value) => _byEvent[(int)value];

    private void Append(FaultEvent value, ArmedRule rule) => _byEvent[(int)value] = [.. _byEvent[(int)value] ?? [], rule];
}
