using Backend;
using RingCore.Hosting;

return CommandHost.Run(BackendSettings.Command(BackendProgram.Run), args);
