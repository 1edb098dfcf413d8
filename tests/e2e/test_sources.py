"""Sources: what a version can be made from, what it cannot and why, and when an image that exists is taken instead of a copy."""

from collections.abc import Callable
from typing import Any

import pytest

from support.operator import AWAY, FAR, HOME, Body, World, snapshots_of, tags_of
from support.scenes import changed_settings, declared, events_of, image_of, images_of, iv, kms, look_again, made, new_key, owner_tag, until

Row = Callable[[World], Body]

BOOTS = {"architecture": "x86_64", "bootMode": "uefi", "rootDeviceName": "/dev/xvda", "enaSupport": True}

# --- images ---


@pytest.mark.parametrize(
    "traits",
    [
        pytest.param(lambda world: {}, id="an image of the account itself is copied"),
        pytest.param(
            lambda world: {"account": world.partner, "users": [world.account], "snapshot_users": [world.account]},
            id="an image of another account that is shared together with its snapshots is copied",
        ),
        pytest.param(
            lambda world: {"account": world.partner, "public": True, "snapshot_public": True},
            id="a public image of another account is copied",
        ),
        pytest.param(
            lambda world: {
                "account": world.partner,
                "users": [world.account],
                "snapshot_users": [world.account],
                "kms_key": key_for(world, account=world.partner, grantee=world.account),
            },
            id="an image of another account whose key this account may use is copied",
        ),
    ],
)
def test_an_image(corner: World, name: str, traits: Row) -> None:
    source = corner.seed(**traits(corner))

    corner.apply(declared(corner, name, source={"image": {"id": source}}))
    corner.ready(name)

    for region in (HOME, AWAY):
        image = image_of(corner, name, region)
        assert image["State"] == "available"
        assert image["ImageId"] != source
        assert (image["SourceImageId"], image["SourceImageRegion"]) == (source, HOME)


@pytest.mark.parametrize(
    ("source", "reason", "words"),
    [
        pytest.param(
            lambda world: {"image": {"id": world.seed(root_device_type="instance-store")}},
            "InstanceStoreUnsupported",
            "use an EBS-backed source",
            id="an instance-store image stalls",
        ),
        pytest.param(
            lambda world: {"image": {"id": world.seed(virtualization="paravirtual")}},
            "ParavirtualUnsupported",
            "only hvm images",
            id="a paravirtual image stalls",
        ),
        pytest.param(
            lambda world: {"image": {"id": world.seed(product_codes=["abc123"])}},
            "ProductCodesUnsupported",
            "build from an image without product codes",
            id="an image with product codes stalls",
        ),
        pytest.param(
            lambda world: {"image": {"id": encrypted_abroad(world)}},
            "SourceKeyNotUsable",
            "its owner must allow kms:DescribeKey, Decrypt, ReEncrypt* and CreateGrant",
            id="an image encrypted with a key that this account may not use stalls",
        ),
        pytest.param(
            lambda world: {"image": {"id": "ami-00000000000000000"}},
            "SourceNotFound",
            "check spec.source and spec.region",
            id="an image that does not exist stalls",
        ),
        pytest.param(
            lambda world: {"image": {"id": world.seed(account=world.partner)}},
            "SourceNotFound",
            "its launch permissions",
            id="an image that nobody shared with this account stalls",
        ),
        pytest.param(
            lambda world: {"image": {"id": world.seed(state="failed", reason={"code": "Client.InternalError", "message": "disk error"})}},
            "SourceFailed",
            "must be available",
            id="a failed image stalls",
        ),
        pytest.param(
            lambda world: {"image": {"id": world.seed(state="disabled")}},
            "SourceFailed",
            "must be available",
            id="a disabled image stalls",
        ),
        pytest.param(
            lambda world: {"instance": {"id": "i-00000000000000000", "reboot": False}},
            "SourceNotFound",
            "check spec.source and spec.region",
            id="an instance that does not exist stalls",
        ),
        pytest.param(
            lambda world: {"instance": {"id": terminated(world), "reboot": False}},
            "InvalidSource",
            "must be running or stopped",
            id="a terminated instance stalls",
        ),
        pytest.param(
            lambda world: {"instance": {"id": running(world, product_codes=["abc123"]), "reboot": False}},
            "ProductCodesUnsupported",
            "build from an image without product codes",
            id="an instance with product codes stalls",
        ),
        pytest.param(
            lambda world: {"snapshot": {**BOOTS, "id": "snap-00000000000000000"}},
            "SourceNotFound",
            "check spec.source and spec.region",
            id="a snapshot that does not exist stalls",
        ),
        pytest.param(
            lambda world: {"snapshot": {**BOOTS, "id": snapshot_abroad(world)}},
            "SourceKeyNotUsable",
            "re-encrypt it with a key that can be shared",
            id="a snapshot encrypted with a key that this account may not use stalls",
        ),
    ],
)
def test_a_source_that_cannot_become_an_image_is_refused_before_anything_is_made(
    corner: World, name: str, source: Row, reason: str, words: str
) -> None:
    wanted = source(corner)

    corner.apply(declared(corner, name, source=wanted))
    condition = corner.reason(reason, name)

    assert words in condition["message"]
    assert next(iter(wanted.values()))["id"] in condition["message"]
    assert corner.condition("goldenimage", name, "Stalled")["status"] == "True"
    assert corner.condition("goldenimage", name, "SourceReady")["reason"] == reason
    assert made(corner, name) == []


def test_an_image_whose_snapshots_are_not_shared_is_refused_by_ec2_and_stalls(corner: World, name: str) -> None:
    source = corner.seed(account=corner.partner, users=[corner.account])

    corner.apply(declared(corner, name, source={"image": {"id": source}}))
    condition = corner.reason("InvalidSource", name)

    assert "must share its snapshots" in condition["message"]
    assert source in condition["message"]
    assert images_of(corner, name) == []


def test_a_pending_source_is_waited_for_and_copied_once_it_is_available(corner: World, name: str) -> None:
    ec2 = corner.ec2()
    instance = corner.seed("instance")
    with changed_settings(corner.aws, image_seconds=3.0):
        source = ec2.create_image(InstanceId=instance, Name=f"source-of-{name}")["ImageId"]

    corner.apply(declared(corner, name, source={"image": {"id": source}}))
    condition = corner.reason("SourcePending", name, condition="SourceReady")

    assert source in condition["message"]
    assert made(corner, name) == []
    corner.ready(name)
    assert image_of(corner, name)["State"] == "available"


# --- instances ---


@pytest.mark.parametrize("reboot", [pytest.param(True, id="with a reboot"), pytest.param(False, id="without a reboot")])
def test_an_instance_becomes_the_home_replica_as_declared(corner: World, name: str, reboot: bool) -> None:
    instance = corner.seed("instance")
    volumes = [{"deviceName": "/dev/sdf", "sizeGiB": 7, "volumeType": "gp3"}]

    corner.apply(declared(corner, name, source={"instance": {"id": instance, "reboot": reboot, "volumes": volumes}}))
    corner.ready(name)

    (call,) = [call for call in corner.aws.lab.audit_calls(account=corner.account, operation="CreateImage") if is_of(call, name)]
    assert str(call.arguments["NoReboot"]).lower() == str(not reboot).lower()
    home, away = image_of(corner, name, HOME), image_of(corner, name, AWAY)
    assert home["State"] == "available"
    assert tags_of(home)["goldenami.dev/role"] == "home"
    assert {row["DeviceName"]: row["Ebs"]["VolumeSize"] for row in home["BlockDeviceMappings"]}["/dev/sdf"] == 7
    assert away["SourceImageId"] == home["ImageId"]
    assert made(corner, name) == ["ec2.CreateImage", "ec2.CopyImage"]


def test_no_machine_is_rebooted_for_an_image_that_no_region_can_take(corner: World, name: str) -> None:
    instance = corner.ec2().run_instances(ImageId=corner.seed(), MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"][0][
        "InstanceId"
    ]
    replicas = [{"region": AWAY, "kmsKeyId": "alias/nobody"}]
    corner.apply(declared(corner, name, source={"instance": {"id": instance, "reboot": True}}, replicas=replicas))

    condition = corner.reason("EncryptionKeyInvalid", name)

    assert f"no image is made from instance {instance}" in condition["message"]
    assert (made(corner, name), images_of(corner, name)) == ([], [])
    # One region that takes it is enough.
    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": FAR}, *replicas]}})
    until(corner, lambda: made(corner, name) == ["ec2.CreateImage", "ec2.CopyImage"], "made and copied to the other region")


def test_a_name_that_somebody_elses_image_holds_is_told_and_that_image_left_alone(corner: World, name: str) -> None:
    holder = corner.seed(name=f"{name}-1.0.0")

    corner.apply(declared(corner, name, source={"instance": {"id": corner.seed("instance"), "reboot": False}}))
    condition = corner.reason("NameConflict", name)

    assert holder in condition["message"]
    assert f"{name}-1.0.0" in condition["message"]
    assert "nameTemplate" in condition["message"]
    assert images_of(corner, name) == []
    assert corner.ec2().describe_images(ImageIds=[holder])["Images"][0].get("Tags", []) == []
    corner.ec2().deregister_image(ImageId=holder)
    look_again(corner, name)
    corner.ready(name)


def test_a_home_image_with_another_key_than_declared_is_the_source_and_a_copy_is_the_replica(corner: World, name: str) -> None:
    key = new_key(corner)
    replicas = [{"region": HOME, "kmsKeyId": key}, {"region": AWAY}]

    corner.apply(declared(corner, name, source={"instance": {"id": corner.seed("instance"), "reboot": False}}, replicas=replicas))
    corner.ready(name)

    roles = {tags_of(image)["goldenami.dev/role"]: image for image in images_of(corner, name, HOME)}
    assert sorted(roles) == ["home", "replica"]
    assert key_of(corner, roles["replica"]) == key
    assert corner.get("imageversion", iv(name))["status"]["source"]["imageId"] == roles["home"]["ImageId"]  # type: ignore[index]


def test_home_that_is_not_among_the_replicas_is_kept_unshared_as_the_source_of_regions_added_later(corner: World, name: str) -> None:
    source = {"instance": {"id": corner.seed("instance"), "reboot": False}}
    corner.apply(declared(corner, name, source=source, regions=(AWAY,), sharing={"accounts": [corner.partner]}))
    corner.ready(name)

    home = image_of(corner, name, HOME)
    assert home["State"] == "available"
    assert corner.shared_with(home["ImageId"], HOME) == set()
    assert corner.shared_with(image_of(corner, name, AWAY)["ImageId"], AWAY) == {corner.partner}
    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": AWAY}, {"region": FAR}]}})
    corner.ready(name)
    assert image_of(corner, name, FAR)["SourceImageId"] == home["ImageId"]
    assert made(corner, name).count("ec2.CreateImage") == 1


# --- snapshots ---


def test_a_snapshot_is_registered_with_everything_that_is_declared_and_stays_the_users(corner: World, name: str) -> None:
    snapshot = corner.seed("snapshot", tags={"team": "appliance"})
    source = {"snapshot": {**BOOTS, "id": snapshot, "tpmSupport": "v2.0", "imdsSupport": "v2.0", "volumeType": "gp3"}}

    corner.apply(declared(corner, name, source=source, tags={"team": "platform"}))
    corner.ready(name)

    home = image_of(corner, name, HOME)
    expected = {
        "Architecture": "x86_64", "BootMode": "uefi", "TpmSupport": "v2.0", "ImdsSupport": "v2.0", "EnaSupport": True,
        "VirtualizationType": "hvm", "RootDeviceName": "/dev/xvda", "RootDeviceType": "ebs",
    }  # fmt: skip
    assert {field: home.get(field) for field in expected} == expected
    assert snapshots_of(home) == [snapshot]
    assert image_of(corner, name, AWAY)["SourceImageId"] == home["ImageId"]
    assert tags_of(corner.ec2().describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]) == {"team": "appliance"}


def test_a_snapshot_without_enhanced_networking_is_registered_so(corner: World, name: str) -> None:
    source = {"snapshot": {**BOOTS, "id": corner.seed("snapshot"), "bootMode": "legacy-bios", "enaSupport": False}}

    corner.apply(declared(corner, name, source=source, regions=(HOME,)))
    corner.ready(name)

    home = image_of(corner, name, HOME)
    assert not home.get("EnaSupport", False)
    assert home["BootMode"] == "legacy-bios"
    assert "ImdsSupport" not in home


# --- adoption ---


def test_an_adopted_image_becomes_the_home_replica_with_its_snapshots_tagged_and_nothing_copied_there(corner: World, name: str) -> None:
    source = corner.seed(tags={"kept": "yes"})

    corner.apply(declared(corner, name, source={"image": {"id": source, "adopt": True}}, sharing={"accounts": [corner.partner]}))
    corner.ready(name)

    home = image_of(corner, name, HOME)
    assert home["ImageId"] == source
    assert tags_of(home)["kept"] == "yes"
    parts = corner.ec2().describe_snapshots(SnapshotIds=snapshots_of(home))["Snapshots"]
    assert [tags_of(part)["goldenami.dev/owner"] for part in parts] == [owner_tag(corner, name)]
    assert corner.shared_with(source) == {corner.partner}
    assert image_of(corner, name, AWAY)["SourceImageId"] == source
    assert made(corner, name) == ["ec2.CopyImage"]
    until(corner, lambda: "Adopted" in [reason for reason, _ in events_of(corner, iv(name))], "an event")


@pytest.mark.parametrize(
    ("traits", "words"),
    [
        pytest.param(
            lambda world: {"tags": {"goldenami.dev/owner": "tests/elsewhere/other", "goldenami.dev/version": "1.0.0"}},
            "belongs to tests/elsewhere/other",
            id="that another object owns",
        ),
        pytest.param(lambda world: {"tags": {"aws:backup:source-resource": "i-1"}}, "managed by AWS Backup", id="of AWS Backup"),
        pytest.param(
            lambda world: {"tags": {"aws:dlm:lifecycle-policy-id": "policy-1"}}, "Data Lifecycle Manager", id="of Data Lifecycle Manager"
        ),
        pytest.param(lambda world: {"tags": {"CreatedBy": "EC2 Image Builder"}}, "EC2 Image Builder", id="of EC2 Image Builder"),
        pytest.param(
            lambda world: {"account": world.partner, "users": [world.account], "snapshot_users": [world.account]},
            "only an own image can be adopted",
            id="of another account",
        ),
    ],
)
def test_adoption_is_refused_for_an_image(corner: World, name: str, traits: Row, words: str) -> None:
    source = corner.seed(**traits(corner))

    corner.apply(declared(corner, name, source={"image": {"id": source, "adopt": True}}))
    condition = corner.reason("Conflict", name)

    assert words in condition["message"]
    assert source in condition["message"]
    assert HOME in condition["message"] or "account" in condition["message"]
    assert images_of(corner, name, HOME) == []


def test_of_two_that_adopt_one_image_the_first_has_it_and_the_other_says_so(corner: World, name: str) -> None:
    source, second = {"image": {"id": corner.seed(), "adopt": True}}, f"{name}-second"
    corner.apply(declared(corner, name, source=source, regions=(HOME,)))
    corner.ready(name)

    corner.apply(declared(corner, second, source=source, regions=(HOME,)))
    condition = corner.reason("Conflict", second)

    assert owner_tag(corner, name) in condition["message"]
    assert image_of(corner, name)["ImageId"] == source["image"]["id"]
    assert images_of(corner, second) == []


def test_of_two_that_adopt_one_image_at_the_same_moment_one_has_it(corner: World, name: str) -> None:
    source, names = {"image": {"id": corner.seed(), "adopt": True}}, (name, f"{name}-second")

    corner.apply(*(declared(corner, each, source=source, regions=(HOME,)) for each in names))

    def reasons() -> list[str]:
        return sorted(corner.condition("goldenimage", each).get("reason", "") for each in names)

    until(corner, lambda: not {"", "Progressing"} & set(reasons()), "both judged")
    for each in names:
        look_again(corner, each)
    until(corner, lambda: reasons() == ["Conflict", "Succeeded"], "one owner")
    (owner,) = [each for each in names if images_of(corner, each)]
    assert corner.condition("goldenimage", owner)["reason"] == "Succeeded"


def test_an_adopted_image_is_released_and_can_then_be_adopted_by_another(corner: World, name: str) -> None:
    source, second = {"image": {"id": corner.seed(), "adopt": True}}, f"{name}-second"
    corner.apply(declared(corner, name, source=source, regions=(HOME,)))
    corner.ready(name)
    corner.delete("goldenimage", name)
    corner.gone(name)

    corner.apply(declared(corner, second, source=source, regions=(HOME,)))
    corner.ready(second)

    assert image_of(corner, second)["ImageId"] == source["image"]["id"]


# --- things that were there before ---


def is_of(call: Any, name: str) -> bool:
    return str(call.arguments.get("Name", "")).startswith(f"{name}-")


def encrypted_abroad(world: World) -> str:
    key = new_key(world, account=world.partner)
    return world.seed(account=world.partner, users=[world.account], snapshot_users=[world.account], kms_key=key)


def key_for(world: World, *, account: str, grantee: str) -> str:
    """A key of one account that another may use."""
    key = new_key(world, account=account)
    operations = ["DescribeKey", "Decrypt", "ReEncryptFrom", "CreateGrant"]
    kms(world, account=account).create_grant(KeyId=key, GranteePrincipal=f"arn:aws:iam::{grantee}:root", Operations=operations)
    return key


def snapshot_abroad(world: World) -> str:
    return world.seed("snapshot", account=world.partner, users=[world.account], kms_key=new_key(world, account=world.partner))


def running(world: World, **traits: Any) -> str:
    return world.seed("instance", image_id=world.seed(**traits))


def terminated(world: World) -> str:
    instance = world.seed("instance")
    world.ec2().terminate_instances(InstanceIds=[instance])
    return instance


def key_of(world: World, image: Body, region: str = HOME) -> str:
    (part,) = world.ec2(region).describe_snapshots(SnapshotIds=snapshots_of(image))["Snapshots"]
    return str(part["KmsKeyId"])
