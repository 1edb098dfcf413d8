"""Replicas: keys, what is wrong before a byte is copied, what is lost or doubled behind the operator's back, and how a region goes."""

from collections.abc import Callable
from typing import Any

import pytest

from support.operator import AWAY, FAR, HOME, Body, World, snapshots_of, tags_of
from support.scenes import (
    calls_since,
    declared,
    events_of,
    image_of,
    images_of,
    iv,
    kms,
    look_again,
    made,
    new_key,
    newest_call,
    owner_tag,
    replica,
    until,
)

# --- keys ---


def test_each_region_is_encrypted_with_its_own_key(corner: World, name: str) -> None:
    home, away = new_key(corner, HOME), new_key(corner, AWAY)
    kms(corner, AWAY).create_alias(AliasName=f"alias/{name}", TargetKeyId=away)
    replicas = [{"region": HOME, "kmsKeyId": home}, {"region": AWAY, "kmsKeyId": f"alias/{name}"}, {"region": FAR}]

    corner.apply(declared(corner, name, replicas=replicas))
    corner.ready(name)

    assert keys_of(corner, name, HOME) == {home}
    assert keys_of(corner, name, AWAY) == {away}
    assert keys_of(corner, name, FAR) == {None}
    assert replica(corner, AWAY, name)["kmsKeyArn"] == away


def test_encryption_by_default_with_the_key_of_aws_rules_out_shares_before_anything_is_copied(world: World) -> None:
    world.ec2(AWAY).enable_ebs_encryption_by_default()
    world.apply(declared(world, "shared", sharing={"accounts": [world.partner]}), declared(world, "private"))

    condition = world.reason("DefaultKeyNotShareable", "shared")

    assert f"set kmsKeyId of {AWAY}" in condition["message"]
    assert made(world, "shared") == ["ec2.CopyImage"]  # at home
    assert images_of(world, "shared", AWAY) == []
    world.ready("private")
    assert image_of(world, "private", AWAY)["BlockDeviceMappings"][0]["Ebs"]["Encrypted"]
    own = new_key(world, AWAY)
    world.patch("goldenimage", "shared", {"spec": {"replicas": [{"region": HOME}, {"region": AWAY, "kmsKeyId": own}]}})
    world.ready("shared")
    assert keys_of(world, "shared", AWAY) == {own}


@pytest.mark.parametrize(
    ("key", "words"),
    [
        pytest.param(lambda world: "alias/nobody", "Name an enabled symmetric KMS key", id="is missing"),
        pytest.param(lambda world: disabled_key(world), "disabled or pending deletion", id="is disabled"),
        pytest.param(lambda world: new_key(world, AWAY, KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT"), "asymmetric", id="is asymmetric"),
    ],
)
def test_a_region_is_not_copied_to_while_its_key(corner: World, name: str, key: Callable[[World], str], words: str) -> None:
    wanted = key(corner)

    corner.apply(declared(corner, name, replicas=[{"region": HOME}, {"region": AWAY, "kmsKeyId": wanted}]))
    condition = corner.reason("EncryptionKeyInvalid", name)

    assert words in condition["message"]
    assert wanted in condition["message"]
    assert AWAY in condition["message"]
    assert images_of(corner, name, AWAY) == []
    until(corner, lambda: replica(corner, HOME, name).get("shared"), "the other region is ready all the same")
    assert made(corner, name) == ["ec2.CopyImage"]


def test_a_key_that_is_enabled_again_is_used_at_the_next_look_that_is_asked_for(corner: World, name: str) -> None:
    key = disabled_key(corner)
    corner.apply(declared(corner, name, replicas=[{"region": AWAY, "kmsKeyId": key}]))
    corner.reason("EncryptionKeyInvalid", name)

    kms(corner, AWAY).enable_key(KeyId=key)
    look_again(corner, name)

    corner.ready(name)
    assert keys_of(corner, name, AWAY) == {key}


def test_another_key_for_a_region_that_has_its_image_is_refused_with_the_ways_out(corner: World, name: str) -> None:
    key, other = new_key(corner, AWAY), new_key(corner, AWAY)
    corner.apply(declared(corner, name, replicas=[{"region": AWAY, "kmsKeyId": key}]))
    corner.ready(name)

    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": AWAY, "kmsKeyId": other}]}})
    condition = corner.reason("KeyMismatch", name)

    assert image_of(corner, name, AWAY)["ImageId"] in condition["message"]
    assert "declare a new version, or put the key" in condition["message"]
    assert made(corner, name) == ["ec2.CopyImage"]
    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": AWAY, "kmsKeyId": key}]}})
    corner.ready(name)


# --- answers that were lost ---


@pytest.mark.parametrize(
    ("operation", "source"),
    [
        pytest.param("CopyImage", lambda world: {"image": {"id": world.seed()}}, id="of CopyImage"),
        pytest.param("CreateImage", lambda world: {"instance": {"id": world.seed("instance"), "reboot": False}}, id="of CreateImage"),
        pytest.param("RegisterImage", lambda world: {"snapshot": snapshot(world)}, id="of RegisterImage"),
    ],
)
def test_a_lost_answer_makes_no_second_image(corner: World, name: str, operation: str, source: Callable[[World], Any]) -> None:
    wanted = source(corner)
    fault = corner.aws.lab.add_fault("lose", operation=f"ec2.{operation}", account=corner.account, resource=f"{name}-", times=1)

    corner.apply(declared(corner, name, source=wanted))
    corner.ready(name)

    assert next(each["struck"] for each in corner.aws.lab.faults() if each["id"] == fault) == 1
    corner.aws.lab.remove_fault(fault)
    look_again(corner, name)
    assert [len(images_of(corner, name, region)) for region in (HOME, AWAY)] == [1, 1]
    assert corner.ready(name)["status"]["regionsReady"] == "2/2"


# --- behind the operator's back ---


def test_a_replica_that_was_deregistered_is_copied_again_and_the_others_are_left_alone(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, sharing={"accounts": [corner.partner]}))
    corner.ready(name)
    before, home = image_of(corner, name, AWAY), image_of(corner, name, HOME)

    corner.ec2(AWAY).deregister_image(ImageId=before["ImageId"])
    look_again(corner, name)
    corner.ready(name)

    after = image_of(corner, name, AWAY)
    assert after["ImageId"] != before["ImageId"]
    assert after["State"] == "available"
    assert corner.shared_with(after["ImageId"], AWAY) == {corner.partner}
    assert image_of(corner, name, HOME) == home
    assert made(corner, name) == ["ec2.CopyImage"] * 3
    lost = until(corner, lambda: [text for reason, text in events_of(corner, iv(name)) if reason == "ReplicaLost"], "an event")
    assert before["ImageId"] in lost[0]


def test_a_lost_owner_tag_is_a_conflict_and_never_a_second_copy(corner: World, name: str) -> None:
    corner.apply(declared(corner, name))
    corner.ready(name)
    image = image_of(corner, name, AWAY)
    tag = {"Key": "goldenami.dev/owner", "Value": owner_tag(corner, name)}

    corner.ec2(AWAY).delete_tags(Resources=[image["ImageId"]], Tags=[{"Key": tag["Key"]}])
    look_again(corner, name)
    condition = corner.reason("Conflict", name)

    assert image["ImageId"] in condition["message"]
    assert AWAY in condition["message"]
    assert "put the tag back" in condition["message"]
    assert made(corner, name) == ["ec2.CopyImage"] * 2
    corner.ec2(AWAY).create_tags(Resources=[image["ImageId"]], Tags=[tag])
    look_again(corner, name)
    corner.ready(name)
    assert image_of(corner, name, AWAY)["ImageId"] == image["ImageId"]
    assert made(corner, name) == ["ec2.CopyImage"] * 2


def test_a_replica_that_was_disabled_is_enabled_and_shared_again(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, sharing={"accounts": [corner.partner]}))
    corner.ready(name)
    image = image_of(corner, name, AWAY)["ImageId"]

    corner.ec2(AWAY).disable_image(ImageId=image)
    look_again(corner, name)
    until(corner, lambda: corner.shared_with(image, AWAY) == {corner.partner}, "shared again")

    corner.ready(name)
    assert image_of(corner, name, AWAY)["State"] == "available"


# --- a region that is down ---


def test_a_region_that_is_down_delays_no_other_and_heals_by_itself(corner: World, name: str) -> None:
    fault = corner.aws.lab.add_fault("region_down", account=corner.account, region=AWAY)
    aliases = [{"parameter": f"/{name}/{{channel}}"}]

    corner.apply(declared(corner, name, regions=(HOME, AWAY, FAR), sharing={"accounts": [corner.partner]}, aliases=aliases))
    condition = corner.reason("RegionUnreachable", name)

    assert AWAY in condition["message"]
    until(corner, lambda: all(corner.parameter(f"/{name}/current", region) for region in (HOME, FAR)), "the others are published")
    for region in (HOME, FAR):
        assert corner.shared_with(image_of(corner, name, region)["ImageId"], region) == {corner.partner}
    assert corner.condition("goldenimage", name, "Reconciling")["status"] == "True"
    corner.aws.lab.remove_fault(fault)
    corner.ready(name)
    assert image_of(corner, name, AWAY)["State"] == "available"


def test_a_region_that_does_not_answer_at_all_holds_up_no_other(world: World) -> None:
    """Unlike one whose connections are refused, it takes the half minute of a timeout. In an account that no other test waits for."""
    fault = world.aws.lab.add_fault("slow", account=world.account, region=AWAY, seconds=14.0)
    try:
        world.apply(declared(world, regions=(HOME, AWAY, FAR), sharing={"accounts": [world.partner]}))
        condition = world.reason("RegionUnreachable")

        assert f"{AWAY} has not answered for 10 s" in condition["message"]
        until(world, lambda: replica(world, HOME).get("shared") and replica(world, FAR).get("shared"), "the others are ready")
    finally:
        world.aws.lab.remove_fault(fault)
    world.ready()


def test_permissions_that_may_not_be_read_in_one_region_are_that_regions_problem_alone(corner: World, name: str) -> None:
    refused = {"operation": "ec2.DescribeImageAttribute", "account": corner.account, "region": AWAY}
    corner.apply(declared(corner, name, sharing={"accounts": [corner.partner]}))
    corner.ready(name)
    corner.aws.lab.add_fault("refuse", code="UnauthorizedOperation", message="You are not authorized.", times=1000, **refused)

    corner.ec2(HOME).modify_image_attribute(
        ImageId=image_of(corner, name, HOME)["ImageId"], LaunchPermission={"Remove": [{"UserId": corner.partner}]}
    )
    look_again(corner, name)
    condition = corner.reason("AccessDenied", name)

    assert "DescribeImageAttribute" in condition["message"]
    assert AWAY in condition["message"]
    assert corner.shared_with(image_of(corner, name, HOME)["ImageId"], HOME) == {corner.partner}
    corner.aws.lab.clear_faults()
    look_again(corner, name)
    corner.ready(name)


# --- a region that goes ---


def test_a_removed_region_stays_while_a_launch_template_names_its_image(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, deletionPolicy="Delete"))
    corner.ready(name)
    image, ec2 = image_of(corner, name, AWAY), corner.ec2(AWAY)
    data = {"ImageId": image["ImageId"]}
    template = ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)["LaunchTemplate"]["LaunchTemplateId"]
    ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData={"ImageId": corner.seed(region=AWAY)})

    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": HOME}]}})
    condition = corner.reason("InUse", name)

    assert f"{template}:1" in condition["message"]
    assert image["ImageId"] in condition["message"]
    assert image_of(corner, name, AWAY)["State"] == "available"
    ec2.delete_launch_template(LaunchTemplateId=template)
    look_again(corner, name)
    corner.ready(name)
    assert images_of(corner, name, AWAY) == []
    assert ec2.describe_snapshots(Filters=[{"Name": "snapshot-id", "Values": snapshots_of(image)}])["Snapshots"] == []


@pytest.mark.parametrize(
    ("sharing", "foreign"),
    [
        pytest.param(lambda world: None, set(), id="and grants are left as they are"),
        pytest.param(lambda world: {"accounts": [world.partner]}, set(), id="and is shared"),
        pytest.param(lambda world: {"accounts": [world.partner], "foreignGrants": "Keep"}, {"666666666666"}, id="also by somebody else"),
    ],
)
def test_an_image_that_comes_into_use_while_it_is_disabled_is_enabled_and_shared_again(
    corner: World, name: str, sharing: Callable[[World], Body | None], foreign: set[str]
) -> None:
    wanted = sharing(corner)
    spec: dict[str, Any] = {"sharing": wanted} if wanted else {}
    corner.apply(declared(corner, name, deletionPolicy="Delete", **spec))
    corner.ready(name)
    image, ec2, lab = image_of(corner, name, AWAY), corner.ec2(AWAY), corner.aws.lab
    for account in foreign:
        ec2.modify_image_attribute(ImageId=image["ImageId"], LaunchPermission={"Add": [{"UserId": account}]})
    before = corner.shared_with(image["ImageId"], AWAY)
    lab.add_fault("hold", operation="ec2.DisableImage", account=corner.account, resource=image["ImageId"])

    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": HOME}]}})
    (held,) = lab.held(wait_seconds=30)
    user = ec2.run_instances(ImageId=image["ImageId"], MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"][0]["InstanceId"]
    lab.release(held.id)
    condition = corner.reason("InUse", name)

    assert user in condition["message"]
    until(corner, lambda: image_of(corner, name, AWAY)["State"] == "available", "enabled again")
    until(corner, lambda: "goldenami.dev/disabled-since" not in tags_of(image_of(corner, name, AWAY)), "nothing left to be given back")
    assert corner.shared_with(image["ImageId"], AWAY) == before == {*foreign, *(wanted["accounts"] if wanted else ())}
    assert "ec2.DeregisterImage" not in [call.name for call in calls_since(corner, held.call.sequence)]
    ec2.terminate_instances(InstanceIds=[user])
    look_again(corner, name)
    until(corner, lambda: images_of(corner, name, AWAY) == [], "deregistered")


def test_an_image_that_a_person_disabled_stays_disabled_when_it_is_found_in_use(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, deletionPolicy="Delete"))
    corner.ready(name)
    image, ec2 = image_of(corner, name, AWAY)["ImageId"], corner.ec2(AWAY)
    user = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"][0]["InstanceId"]
    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": HOME}]}})
    corner.reason("InUse", name)

    ec2.disable_image(ImageId=image)
    look_again(corner, name)
    until(corner, lambda: "somebody else disabled it" in corner.reason("InUse", name)["message"], "told")

    assert image_of(corner, name, AWAY)["State"] == "disabled"
    ec2.terminate_instances(InstanceIds=[user])
    look_again(corner, name)
    until(corner, lambda: images_of(corner, name, AWAY) == [], "deregistered")


def test_regions_that_go_under_retain_keep_image_shares_and_tags_and_say_so_in_an_event(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, tags={"team": "platform"}, sharing={"accounts": [corner.partner]}))
    corner.ready(name)
    image, since = image_of(corner, name, AWAY), newest_call(corner)

    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": HOME}]}})
    corner.ready(name)
    until(corner, lambda: images_of(corner, name, AWAY) == [], "released")

    left = corner.ec2(AWAY).describe_images(ImageIds=[image["ImageId"]])["Images"][0]
    assert left["State"] == "available"
    assert tags_of(left)["team"] == "platform"
    assert corner.shared_with(image["ImageId"], AWAY) == {corner.partner}
    assert {call.name for call in calls_since(corner, since, region=AWAY, mutating=True)} == {"ec2.CreateTags", "ec2.DeleteTags"}
    told = until(corner, lambda: [text for reason, text in events_of(corner, iv(name)) if reason == "Released"], "an event")
    assert image["ImageId"] in told[0]
    assert AWAY in told[0]


def test_a_region_added_again_takes_its_released_image_back(corner: World, name: str) -> None:
    corner.apply(declared(corner, name))
    corner.ready(name)
    image = image_of(corner, name, AWAY)["ImageId"]
    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": HOME}]}})
    corner.ready(name)
    until(corner, lambda: images_of(corner, name, AWAY) == [], "released")

    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": HOME}, {"region": AWAY}]}})
    corner.ready(name)

    assert image_of(corner, name, AWAY)["ImageId"] == image
    assert made(corner, name) == ["ec2.CopyImage"] * 2


def test_a_source_that_is_gone_is_replaced_by_a_replica_where_a_region_is_added(corner: World, name: str) -> None:
    source = corner.seed()
    corner.apply(declared(corner, name, source={"image": {"id": source}}))
    corner.ready(name)
    corner.ec2().deregister_image(ImageId=source)

    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": region} for region in (HOME, AWAY, FAR)]}})
    corner.ready(name)

    assert image_of(corner, name, FAR)["SourceImageId"] == image_of(corner, name, HOME)["ImageId"]
    assert corner.get("imageversion", iv(name)) is not None


# --- things that were there before ---


def disabled_key(world: World) -> str:
    key = new_key(world, AWAY)
    kms(world, AWAY).disable_key(KeyId=key)
    return key


def snapshot(world: World) -> dict[str, Any]:
    boots = {"architecture": "x86_64", "bootMode": "uefi", "rootDeviceName": "/dev/xvda", "enaSupport": True}
    return {"id": world.seed("snapshot"), **boots}


def keys_of(world: World, name: str, region: str) -> set[str | None]:
    parts = world.ec2(region).describe_snapshots(SnapshotIds=snapshots_of(image_of(world, name, region)))["Snapshots"]
    return {part.get("KmsKeyId") for part in parts}
