using Bench;
using RingCore.Hosting;

// bench: measures the virtual disk with fio, beside the file itself and other ways to serve it. scripts/bench runs it.
return CommandHost.Run(BenchCommand.Build(), args);
