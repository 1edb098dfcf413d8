"""Seeding the local EC2, forgetting an account, and what the rest of the local AWS asks the image core."""

from typing import Any

import pytest

from goldenami.local.aws import ec2, lab
from support.ec2 import AWAY, HOME, Cloud, row


def test_an_instance_has_the_disks_it_is_sown_with(cloud: Cloud) -> None:
    sown = ec2.seed(
        "instance", cloud.account, HOME, {"volumes": [{"device_name": "/dev/xvda", "size": 9}, {"device_name": "/dev/sdb", "size": 3}]}
    )
    volumes = cloud.ec2().describe_volumes(VolumeIds=sown["volume_ids"])["Volumes"]
    assert sorted(volume["Size"] for volume in volumes) == [3, 9]
    assert cloud.shown(sown["image_id"])["State"] == "available"


@pytest.mark.parametrize(
    ("fields", "member", "value"),
    [
        row("instance store", "operator source checks", {"root_device_type": "instance-store"}, "BlockDeviceMappings", []),
        row("paravirtual", "operator source checks", {"virtualization": "paravirtual"}, "VirtualizationType", "paravirtual"),
        row("a name", "DescribeImages", {"name": "web"}, "Name", "web"),
        row("public", "DescribeImages", {"public": True}, "Public", True),
    ],
)
def test_an_image_has_the_traits_it_is_sown_with(cloud: Cloud, fields: dict[str, Any], member: str, value: Any) -> None:
    assert cloud.shown(cloud.image(**fields)).get(member, []) == value


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        row("an unknown kind", "seed", "volume", {}, "image, instance, recipe, snapshot"),
        row("an unknown field of an image", "seed", "image", {"colour": "red"}, "colour"),
        row("an unknown field of a snapshot", "seed", "snapshot", {"colour": "red"}, "colour"),
        row("a state that no instance starts in", "seed", "instance", {"state": "lost"}, "lost"),
    ],
)
def test_sowing_says_what_it_does_not_know(cloud: Cloud, kind: str, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ec2.seed(kind, cloud.account, HOME, fields)


def test_an_account_is_forgotten_alone(cloud: Cloud) -> None:
    mine, theirs = cloud.image(), cloud.image(account=cloud.other)
    cloud.ec2().enable_ebs_encryption_by_default()
    ec2.reset(cloud.account)
    assert not cloud.lists(mine, Owners=["self"])
    assert cloud.ec2().describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    assert cloud.ec2().get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
    assert cloud.lists(theirs, account=cloud.other, Owners=["self"])


def test_what_an_account_has_beside_its_images_is_forgotten_too(cloud: Cloud) -> None:
    image_id = cloud.image()
    clients = {name: cloud.aws.client(name, account=cloud.account) for name in ("rbin", "autoscaling", "imagebuilder")}
    cloud.settings.first_rule_seconds = 0
    clients["rbin"].create_rule(ResourceType="EC2_IMAGE", RetentionPeriod={"RetentionPeriodValue": 7, "RetentionPeriodUnit": "DAYS"})
    clients["autoscaling"].create_launch_configuration(LaunchConfigurationName="web", ImageId=image_id, InstanceType="t3.micro")
    ec2.seed("recipe", cloud.account, HOME, {"name": "web", "parent_image": image_id})
    cloud.ec2().create_image_usage_report(ImageId=image_id, ResourceTypes=[{"ResourceType": "ec2:Instance"}])
    cloud.ec2().deregister_image(ImageId=image_id)
    cloud.aws.lab.reset_account(cloud.account)
    cloud.pass_time(90 * 86400)
    assert clients["rbin"].list_rules(ResourceType="EC2_IMAGE")["Rules"] == []
    assert clients["autoscaling"].describe_launch_configurations()["LaunchConfigurations"] == []
    assert clients["imagebuilder"].list_image_recipes()["imageRecipeSummaryList"] == []
    assert cloud.ec2().describe_image_usage_reports()["ImageUsageReports"] == []
    assert cloud.ec2().list_images_in_recycle_bin()["Images"] == []


def test_only_available_images_in_reach_are_visible_to_other_services(cloud: Cloud) -> None:
    """PutParameter with aws:ec2:image asks this."""
    shared, private = cloud.image(account=cloud.other, users=[cloud.account]), cloud.image(account=cloud.other)
    pending = cloud.copy(cloud.image())
    visible = {name: lab.image_visible(cloud.account, region, image_id) for name, region, image_id in [
        ("shared", HOME, shared), ("private", HOME, private), ("pending", AWAY, pending), ("elsewhere", AWAY, shared),
    ]}  # fmt: skip
    assert visible == {"shared": True, "private": False, "pending": False, "elsewhere": False}
    cloud.pass_time()
    assert lab.image_visible(cloud.account, AWAY, pending)
