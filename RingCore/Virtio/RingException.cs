namespace RingCore.Virtio;

/// <summary>
/// The other side of a ring broke a rule of the specification. The queue must not be used any more until it is reset;
/// the message names the rule.
/// </summary>
public sealed class RingException(string rule) : IOException(rule)
{
}
