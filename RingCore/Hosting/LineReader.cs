using System.Net.Sockets;

namespace RingCore.Hosting;

/// <summary>Cuts what a socket sends into lines, with a bound. One thread.</summary>
internal sealed class LineReader(Socket socket, int maxBytes)
{
    private byte[] _buffer = new byte[4096];
    private int _length;

    /// <summary>
    /// Waits for the next line. False at the end of the stream (an unfinished line is dropped); a null line is one longer
    /// than the bound, and the reader is of no more use.
    /// </summary>
    public bool TryRead(out byte[]? line)
    {
        int scanned = 0;
        while (true)
        {
            int end = _buffer.AsSpan(scanned, _length - scanned).IndexOf((byte)'\n');
            if (end >= 0)
            {
                line = Take(scanned + end);
                return true;
            }

            scanned = _length;
            if (_length > maxBytes)
            {
                line = null;
                return true;
            }

            if (_length == _buffer.Length)
            {
                Array.Resize(ref _buffer, _buffer.Length * 2);
            }

            int received = socket.Receive(_buffer, _length, _buffer.Length - _length, SocketFlags.None);
            if (received == 0)
            {
                line = null;
                return false;
            }

            _length += received;
        }
    }

    private byte[] Take(int end)
    {
        byte[] line = _buffer[..end];
        _length -= end + 1;
        _buffer.AsSpan(end + 1, _length).CopyTo(_buffer);
        return line;
    }
}
