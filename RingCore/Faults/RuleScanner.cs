namespace RingCore.Faults;

/// <summary>A word of a rule, or one of the marks <c>:</c> and <c>..</c>. An empty text is the end of the line.</summary>
internal readonly record struct RuleToken(string Text, int Column)
{
    public bool IsEnd => Text.Length == 0;

    /// <summary>For a message.</summary>
    public string Quoted => IsEnd ? "the end of the line" : $"'{Text}'";
}

/// <summary>Cuts one line into tokens. Blanks part words, <c>#</c> starts a comment.</summary>
internal sealed class RuleScanner
{
    private readonly List<RuleToken> _tokens = [];
    private int _next;

    public RuleScanner(string line)
    {
        int at = 0;
        while (at < line.Length && line[at] != '#')
        {
            if (char.IsWhiteSpace(line[at]))
            {
                at++;
                continue;
            }

            int length = LengthAt(line, at);
            _tokens.Add(new RuleToken(line.Substring(at, length), at + 1));
            at += length;
        }

        int end = line.AsSpan(0, at).TrimEnd().Length;
        _tokens.Add(new RuleToken("", end + 1));
    }

    /// <summary>The next token; the end, when there is none.</summary>
    public RuleToken Peek => PeekAt(0);

    public RuleToken PeekAt(int ahead) => _tokens[Math.Min(_next + ahead, _tokens.Count - 1)];

    public RuleToken Take()
    {
        RuleToken token = Peek;
        _next = Math.Min(_next + 1, _tokens.Count - 1);
        return token;
    }

    /// <summary>Takes the next token if it is this one.</summary>
    public bool TryTake(string text)
    {
        if (Peek.Text != text)
        {
            return false;
        }

        Take();
        return true;
    }

    private static int LengthAt(string line, int start)
    {
        if (line[start] == ':')
        {
            return 1;
        }

        if (IsRangeMark(line, start))
        {
            return 2;
        }

        int at = start;
        while (at < line.Length && !char.IsWhiteSpace(line[at]) && line[at] is not (':' or '#') && !IsRangeMark(line, at))
        {
            at++;
        }

        return at - start;
    }

    private static bool IsRangeMark(string line, int at) => line[at] == '.' && at + 1 < line.Length && line[at + 1] == '.';
}
