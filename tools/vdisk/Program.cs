using RingCore.Hosting;
using Vdisk.Commands;

return CommandHost.Run(VdiskCommand.Build(), args);
