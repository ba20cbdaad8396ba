using RingCore.Posix;

namespace FuseFront.Fuse;

/// <summary>Mounting or unmounting did not work; the message is one line for the user, with what to do about it.</summary>
public sealed class FuseMountException(string message, int errno) : IOException(message)
{
    /// <summary>The positive error number behind it.</summary>
    public int Errno { get; } = errno;
}

/// <summary>A FUSE mount made by this process: where it is, and how to be rid of it.</summary>
public sealed class FuseMount
{
    /// <summary>Our mounts have the file system type <c>fuse.vdisk</c>.</summary>
    public const string DefaultSubtype = "vdisk";

    private readonly string _device;
    private readonly bool _byFusermount;

    private FuseMount(MountEntry entry, bool byFusermount)
    {
        Path = entry.Path;
        _device = entry.Device;
        _byFusermount = byFusermount;
    }

    /// <summary>Absolute mount point, without symbolic links.</summary>
    public string Path { get; }

    /// <summary>Whether the mount is still there (perhaps below another one).</summary>
    public bool IsMounted => MountTable.Read().Find(_device, Path) != null;

    /// <summary>Unmounts; nothing happens when the mount is already gone.</summary>
    /// <param name="lazy">Take it out of the tree at once, and let open files live until they are closed.</param>
    /// <exception cref="FuseMountException">EBUSY when a file is open or a directory in use, and not
    /// <paramref name="lazy"/>.</exception>
    public void Unmount(bool lazy)
    {
        MountTable table = MountTable.Read();
        if (table.Find(_device, Path) == null)
        {
            return;
        }

        if (table.At(Path) is { } top && top.Device != _device)
        {
            throw new FuseMountException($"{Path}: {top.Type} is mounted on top of it: unmount that first", Errno.EBUSY);
        }

        Unmount(Path, lazy, _byFusermount);
    }

    /// <summary>
    /// Unmounts the FUSE mount of ours that is at <paramref name="path"/>, whichever process made it, also one whose server
    /// is dead. False when there is none.
    /// </summary>
    /// <exception cref="FuseMountException">EBUSY when in use and not <paramref name="lazy"/>; EPERM when it is another
    /// user's.</exception>
    public static bool UnmountAt(string path, bool lazy, string subtype = DefaultSubtype)
    {
        string resolved;
        try
        {
            resolved = MountPoint.Resolve(path);
        }
        catch (PosixException e) when (e.Errno is Errno.ENOENT or Errno.ENOTDIR)
        {
            return false;
        }

        if (MountTable.Read().At(resolved)?.Type != "fuse." + subtype)
        {
            return false;
        }

        Unmount(resolved, lazy, !UserIds.IsRoot);
        return true;
    }

    /// <summary>Checks the mount point, opens /dev/fuse and mounts it there. INIT is not answered yet.</summary>
    internal static (FuseMount Mount, FuseDevice Device) Create(FuseMountOptions options)
    {
        string path = FuseMountCheck.Check(options);
        bool byFusermount = options.Method == FuseMountMethod.Fusermount
            || (options.Method == FuseMountMethod.Auto && !UserIds.IsRoot);
        FuseDevice device = byFusermount ? Fusermount.Mount(path, options) : MountBySystem(path, options);
        MountEntry? entry;
        try
        {
            entry = MountTable.Read().At(path);
        }
        catch
        {
            device.Dispose(); // first: its descriptor may be what unmounting lacks
            Unmount(path, lazy: true, byFusermount);
            throw;
        }

        if (entry?.Type != "fuse." + options.Subtype)
        {
            device.Dispose();
            throw new FuseMountException($"{path}: mounted, and gone again at once: another program unmounted it?", Errno.ENODEV);
        }

        return (new FuseMount(entry, byFusermount), device);
    }

    private static FuseDevice MountBySystem(string path, FuseMountOptions options)
    {
        FuseDevice? device = null;
        try
        {
            device = FuseDevice.Open();
            (uint uid, uint gid) = (UserIds.Uid, UserIds.Gid);
            string data = $"fd={device.Descriptor.Number},rootmode=40000,user_id={uid},group_id={gid},default_permissions"
                + $",max_read={options.MaxTransfer}" + (options.AllowOther ? ",allow_other" : string.Empty);
            MountFlags flags = MountFlags.NoSetUid | MountFlags.NoDevices;
            flags |= options.ReadOnly ? MountFlags.ReadOnly : MountFlags.None;
            MountPoint.Mount(options.Source, path, "fuse." + options.Subtype, flags, data);
            return device;
        }
        catch (PosixException e)
        {
            device?.Dispose();
            throw new FuseMountException(Explain(path, e), e.Errno);
        }
    }

    private static string Explain(string path, PosixException e) => e.Errno switch
    {
        Errno.ENOENT or Errno.ENODEV or Errno.ENXIO =>
            "this kernel offers no FUSE: load its module (modprobe fuse), or pass /dev/fuse into the container",
        Errno.EPERM or Errno.EACCES => $"{path}: not allowed to mount ({e.Call}): run as root, or install fuse3 for fusermount3",
        _ => $"{path}: {e.Message}",
    };

    private static void Unmount(string path, bool lazy, bool byFusermount)
    {
        try
        {
            if (byFusermount)
            {
                Fusermount.Unmount(path, lazy);
            }
            else
            {
                MountPoint.Unmount(path, lazy);
            }
        }
        catch (PosixException e) when (e.Errno == Errno.EINVAL && !byFusermount)
        {
            // Nothing is mounted there any more: somebody was faster.
        }
        catch (PosixException e) when (e.Errno == Errno.EBUSY)
        {
            throw new FuseMountException(
                $"{path} is in use: close the files in it and leave it (fuser -vm {path} shows who), or unmount lazily", e.Errno);
        }
        catch (PosixException e)
        {
            throw new FuseMountException($"{path}: {e.Message}", e.Errno);
        }
    }
}
