using RingCore.Aio;
using RingCore.Framing;

namespace Backend.Tests.Server;

/// <summary>How a client waits whose server is on the same thread.</summary>
internal static class ConnectionExtensions
{
    /// <summary>The next message, or the end of the connection; turns the server's loop until it is there.</summary>
    internal static MessageReceive ReceiveTurning(this MessageConnection connection, AioContext context)
    {
        long deadline = Environment.TickCount64 + 30_000;
        while (true)
        {
            MessageReceive result = connection.Receive();
            if (result != MessageReceive.WouldBlock)
            {
                return result;
            }

            Assert.That(Environment.TickCount64, Is.LessThan(deadline), "the server does not answer");
            context.Poll(blocking: false);
        }
    }
}
