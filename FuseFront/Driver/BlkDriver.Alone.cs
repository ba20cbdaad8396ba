using RingCore.Posix;
using RingCore.Virtio;

namespace FuseFront.Driver;

/// <content>Requests of the driver's own, before service begins and after it has ended.</content>
public sealed unsafe partial class BlkDriver
{
    private const long AnswerTimeoutMs = 30_000;
    private const long KickAgainMs = 1_000;
    private const int Attempts = 3;

    /// <summary>
    /// Sends one request through a queue that no other thread uses, before service begins or after it ended, and waits for
    /// its answer on this thread. A lost kick or irq only delays it, and a device that breaks a rule is reset and asked again.
    /// </summary>
    /// <exception cref="ProtocolException">
    /// The device does not answer, or breaks a rule at every attempt; EIO: it answers with an error.
    /// </exception>
    private void RunAlone(BlkQueue queue, int index, Action<int> add, Action<int> done)
    {
        if (!queue.TryTakeSlot(out int slot))
        {
            throw new InvalidOperationException("the queue is in use");
        }

        add(slot);
        queue.Submit();
        for (int attempt = 1; !TryFinishAlone(queue, index, last: attempt == Attempts); attempt++)
        {
            RestartAlone();
        }

        BlkStatus status = queue.StatusOf(slot);
        if (status == BlkStatus.Ok)
        {
            done(slot);
        }

        queue.ReturnSlot(slot);
        if (status != BlkStatus.Ok)
        {
            throw new ProtocolException($"the device answers {status}", Errno.EIO);
        }
    }

    private bool TryFinishAlone(BlkQueue queue, int index, bool last)
    {
        long now = Environment.TickCount64;
        long deadline = now + AnswerTimeoutMs;
        for (long kickAgain = now + KickAgainMs; !queue.HasCompletions; now = Environment.TickCount64)
        {
            if (now > deadline || _transport.Connection.WaitReadable(TimeSpan.Zero))
            {
                throw new ProtocolException("the device does not answer");
            }

            if (now > kickAgain)
            {
                queue.KickAgain();
                kickAgain = now + KickAgainMs;
            }

            _irqs[index].ReadDescriptor.WaitReadable(TimeSpan.FromMilliseconds(100));
            _irqs[index].TestAndClear();
        }

        try
        {
            queue.Complete();
            return true;
        }
        catch (RingException e) when (last)
        {
            throw new ProtocolException($"the device broke a rule {Attempts} times: {e.Message}");
        }
        catch (RingException e)
        {
            Log.Warn("queue {0}: the device broke a rule: {1}; resetting it", index, e.Message);
            return false;
        }
    }

    private void RestartAlone()
    {
        foreach (BlkQueue? queue in _queues)
        {
            queue?.Hold();
        }

        Reset();
        foreach (BlkQueue? queue in _queues)
        {
            queue?.ClearRing();
        }

        Restart();
        for (int i = 0; i < QueueCount; i++)
        {
            _queues[i]?.Resume(Doorbells(i), lateTicks: int.MaxValue, maxTimeouts: int.MaxValue);
        }
    }
}
