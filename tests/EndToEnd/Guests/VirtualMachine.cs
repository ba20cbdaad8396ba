using System.Globalization;
using System.Runtime.InteropServices;

namespace EndToEnd.Guests;

/// <summary>
/// A Linux guest under QEMU, with no accelerator, whose only disk is a vhost-user-blk back end. It boots from memory what
/// scripts/guest has made, runs a script and powers itself off. Disposing ends it at once.
/// </summary>
internal sealed class VirtualMachine : IDisposable
{
    /// <summary>A boot takes five seconds on an idle machine.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Tool _qemu;
    private readonly string _console;

    /// <param name="space">The test's; holds the console's output.</param>
    /// <param name="socket">Where the back end listens.</param>
    /// <param name="name">Of this boot's files.</param>
    /// <param name="script">For busybox's sh, with <c>set -eu</c>. What it says with <c>show NAME VALUE</c> is in the report.</param>
    /// <param name="device">Properties of vhost-user-blk-pci.</param>
    /// <param name="cpus">The guest has one queue a CPU, as far as the device has them.</param>
    public VirtualMachine(TestSpace space, string socket, string name, string script, string device = "num-queues=1", int cpus = 1)
    {
        string folder = PrepareSystem();
        string initrd = WithScript(space, name, script, Path.Combine(folder, "initrd"));
        _console = space.Path($"{name}.console");
        string[] arguments =
        [
            "-machine", "q35,accel=tcg", "-cpu", "max", "-smp", $"{cpus}", "-m", "256M",
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", $"file:{_console}",
            "-kernel", Path.Combine(folder, "vmlinuz"), "-initrd", initrd, "-append", "console=ttyS0 panic=-1 quiet",
            "-object", "memory-backend-memfd,id=mem,size=256M,share=on", "-numa", "node,memdev=mem",
            "-chardev", $"socket,id=disk,path={socket},reconnect=1", "-device", $"vhost-user-blk-pci,chardev=disk,{device}",
        ];
        _qemu = Tool.Start("qemu-system-x86_64", arguments, space.Environment);
    }

    /// <summary>What the guest has printed until now.</summary>
    public string Console => File.Exists(_console) ? File.ReadAllText(_console).ReplaceLineEndings("\n") : "";

    /// <summary>Boots, runs the script and waits until the machine is off.</summary>
    public static GuestReport Run(
        TestSpace space, string socket, string name, string script, string device = "num-queues=1", int cpus = 1)
    {
        using VirtualMachine machine = new(space, socket, name, script, device, cpus);
        return machine.WaitForPowerOff();
    }

    /// <summary>Waits until the script has shown something by that name.</summary>
    public void WaitForShown(string name)
    {
        bool shown = Wait.Until(Patience, () => _qemu.HasExited || new GuestReport(Console).Has(name));
        Assert.That(shown && new GuestReport(Console).Has(name), Is.True, $"waited in vain for '{name}' on the console:\n{Console}");
    }

    /// <summary>Waits until the script is through, which it must be without an error, and the machine is off.</summary>
    public GuestReport WaitForPowerOff()
    {
        if (!Wait.Until(Patience, () => _qemu.HasExited))
        {
            Assert.Fail($"the guest was not through in {Patience.TotalSeconds:0} s; its console:\n{Console}");
        }

        RunResult end = _qemu.WaitForExit(Tool.StandardTimeout).Succeeded();
        GuestReport report = new(Console);
        Assert.That(report.Has("end"), Is.True, $"the script failed:\n{Console}{end}");
        Assert.That(Console, Does.Not.Contain("I/O error").And.Not.Contain("Call Trace"));
        return report;
    }

    public void Dispose() => _qemu.Dispose();

    /// <summary>Copies kernel and initrd, with their dates: scripts/guest takes them for its own.</summary>
    public static void CopySystem(string folder) =>
        Tool.Run("cp", ["--preserve=timestamps", .. Directory.GetFiles(PrepareSystem()), folder]).Succeeded();

    /// <summary>Kernel and initrd, made once for all tests.</summary>
    private static string PrepareSystem()
    {
        if (RuntimeInformation.ProcessArchitecture != Architecture.X64)
        {
            Assert.Ignore("the guest is an x86-64 one, as this machine is not");
        }

        string folder = Path.Combine(Programs.SourceRoot, "artifacts", "guest");
        Tool.Run(TimeSpan.FromMinutes(2), Path.Combine(Programs.SourceRoot, "scripts", "guest"), folder).Succeeded();
        return folder;
    }

    private static string WithScript(TestSpace space, string name, string script, string system)
    {
        string folder = space.Folder($"{name}.files");
        File.WriteAllText(
            Path.Combine(folder, "script"), $"set -eu\nshow() {{ echo \"= $*\"; }}\n{script.ReplaceLineEndings("\n")}\nshow end\n");
        string initrd = space.Path($"{name}.initrd");
        Tool.Run(
            "bash", "-c", "cd \"$1\" && echo script | cpio --quiet -o -H newc | cat \"$2\" - >\"$3\"", "bash", folder, system, initrd)
            .Succeeded();
        return initrd;
    }
}

/// <summary>What a guest's script has shown: values by name.</summary>
internal sealed class GuestReport
{
    private const string Mark = "= ";
    private readonly Dictionary<string, string> _shown = [];

    public GuestReport(string console)
    {
        // The last line may not be whole yet.
        foreach (string line in console.Split('\n')[..^1].Where(l => l.StartsWith(Mark, StringComparison.Ordinal)))
        {
            string[] parts = line[Mark.Length..].Split(' ', 2);
            _shown[parts[0]] = parts.Length > 1 ? parts[1].Trim() : "";
        }
    }

    public string this[string name] =>
        _shown.TryGetValue(name, out string? value) ? value : throw new AssertionException($"the guest has not shown '{name}'");

    public bool Has(string name) => _shown.ContainsKey(name);

    public long Number(string name) => long.Parse(this[name], CultureInfo.InvariantCulture);
}
