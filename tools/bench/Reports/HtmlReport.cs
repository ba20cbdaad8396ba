using System.Reflection;
using System.Text.Json;

namespace Bench.Reports;

/// <summary>The run as one page that needs nothing else: the report's JSON, and the script that draws it.</summary>
internal static class HtmlReport
{
    private const string Resource = "report.html";
    private const string Placeholder = "\"REPORT\"";

    public static string Of(BenchReport report)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(Resource)!;
        using StreamReader reader = new(stream);

        // The serializer writes '<' as \u003C, so no text of the report can end the script element.
        return reader.ReadToEnd().Replace(Placeholder, JsonSerializer.Serialize(report, BenchReport.Json), StringComparison.Ordinal);
    }
}
