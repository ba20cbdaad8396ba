namespace RingCore.Faults;

/// <summary>What a rule does.</summary>
public abstract record FaultAction
{
    /// <summary>
    /// After this one later rules are not looked at for the same event. The others (delay, hang, rate, set) only add to it.
    /// </summary>
    public virtual bool IsOutcome => true;
}

/// <summary><c>fail ERRNO</c>: the request ends with the error, and does nothing.</summary>
/// <param name="Errno">Positive. Virtio carries UNSUPP for EOPNOTSUPP and IOERR for every other one.</param>
public sealed record FailAction(int Errno) : FaultAction;

/// <summary><c>delay T[..T]</c>: the request starts later; between two times, both included, evenly distributed.</summary>
public sealed record DelayAction(long MinNs, long MaxNs) : FaultAction
{
    public override bool IsOutcome => false;
}

/// <summary><c>tear N</c>: only the first bytes of the write reach the image; it succeeds.</summary>
public sealed record TearAction(long Bytes) : FaultAction;

/// <summary><c>corrupt N bits</c>: so many different bits are wrong, in the reply of a read, in the image after a write.</summary>
public sealed record CorruptBitsAction(int Bits) : FaultAction;

/// <summary><c>misdirect ±OFFSET</c>: the request goes to another place.</summary>
/// <param name="Offset">Bytes; not 0.</param>
public sealed record MisdirectAction(long Offset) : FaultAction;

/// <summary><c>drop</c>: the request succeeds and does nothing; a client that connects is sent away.</summary>
public sealed record DropAction : FaultAction;

/// <summary><c>hang</c>: the request waits until the rule's time is over, or the rule is gone.</summary>
public sealed record HangAction : FaultAction
{
    public override bool IsOutcome => false;
}

/// <summary><c>rate BYTES/s</c>: the requests together get no more than that.</summary>
public sealed record RateAction(long BytesPerSecond) : FaultAction
{
    public override bool IsOutcome => false;
}

/// <summary><c>lose</c>: the kick or irq does not arrive.</summary>
public sealed record LoseAction : FaultAction;

/// <summary><c>spurious</c>: one irq more, a little later, with nothing new in the ring.</summary>
public sealed record SpuriousAction : FaultAction;

/// <summary>Which part of the used ring is wrong.</summary>
public enum UsedRingField
{
    /// <summary>The used element names another chain, or none at all.</summary>
    Id,

    /// <summary>It says that more bytes were written than the chain has room for.</summary>
    Length,

    /// <summary>The used index jumps ahead.</summary>
    Index,
}

/// <summary><c>corrupt used-id</c>, <c>corrupt used-length</c>, <c>corrupt used-index</c>.</summary>
public sealed record CorruptRingAction(UsedRingField Field) : FaultAction;

/// <summary><c>kill backend</c>: the backend dies on the spot, as by SIGKILL.</summary>
public sealed record KillAction : FaultAction;

/// <summary><c>powercut [keep WHAT]</c>: see <see cref="PowerCutKeep"/>.</summary>
public sealed record PowerCutAction(PowerCutKeep Keep) : FaultAction;

/// <summary><c>set STATE</c>: rules with <c>when STATE</c> apply from the next event on.</summary>
public sealed record SetStateAction(string State) : FaultAction
{
    public override bool IsOutcome => false;
}
