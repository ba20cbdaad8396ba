using System.Runtime.InteropServices;
using FuseFront.Fuse;
using FuseFront.Fuse.Wire;
using NUnit.Framework;
using RingCore.Posix;

namespace FuseFront.Tests.Fuse;

public sealed class FuseHandshakeTests
{
    private const FuseInitFlags All = (FuseInitFlags)ulong.MaxValue;

    [Test]
    public void Takes_of_the_offer_what_is_wanted_and_no_more()
    {
        FuseInitFlags wanted = FuseInitFlags.AsyncRead | FuseInitFlags.MaxPages | FuseInitFlags.InitExtended | FuseInitFlags.DirectIoAllowMmap;
        FuseNegotiation? agreed = FuseHandshake.TryAnswer(Init(7, 45, All), 1 << 20, wanted, out FuseInitOut reply, out ulong unique);

        Assert.That(agreed!.Flags, Is.EqualTo(wanted));
        Assert.That(unique, Is.EqualTo(2));
        Assert.That(reply.Flags | ((ulong)reply.Flags2 << 32), Is.EqualTo((ulong)wanted));
        Assert.That(reply.MaxPages, Is.EqualTo(256));
        Assert.That(reply.MaxWrite, Is.EqualTo(1 << 20));
        Assert.That(reply.MaxReadahead, Is.EqualTo(131072));
    }

    [TestCase(31, ExpectedResult = 31)]
    [TestCase(45, ExpectedResult = 45)]
    [TestCase(99, ExpectedResult = 45)]
    public int Speaks_the_smaller_of_both_minor_versions(int minor) =>
        FuseHandshake.TryAnswer(Init(7, (uint)minor, All), 1 << 20, All, out _, out _)!.Minor;

    [Test]
    public void Upper_flags_count_only_where_the_kernel_says_they_are_valid()
    {
        FuseNegotiation? agreed = FuseHandshake.TryAnswer(
            Init(7, 45, All & ~FuseInitFlags.InitExtended), 1 << 20, All, out FuseInitOut reply, out _);
        Assert.That(agreed!.Flags & FuseInitFlags.DirectIoAllowMmap, Is.EqualTo(FuseInitFlags.None));
        Assert.That(reply.Flags2, Is.Zero);
    }

    [Test]
    public void Writes_stay_at_32_pages_without_max_pages()
    {
        FuseNegotiation? agreed = FuseHandshake.TryAnswer(Init(7, 27, FuseInitFlags.BigWrites), 1 << 20, All, out _, out _);
        Assert.That(agreed!.MaxWrite, Is.EqualTo(128 << 10));
    }

    [Test]
    public void Older_kernels_send_a_shorter_offer()
    {
        byte[] request = Init(7, 31, FuseInitFlags.MaxPages)[..(40 + 16)];
        Assert.That(FuseHandshake.TryAnswer(request, 1 << 20, All, out _, out _)!.MaxWrite, Is.EqualTo(1 << 20));
    }

    [Test]
    public void Newer_major_version_is_told_ours_and_asked_again()
    {
        Assert.That(FuseHandshake.TryAnswer(Init(8, 0, All), 1 << 20, All, out FuseInitOut reply, out _), Is.Null);
        Assert.That(reply.Major, Is.EqualTo(7));
    }

    [TestCase(6u, 40u)]
    [TestCase(7u, 22u)]
    public void Too_old_a_version_is_refused(uint major, uint minor) =>
        Assert.That(
            () => FuseHandshake.TryAnswer(Init(major, minor, All), 1 << 20, All, out _, out _),
            Throws.TypeOf<ProtocolException>());

    [TestCase(0)]
    [TestCase(39)]
    [TestCase(40)]
    [TestCase(55)]
    public void Truncated_request_is_refused(int length) =>
        Assert.That(
            () => FuseHandshake.TryAnswer(Init(7, 45, All).AsSpan(0, length), 1 << 20, All, out _, out _),
            Throws.TypeOf<ProtocolException>());

    private static byte[] Init(uint major, uint minor, FuseInitFlags flags)
    {
        byte[] request = new byte[40 + 64];
        MemoryMarshal.Write(request, new FuseInHeader { Length = 104, Opcode = FuseOpcode.Init, Unique = 2 });
        MemoryMarshal.Write(request.AsSpan(40), new FuseInitIn
        {
            Major = major,
            Minor = minor,
            MaxReadahead = 131072,
            Flags = (uint)flags,
            Flags2 = (uint)((ulong)flags >> 32),
        });
        return request;
    }
}
