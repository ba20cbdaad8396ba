using System.Globalization;
using System.Text;
using RingCore.Log;

namespace RingCore.CrashTest;

/// <summary>
/// A state as a word that a shell leaves alone: <c>prefix:41</c>; <c>cut:41+12+14.0-3.6-6</c>, which is what was stable after
/// record 41, then all of record 12, then sectors 0 to 3 and 6 of record 14; <c>base:0+7</c>.
/// </summary>
public static class StateSpec
{
    private static readonly string[] Starts = ["base", "cut", "prefix"]; // as StateStart

    /// <summary>Writes it; sectors are named only where some of a change's are missing.</summary>
    public static string Format(CrashState state)
    {
        var text = new StringBuilder($"{Starts[(int)state.Start]}:{state.At}");
        int last = 0;
        foreach (Piece piece in state.Pieces)
        {
            if (piece.Record != last)
            {
                text.Append(CultureInfo.InvariantCulture, $"+{piece.Record}");
                last = piece.Record;
            }

            text.Append(CultureInfo.InvariantCulture, $".{piece.Skip}-{piece.Skip + piece.Count - 1}");
        }

        return text.ToString();
    }

    /// <summary>As the other, with changes that are there as a whole named without their sectors.</summary>
    public static string Format(CrashState state, LogIndex index)
    {
        var text = new StringBuilder($"{Starts[(int)state.Start]}:{state.At}");
        for (int i = 0; i < state.Pieces.Count; i++)
        {
            Piece piece = state.Pieces[i];
            bool follows = i > 0 && state.Pieces[i - 1].Record == piece.Record;
            if (!follows)
            {
                text.Append(CultureInfo.InvariantCulture, $"+{piece.Record}");
            }

            if (piece != index.Whole(piece.Record))
            {
                text.Append(CultureInfo.InvariantCulture, $".{piece.Skip}-{piece.Skip + piece.Count - 1}");
            }
        }

        return text.ToString();
    }

    /// <summary>Reads what either Format wrote, for a log.</summary>
    /// <exception cref="LogException">It is wrong; the message says where.</exception>
    public static CrashState Parse(string text, LogIndex index)
    {
        string[] parts = text.Split('+');
        string[] head = parts[0].Split(':');
        int start = Array.IndexOf(Starts, head[0]);
        if (start < 0 || head.Length != 2 || !TryNumber(head[1], index.Count, out int at))
        {
            throw Wrong(text, $"it starts with base:0, cut:N or prefix:N, with N from 0 to {index.Count}");
        }

        List<Piece> pieces = [];
        foreach (string part in parts.Skip(1))
        {
            string[] words = part.Split('.');
            if (!TryNumber(words[0], index.Count, out int number) || number == 0 || !index[number].IsChange)
            {
                throw Wrong(text, $"'{words[0]}' is not the number of a write, discard or write-zeroes");
            }

            Piece whole = index.Whole(number);
            pieces.AddRange(words.Length == 1 ? [whole] : words.Skip(1).Select(w => Range(text, w, whole)));
        }

        return new CrashState((StateStart)start, at, pieces);
    }

    private static Piece Range(string text, string word, Piece whole)
    {
        string[] ends = word.Split('-');
        bool isRange = ends.Length == 2 & TryNumber(ends[0], whole.Count - 1, out int first) & TryNumber(ends[^1], whole.Count - 1, out int last);
        return isRange && first <= last
            ? new Piece(whole.Record, first, last - first + 1)
            : throw Wrong(text, $"'{word}' is not a range of the {whole.Count} sectors of record {whole.Record}, such as 0-{whole.Count - 1}");
    }

    private static bool TryNumber(string text, int most, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number <= most;

    private static LogException Wrong(string text, string what) => new($"state '{text}': {what}; take it from a crash-test's report");
}
