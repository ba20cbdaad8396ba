using System.Text.Json.Nodes;
using NUnit.Framework;
using RingCore.Hosting;

namespace RingCore.Tests.Hosting;

public sealed class ControlOperationsTests
{
    private int _stops;

    [Test]
    public void Each_op_has_its_answer_and_ping_and_stop_come_with_it()
    {
        ControlOperations operations = new(() => _stops++) { ["echo"] = request => new JsonObject { ["text"] = (string?)request["text"] } };
        JsonObject reply = operations.Answer(new JsonObject { ["op"] = "echo", ["text"] = "hello" })!;
        Assert.That((string?)reply["text"], Is.EqualTo("hello"));
        Assert.That(operations.Answer(new JsonObject { ["op"] = "ping" }), Is.Null);
        Assert.That(_stops, Is.Zero);
        Assert.That(operations.Answer(new JsonObject { ["op"] = "stop" }), Is.Null);
        Assert.That(_stops, Is.EqualTo(1));
    }

    [Test]
    public void Unknown_op_is_refused_by_name()
    {
        ControlOperations operations = new(() => _stops++);
        Assert.That(
            () => operations.Answer(new JsonObject { ["op"] = "dance" }), Throws.TypeOf<UserErrorException>().With.Message.EqualTo("unknown op 'dance'"));
        Assert.That(() => operations.Answer([]), Throws.TypeOf<UserErrorException>().With.Message.Contains("needs an op"));
    }
}
