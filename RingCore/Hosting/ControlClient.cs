using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;

namespace RingCore.Hosting;

/// <summary>Asks a process over its <see cref="ControlSocket"/>.</summary>
public static class ControlClient
{
    /// <summary>Sends one request and returns the reply's object, whose <c>ok</c> is true.</summary>
    /// <exception cref="ControlException">
    /// Nobody listens, the reply did not come in time or is no reply, or it says <c>"ok":false</c>.
    /// </exception>
    public static JsonObject Call(string path, JsonObject request, TimeSpan timeout)
    {
        JsonObject reply;
        try
        {
            reply = Exchange(path, request, timeout);
        }
        catch (SocketException e)
        {
            string problem = e.SocketErrorCode is SocketError.TimedOut or SocketError.WouldBlock
                ? $"no reply in {timeout.TotalSeconds:0.#} s"
                : e.Message;
            throw new ControlException(ControlFailure.Unreachable, $"control socket {path}: {problem}", null, e);
        }
        catch (JsonException e)
        {
            throw new ControlException(ControlFailure.Unreachable, $"control socket {path}: the reply is not JSON", null, e);
        }

        if (reply["ok"] is JsonValue ok && ok.TryGetValue(out bool done) && done)
        {
            return reply;
        }

        string error = reply["error"] is JsonValue text && text.TryGetValue(out string? message) ? message : "refused without a reason";
        int? errno = reply["errno"] is JsonValue number && number.TryGetValue(out int value) ? value : null;
        throw new ControlException(ControlFailure.Refused, error, errno);
    }

    /// <summary>A request without parameters.</summary>
    public static JsonObject Call(string path, string op, TimeSpan timeout) => Call(path, new JsonObject { ["op"] = op }, timeout);

    private static JsonObject Exchange(string path, JsonObject request, TimeSpan timeout)
    {
        SocketPath.RequireShort(path);
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.ReceiveTimeout = socket.SendTimeout = (int)Math.Clamp(timeout.TotalMilliseconds, 1, int.MaxValue);
        socket.Connect(new UnixDomainSocketEndPoint(path));
        byte[] line = [.. JsonSerializer.SerializeToUtf8Bytes(request, ControlJson.Default.JsonObject), (byte)'\n'];
        for (int sent = 0; sent < line.Length;)
        {
            sent += socket.Send(line, sent, line.Length - sent, SocketFlags.None);
        }

        return new LineReader(socket, ControlSocket.MaxLineBytes).TryRead(out byte[]? reply) && reply is not null
            ? JsonNode.Parse(reply) as JsonObject ?? throw new JsonException("not an object")
            : throw new SocketException((int)SocketError.ConnectionReset);
    }
}

/// <summary>Why a <see cref="ControlClient.Call(string, JsonObject, TimeSpan)"/> failed.</summary>
public enum ControlFailure
{
    /// <summary>There was no reply.</summary>
    Unreachable,

    /// <summary>The process answered, and refused.</summary>
    Refused,
}

/// <summary>A control socket's request failed. <see cref="Errno"/> is what the process met, if it said so.</summary>
public sealed class ControlException(ControlFailure failure, string message, int? errno, Exception? inner = null)
    : IOException(message, inner)
{
    public ControlFailure Failure { get; } = failure;

    public int? Errno { get; } = errno;
}

/// <summary>Generated JSON code of the requests and replies.</summary>
[JsonSerializable(typeof(JsonObject))]
internal sealed partial class ControlJson : JsonSerializerContext;
