using System.Text.Json;
using RingCore.Posix;

namespace RingCore.VfioUser;

/// <summary>
/// What one side of a vfio-user connection can take, as VERSION carries it in JSON. The defaults hold for whatever the peer
/// does not mention; keys that are not known are skipped.
/// </summary>
public sealed record VfioUserCapabilities
{
    /// <summary>The most descriptors that a peer may say it takes in one message (libvfio-user's bound).</summary>
    public const int MaxMsgFdsLimit = 1024;

    /// <summary>Descriptors that the sender takes in one message.</summary>
    public int MaxMsgFds { get; init; } = 1;

    /// <summary>Largest count, in bytes, of a read or write.</summary>
    public long MaxDataTransferSize { get; init; } = 1 << 20;

    /// <summary>DMA ranges at a time.</summary>
    public long MaxDmaMaps { get; init; } = 65535;

    /// <summary>Page sizes of DMA maps, or'ed together.</summary>
    public ulong PageSizes { get; init; } = 4096;

    /// <summary>REGION_WRITE_MULTI is understood.</summary>
    public bool WriteMultiple { get; init; }

    /// <summary>Parses what follows the version numbers: nothing, or JSON with a terminating NUL.</summary>
    /// <exception cref="ProtocolException">EINVAL: no NUL, no JSON object, a wrong type, a number out of range.</exception>
    public static VfioUserCapabilities Parse(ReadOnlySpan<byte> data)
    {
        if (data.IsEmpty)
        {
            return new VfioUserCapabilities();
        }

        int end = data.IndexOf((byte)0);
        if (end < 0)
        {
            throw Bad("the version data have no terminating NUL");
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(data[..end].ToArray());
            return FromDocument(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The latter is what a name that is no valid UTF-16 once unescaped comes back as.
            throw Bad($"the version data are no JSON: {e.Message}");
        }
    }

    /// <summary>The JSON with its NUL; short, because a reply must fit where the peer's own message did.</summary>
    public byte[] ToJson()
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
        {
            json.WriteStartObject();
            json.WriteStartObject("capabilities"u8);
            json.WriteNumber("max_msg_fds"u8, MaxMsgFds);
            json.WriteNumber("max_data_xfer_size"u8, MaxDataTransferSize);
            json.WriteNumber("max_dma_maps"u8, MaxDmaMaps);
            json.WriteNumber("pgsizes"u8, PageSizes);
            if (WriteMultiple)
            {
                json.WriteBoolean("write_multiple"u8, true);
            }

            json.WriteEndObject();
            json.WriteEndObject();
        }

        stream.WriteByte(0);
        return stream.ToArray();
    }

    private static VfioUserCapabilities FromDocument(JsonElement root)
    {
        RequireObject(root, "the version data");
        VfioUserCapabilities defaults = new();
        if (!root.TryGetProperty("capabilities"u8, out JsonElement capabilities))
        {
            return defaults;
        }

        RequireObject(capabilities, "capabilities");
        if (capabilities.TryGetProperty("twin_socket"u8, out JsonElement twin))
        {
            RequireObject(twin, "twin_socket");
            Boolean(twin, "supported", false);
        }

        if (capabilities.TryGetProperty("migration"u8, out JsonElement migration))
        {
            RequireObject(migration, "migration");
            Number(migration, "pgsize", 4096, long.MaxValue);
        }

        return new VfioUserCapabilities
        {
            MaxMsgFds = (int)Number(capabilities, "max_msg_fds", defaults.MaxMsgFds, MaxMsgFdsLimit),
            MaxDataTransferSize = Number(capabilities, "max_data_xfer_size", defaults.MaxDataTransferSize, long.MaxValue),
            MaxDmaMaps = Number(capabilities, "max_dma_maps", defaults.MaxDmaMaps, long.MaxValue),
            PageSizes = (ulong)Number(capabilities, "pgsizes", (long)defaults.PageSizes, long.MaxValue),
            WriteMultiple = Boolean(capabilities, "write_multiple", false),
        };
    }

    private static void RequireObject(JsonElement element, string name)
    {
        if (element.ValueKind != JsonValueKind.Object)
        {
            throw Bad($"{name} must be a JSON object");
        }
    }

    private static long Number(JsonElement parent, string name, long absent, long max)
    {
        if (!parent.TryGetProperty(name, out JsonElement element))
        {
            return absent;
        }

        if (element.ValueKind != JsonValueKind.Number || !element.TryGetInt64(out long value) || value < 0 || value > max)
        {
            throw Bad($"{name} must be a whole number from 0 to {max}");
        }

        return value;
    }

    private static bool Boolean(JsonElement parent, string name, bool absent)
    {
        if (!parent.TryGetProperty(name, out JsonElement element))
        {
            return absent;
        }

        return element.ValueKind is JsonValueKind.True or JsonValueKind.False
            ? element.GetBoolean()
            : throw Bad($"{name} must be true or false");
    }

    private static ProtocolException Bad(string rule) => new($"VERSION: {rule}", Errno.EINVAL);
}
