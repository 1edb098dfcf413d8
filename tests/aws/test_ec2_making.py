"""CreateImage and RegisterImage of the local EC2: what an image is made from, and what is refused."""

from typing import Any

import pytest

from support.ec2 import Act, Cloud, assert_refused, refusal, row, tags_of

DISKS = [{"device_name": "/dev/xvda", "size": 8}, {"device_name": "/dev/sdb", "size": 20, "delete_on_termination": False}]


def mappings(image: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {mapping["DeviceName"]: mapping["Ebs"] for mapping in image["BlockDeviceMappings"]}


def create(cloud: Cloud, **arguments: Any) -> str:
    request = {"Name": "golden", **arguments}
    if "InstanceId" not in request:
        request["InstanceId"] = cloud.instance(volumes=DISKS)
    return str(cloud.ec2().create_image(**request)["ImageId"])


def test_an_image_of_an_instance_is_pending_then_available_with_a_snapshot_per_disk(cloud: Cloud) -> None:
    """CreateImage; research 3."""
    parent = cloud.image(architecture="arm64", boot_mode="uefi", imds="v2.0", volumes=DISKS)
    instance = cloud.instance(image_id=parent)
    tags = [
        {"ResourceType": "image", "Tags": [{"Key": "i", "Value": "1"}]},
        {"ResourceType": "snapshot", "Tags": [{"Key": "s", "Value": "2"}]},
    ]
    image_id = create(cloud, InstanceId=instance, Description="of a web server", TagSpecifications=tags)
    pending = cloud.shown(image_id)
    assert (pending["State"], tags_of(pending), pending["SourceInstanceId"]) == ("pending", {"i": "1"}, instance)
    assert not any("SnapshotId" in ebs for ebs in mappings(pending).values())
    cloud.pass_time()
    image = cloud.shown(image_id)
    assert (image["State"], image["Architecture"], image["BootMode"], image["ImdsSupport"]) == ("available", "arm64", "uefi", "v2.0")
    assert (image["SourceImageId"], image["SourceImageRegion"]) == (parent, "us-east-1")
    snapshots = {device: cloud.shown_snapshot(ebs["SnapshotId"]) for device, ebs in mappings(image).items()}
    assert {device: (snapshot["VolumeSize"], snapshot["State"]) for device, snapshot in snapshots.items()} == {
        "/dev/xvda": (8, "completed"),
        "/dev/sdb": (20, "completed"),
    }
    assert all(tags_of(snapshot) == {"s": "2"} for snapshot in snapshots.values())
    assert snapshots["/dev/sdb"]["Description"] == f"Created by CreateImage({instance}) for {image_id}"
    assert mappings(image)["/dev/sdb"]["DeleteOnTermination"] is False


def test_extra_volumes_are_blank_or_from_a_snapshot(cloud: Cloud) -> None:
    """CreateImage, BlockDeviceMappings."""
    snapshot = cloud.snapshot(size=5)
    extra = [
        {"DeviceName": "/dev/sdf", "Ebs": {"VolumeSize": 50, "VolumeType": "gp3"}},
        {"DeviceName": "/dev/sdg", "Ebs": {"SnapshotId": snapshot}},
        {"DeviceName": "/dev/sdb", "NoDevice": ""},
        {"DeviceName": "/dev/xvda", "Ebs": {"DeleteOnTermination": False}},
    ]
    image_id = create(cloud, BlockDeviceMappings=extra)
    cloud.pass_time()
    disks = mappings(cloud.shown(image_id))
    assert disks.keys() == {"/dev/xvda", "/dev/sdf", "/dev/sdg"}
    assert (disks["/dev/sdf"]["VolumeSize"], "SnapshotId" in disks["/dev/sdf"]) == (50, False)
    assert (disks["/dev/sdg"]["VolumeSize"], disks["/dev/sdg"]["SnapshotId"]) == (5, snapshot)
    assert disks["/dev/xvda"]["DeleteOnTermination"] is False


def test_an_encrypted_disk_keeps_its_key(cloud: Cloud) -> None:
    """Research 3 CreateImage."""
    key = cloud.key()
    image_id = create(
        cloud, InstanceId=cloud.instance(volumes=[{"device_name": "/dev/xvda", "size": 8, "encrypted": True, "kms_key": key}])
    )
    cloud.pass_time()
    snapshot = cloud.shown_snapshot(cloud.snapshot_of(image_id))
    assert (snapshot["Encrypted"], snapshot["KmsKeyId"]) == (True, key)


def test_an_image_fails_if_its_instance_is_gone_before_it_is_made(cloud: Cloud) -> None:
    """Research 3 CreateImage: failed with Client.InstanceTerminated."""
    instance = cloud.instance()
    image_id = create(cloud, InstanceId=instance)
    cloud.ec2().terminate_instances(InstanceIds=[instance])
    cloud.pass_time()
    image = cloud.shown(image_id)
    assert (image["State"], image["StateReason"]["Code"]) == ("failed", "Client.InstanceTerminated")


def register(cloud: Cloud, **arguments: Any) -> str:
    root = {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": arguments.pop("snapshot", None) or cloud.snapshot(size=8)}}
    request = {"Name": "golden", "RootDeviceName": "/dev/xvda", "BlockDeviceMappings": [root], **arguments}
    return str(cloud.ec2().register_image(**request)["ImageId"])


def test_a_registered_image_is_old_fashioned_unless_told_otherwise(cloud: Cloud) -> None:
    """RegisterImage defaults; trap 39."""
    image = cloud.shown(register(cloud))
    assert (image["Architecture"], image["VirtualizationType"], image["State"]) == ("i386", "paravirtual", "pending")
    assert not image.keys() & {"EnaSupport", "BootMode", "TpmSupport", "ImdsSupport", "SourceImageId"}


def test_a_registered_image_has_what_it_was_told(cloud: Cloud) -> None:
    """RegisterImage."""
    snapshot = cloud.snapshot(size=8)
    image_id = register(
        cloud,
        snapshot=snapshot,
        Architecture="arm64",
        VirtualizationType="hvm",
        EnaSupport=True,
        SriovNetSupport="simple",
        BootMode="uefi",
        TpmSupport="v2.0",
        ImdsSupport="v2.0",
        Description="d",
        TagSpecifications=[{"ResourceType": "image", "Tags": [{"Key": "a", "Value": "b"}]}],
    )
    cloud.pass_time()
    image = cloud.shown(image_id)
    wanted = {
        "State": "available", "Architecture": "arm64", "VirtualizationType": "hvm", "EnaSupport": True, "SriovNetSupport": "simple",
        "BootMode": "uefi", "TpmSupport": "v2.0", "ImdsSupport": "v2.0", "Description": "d", "RootDeviceType": "ebs",
        "Tags": [{"Key": "a", "Value": "b"}],
    }  # fmt: skip
    assert {name: image[name] for name in wanted} == wanted
    assert mappings(image)["/dev/xvda"] == {
        "SnapshotId": snapshot, "VolumeSize": 8, "VolumeType": "gp2", "DeleteOnTermination": True, "Encrypted": False,
    }  # fmt: skip


def test_a_shared_snapshot_can_be_registered(cloud: Cloud) -> None:
    """Research 3 RegisterImage: owned or permitted."""
    assert register(cloud, snapshot=cloud.snapshot(account=cloud.other, users=[cloud.account]))


def test_product_codes_come_with_the_snapshot(cloud: Cloud) -> None:
    """Research 3 RegisterImage: billing metadata comes from the snapshot."""
    image = cloud.shown(register(cloud, snapshot=cloud.snapshot(product_codes=["abc"])))
    assert [code["ProductCodeId"] for code in image["ProductCodes"]] == ["abc"]


def taken_name(cloud: Cloud) -> str:
    cloud.image(name="taken")
    return "taken"


def failed_name(cloud: Cloud) -> str:
    cloud.image(name="failed", state="failed", reason={"code": "Server.InternalError", "message": "no"})
    return "failed"


def terminated(cloud: Cloud) -> str:
    instance = cloud.instance()
    cloud.ec2().terminate_instances(InstanceIds=[instance])
    return instance


def pending_snapshot(cloud: Cloud) -> str:
    volume = cloud.ec2().create_volume(AvailabilityZone="us-east-1a", Size=1)["VolumeId"]
    return str(cloud.ec2().create_snapshot(VolumeId=volume)["SnapshotId"])


def ebs(**values: Any) -> list[dict[str, Any]]:
    return [{"DeviceName": "/dev/xvda", "Ebs": values}]


TAG_VOLUME = [{"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}]}]
TAG_SNAPSHOT = [{"ResourceType": "snapshot", "Tags": [{"Key": "a", "Value": "b"}]}]
RESERVED_TAG = [{"ResourceType": "image", "Tags": [{"Key": "aws:x", "Value": "b"}]}]
MANY_TAGS = [{"ResourceType": "image", "Tags": [{"Key": str(number), "Value": ""} for number in range(51)]}]


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal("a name in use", "research 1.1 Exists", "InvalidAMIName.Duplicate", lambda w: create(w, Name=taken_name(w))),
        refusal("the name of a failed image", "trap 2", "InvalidAMIName.Duplicate", lambda w: create(w, Name=failed_name(w))),
        refusal("a long name", "CreateImage Name", "InvalidAMIName.Malformed", lambda w: create(w, Name="a" * 129)),
        refusal("a name with a colon", "CreateImage Name", "InvalidAMIName.Malformed", lambda w: create(w, Name="web:1")),
        refusal("accents in its description", "field", "InvalidParameterValue", lambda w: create(w, Description="na\u00efve")),
        refusal("no such instance", "CreateImage", "InvalidInstanceID.NotFound", lambda w: create(w, InstanceId="i-00000000000000000")),
        refusal("a malformed instance", "moto table", "InvalidInstanceID.Malformed", lambda w: create(w, InstanceId="web-1")),
        refusal("a terminated instance", "research 11", "IncorrectState", lambda w: create(w, InstanceId=terminated(w))),
        refusal(
            "a resized disk", "BlockDeviceMappings", "InvalidBlockDeviceMapping", lambda w: create(w, BlockDeviceMappings=ebs(VolumeSize=9))
        ),
        refusal(
            "a newly encrypted disk",
            "BlockDeviceMappings",
            "InvalidBlockDeviceMapping",
            lambda w: create(w, BlockDeviceMappings=ebs(Encrypted=True)),
        ),
        refusal("tags for volumes", "TagSpecifications", "InvalidParameterValue", lambda w: create(w, TagSpecifications=TAG_VOLUME)),
        refusal("a reserved tag", "trap 44", "InvalidParameterValue", lambda w: create(w, TagSpecifications=RESERVED_TAG)),
        refusal("51 tags", "trap 44", "TagLimitExceeded", lambda w: create(w, TagSpecifications=MANY_TAGS)),
        refusal("a dry run", "research 1.5", "DryRunOperation", lambda w: create(w, DryRun=True), 412),
    ],
)
def test_create_image_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal("a name in use", "research 1.1 Exists", "InvalidAMIName.Duplicate", lambda w: register(w, Name=taken_name(w))),
        refusal("a bad name", "RegisterImage Name", "InvalidAMIName.Malformed", lambda w: register(w, Name="web#1")),
        refusal("no such snapshot", "research 11", "InvalidSnapshot.NotFound", lambda w: register(w, snapshot="snap-00000000000000000")),
        refusal("a malformed snapshot", "research 11", "InvalidSnapshotID.Malformed", lambda w: register(w, snapshot="vol-1")),
        refusal(
            "someone's private snapshot",
            "research 3",
            "InvalidSnapshot.NotFound",
            lambda w: register(w, snapshot=w.snapshot(account=w.other)),
        ),
        refusal("a pending snapshot", "research 3", "IncorrectState", lambda w: register(w, snapshot=pending_snapshot(w))),
        refusal(
            "encryption beside a snapshot",
            "RegisterImage BlockDeviceMappings",
            "InvalidParameterCombination",
            lambda w: register(w, BlockDeviceMappings=ebs(SnapshotId=w.snapshot(), Encrypted=True)),
        ),
        refusal(
            "a volume smaller than its snapshot",
            "EBS volumes",
            "InvalidBlockDeviceMapping",
            lambda w: register(w, BlockDeviceMappings=ebs(SnapshotId=w.snapshot(size=8), VolumeSize=4)),
        ),
        refusal(
            "no root disk", "RegisterImage RootDeviceName", "InvalidBlockDeviceMapping", lambda w: register(w, RootDeviceName="/dev/sda1")
        ),
        refusal("neither disks nor a manifest", "RegisterImage", "MissingParameter", lambda w: register(w, BlockDeviceMappings=[])),
        refusal("a TPM without UEFI", "RegisterImage TpmSupport", "InvalidParameterCombination", lambda w: register(w, TpmSupport="v2.0")),
        refusal(
            "tags for snapshots",
            "RegisterImage TagSpecifications",
            "InvalidParameterValue",
            lambda w: register(w, TagSpecifications=TAG_SNAPSHOT),
        ),
        refusal("a dry run", "research 1.5", "DryRunOperation", lambda w: register(w, DryRun=True), 412),
    ],
)
def test_register_image_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)


def test_a_duplicate_name_is_refused_in_words_that_name_the_holder(cloud: Cloud) -> None:
    """Research moto table, RegisterImage."""
    holder = cloud.image(name="taken")
    with pytest.raises(cloud.ec2().exceptions.ClientError, match=f"AMI name taken is already in use by AMI {holder}"):
        create(cloud, Name="taken")


@pytest.mark.parametrize("make", [row("CreateImage", "names", create), row("RegisterImage", "names", register)])
def test_a_name_is_free_again_once_its_image_is_deregistered(cloud: Cloud, make: Any) -> None:
    cloud.ec2().deregister_image(ImageId=make(cloud, Name="again"))
    assert make(cloud, Name="again")


def test_a_name_is_taken_in_its_own_account_and_region_only(cloud: Cloud) -> None:
    """CreateImage and RegisterImage, Name; research 1.1, InvalidAMIName.Duplicate."""
    cloud.image(name="golden", account=cloud.other)
    cloud.image("eu-west-1", name="golden")
    assert register(cloud)


def test_a_new_image_is_not_seen_before_the_list_lag_is_over(cloud: Cloud) -> None:
    """Research 1.4; trap 7."""
    cloud.settings.list_lag_seconds = 30
    image_id = register(cloud, snapshot=cloud.snapshot())
    see: Act = lambda w: w.ec2().describe_images(ImageIds=[image_id])  # noqa: E731
    assert_refused(cloud, see, "InvalidAMIID.NotFound", 400)
    assert not cloud.lists(image_id, Owners=["self"])
    assert_refused(cloud, lambda w: w.ec2().deregister_image(ImageId=image_id), "InvalidAMIID.NotFound", 400)
    cloud.pass_time(30)
    assert cloud.lists(image_id, Owners=["self"])
