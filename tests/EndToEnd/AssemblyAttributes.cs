// Every test has the machine to itself: timings, mounts and loop devices are shared by all of it.
[assembly: NUnit.Framework.NonParallelizable]
[assembly: NUnit.Framework.LevelOfParallelism(1)]
[assembly: System.Runtime.Versioning.SupportedOSPlatform("linux")]
