namespace Backend.Block;

/// <summary>The transfers of one queue, reused; used on the queue's thread only.</summary>
internal sealed class RawTransferPool : IDisposable
{
    private readonly List<RawTransfer> _all = [];
    private RawTransfer? _free;

    internal RawTransfer this[int index] => _all[index];

    internal RawTransfer Rent(BlockRequest request, RawPlan plan)
    {
        RawTransfer transfer;
        if (_free is null)
        {
            transfer = new RawTransfer(_all.Count);
            _all.Add(transfer);
        }
        else
        {
            transfer = _free;
            _free = transfer.Next;
            transfer.Next = null;
        }

        transfer.Request = request;
        transfer.Plan = plan;
        transfer.Done = 0;
        transfer.SyncAfter = false;
        transfer.Flags = 0;
        transfer.Retries = 0;
        return transfer;
    }

    internal void Return(RawTransfer transfer)
    {
        transfer.Request = null;
        transfer.Next = _free;
        _free = transfer;
    }

    public void Dispose() => _all.ForEach(t => t.Dispose());
}
