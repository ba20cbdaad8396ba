global using EndToEnd.Harness;
global using NUnit.Framework;
