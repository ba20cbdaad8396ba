using FuseFront;
using RingCore.Hosting;

return CommandHost.Run(FrontSettings.Command(FrontProgram.Run), args);
