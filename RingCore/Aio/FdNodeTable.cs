namespace RingCore.Aio;

/// <summary>Gives each watched node a small number, which the kernel hands back with its events.</summary>
internal sealed class FdNodeTable
{
    private readonly List<FdNode?> _slots = [];
    private readonly Stack<int> _free = [];

    internal FdNode this[ulong slot] =>
        _slots[checked((int)slot)] ?? throw new InvalidOperationException($"Event for the empty slot {slot}.");

    internal void Add(FdNode node)
    {
        if (_free.TryPop(out int slot))
        {
            _slots[slot] = node;
        }
        else
        {
            slot = _slots.Count;
            _slots.Add(node);
        }

        node.Slot = slot;
    }

    internal void Remove(FdNode node)
    {
        _slots[node.Slot] = null;
        _free.Push(node.Slot);
        node.Slot = -1;
    }
}
