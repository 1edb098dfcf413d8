"""What is asked about images that a listing of ours does not have, and how a snapshot that was left behind goes."""

import pytest

from goldenami.controllers import recycle_bin
from goldenami.controllers.world import Went
from goldenami.local.aws import LocalAws, lab
from goldenami.plan import identity, orphans
from goldenami.plan.actions import DeleteSnapshot, SetTags
from goldenami.plan.orphans import Checked, Found
from goldenami.plan.suspects import Family
from goldenami.plan.values import RegionView
from support.door import OWNER, TAGS, VERSION, Door, open_door
from support.ec2 import tags_of

DAY = 86400.0
FAMILY = Family(OWNER, {VERSION: frozenset({"us-east-1", "eu-west-1"})}, remove_after_seconds=7 * DAY)


@pytest.fixture
def door(ec2_lab: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Door:
    return open_door(ec2_lab, monkeypatch)


def copied(door: Door) -> tuple[str, str]:
    """A copy of ours in the other region, and its snapshot."""
    tags = [{"Key": key, "Value": value} for key, value in TAGS.items()]
    both = [{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")]
    made = door.cloud.copy(door.cloud.image(), TagSpecifications=both)
    door.cloud.pass_time()
    return made, door.cloud.snapshot_of(made, door.away.region)


def deregistered(door: Door) -> tuple[str, str]:
    image, snapshot = copied(door)
    door.cloud.ec2(door.away.region).deregister_image(ImageId=image)
    return image, snapshot


def keep_in_bin(door: Door) -> None:
    lab.current().settings.first_rule_seconds = 0
    period = {"RetentionPeriodValue": 30, "RetentionPeriodUnit": "DAYS"}
    rbin = door.cloud.aws.client("rbin", region=door.away.region, account=door.account.account_id)
    rbin.create_rule(ResourceType="EC2_IMAGE", RetentionPeriod=period)


def view(door: Door) -> RegionView:
    return door.inventory.region(door.away, not_older_than=door.now, owner=OWNER)


def checked(door: Door, image_id: str) -> Checked:
    images = {image.image_id: image for image in door.inventory.existing_images(door.away, [image_id])}
    return Checked(frozenset({image_id}), images, frozenset(door.inventory.binned_images(door.away, [image_id])))


def look(door: Door, image_id: str) -> Found:
    return orphans.look(FAMILY, view(door), {}, door.now, checked(door, image_id))


def test_the_listing_tells_full_sizes(door: Door) -> None:
    _, snapshot = copied(door)
    told = door.cloud.shown_snapshot(snapshot, door.away.region)["FullSnapshotSizeInBytes"]
    assert view(door).snapshots[snapshot].full_size_bytes == told > 0


def test_images_are_found_by_id_whatever_their_tags_and_not_when_they_are_gone(door: Door) -> None:
    there, gone = copied(door)[0], deregistered(door)[0]
    door.cloud.ec2(door.away.region).delete_tags(Resources=[there], Tags=[{"Key": identity.OWNER}])
    found = door.inventory.existing_images(door.away, [there, gone, "ami-00000000000000000"])
    assert [image.image_id for image in found] == [there]
    assert door.inventory.existing_images(door.away, []) == ()


def test_those_in_the_recycle_bin_are_found_there_twenty_a_call(door: Door) -> None:
    keep_in_bin(door)
    kept = deregistered(door)[0]
    others = [f"ami-{number:017x}" for number in range(30)]
    door.forget_audit()
    until = door.inventory.binned_images(door.away, [*others, kept])
    assert {name: round((at - door.now) / DAY) for name, at in until.items()} == {kept: 30}
    assert door.counts()["ec2.ListImagesInRecycleBin"] == 2
    assert door.inventory.binned_images(door.away, []) == {}


def test_a_snapshot_that_is_left_behind_is_marked_and_goes_after_its_time(door: Door) -> None:
    image, snapshot = deregistered(door)
    (mark,) = look(door, image).actions
    assert isinstance(mark, SetTags)
    door.effects.perform(mark)
    assert identity.ORPHANED_SINCE in tags_of(door.cloud.shown_snapshot(snapshot, door.away.region))
    assert look(door, image).actions == ()

    door.cloud.pass_time(7 * DAY)
    (removal,) = look(door, image).actions
    assert isinstance(removal, DeleteSnapshot)
    door.effects.perform(removal)

    assert look(door, image) == Found()
    filters = [{"Name": "snapshot-id", "Values": [snapshot]}]
    assert door.cloud.ec2(door.away.region).describe_snapshots(Filters=filters)["Snapshots"] == []


def test_an_image_that_comes_back_from_the_recycle_bin_takes_its_snapshot_back(door: Door) -> None:
    keep_in_bin(door)
    image, snapshot = deregistered(door)
    door.effects.perform(look(door, image).actions[0])
    door.cloud.pass_time(8 * DAY)
    (kept,) = look(door, image).orphans
    assert kept.message == f"{image} is in the Recycle Bin, and needs it to be restored"
    assert look(door, image).actions == ()

    door.cloud.ec2(door.away.region).restore_image_from_recycle_bin(ImageId=image)
    door.cloud.pass_time(1)  # what was listed at this very moment would count as new
    found = look(door, image)
    assert found.orphans == ()
    for action in found.actions:
        door.effects.perform(action)

    assert identity.ORPHANED_SINCE not in tags_of(door.cloud.shown_snapshot(snapshot, door.away.region))
    assert look(door, image) == Found()


def test_what_retention_deregistered_is_asked_for_in_one_call_a_region_and_a_refusal_tells_nothing(door: Door) -> None:
    keep_in_bin(door)
    went = [Went("1.0.0", door.away.region, deregistered(door)[0]), Went("1.0.0", door.home.region, f"ami-{0:017x}")]
    went += [Went("1.1.0", door.away.region, f"ami-{number:017x}") for number in range(30)]
    door.forget_audit()
    (found,) = recycle_bin.kept(door.inventory, door.account, went)
    assert (found.image, round((found.until - door.now) / DAY)) == (went[0], 30)
    assert door.counts() == {"ec2.ListImagesInRecycleBin": 2}
    assert recycle_bin.sentence([found]).startswith(
        f"the Recycle Bin keeps {went[0].image_id} of version 1.0.0 in {door.away.region} until 2"
    )

    door.fault("refuse", operation="ec2.ListImagesInRecycleBin", code="UnauthorizedOperation", message="You are not authorized.", times=2)
    assert recycle_bin.kept(door.inventory, door.account, went) == ()
