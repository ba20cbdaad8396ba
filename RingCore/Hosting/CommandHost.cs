using System.CommandLine;
using System.CommandLine.Parsing;
using RingCore.Posix;

namespace RingCore.Hosting;

/// <summary>
/// Runs a program's command line: a wrong argument is one line on stderr and exit code 2, a failure one line and exit
/// code 1, whatever was thrown; one that was interrupted ends with 130.
/// </summary>
public static class CommandHost
{
    /// <summary>A word is what it is: no @file is read in its place, no -abc taken apart.</summary>
    private static readonly ParserConfiguration Plain = new() { ResponseFileTokenReplacer = null, EnablePosixBundling = false };

    /// <summary>Set to 1, the stack of a failure follows its line.</summary>
    private const string DebugVariable = "VDISK_DEBUG";

    /// <summary>Parses and runs. The returned exit code is for <c>Main</c> to return.</summary>
    public static int Run(RootCommand root, string[] args)
    {
        int code = Run(root, args, Console.Out, Console.Error);
        LogSetup.Close();
        return code;
    }

    /// <summary>As the other, onto given writers.</summary>
    public static int Run(RootCommand root, string[] args, TextWriter output, TextWriter error)
    {
        string name = root.Name;
        try
        {
            ParseResult parsed = root.Parse(args, Plain);
            if (parsed.Errors.Count > 0)
            {
                error.WriteLine($"{name}: {UsageError(parsed, name)}");
                return ExitCodes.Usage;
            }

            return parsed.Invoke(new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
                Output = output,
                Error = error,
            });
        }
        catch (Exception e)
        {
            // The last frame of the program: what it ends with is the report itself.
            Report(name, e, error);
            return e switch
            {
                UserErrorException told => told.ExitCode,
                OperationCanceledException => ExitCodes.Interrupted,
                _ => ExitCodes.Failure,
            };
        }
    }

    /// <summary>The failure's one line, without the program's name.</summary>
    public static string Describe(Exception e) => OneLine(e switch
    {
        UserErrorException or ControlRefusalException => e.Message,
        IOException or UnauthorizedAccessException => e.Message,
        OperationCanceledException => "interrupted",
        _ => $"internal error: {e.GetType().Name}: {e.Message}; set {DebugVariable}=1 to see where, and report it",
    });

    private static void Report(string name, Exception e, TextWriter error)
    {
        error.WriteLine($"{name}: {Describe(e)}");
        if (Environment.GetEnvironmentVariable(DebugVariable) == "1")
        {
            error.WriteLine(e.ToString());
        }

        LogSetup.LogFailure(e);
    }

    private static string UsageError(ParseResult parsed, string name)
    {
        // A word that nothing accepts is the cause; what is missing because of it only follows from it.
        ParseError first = parsed.UnmatchedTokens.Count > 0
            ? parsed.Errors.FirstOrDefault(e => e.Message.Contains($"'{parsed.UnmatchedTokens[0]}'", StringComparison.Ordinal)) ?? parsed.Errors[0]
            : parsed.Errors[0];
        string message = first.SymbolResult is ArgumentResult { Tokens.Count: 0, Parent: CommandResult } missing
            ? $"{missing.Argument.Name} is missing"
            : OneLine(first.Message).TrimEnd('.');
        return $"{message}; see '{CommandPath(parsed.CommandResult, name)} --help'";
    }

    private static string CommandPath(CommandResult command, string name) =>
        command.Parent is CommandResult parent ? $"{CommandPath(parent, name)} {command.Command.Name}" : name;

    private static string OneLine(string message) =>
        string.Join(' ', message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries));
}
