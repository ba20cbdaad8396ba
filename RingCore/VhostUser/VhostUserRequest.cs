namespace RingCore.VhostUser;

/// <summary>Requests of the front-end (QEMU's docs/interop/vhost-user.rst, "Front-end message types") that this project knows.</summary>
public enum VhostUserRequest : uint
{
    GetFeatures = 1,
    SetFeatures = 2,
    SetOwner = 3,

    /// <summary>Deprecated: ignored, or disables all rings.</summary>
    ResetOwner = 4,
    SetMemTable = 5,
    SetLogBase = 6,
    SetLogFd = 7,
    SetVringNum = 8,
    SetVringAddr = 9,
    SetVringBase = 10,

    /// <summary>Stops the ring.</summary>
    GetVringBase = 11,

    /// <summary>With its descriptor starts the ring.</summary>
    SetVringKick = 12,
    SetVringCall = 13,
    SetVringErr = 14,
    GetProtocolFeatures = 15,
    SetProtocolFeatures = 16,
    GetQueueNum = 17,
    SetVringEnable = 18,
    SetBackendReqFd = 21,
    GetConfig = 24,
    SetConfig = 25,
    GetInflightFd = 31,
    SetInflightFd = 32,
    ResetDevice = 34,
    GetMaxMemSlots = 36,
    AddMemReg = 37,
    RemMemReg = 38,
    SetStatus = 39,
    GetStatus = 40,
}

/// <summary>The flags word of a message's header.</summary>
[Flags]
public enum VhostUserFlags : uint
{
    None = 0,

    /// <summary>The protocol's version, the only one there is.</summary>
    Version1 = 1,

    /// <summary>The bits that hold the version.</summary>
    VersionMask = 3,

    /// <summary>An answer of the back-end.</summary>
    Reply = 4,

    /// <summary>The sender wants an answer; means something only with <see cref="VhostUserProtocolFeatures.ReplyAck"/>.</summary>
    NeedReply = 8,
}

/// <summary>Protocol features (VHOST_USER_PROTOCOL_F_*), as masks.</summary>
[Flags]
public enum VhostUserProtocolFeatures : ulong
{
    None = 0,

    /// <summary>MQ: GET_QUEUE_NUM is understood.</summary>
    MultiQueue = 1UL << 0,
    LogShmFd = 1UL << 1,

    /// <summary>REPLY_ACK: <see cref="VhostUserFlags.NeedReply"/> is honoured.</summary>
    ReplyAck = 1UL << 3,

    /// <summary>BACKEND_REQ: the back-end may ask on a socket of its own.</summary>
    BackendRequests = 1UL << 5,

    /// <summary>CONFIG: GET_CONFIG and SET_CONFIG.</summary>
    Config = 1UL << 9,

    /// <summary>INFLIGHT_SHMFD: requests under way are noted in memory that outlives the back-end.</summary>
    InflightShmFd = 1UL << 12,

    /// <summary>RESET_DEVICE.</summary>
    ResetDevice = 1UL << 13,

    /// <summary>CONFIGURE_MEM_SLOTS: memory regions come and go one by one.</summary>
    ConfigureMemSlots = 1UL << 15,

    /// <summary>STATUS: SET_STATUS and GET_STATUS.</summary>
    Status = 1UL << 16,
}
