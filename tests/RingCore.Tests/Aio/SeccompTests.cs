using System.Runtime.InteropServices;
using NUnit.Framework;
using RingCore.Aio;
using RingCore.Posix;

namespace RingCore.Tests.Aio;

/// <summary>A sandbox that forbids io_uring, or eventfds, put over one thread with seccomp(2).</summary>
[TestFixture]
public sealed unsafe partial class SeccompTests
{
    private const int PrSetNoNewPrivileges = 38;
    private const int PrSetSeccomp = 22;
    private const nint SeccompModeFilter = 2;
    private const uint ReturnErrno = 0x0005_0000;
    private const uint ReturnAllow = 0x7FFF_0000;
    private const uint IoUringSetupNumber = 425;
    private const uint IoUringRegisterNumber = 427;
    private static readonly uint EventFdNumber = RuntimeInformation.ProcessArchitecture == Architecture.X64 ? 290u : 19u;

    [TestCase(Errno.EPERM)]
    [TestCase(Errno.ENOSYS)]
    public void Auto_falls_back_to_epoll_where_io_uring_is_forbidden(int errno)
    {
        FdMonitorKind kind = FdMonitorKind.Auto;
        int calls = 0;
        InSandbox(IoUringSetupNumber, IoUringRegisterNumber, errno, () =>
        {
            using AioContext context = new();
            using EventNotifier notifier = new();
            context.SetEventNotifier(notifier, new AioHandler { Read = () => calls += notifier.TestAndClear() ? 1 : 0 });
            notifier.Signal();
            context.Poll(blocking: true);
            context.Poll(blocking: false);
            kind = context.Monitor;
        });
        Assert.That((kind, calls), Is.EqualTo((FdMonitorKind.Epoll, 1)));
    }

    [TestCase(Errno.ENOSYS)]
    [TestCase(Errno.EINVAL)]
    public void Without_eventfds_pipes_wake_the_loop(int errno)
    {
        bool isPipe = false;
        bool ran = false;
        InSandbox(EventFdNumber, EventFdNumber, errno, () =>
        {
            using EventNotifier notifier = new();
            isPipe = notifier.ReadDescriptor != notifier.WriteDescriptor;
            using IoThread thread = new(); // its context's own notifier is a pipe, too
            for (int i = 0; i < 20; i++)
            {
                thread.Context.Invoke(() => ran = true);
            }
        });
        Assert.That((isPipe, ran), Is.EqualTo((true, true)));
    }

    private static void InSandbox(uint firstNumber, uint lastNumber, int errno, Action action)
    {
        bool isAllowed = true;
        OwnThread.Run(() =>
        {
            isAllowed = Forbid(firstNumber, lastNumber, errno);
            if (isAllowed)
            {
                action();
            }
        });
        if (!isAllowed)
        {
            Assert.Ignore("seccomp filters are not allowed here");
        }
    }

    // For this thread only: without SECCOMP_FILTER_FLAG_TSYNC the others are not touched.
    private static bool Forbid(uint firstNumber, uint lastNumber, int errno)
    {
        const ushort LoadWord = 0x20;
        const ushort JumpIfNotBelow = 0x35;
        const ushort JumpIfAbove = 0x25;
        const ushort Return = 0x06;
        BpfInstruction* code = stackalloc BpfInstruction[5];
        code[0] = new BpfInstruction(LoadWord, 0, 0, 0); // seccomp_data.nr
        code[1] = new BpfInstruction(JumpIfNotBelow, 0, 2, firstNumber);
        code[2] = new BpfInstruction(JumpIfAbove, 1, 0, lastNumber);
        code[3] = new BpfInstruction(Return, 0, 0, ReturnErrno | (uint)errno);
        code[4] = new BpfInstruction(Return, 0, 0, ReturnAllow);
        BpfProgram program = new() { Length = 5, Code = code };
        return prctl(PrSetNoNewPrivileges, 1, 0, 0, 0) == 0
            && prctl(PrSetSeccomp, SeccompModeFilter, (nint)(&program), 0, 0) == 0;
    }

    [LibraryImport("libc")]
    private static partial int prctl(int option, nint a, nint b, nint c, nint d);

    /// <summary>struct sock_filter.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private readonly struct BpfInstruction(ushort code, byte jumpIfTrue, byte jumpIfFalse, uint k)
    {
        private readonly ushort _code = code;
        private readonly byte _jumpIfTrue = jumpIfTrue;
        private readonly byte _jumpIfFalse = jumpIfFalse;
        private readonly uint _k = k;
    }

    /// <summary>struct sock_fprog.</summary>
    [StructLayout(LayoutKind.Sequential)]
    private struct BpfProgram
    {
        public ushort Length;
        public BpfInstruction* Code;
    }
}
