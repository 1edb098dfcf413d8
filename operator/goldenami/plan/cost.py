"""Cost: what images hold in snapshots, each snapshot once however many images name it. In whole GiB, so that a report comes to rest.

Full sizes are the most that EC2 bills: blocks that a snapshot shares with an earlier one of its line are billed with that one alone.
What is being made names no snapshots yet, and is not counted; nor are snapshots that the spec names, which were there before. A listing of
snapshots may be older than the image: then what they hold is not known yet.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from goldenami.plan import identity
from goldenami.plan.desired import Version
from goldenami.plan.identity import Owner
from goldenami.plan.observed import ours
from goldenami.plan.snapshots import borrowed
from goldenami.plan.values import Image, RegionView, Snapshot

GIB = 2**30
WHOLE = frozenset({"available", "disabled"})


@dataclass(frozen=True)
class Storage:
    """What some images hold together."""

    images: int = 0
    snapshots: int = 0
    size_bytes: int = 0
    by_volume_size: int = 0
    """Snapshots whose full size EC2 does not tell, and which count as large as their volume."""
    unlisted: int = 0
    """Snapshots that the listing does not have yet, or has as pending: as long as there are any, the size is not known."""
    made_epoch_seconds: float = 0.0
    """When the first of them was made; 0 where there is none."""

    @property
    def snapshot_gib(self) -> int:
        """Rounded up."""
        return -(-self.size_bytes // GIB)


def of_version(version: Version, views: Iterable[RegionView]) -> Storage:
    """Of one version, wherever its images are."""
    return _of(views, lambda view: ours(view, version), borrowed(version))


def of_family(owner: Owner, views: Iterable[RegionView], lent: frozenset[str] = frozenset()) -> Storage:
    """Of all versions together; `lent` are the snapshots that their specs name."""
    return _of(views, lambda view: (image for image in view.images if identity.owner_of(image.tags) == owner), lent)


def _of(views: Iterable[RegionView], chosen: Callable[[RegionView], Iterable[Image]], lent: frozenset[str]) -> Storage:
    held: list[Image] = []
    named: dict[tuple[str, str], Snapshot | None] = {}
    for view in views:
        images = [image for image in chosen(view) if image.state in WHOLE]
        held += images
        own = {snapshot_id for image in images for snapshot_id in image.snapshot_ids} - lent
        named |= {(view.place.region, name): view.snapshots.get(name) for name in own}
    parts = [part for part in named.values() if part is not None and part.state != "pending"]
    return Storage(
        images=len(held),
        snapshots=len(named),
        size_bytes=sum(part.full_size_bytes or part.size_gib * GIB for part in parts),
        by_volume_size=sum(not part.full_size_bytes for part in parts),
        unlisted=len(named) - len(parts),
        made_epoch_seconds=min((image.created_epoch_seconds for image in held), default=0.0),
    )
