namespace RingCore.Aio;

/// <summary>
/// Bottom halves that wait to run. Any thread pushes onto a lock-free stack; the loop takes the whole stack at once and runs
/// it in the order of pushing. The links are in the bottom halves: nothing is allocated. Since entries are only ever taken all
/// together, a pusher cannot be fooled by one that left and came back.
/// </summary>
internal sealed class BottomHalfQueue
{
    private BottomHalf? _incoming;
    private BottomHalf? _head;
    private BottomHalf? _tail;

    /// <summary>Any thread; <paramref name="bottomHalf"/> is not queued.</summary>
    internal void Push(BottomHalf bottomHalf)
    {
        BottomHalf? top = Volatile.Read(ref _incoming); // pairs with the exchanges here and in Take
        while (true)
        {
            bottomHalf.Next = top;
            BottomHalf? seen = Interlocked.CompareExchange(ref _incoming, bottomHalf, top); // publishes Next; pairs with Take
            if (seen == top)
            {
                return;
            }

            top = seen;
        }
    }

    /// <summary>Loop only: looks for what keeps it from sleeping, and for what lets it sleep a short time only.</summary>
    internal void Look(out bool urgent, out bool idle)
    {
        urgent = false;
        idle = false;
        Look(_head, ref urgent, ref idle);
        Look(Volatile.Read(ref _incoming), ref urgent, ref idle); // pairs with Push; links stay until the loop takes them
    }

    /// <summary>Loop only: runs all that is queued now; what is pushed meanwhile is for the next time. True for progress.</summary>
    internal bool RunAll()
    {
        Take();
        bool progress = false;

        // A callback may run a nested round, which then runs the rest of the list: hence the look at the field each time.
        while (_head is { } bottomHalf)
        {
            Pop();
            progress |= bottomHalf.Run();
        }

        return progress;
    }

    /// <summary>The context has ended.</summary>
    internal void AbandonAll()
    {
        Take();
        while (_head is { } bottomHalf)
        {
            Pop();
            bottomHalf.Abandon();
        }
    }

    private static void Look(BottomHalf? first, ref bool urgent, ref bool idle)
    {
        for (BottomHalf? b = first; b is not null; b = b.Next)
        {
            urgent |= b.IsUrgent;
            idle |= b.IsIdle;
        }
    }

    private void Pop()
    {
        BottomHalf first = _head!;
        _head = first.Next;
        first.Next = null;
        if (_head is null)
        {
            _tail = null;
        }
    }

    // Appends the stack, turned round, to the list.
    private void Take()
    {
        if (Volatile.Read(ref _incoming) is null) // pairs with Push; saves the exchange in most rounds
        {
            return;
        }

        BottomHalf? newest = Interlocked.Exchange(ref _incoming, null); // pairs with Push
        BottomHalf? oldest = null;
        BottomHalf? last = newest;
        for (BottomHalf? b = newest; b is not null;)
        {
            BottomHalf? next = b.Next;
            b.Next = oldest;
            oldest = b;
            b = next;
        }

        if (_tail is null)
        {
            _head = oldest;
        }
        else
        {
            _tail.Next = oldest;
        }

        _tail = last;
    }
}
