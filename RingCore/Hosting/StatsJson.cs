using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace RingCore.Hosting;

/// <summary>The JSON of the statistics: camelCase names, written by generated code.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(FrontStats))]
[JsonSerializable(typeof(BackendStats))]
public sealed partial class StatsJson : JsonSerializerContext
{
    /// <summary>As a control socket's reply.</summary>
    public static JsonObject ToReply(FrontStats stats) => JsonSerializer.SerializeToNode(stats, Default.FrontStats)!.AsObject();

    /// <summary>As a control socket's reply.</summary>
    public static JsonObject ToReply(BackendStats stats) => JsonSerializer.SerializeToNode(stats, Default.BackendStats)!.AsObject();

    /// <summary>From a control socket's reply.</summary>
    /// <exception cref="JsonException">The reply is no such thing.</exception>
    public static FrontStats ToFrontStats(JsonObject reply) => reply.Deserialize(Default.FrontStats)!;

    /// <summary>From a control socket's reply.</summary>
    /// <exception cref="JsonException">The reply is no such thing.</exception>
    public static BackendStats ToBackendStats(JsonObject reply) => reply.Deserialize(Default.BackendStats)!;
}
