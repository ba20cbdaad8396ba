namespace FuseFront.Disk;

/// <summary>Hears, on a queue's thread, what only a reset of the device can mend.</summary>
internal interface IQueueTrouble
{
    /// <summary>The device broke a rule of the ring. The queue is held until the device has been reset.</summary>
    void BrokeRule(FrontQueue queue, string rule);

    /// <summary>A request has not come back in the time that it may take, kicking again has not helped.</summary>
    void IsLate(FrontQueue queue);
}
