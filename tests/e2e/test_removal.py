"""Regions and images that go at awkward moments: while copies run, while a region is down, and how little is left behind."""

from typing import Any

import pytest

from support.operator import AWAY, HOME, World, snapshots_of, tags_of
from support.scenes import changed_settings, declared, events_of, image_of, images_of, kms, look_again, new_key, owner_tag, until


def made_from(world: World, kind: str, snapshot: str) -> dict[str, Any]:
    """A source of that kind which names the snapshot."""
    if kind == "snapshot":
        boots = {"architecture": "x86_64", "bootMode": "uefi", "rootDeviceName": "/dev/xvda", "enaSupport": True}
        return {"snapshot": {"id": snapshot, **boots}}
    volumes = [{"deviceName": "/dev/sdf", "snapshotId": snapshot}]
    return {"instance": {"id": world.seed("instance"), "reboot": False, "volumes": volumes}}


def tagged_snapshots(world: World, name: str, region: str) -> list[str]:
    """Every snapshot there that this family owns."""
    filters = [{"Name": "tag:goldenami.dev/owner", "Values": [owner_tag(world, name)]}]
    return [row["SnapshotId"] for row in world.ec2(region).describe_snapshots(OwnerIds=["self"], Filters=filters)["Snapshots"]]


def pending(world: World, name: str, region: str = AWAY) -> bool:
    return [image["State"] for image in images_of(world, name, region)] == ["pending"]


def nothing_left(world: World, name: str) -> bool:
    return not any((*images_of(world, name, at), *tagged_snapshots(world, name, at)) for at in (HOME, AWAY))


def test_an_image_that_is_deleted_while_it_is_copied_leaves_nothing(corner: World, name: str) -> None:
    with changed_settings(corner.aws, copy_seconds=6.0, copy_spread=1.0):
        corner.apply(declared(corner, name, deletionPolicy="Delete"))
        until(corner, lambda: pending(corner, name), "a pending copy")

    corner.delete("goldenimage", name)
    corner.gone(name)

    assert nothing_left(corner, name)


def test_an_image_that_is_deleted_while_it_is_copied_is_released_when_the_copy_ends_under_retain(corner: World, name: str) -> None:
    with changed_settings(corner.aws, copy_seconds=3.0, copy_spread=1.0):
        manifest = declared(corner, name, sharing={"accounts": [corner.partner]})
        corner.apply(manifest)
        until(corner, lambda: pending(corner, name), "a pending copy")
    before = image_of(corner, name, AWAY)["ImageId"]

    corner.delete("goldenimage", name)
    corner.gone(name)

    assert nothing_left(corner, name)
    assert corner.ec2(AWAY).describe_images(ImageIds=[before])["Images"][0]["State"] == "available"
    corner.apply(manifest)
    corner.ready(name)
    assert image_of(corner, name, AWAY)["ImageId"] == before
    assert corner.shared_with(before, AWAY) == {corner.partner}


@pytest.mark.parametrize("kind", ["snapshot", "instance"])
def test_a_snapshot_that_the_spec_names_stays_the_users_when_everything_made_from_it_goes(corner: World, name: str, kind: str) -> None:
    theirs = corner.seed("snapshot", tags={"keep": "me"})

    corner.apply(declared(corner, name, source=made_from(corner, kind, theirs), deletionPolicy="Delete"))
    corner.ready(name)
    assert theirs in snapshots_of(image_of(corner, name))
    corner.delete("goldenimage", name)
    corner.gone(name)

    assert nothing_left(corner, name)
    assert tags_of(corner.ec2().describe_snapshots(SnapshotIds=[theirs])["Snapshots"][0]) == {"keep": "me"}


@pytest.mark.parametrize("kind", ["snapshot", "instance"])
def test_it_stays_the_users_in_a_version_that_is_known_by_its_tags_alone(corner: World, name: str, kind: str) -> None:
    theirs = corner.seed("snapshot", tags={"keep": "me"})
    source = made_from(corner, kind, theirs)
    corner.apply(declared(corner, name, source=source))
    corner.ready(name)
    # Objects that go while they are only observed leave everything as it is, as the loss of a cluster does.
    corner.patch("goldenimage", name, {"spec": {"managementPolicy": "Observe"}})
    until(corner, lambda: corner.condition("imageversion", f"{name}-1.0.0").get("status"), "observed")
    corner.delete("goldenimage", name)
    corner.gone(name)

    corner.apply(declared(corner, name, version="2.0.0", deletionPolicy="Delete"))
    corner.ready(name)
    restored = corner.ready(f"{name}-1.0.0", "imageversion")
    assert source[kind].items() <= restored["spec"]["source"][kind].items()
    corner.delete("goldenimage", name)
    corner.gone(name)

    assert nothing_left(corner, name)
    assert tags_of(corner.ec2().describe_snapshots(SnapshotIds=[theirs])["Snapshots"][0]) == {"keep": "me"}


def test_a_region_that_is_removed_while_its_copy_runs_leaves_nothing_under_delete(corner: World, name: str) -> None:
    with changed_settings(corner.aws, copy_seconds=4.0, copy_spread=1.0):
        corner.apply(declared(corner, name, deletionPolicy="Delete"))
        until(corner, lambda: pending(corner, name), "a pending copy")

    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": HOME}]}})
    corner.ready(name)

    assert images_of(corner, name, AWAY) == []
    assert tagged_snapshots(corner, name, AWAY) == []
    assert image_of(corner, name, HOME)["State"] == "available"


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_a_region_that_is_removed_while_it_is_down_is_told_and_cleared_when_it_is_back(corner: World, name: str, policy: str) -> None:
    aliases = [{"parameter": f"/{name}/{{channel}}"}]
    corner.apply(declared(corner, name, deletionPolicy=policy, aliases=aliases))
    corner.ready(name)
    fault = corner.aws.lab.add_fault("region_down", account=corner.account, region=AWAY)

    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": HOME}]}})
    condition = corner.reason("RegionUnreachable", name)
    assert AWAY in condition["message"]
    corner.aws.lab.remove_fault(fault)
    corner.ready(name)

    assert images_of(corner, name, AWAY) == []
    until(corner, lambda: tagged_snapshots(corner, name, AWAY) == [], "snapshots gone or released")
    parameter = f"/{name}/current"
    if policy == "Delete":
        until(corner, lambda: corner.parameter(parameter, AWAY) is None, "the parameter deleted")
    else:
        tags = corner.ssm(AWAY).list_tags_for_resource
        until(corner, lambda: _owner(tags(ResourceType="Parameter", ResourceId=parameter)["TagList"]) is None, "the parameter released")
        assert corner.parameter(parameter, AWAY) is not None


def test_a_deletion_waits_for_a_region_that_is_down(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, deletionPolicy="Delete"))
    corner.ready(name)
    fault = corner.aws.lab.add_fault("region_down", account=corner.account, region=AWAY)

    corner.delete("goldenimage", name)
    until(corner, lambda: images_of(corner, name, HOME) == [], "the other region cleared")
    condition = corner.reason("RegionUnreachable", f"{name}-1.0.0", condition="ReplicasReady", kind="imageversion")
    assert AWAY in condition["message"]
    assert corner.get("goldenimage", name) is not None
    corner.aws.lab.remove_fault(fault)
    corner.gone(name)

    assert nothing_left(corner, name)


def test_a_share_that_is_taken_back_while_a_region_is_down_is_taken_back_there_later(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, sharing={"accounts": [corner.partner]}))
    corner.ready(name)
    fault = corner.aws.lab.add_fault("region_down", account=corner.account, region=AWAY)

    corner.patch("goldenimage", name, {"spec": {"sharing": {"accounts": []}}})
    until(corner, lambda: corner.shared_with(image_of(corner, name, HOME)["ImageId"]) == set(), "taken back at home")
    corner.reason("RegionUnreachable", name)
    corner.aws.lab.remove_fault(fault)
    corner.ready(name)

    assert corner.shared_with(image_of(corner, name, AWAY)["ImageId"], AWAY) == set()


def test_a_share_that_is_taken_back_is_taken_back_on_an_image_that_stays_because_it_is_used(corner: World, name: str) -> None:
    key, kept = new_key(corner, AWAY), "777777777777"
    replicas = [{"region": HOME}, {"region": AWAY, "kmsKeyId": key}]
    corner.apply(declared(corner, name, replicas=replicas, sharing={"accounts": [corner.partner, kept]}, deletionPolicy="Delete"))
    corner.ready(name)
    image, ec2 = image_of(corner, name, AWAY), corner.ec2(AWAY)
    (part,) = snapshots_of(image)
    user = ec2.run_instances(ImageId=image["ImageId"], MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": HOME}]}})
    corner.reason("InUse", name)
    assert corner.shared_with(image["ImageId"], AWAY) == {corner.partner, kept}

    corner.patch("goldenimage", name, {"spec": {"sharing": {"accounts": [kept, "888888888888"]}}})
    until(corner, lambda: corner.shared_with(image["ImageId"], AWAY) == {kept}, "taken back, and nobody new")
    until(corner, lambda: len(kms(corner, AWAY).list_grants(KeyId=key)["Grants"]) == 1, "and on its key")

    assert corner.snapshot_shared_with(part, AWAY) == {kept}
    assert image_of(corner, name, AWAY)["State"] == "available"
    ec2.terminate_instances(InstanceIds=[user])
    look_again(corner, name)
    corner.ready(name)
    assert images_of(corner, name, AWAY) == []


def test_an_image_of_a_deleted_object_that_stays_because_it_is_used_is_not_public_unsaid(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, regions=(HOME,), sharing={"accounts": [corner.partner]}, deletionPolicy="Delete"))
    corner.ready(name)
    image, ec2 = image_of(corner, name)["ImageId"], corner.ec2()
    user = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    corner.delete("goldenimage", name)
    corner.reason("InUse", f"{name}-1.0.0", condition="ReplicasReady", kind="imageversion")

    ec2.modify_image_attribute(ImageId=image, LaunchPermission={"Add": [{"Group": "all"}, {"UserId": "777777777777"}]})
    look_again_at_version(corner, name)
    until(corner, lambda: corner.shared_with(image) == {corner.partner}, "as declared last")

    told = until(corner, lambda: [text for reason, text in events_of(corner, f"{name}-1.0.0") if reason == "PublicExposure"], "an event")
    assert image in told[0]
    ec2.terminate_instances(InstanceIds=[user])
    look_again_at_version(corner, name)
    corner.gone(name)
    assert nothing_left(corner, name)


def test_an_image_that_is_protected_from_deregistration_stays_and_says_so(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, regions=(HOME,), deletionPolicy="Delete"))
    corner.ready(name)
    image = image_of(corner, name)["ImageId"]
    corner.ec2().enable_image_deregistration_protection(ImageId=image)

    corner.delete("goldenimage", name)
    condition = corner.reason("InUse", f"{name}-1.0.0", condition="ReplicasReady", kind="imageversion")

    assert image in condition["message"]
    assert "switch its deregistration protection off" in condition["message"]
    assert image_of(corner, name)["State"] == "available"
    corner.ec2().disable_image_deregistration_protection(ImageId=image)
    look_again_at_version(corner, name)
    corner.gone(name)
    assert nothing_left(corner, name)


def look_again_at_version(world: World, name: str) -> None:
    world.patch("imageversion", f"{name}-1.0.0", {"metadata": {"annotations": {"goldenami.dev/reconcile-requested": name}}})


def _owner(tags: list[dict[str, str]]) -> str | None:
    return next((tag["Value"] for tag in tags if tag["Key"] == "goldenami.dev/owner"), None)
