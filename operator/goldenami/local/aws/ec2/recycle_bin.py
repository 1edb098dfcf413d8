"""The Recycle Bin: deleted images and snapshots that a retention rule keeps, their listing, and the way back.

Nothing in the bin can be used or purged; it comes back under its own id, or goes for good when its time is over. An image comes back only
after its snapshots.
Sources: EC2 API reference (ListImagesInRecycleBin, RestoreImageFromRecycleBin, and the same of snapshots), EBS user guide ("Considerations
for Recycle Bin"). A restored snapshot has its shares again, as documented; that an image has is written nowhere, so it has none here.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from goldenami.local.aws.ec2 import errors, paging, render
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.records import Image, Retained, Snapshot, State, iso
from goldenami.local.aws.ec2.retention import IMAGE, SNAPSHOT, days_kept
from goldenami.local.aws.ec2.store import Store
from goldenami.local.aws.ec2.visibility import check_image_id, check_snapshot_id

DAY_SECONDS = 86400
IMAGE_IDS_AT_MOST = 20  # per ListImagesInRecycleBin
IN_BIN_TAG = "aws:recycle-bin:resource-in-bin"

T = TypeVar("T", Image, Snapshot)

# Going in


def retain_image(call: Call, image: Image, *, was: State) -> None:
    """Keeps a deregistered image, if a rule says so. Only finished images with EBS disks are kept; `was` is its state before."""
    if image.root_device_type == "ebs" and was in {State.AVAILABLE, State.DISABLED}:
        _retain(call, image, IMAGE, was)


def discard_snapshot(call: Call, snapshot: Snapshot) -> None:
    """Deletes a snapshot, into the bin if a rule says so."""
    call.store.remove_snapshot(snapshot)
    _retain(call, snapshot, SNAPSHOT, None)


def _retain(call: Call, record: Image | Snapshot, resource_type: str, was: State | None) -> None:
    place = record.owner, record.region
    days = days_kept(call.store.rules[place].values(), resource_type, record.tags, call.now)
    if not days:
        return
    retained = Retained(
        record, entered_at=call.now, leaves_at=call.now + days * DAY_SECONDS, sequence=call.store.next_sequence(), state=was
    )
    call.store.retained[place][record.id] = retained
    record.tags = {**record.tags, IN_BIN_TAG: "true"}
    call.store.at(retained.leaves_at, lambda _: _expire(call.store, retained))


def _expire(store: Store, retained: Retained) -> None:
    """For good, unless it was restored meanwhile, even if it is back in the bin."""
    held = store.retained[retained.record.owner, retained.record.region]
    if held.get(retained.record.id) is retained:
        del held[retained.record.id]


# Looking


def list_images(call: Call) -> render.Xml:
    image_ids = call.texts("ImageIds")
    if len(image_ids) > IMAGE_IDS_AT_MOST:
        raise errors.invalid_value(f"At most {IMAGE_IDS_AT_MOST} image ids can be given in a call")
    for image_id in image_ids:
        check_image_id(image_id)
    call.confirm()
    return _listing(call, "imageSet", Image, image_ids)


def list_snapshots(call: Call) -> render.Xml:
    snapshot_ids = call.texts("SnapshotIds")
    for snapshot_id in snapshot_ids:
        check_snapshot_id(snapshot_id)
    call.confirm()
    return _listing(call, "snapshotSet", Snapshot, snapshot_ids, minimum=5)


def _listing(call: Call, name: str, kind: type[Image] | type[Snapshot], ids: list[str], *, minimum: int = 1) -> render.Xml:
    """Ids that are not in the bin are left out."""
    held = [each for each in call.store.retained[call.account, call.region].values() if isinstance(each.record, kind)]
    wanted = [each for each in held if not ids or each.record.id in ids]
    shown, token = paging.page(call, wanted, sequence=lambda each: each.sequence, minimum=minimum, default=paging.LARGEST_PAGE)
    return render.listing(name, [f"<item>{_row(each)}</item>" for each in shown], token)


def _row(retained: Retained) -> render.Xml:
    record = retained.record
    stay = {"recycleBinEnterTime": iso(retained.entered_at), "recycleBinExitTime": iso(retained.leaves_at)}
    if isinstance(record, Image):
        return render.elements(imageId=record.id, name=record.name, description=record.description, **stay)
    return render.elements(snapshotId=record.id, description=record.description, volumeId=record.volume_id, **stay)


# Coming back


def restore_image(call: Call) -> Mapping[str, Any]:
    """The same id, name, tags and state as before. Raises InvalidSnapshot.NotFound while a snapshot of it is in the bin, or gone."""
    image_id = call.required("ImageId")
    check_image_id(image_id)
    retained = call.store.retained[call.account, call.region].get(image_id)
    if retained is None or not isinstance(retained.record, Image):
        raise errors.images_not_found([image_id])
    image, snapshots = retained.record, call.store.snapshots[call.region]
    for snapshot_id in image.snapshot_ids:
        if snapshot_id not in snapshots:
            raise errors.snapshot_not_found(snapshot_id)
    call.confirm()
    _take_out(call, image)
    call.store.remove_image(image)  # its id may still answer with an empty list
    image.state, image.deregistered_at = retained.state or State.AVAILABLE, None
    call.store.add_image(image)
    return {"return": True}


def restore_snapshot(call: Call) -> render.Xml:
    snapshot_id = call.required("SnapshotId")
    check_snapshot_id(snapshot_id)
    retained = call.store.retained[call.account, call.region].get(snapshot_id)
    if retained is None or not isinstance(retained.record, Snapshot):
        raise errors.snapshot_not_found(snapshot_id)
    call.confirm()
    _take_out(call, retained.record)
    retained.record.released_at = None
    call.store.add_snapshot(retained.record)
    return render.snapshot_content(retained.record, viewer=call.account, now=call.now)


def _take_out(call: Call, record: Image | Snapshot) -> None:
    del call.store.retained[call.account, call.region][record.id]
    record.sequence = call.store.next_sequence()  # listings come in this order
    record.tags = {key: value for key, value in record.tags.items() if key != IN_BIN_TAG}


def binned(call: Call, resource_id: str, kind: type[T]) -> T | None:
    """The caller's record in the bin, for its tags, which can be read and changed there."""
    retained = call.store.retained[call.account, call.region].get(resource_id)
    return retained.record if retained is not None and isinstance(retained.record, kind) else None
