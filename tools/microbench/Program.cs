using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;

// Micro-benchmarks of the parts: the ring, the ioeventfd table, the loop, the gate.
//   dotnet run -c Release --project tools/microbench                     all of them, a few minutes
//   dotnet run -c Release --project tools/microbench -- --filter '*Ring*'
// In this process, since the parts need no isolation from each other, and short, since differences of interest are large.
ManualConfig config = ManualConfig.Create(DefaultConfig.Instance)
    .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance).WithId("short"));
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args.Length == 0 ? ["--filter", "*"] : args, config);
