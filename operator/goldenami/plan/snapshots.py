"""Which snapshots are a version's own: the ones that are tagged, released and deleted together with an image.

An image may name snapshots that were never ours: the one it was registered from, extra volumes of an instance, one that two adopted images
have in common. Those are used, and left alone.
"""

from goldenami.plan import identity
from goldenami.plan.desired import ImageSource, InstanceSource, Version
from goldenami.plan.observed import made_for
from goldenami.plan.values import Image, RegionView, Snapshot


def borrowed(version: Version) -> frozenset[str]:
    """Snapshots that the spec names. They are the user's, whatever image is made from them."""
    source = version.source
    if isinstance(source, ImageSource):
        return frozenset()
    if isinstance(source, InstanceSource):
        return frozenset(volume.snapshot_id for volume in source.volumes if volume.snapshot_id)
    return frozenset({source.snapshot_id})


def unlisted(version: Version, view: RegionView, image: Image) -> bool:
    """Whether the image names a snapshot that the listing should have: it is older than the image, or the snapshot has lost its tags."""
    return any(snapshot_id not in view.snapshots for snapshot_id in image.snapshot_ids if snapshot_id not in borrowed(version))


CREATION_SECONDS = 1.0
"""EC2 tells when an image was created in whole seconds."""


def awaited(version: Version, view: RegionView, image: Image) -> bool:
    """Whether its snapshots are missing only because the listing is older than the image, and nothing has to be known of them by now.

    A copy's snapshots got their tags in the very call that made them, and where none is encrypted there is no key to ask about.
    The next listing, a resync away at most, compares them as any others.
    """
    adopted = isinstance(version.source, ImageSource) and image.image_id == version.source.image_id
    copied = image.tags.get(identity.ROLE) == identity.REPLICA_ROLE and not adopted
    younger = view.snapshots_read_epoch_seconds <= image.created_epoch_seconds + CREATION_SECONDS
    return copied and younger and image.encrypted is False and unlisted(version, view, image)


def unread(version: Version, view: RegionView, image: Image) -> bool:
    """Whether its snapshots have to be listed before anything is decided about them."""
    return unlisted(version, view, image) and not awaited(version, view, image)


def is_own(version: Version, snapshot: Snapshot) -> bool:
    """It carries the tags of this version, and the spec does not name it."""
    return (
        identity.owner_of(snapshot.tags) == version.owner
        and snapshot.tags.get(identity.VERSION) == version.version
        and snapshot.snapshot_id not in borrowed(version)
    )


def own(version: Version, view: RegionView, image: Image) -> tuple[str, ...]:
    """What goes, or is released, with the image: never what another image in the view names as well."""
    shared = {snapshot_id for other in view.images if other.image_id != image.image_id for snapshot_id in other.snapshot_ids}
    mine = (
        snapshot.snapshot_id
        for snapshot in view.snapshots.values()
        if snapshot.snapshot_id in image.snapshot_ids or made_for(snapshot) == image.image_id
        if is_own(version, snapshot) and snapshot.snapshot_id not in shared
    )
    return tuple(sorted(mine))


def taggable(version: Version, view: RegionView, image: Image) -> tuple[str, ...]:
    """The image's snapshots that carry this version's tags, or shall: a lost tag is put back, another owner's stays."""
    return tuple(
        snapshot_id
        for snapshot_id in image.snapshot_ids
        if snapshot_id not in borrowed(version)
        if (known := view.snapshots.get(snapshot_id)) is None or _free(version, known)
    )


def _free(version: Version, snapshot: Snapshot) -> bool:
    holder = identity.owner_of(snapshot.tags)
    return holder is None or (holder == version.owner and snapshot.tags.get(identity.VERSION, version.version) == version.version)
