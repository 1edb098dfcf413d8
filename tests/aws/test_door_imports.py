"""Half-finished imports, from EC2's tasks to the plan and back: listed by the audit or who asks, marked, and cancelled after their time."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from goldenami.aws.errors import FixTheSpec, Wait
from goldenami.local.aws import LocalAws
from goldenami.plan import identity, orphans
from goldenami.plan.actions import CancelImport, DeleteSnapshot, SetTags
from goldenami.plan.identity import Owner
from goldenami.plan.orphans import Checked, Found
from goldenami.plan.suspects import Family
from goldenami.plan.values import ImportTask
from support.door import OWNER, TAGS, VERSION, Door, open_door
from support.ec2 import tags_of

DAY = 86400.0
FAMILY = Family(OWNER, {VERSION: frozenset({"eu-west-1"})}, remove_after_seconds=3 * DAY)
DISK = {"Format": "RAW", "UserBucket": {"S3Bucket": "disks", "S3Key": "web.raw"}}
OURS = [{"Key": key, "Value": value} for key, value in TAGS.items()]


@pytest.fixture
def door(ec2_lab: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Door:
    opened = open_door(ec2_lab, monkeypatch)
    opened.cloud.settings.import_seconds = 10 * DAY
    return opened


def begun(door: Door, kind: str = "snapshot", tags: list[dict[str, str]] = OURS) -> str:
    """The task of an import in the other region."""
    specified = [{"ResourceType": f"import-{kind}-task", "Tags": tags}] if tags else []
    ec2 = door.cloud.ec2(door.away.region)
    if kind == "image":
        return str(ec2.import_image(DiskContainers=[DISK], TagSpecifications=specified)["ImportTaskId"])
    return str(ec2.import_snapshot(DiskContainer=DISK, TagSpecifications=specified)["ImportTaskId"])


def ended(door: Door, kind: str = "snapshot") -> str:
    door.cloud.settings.import_seconds = 60
    task_id = begun(door, kind)
    door.cloud.pass_time(61)
    return task_id


def listed(door: Door, owner: Owner = OWNER) -> tuple[ImportTask, ...]:
    door.cloud.pass_time(1)
    found = door.inventory.imports(door.away, owner, fresh=True)
    assert found is not None
    return found


def look(door: Door, checked: Checked | None = None) -> Found:
    imports = listed(door)
    view = door.inventory.region(door.away, not_older_than=door.now, owner=OWNER)
    return orphans.look(FAMILY, replace(view, imports=imports), {}, door.now, checked)


def shown(door: Door, task_id: str) -> dict[str, Any]:
    tasks = door.cloud.ec2(door.away.region).describe_import_snapshot_tasks()["ImportSnapshotTasks"]
    return dict(next(task for task in tasks if task["ImportTaskId"] == task_id))


def made_of(door: Door, snapshot_id: str) -> str:
    disks = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot_id}}]
    made = door.cloud.ec2(door.away.region).register_image(Name="by hand", RootDeviceName="/dev/xvda", BlockDeviceMappings=disks)
    return str(made["ImageId"])


def test_an_import_that_does_not_end_is_marked_and_cancelled_after_its_time(door: Door) -> None:
    task_id = begun(door)
    (mark,) = look(door).actions
    assert isinstance(mark, SetTags)
    door.effects.perform(mark)
    assert identity.ORPHANED_SINCE in tags_of(shown(door, task_id))
    assert look(door).actions == ()

    door.cloud.pass_time(3 * DAY)
    (cancel,) = look(door).actions
    assert isinstance(cancel, CancelImport)
    door.effects.perform(cancel)

    assert door.inventory.imports(door.away, OWNER) == ()
    assert shown(door, task_id)["SnapshotTaskDetail"]["Status"] == "deleting"
    door.cloud.pass_time(10)
    assert look(door) == Found()


def test_a_tag_that_is_set_on_a_task_is_known_at_once_and_makes_no_listing_old(door: Door) -> None:
    begun(door)
    (mark,) = look(door).actions
    door.effects.perform(mark)
    door.forget_audit()
    known = door.inventory.imports(door.away, OWNER)
    door.inventory.region(door.away, not_older_than=door.now - 1, owner=OWNER)
    assert known is not None
    assert identity.ORPHANED_SINCE in known[0].tags
    assert door.counts() == {}


@pytest.mark.parametrize("kind", ["snapshot", "image"])
def test_what_does_not_carry_the_owner_s_tag_is_never_listed_nor_cancelled(door: Door, kind: str) -> None:
    stranger = Owner("another", OWNER.namespace, OWNER.name)
    bare = begun(door, kind, tags=[])
    other = begun(door, kind, tags=[{"Key": identity.OWNER, "Value": str(stranger)}])
    assert listed(door) == ()
    assert [task.task_id for task in listed(door, stranger)] == [other]
    for task_id in (bare, other):
        with pytest.raises(FixTheSpec, match="does not carry our owner tag"):
            door.effects.perform(CancelImport(door.away, task_id, owner=OWNER))
    assert door.counts(operation="CancelImportTask") == {}


def test_one_that_ended_before_it_was_cancelled_is_left_to_its_snapshot(door: Door) -> None:
    task_id = ended(door)
    with pytest.raises(Wait, match="has ended by now"):
        door.effects.perform(CancelImport(door.away, task_id, owner=OWNER))
    assert door.counts(operation="CancelImportTask") == {}
    (task,) = listed(door)
    assert len(task.snapshot_ids) == 1


def test_the_snapshot_of_an_ended_import_becomes_ours_before_its_task_is_forgotten_and_goes_after_its_time(door: Door) -> None:
    ended(door)
    (snapshot,) = look(door).asks
    known = Checked(frozenset({snapshot}))
    (mark,) = look(door, known).actions
    door.effects.perform(mark)
    assert [task.snapshot_ids for task in door.inventory.imports(door.away, OWNER) or ()] == [()]
    assert tags_of(door.cloud.shown_snapshot(snapshot, door.away.region)).keys() == {
        identity.OWNER, identity.VERSION, identity.ORPHANED_SINCE,
    }  # fmt: skip
    (orphan,) = look(door, known).orphans
    assert look(door, known).actions == ()

    door.cloud.pass_time(8 * DAY)
    assert listed(door) == ()
    found = look(door, known)
    assert [(one.resource_id, one.since) for one in found.orphans] == [(snapshot, orphan.since)]
    (removal,) = found.actions
    assert isinstance(removal, DeleteSnapshot)
    door.effects.perform(removal)

    assert look(door, known) == Found()
    filters = [{"Name": "snapshot-id", "Values": [snapshot]}]
    assert door.cloud.ec2(door.away.region).describe_snapshots(Filters=filters)["Snapshots"] == []


def test_a_snapshot_of_which_somebody_made_an_image_is_not_listed_and_one_later_is_found_right_before(door: Door) -> None:
    ended(door)
    (task,) = listed(door)
    (snapshot,) = task.snapshot_ids
    image_id = made_of(door, snapshot)
    assert dict(door.inventory.naming_images(door.away, [snapshot, "snap-00000000000000000"])) == {snapshot: image_id}
    (task,) = listed(door)
    assert task.snapshot_ids == ()
    door.cloud.ec2(door.away.region).deregister_image(ImageId=image_id)
    assert door.inventory.naming_images(door.away, [snapshot]) == {}
    assert [task.snapshot_ids for task in listed(door)] == [(snapshot,)]


def test_an_image_that_an_import_made_is_told_until_somebody_looks_after_it(door: Door) -> None:
    ended(door, "image")
    (task,) = listed(door)
    assert (bool(task.image_id), task.snapshot_ids) == (True, ())
    door.cloud.ec2(door.away.region).create_tags(Resources=[task.image_id], Tags=[{"Key": identity.OWNER, "Value": "a/b/c"}])
    (task,) = listed(door)
    assert (task.image_id, task.snapshot_ids) == ("", ())


@pytest.mark.parametrize("fate", ["failed", "cancelled"])
def test_a_failed_or_cancelled_import_is_nothing(door: Door, fate: str) -> None:
    if fate == "failed":
        door.cloud.settings.fail_imports = {door.away.region: 1}
        ended(door)
    else:
        door.cloud.ec2(door.away.region).cancel_import_task(ImportTaskId=begun(door))
    assert listed(door) == ()


def test_the_audit_lists_them_once_an_interval_and_a_refusal_is_said_once_and_is_in_nobody_s_way(
    ec2_lab: LocalAws, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    door = open_door(ec2_lab, monkeypatch, audit_seconds=60.0, imports_seconds=600.0)
    begun(door)

    def looks(count: int) -> int:
        """How often they were listed in so many looks, one a minute."""
        door.forget_audit()
        for _ in range(count):
            door.cloud.pass_time(60.0)
            assert door.inventory.region(door.away, not_older_than=door.now, owner=OWNER).problem is None
        return door.counts().get("ec2.DescribeImportSnapshotTasks", 0)

    assert looks(9) == 0
    assert door.inventory.imports(door.away, OWNER) is None
    fault = door.fault("refuse", operation="ec2.DescribeImportSnapshotTasks", code="UnauthorizedOperation", times=1000)
    with caplog.at_level(logging.WARNING):
        assert looks(20) == 2
    assert door.inventory.imports(door.away, OWNER) is None
    (said,) = [record.getMessage() for record in caplog.records if "imports" in record.getMessage()]
    assert said.startswith("half-finished imports are not looked for in eu-west-1: DescribeImportSnapshotTasks failed")
    problem = door.inventory.imports_forbidden(door.away)
    assert problem is not None
    assert "IAM" in problem.message
    door.cloud.aws.lab.remove_fault(fault)
    assert looks(10) == 1
    assert door.inventory.imports_forbidden(door.away) is None
    assert len(door.inventory.imports(door.away, OWNER) or ()) == 1
