using System.Text.Json.Nodes;

namespace RingCore.Hosting;

/// <summary>
/// What a process answers on its <see cref="ControlSocket"/>, by the request's <c>op</c>. Every process answers <c>ping</c> and
/// <c>stop</c>; the others are its own. Filled before the socket is there, and only read from then on.
/// </summary>
public sealed class ControlOperations
{
    private readonly Dictionary<string, Func<JsonObject, JsonObject?>> _answers = [];

    /// <param name="stop">Lets the process end in an orderly way; returns at once. Called on the socket's threads, as every answer.</param>
    public ControlOperations(Action stop)
    {
        this["ping"] = _ => null;
        this["stop"] = _ =>
        {
            stop();
            return null;
        };
    }

    /// <summary>Adds an operation: the members of its result go into the reply, null stands for none.</summary>
    public Func<JsonObject, JsonObject?> this[string op]
    {
        set => _answers.Add(op, value);
    }

    /// <summary>Answers one request.</summary>
    /// <exception cref="UserErrorException">There is no such operation.</exception>
    public JsonObject? Answer(JsonObject request) => (string?)request["op"] switch
    {
        null => throw new UserErrorException("a request needs an op"),
        { } op => _answers.TryGetValue(op, out Func<JsonObject, JsonObject?>? answer)
            ? answer(request)
            : throw new UserErrorException($"unknown op '{op}'"),
    };
}
