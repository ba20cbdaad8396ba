using System.Runtime.CompilerServices;

// Every P/Invoke of this assembly passes blittable types only, so the marshaller has nothing to do.
[assembly: DisableRuntimeMarshalling]
