using System.Runtime.InteropServices;

namespace RingCore.Posix;

/// <summary>The arguments or the environment of a program that is spawned: an array of C strings that ends with a null.</summary>
internal static unsafe class SpawnStrings
{
    /// <summary>The result is the caller's, for <see cref="Free"/>.</summary>
    public static byte** Allocate(IReadOnlyList<string> strings)
    {
        // One pointer more than there are strings; it stays null and ends the array.
        byte** array = (byte**)NativeMemory.AllocZeroed((nuint)(strings.Count + 1), (nuint)sizeof(byte*));
        for (int i = 0; i < strings.Count; i++)
        {
            array[i] = (byte*)Marshal.StringToCoTaskMemUTF8(strings[i]);
        }

        return array;
    }

    public static void Free(byte** array)
    {
        // Up to the null that Allocate left at the end.
        for (byte** p = array; *p != null; p++)
        {
            Marshal.FreeCoTaskMem((nint)(*p));
        }

        NativeMemory.Free(array);
    }
}
