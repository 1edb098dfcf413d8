"""Snapshots that somebody leaves behind: listed, kept while anybody may need them, and removed after their time where a policy says so."""

from collections.abc import Mapping
from typing import Any

from support.operator import AWAY, HOME, World, snapshots_of, tags_of
from support.scenes import calls_since, changed_settings, declared, events_of, image_of, images_of, look_again, newest_call, until

SINCE = "goldenami.dev/orphaned-since"
LONG_AGO = "2020-01-01T00:00:00Z"


def left_behind(world: World, name: str) -> tuple[str, str]:
    """Ids of an image that somebody deregisters by hand, and of the snapshot that stays."""
    image = image_of(world, name, AWAY)
    world.ec2(AWAY).deregister_image(ImageId=image["ImageId"])
    look_again(world, name)
    world.ready(name)
    (snapshot,) = snapshots_of(image)
    return image["ImageId"], snapshot


def orphans(world: World, name: str) -> dict[str, Mapping[str, Any]]:
    status = (world.get("goldenimage", name) or {}).get("status", {})
    rows = {row["id"]: row for row in status.get("orphans", [])}
    assert status.get("orphansFound", 0) == len(rows)
    return rows


def listed(world: World, name: str, snapshot: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = until(world, lambda: orphans(world, name).get(snapshot), f"{snapshot} listed")
    return found


def exists(world: World, snapshot: str) -> bool:
    return bool(world.ec2(AWAY).describe_snapshots(Filters=[{"Name": "snapshot-id", "Values": [snapshot]}])["Snapshots"])


def tags_at(world: World, snapshot: str) -> dict[str, str]:
    return tags_of(world.ec2(AWAY).describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0])


def date_back(world: World, snapshot: str) -> None:
    world.ec2(AWAY).create_tags(Resources=[snapshot], Tags=[{"Key": SINCE, "Value": LONG_AGO}])


def keep_in_bin(world: World) -> str:
    rule = {"ResourceType": "EC2_IMAGE", "RetentionPeriod": {"RetentionPeriodValue": 1, "RetentionPeriodUnit": "DAYS"}}
    with changed_settings(world.aws, first_rule_seconds=0.0):
        return str(world.aws.client("rbin", region=AWAY, account=world.account).create_rule(**rule)["Identifier"])


def test_an_image_that_is_deregistered_by_hand_leaves_a_snapshot_which_is_listed_and_stays(corner: World, name: str) -> None:
    corner.apply(declared(corner, name))
    corner.ready(name)

    image, snapshot = left_behind(corner, name)

    row = listed(corner, name, snapshot)
    assert (row["region"], row["kind"], row["why"]) == (AWAY, "Snapshot", f"{image}, which it was made for, is gone")
    assert "removeAt" not in row
    assert tags_at(corner, snapshot)[SINCE] == row["since"]
    until(corner, lambda: "OrphansFound" in [reason for reason, _ in events_of(corner, name, "GoldenImage")], "an event")
    date_back(corner, snapshot)
    until(corner, lambda: orphans(corner, name)[snapshot]["since"] == LONG_AGO, "the tag's word")
    assert exists(corner, snapshot)


def test_under_a_policy_it_goes_after_its_time(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, retention={"orphans": {"removeAfter": "7d"}}))
    corner.ready(name)
    _, snapshot = left_behind(corner, name)
    assert "removeAt" in listed(corner, name, snapshot)
    look_again(corner, name)
    assert exists(corner, snapshot)

    date_back(corner, snapshot)
    look_again(corner, name)

    until(corner, lambda: not exists(corner, snapshot), "the snapshot gone")
    until(corner, lambda: not orphans(corner, name), "nothing listed")
    until(corner, lambda: "OrphanRemoved" in [reason for reason, _ in events_of(corner, name, "GoldenImage")], "an event")
    assert [len(images_of(corner, name, region)) for region in (HOME, AWAY)] == [1, 1]


def test_one_that_another_golden_image_is_made_from_stays_until_that_is_gone(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, retention={"orphans": {"removeAfter": "7d"}}))
    corner.ready(name)
    _, snapshot = left_behind(corner, name)
    other, boots = f"{name}-other", {"architecture": "x86_64", "bootMode": "uefi", "rootDeviceName": "/dev/xvda", "enaSupport": True}
    source, places = {"snapshot": {"id": snapshot, **boots}}, [{"region": AWAY}]
    # Only observed, so that it has no image yet, for which EC2 would keep the snapshot.
    corner.apply(corner.golden_image(other, source=source, region=AWAY, replicas=places, managementPolicy="Observe"))
    until(corner, lambda: corner.condition("goldenimage", other, "Ready").get("status"), "the other one looked at")

    date_back(corner, snapshot)
    look_again(corner, name)
    assert "another GoldenImage is made from it" in until(corner, lambda: listed(corner, name, snapshot).get("message"), "what keeps it")
    assert exists(corner, snapshot)

    corner.delete("goldenimage", other)
    corner.gone(other)
    look_again(corner, name)
    until(corner, lambda: not exists(corner, snapshot), "the snapshot gone")


def test_one_that_is_known_costs_no_call_and_no_write(corner: World, name: str) -> None:
    corner.apply(declared(corner, name))
    corner.ready(name)
    _, snapshot = left_behind(corner, name)
    listed(corner, name, snapshot)
    before = (corner.get("goldenimage", name) or {})["status"]["orphans"]
    since = newest_call(corner)

    look_again(corner, name)

    asked = {call.operation for call in calls_since(corner, since)}
    assert "ListImagesInRecycleBin" not in asked
    assert calls_since(corner, since, mutating=True) == []
    assert (corner.get("goldenimage", name) or {})["status"]["orphans"] == before


def test_one_whose_image_is_in_the_recycle_bin_stays_until_it_is_restored_and_is_none_any_more(corner: World, name: str) -> None:
    rule = keep_in_bin(corner)
    corner.apply(declared(corner, name, retention={"orphans": {"removeAfter": "1h"}}))
    corner.ready(name)
    before = image_of(corner, name, AWAY)
    image, (snapshot,) = before["ImageId"], snapshots_of(before)
    # With another copy there, the one that comes back would be one too many.
    where = {"operation": "ec2.CopyImage", "account": corner.account, "region": AWAY}
    fault = corner.aws.lab.add_fault("refuse", **where, code="UnauthorizedOperation", times=1000)
    corner.ec2(AWAY).deregister_image(ImageId=image)
    date_back(corner, snapshot)
    look_again(corner, name)

    until(corner, lambda: orphans(corner, name).get(snapshot, {}).get("since") == LONG_AGO, "one whose time is over")
    row = listed(corner, name, snapshot)
    assert row["message"] == f"{image} is in the Recycle Bin, and needs it to be restored"
    assert (row["since"], row.get("removeAt")) == (LONG_AGO, None)
    assert exists(corner, snapshot)

    corner.aws.client("rbin", region=AWAY, account=corner.account).delete_rule(Identifier=rule)
    corner.ec2(AWAY).restore_image_from_recycle_bin(ImageId=image)
    look_again(corner, name)
    until(corner, lambda: SINCE not in tags_at(corner, snapshot), "the mark gone")
    corner.aws.lab.remove_fault(fault)
    corner.ready(name)
    assert not orphans(corner, name)
    assert image_of(corner, name, AWAY)["ImageId"] == image


def test_one_whose_image_lost_its_owner_tag_stays(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, regions=(HOME, AWAY), retention={"orphans": {"removeAfter": "1h"}}))
    corner.ready(name)
    image = image_of(corner, name, AWAY)
    (snapshot,) = snapshots_of(image)

    corner.ec2(AWAY).delete_tags(Resources=[image["ImageId"]], Tags=[{"Key": "goldenami.dev/owner"}])
    date_back(corner, snapshot)
    look_again(corner, name)

    until(corner, lambda: orphans(corner, name).get(snapshot, {}).get("since") == LONG_AGO, "one whose time is over")
    assert "exists, without the owner tag" in listed(corner, name, snapshot)["message"]
    assert exists(corner, snapshot)


def test_one_that_is_locked_says_so_and_keeps_no_other(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, retention={"orphans": {"removeAfter": "1h"}}))
    corner.ready(name)
    _, first = left_behind(corner, name)
    _, second = left_behind(corner, name)
    refused, other = sorted((first, second))
    locked = {"operation": "ec2.DeleteSnapshot", "account": corner.account, "resource": refused, "code": "OperationNotPermitted"}
    fault = corner.aws.lab.add_fault("refuse", **locked, times=1000)

    date_back(corner, refused)
    date_back(corner, other)
    look_again(corner, name)

    until(corner, lambda: not exists(corner, other), "the other gone")
    told = until(corner, lambda: orphans(corner, name).get(refused, {}).get("message"), "the refusal told")
    assert all(word in told for word in (refused, AWAY))
    assert exists(corner, refused)
    corner.aws.lab.remove_fault(fault)
    look_again(corner, name)
    until(corner, lambda: not exists(corner, refused), "gone when it is no longer locked")


def begun(world: World, owner: str, *, seconds: float = 1e6) -> str:
    """An import in the other region that takes so long, with this owner's tag on its task."""
    tags = [{"Key": "goldenami.dev/owner", "Value": owner}, {"Key": "goldenami.dev/version", "Value": "1.0.0"}]
    disk = {"Format": "RAW", "UserBucket": {"S3Bucket": "disks", "S3Key": "web.raw"}}
    with changed_settings(world.aws, import_seconds=seconds):
        task = world.ec2(AWAY).import_snapshot(
            DiskContainer=disk, TagSpecifications=[{"ResourceType": "import-snapshot-task", "Tags": tags}]
        )
    return str(task["ImportTaskId"])


def import_state(world: World, task: str) -> str:
    return str(import_of(world, task)["Status"])


def import_of(world: World, task: str) -> Mapping[str, Any]:
    (found,) = world.ec2(AWAY).describe_import_snapshot_tasks(ImportTaskIds=[task])["ImportSnapshotTasks"]
    return dict(found["SnapshotTaskDetail"])


def owner_of(world: World, name: str, installation: str = "") -> str:
    return f"{installation or world.installation}/{world.namespace}/{name}"


def test_an_import_that_does_not_end_is_listed_and_is_cancelled_after_its_time_and_nobody_else_s(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, retention={"orphans": {"removeAfter": "7d"}}))
    corner.ready(name)
    ours, bare, others = (begun(corner, owner) for owner in (owner_of(corner, name), "nobody", owner_of(corner, name, "another")))

    look_again(corner, name)
    row = listed(corner, name, ours)
    assert (row["region"], row["kind"], row["why"]) == (AWAY, "Import", "it has not ended, and no version waits for it")
    assert "removeAt" in row
    assert set(orphans(corner, name)) == {ours}
    look_again(corner, name)
    assert import_state(corner, ours) == "active"

    date_back(corner, ours)
    look_again(corner, name)

    until(corner, lambda: import_state(corner, ours) in ("deleting", "deleted"), "the import cancelled")
    until(corner, lambda: not orphans(corner, name), "nothing listed")
    until(corner, lambda: "OrphanRemoved" in [reason for reason, _ in events_of(corner, name, "GoldenImage")], "an event")
    assert [import_state(corner, task) for task in (bare, others)] == ["active", "active"]

    refused = {"operation": "ec2.DescribeImportImageTasks", "code": "UnauthorizedOperation", "status": 403, "times": 1000}
    fault = corner.aws.lab.add_fault("refuse", account=corner.account, region=AWAY, **refused)
    look_again(corner, name)
    assert AWAY in until(corner, lambda: not_looked_for(corner, name), "that imports may not be listed")
    assert corner.condition("goldenimage", name, "Ready")["status"] == "True"
    corner.aws.lab.remove_fault(fault)
    look_again(corner, name)
    until(corner, lambda: not not_looked_for(corner, name), "that they may again")


def not_looked_for(world: World, name: str) -> str:
    return str((world.get("goldenimage", name) or {}).get("status", {}).get("orphansMessage", ""))


def test_the_snapshot_of_an_import_that_nobody_took_up_is_listed_and_goes_after_its_time(corner: World, name: str) -> None:
    corner.apply(declared(corner, name, retention={"orphans": {"removeAfter": "7d"}}))
    corner.ready(name)
    task = begun(corner, owner_of(corner, name), seconds=0.0)
    snapshot = until(corner, lambda: import_of(corner, task).get("SnapshotId"), "the import ended")

    look_again(corner, name)
    row = listed(corner, name, snapshot)
    assert (row["kind"], row["why"]) == ("Snapshot", f"{task} made it, and nothing was made of it")
    until(corner, lambda: tags_at(corner, snapshot).get("goldenami.dev/owner") == owner_of(corner, name), "our tag")
    assert exists(corner, snapshot)

    date_back(corner, snapshot)
    look_again(corner, name)
    until(corner, lambda: not exists(corner, snapshot), "the snapshot gone")
    until(corner, lambda: not orphans(corner, name), "nothing listed")


def test_under_observe_it_is_only_told(world: World) -> None:
    """In an account of its own, because not a single write may be made there."""
    world.apply(declared(world, retention={"orphans": {"removeAfter": "1h"}}))
    world.ready()
    world.patch("goldenimage", "web", {"spec": {"managementPolicy": "Observe"}})
    until(world, lambda: world.condition("goldenimage", "web").get("status"), "observed")
    image = image_of(world, "web", AWAY)
    (snapshot,) = snapshots_of(image)

    world.ec2(AWAY).deregister_image(ImageId=image["ImageId"])
    task = begun(world, owner_of(world, "web"))
    since = newest_call(world)
    look_again(world)

    listed(world, "web", snapshot)
    plan = (world.get("goldenimage", "web") or {})["status"]["plan"]
    assert f"{AWAY}: set tags {SINCE} on {snapshot}" in plan
    assert f"{AWAY}: set tags {SINCE} on {task}" in plan
    assert calls_since(world, since, mutating=True) == []
