"""Who sees which image and snapshot, and who may launch, restore or change it.

An image is seen by its owner and by accounts that its launch permission names: themselves, through an organization or unit they are in,
or as `all`. New ids are seen by nobody until the list lag is over.
"""

import re

from goldenami.local.aws import organizations
from goldenami.local.aws.ec2 import errors
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.records import Image, Snapshot, State

_IMAGE_ID = re.compile(r"ami-(?:[0-9a-f]{8}|[0-9a-f]{17})")
_SNAPSHOT_ID = re.compile(r"snap-(?:[0-9a-f]{8}|[0-9a-f]{17})")


def check_image_id(image_id: str) -> None:
    if not _IMAGE_ID.fullmatch(image_id):
        raise errors.image_malformed(image_id)


def check_snapshot_id(snapshot_id: str) -> None:
    if not _SNAPSHOT_ID.fullmatch(snapshot_id):
        raise errors.snapshot_malformed(snapshot_id)


def named_in(image: Image, account: str) -> bool:
    """Whether the launch permission reaches the account otherwise than through `all`."""
    permission = image.permission
    if account in permission.users:
        return True
    return bool(permission.organizations or permission.units) and not (permission.organizations | permission.units).isdisjoint(
        organizations.memberships(account)
    )


def entitled(image: Image, account: str) -> bool:
    """Whether the account may see and launch the image. Only available images are shared; disabling one erases its permission."""
    if image.owner == account:
        return True
    return image.state is State.AVAILABLE and (image.permission.public or named_in(image, account))


def seen(image: Image, account: str, now: float) -> bool:
    return now >= image.visible_at and entitled(image, account)


def find_image(call: Call, image_id: str, *, region: str | None = None) -> Image:
    """The image by id as the caller sees it, in whatever state. Raises Malformed or NotFound."""
    check_image_id(image_id)
    image = call.store.images[region or call.region].get(image_id)
    if image is None or not seen(image, call.account, call.now):
        raise errors.images_not_found([image_id])
    return image


def registered_image(call: Call, image_id: str, *, region: str | None = None) -> Image:
    """Like `find_image`, and Unavailable for one that was deregistered a moment ago."""
    image = find_image(call, image_id, region=region)
    if image.state is State.DEREGISTERED:
        raise errors.image_unavailable(image_id, "no longer available")
    return image


def own_image(call: Call) -> Image:
    """The caller's own image that the call is about. Raises AuthFailure for one that is merely shared with the caller."""
    image = registered_image(call, call.required("ImageId"))
    if image.owner != call.account:
        raise errors.not_authorized_for_image(image.id)
    return image


def own_available_image(call: Call) -> Image:
    """The caller's own image, finished and enabled: what can be shared or given attributes."""
    image = own_image(call)
    if image.state is not State.AVAILABLE:
        raise errors.image_unavailable(image.id, image.state.value)
    return image


def restorable(call: Call, snapshot: Snapshot) -> bool:
    """Whether the caller may make volumes and copies from the snapshot, keys aside."""
    return snapshot.owner == call.account or call.account in snapshot.users or publicly_restorable(call, snapshot)


def publicly_restorable(call: Call, snapshot: Snapshot) -> bool:
    """Block all sharing makes snapshots that are public private, and leaves their permission as it is."""
    return snapshot.public and call.store.settings[snapshot.owner, snapshot.region].block_public_snapshots != "block-all-sharing"


def find_snapshot(call: Call, snapshot_id: str, *, region: str | None = None) -> Snapshot:
    check_snapshot_id(snapshot_id)
    snapshot = call.store.snapshots[region or call.region].get(snapshot_id)
    if snapshot is None or call.now < snapshot.visible_at or not restorable(call, snapshot):
        raise errors.snapshot_not_found(snapshot_id)
    return snapshot


def own_snapshot(call: Call) -> Snapshot:
    snapshot = find_snapshot(call, call.required("SnapshotId"))
    if snapshot.owner != call.account:
        raise errors.not_authorized_for_snapshot(snapshot.id)
    return snapshot
