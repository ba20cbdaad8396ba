using NUnit.Framework;
using RingCore.Hosting;
using Vdisk.Attachments;

namespace Vdisk.Tests;

/// <summary>What a person is told to type about an attachment is what works for it.</summary>
public class AdviceTests
{
    private static readonly Attachment Plain = Records.Of("/img", "/dir");

    private static readonly Attachment Mounted = Records.Of("/img", "/run/vdisk/fs/mnt") with
    {
        Mount = new InnerMount { Target = "/fs", TargetAsGiven = "/fs" },
    };

    private static readonly Attachment Foreign = Records.Of("vhost-user:/s", "/dir") with { VhostUserSocket = "/s" };

    [Test]
    public void Hung_requests_are_freed_at_the_place_that_is_seen()
    {
        Assert.That(HungRequests.Advice(Plain), Does.Contain("'vdisk fault clear /dir'"));
        Assert.That(HungRequests.Advice(Mounted), Does.Contain("'vdisk fault clear /fs'"));
        Assert.That(HungRequests.Advice(Foreign), Does.Contain("vhost-user:/s").And.Not.Contains("fault clear"));
    }

    [Test]
    public void Disk_is_detached_and_file_system_is_unmounted()
    {
        Assert.That(Registry.EndCommand(Plain), Is.EqualTo("run 'vdisk detach /dir'"));
        Assert.That(Registry.EndCommand(Mounted), Is.EqualTo("run 'vdisk umount /fs'"));
    }

    [Test]
    public void Every_step_of_a_clean_up_is_tried()
    {
        bool isTried = false;
        AfterFailure.Do(() => throw new UserErrorException("the first step fails"), () => isTried = true);
        Assert.That(isTried);
    }
}
