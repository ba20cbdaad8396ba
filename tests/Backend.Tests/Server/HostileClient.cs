using RingCore.Aio;
using RingCore.Posix;

namespace Backend.Tests.Server;

/// <summary>
/// A client that has a valid session and bends it: bits flipped, messages cut, doubled, swapped, sizes and numbers replaced by awkward
/// ones, descriptors missing or in excess, the stream split anywhere, the connection dropped at any time. What is the same whatever
/// the protocol; a fuzzer says the rest.
/// </summary>
internal sealed class HostileClient(AioContext context, string socketPath, FileDescriptor[] descriptors)
{
    private const int Milliseconds = 5000;
    private const int LeastSessions = 20;

    /// <summary>Bytes that every message has.</summary>
    internal required int HeaderLength { get; init; }

    /// <summary>Descriptors that a bent message has at most.</summary>
    internal required int MostDescriptors { get; init; }

    /// <summary>Has a message's header agree with its length.</summary>
    internal required Action<byte[]> TellLength { get; init; }

    /// <summary>Replaces a number somewhere in a message.</summary>
    internal required Action<byte[], Random> ReplaceNumber { get; init; }

    /// <summary>What else happens between two messages.</summary>
    internal Action<Random>? Between { get; init; }

    /// <summary>Calls <paramref name="session"/> for some seconds, with what tells a failure's place, and demands that no descriptor leaks.</summary>
    internal static void Repeat(Action<Random, string> session)
    {
        int seed = int.TryParse(Environment.GetEnvironmentVariable("FUZZ_SEED"), out int given) ? given : Environment.TickCount;
        TestContext.Out.WriteLine($"FUZZ_SEED={seed}");
        Random random = new(seed);
        int before = 0;
        int sessions = 0;
        long end = Environment.TickCount64 + Milliseconds;
        while (Environment.TickCount64 < end || sessions < LeastSessions)
        {
            sessions++;
            session(random, $"seed {seed}, session {sessions}");
            before = sessions == LeastSessions / 2 ? OpenDescriptors() : before;
        }

        TestContext.Out.WriteLine($"{sessions} sessions");

        // The runtime may open a few of its own; a leak would have cost one a session.
        Assert.That(OpenDescriptors(), Is.LessThanOrEqualTo(before + 8), $"seed {seed}: descriptors leak");
    }

    /// <summary>Connects, sends the messages bent, and hangs up.</summary>
    internal void Run(List<(byte[] Bytes, FileDescriptor[] Fds)> messages, Random random)
    {
        using UnixSocket socket = UnixSocket.Connect(socketPath);
        for (int bends = random.Next(6); bends > 0; bends--)
        {
            Bend(messages, random);
        }

        byte[] sink = new byte[8192];
        foreach ((byte[] bytes, FileDescriptor[] fds) in messages)
        {
            if (!SendSome(socket, bytes, fds, random) || random.Next(200) == 0)
            {
                break;
            }

            if (random.Next(4) != 0)
            {
                context.Poll(blocking: false);
            }

            Between?.Invoke(random);
            if (random.Next(3) != 0)
            {
                Drain(socket, sink);
            }
        }
    }

    private void Bend(List<(byte[] Bytes, FileDescriptor[] Fds)> messages, Random random)
    {
        // Mostly after the first, so that most sessions get somewhere.
        int i = random.Next(8) == 0 ? 0 : random.Next(messages.Count);
        (byte[] bytes, FileDescriptor[] fds) = messages[i];
        byte[] bent = [.. bytes];
        if (bent.Length < HeaderLength)
        {
            return;
        }

        switch (random.Next(9))
        {
            case 0:
                bent[random.Next(bent.Length)] ^= (byte)(1 << random.Next(8));
                break;
            case 1 or 2:
                ReplaceNumber(bent, random);
                break;
            case 3:
                bent = bent[..random.Next(1, bent.Length + 1)];
                break;
            case 4:
                bent = [.. bent[..random.Next(HeaderLength, bent.Length + 1)], .. new byte[random.Next(2) * random.Next(5000)]];
                TellLength(bent);
                break;
            case 5:
                random.NextBytes(bent.AsSpan(HeaderLength));
                break;
            case 6:
                fds = [.. Enumerable.Range(0, random.Next(MostDescriptors + 1)).Select(_ => descriptors[random.Next(descriptors.Length)])];
                break;
            case 7:
                messages.Insert(random.Next(messages.Count + 1), messages[i]);
                return;
            default:
                int j = random.Next(messages.Count);
                (messages[i], messages[j]) = (messages[j], messages[i]);
                return;
        }

        messages[i] = (bent, fds);
    }

    /// <summary>Sends a message in parts; false when the server has closed or does not listen.</summary>
    private bool SendSome(UnixSocket socket, byte[] bytes, FileDescriptor[] fds, Random random)
    {
        for (int at = 0; at < bytes.Length;)
        {
            int length = random.Next(3) == 0 ? random.Next(1, bytes.Length - at + 1) : bytes.Length - at;
            int sent;
            try
            {
                sent = socket.Send(bytes.AsSpan(at, length), at == 0 || random.Next(10) == 0 ? fds : []);
            }
            catch (PosixException e) when (e.Errno is Errno.EPIPE or Errno.ECONNRESET)
            {
                return false;
            }

            if (sent < 0)
            {
                return false;
            }

            at += sent;
            if (at < bytes.Length)
            {
                context.Poll(blocking: false);
            }
        }

        return true;
    }

    private static void Drain(UnixSocket socket, byte[] sink)
    {
        List<FileDescriptor> received = [];
        try
        {
            while (socket.Receive(sink, received, out _) > 0)
            {
            }
        }
        catch (PosixException e) when (e.Errno == Errno.ECONNRESET)
        {
            // The server closed with bytes of ours unread.
        }

        received.ForEach(f => f.Dispose());
    }

    private static int OpenDescriptors() => Directory.GetFiles("/proc/self/fd").Length;
}
