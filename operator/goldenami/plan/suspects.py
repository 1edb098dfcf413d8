"""Suspects: what in a region carries our owner tag and belongs to no image, as far as its listings tell.

EC2 tags the task of an import and not what the import makes. So what an ended task of ours made is ours by the task's word.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from goldenami.plan import identity
from goldenami.plan.candidates import BROKEN
from goldenami.plan.identity import Owner
from goldenami.plan.observed import made_for
from goldenami.plan.values import Image, RegionView, Snapshot

SETTLED = frozenset({"completed", "error"})
"""States of a snapshot that nobody is making any more, nor bringing back."""
UNFINISHED = frozenset({"pending", "active"})
"""States of an import that may still end by itself, and that can be cancelled."""
_IMPORTED = re.compile(r"Created by AWS-VMImport service for (import-(?:snap|ami)-\w+)")
"""EC2's own words: those that the import was asked with stay on its task."""
_EVERYWHERE = ""


class Kind(StrEnum):
    SNAPSHOT = "Snapshot"
    IMAGE = "Image"
    """A copy that failed, and that no ImageVersion looks after."""
    IMPORT = "Import"
    """The task of an import of a disk."""


@dataclass(frozen=True)
class Family:
    """What there is to know of a GoldenImage's versions."""

    owner: Owner
    homes: Mapping[str, frozenset[str]]
    """The regions that the ImageVersion of each version looks after; one that is not there has none."""
    leaving: frozenset[tuple[str, str]] = frozenset()
    """(version, region) that a removal is taking care of; region empty: of all."""
    borrowed: frozenset[str] = frozenset()
    """Snapshots that a spec names."""
    remove_after_seconds: float | None = None
    """None: nothing says that any go, so they are only listed."""
    more_than_noted: bool = False
    """The status has no room for all: one that is marked counts as noted."""

    def is_leaving(self, version: str, region: str) -> bool:
        return not self.leaving.isdisjoint({(version, region), (version, _EVERYWHERE)})


@dataclass(frozen=True)
class Suspect:
    resource_id: str
    kind: Kind
    why: str
    tags: Mapping[str, str]
    image_id: str = ""
    """That a snapshot was made for; empty where EC2 does not say."""
    snapshot_ids: tuple[str, ...] = ()
    """That go with a failed copy."""
    imported: bool = False
    """A snapshot that an import made."""
    is_listed: bool = True
    """It carries our tags; else it is ours by the word of a task that does."""
    kept: str = ""
    """Why it stays, where that is known from the beginning."""

    @property
    def asks(self) -> str:
        """What has to be looked up before it goes."""
        return self.resource_id if self.imported else self.image_id


def of_region(family: Family, view: RegionView) -> list[Suspect]:
    return [*_snapshots(family, view), *_copies(family, view), *_imports(family, view)]


def _snapshots(family: Family, view: RegionView) -> Iterable[Suspect]:
    named = {snapshot_id for image in view.images for snapshot_id in image.snapshot_ids}
    listed = {image.image_id for image in view.images}
    for part in view.snapshots.values():
        version, image_id = part.tags.get(identity.VERSION, ""), made_for(part)
        if identity.owner_of(part.tags) != family.owner or part.state not in SETTLED:
            continue
        if part.snapshot_id in named or part.snapshot_id in family.borrowed or image_id in listed or _too_new(view, part):
            continue
        if not family.is_leaving(version, view.place.region):
            task_id = _imported_by(part)
            why = f"{image_id}, which it was made for, is gone" if image_id else "no image names it"
            why = _unused(task_id) if task_id else why
            yield Suspect(part.snapshot_id, Kind.SNAPSHOT, why, part.tags, image_id, imported=bool(task_id))


def _imported_by(part: Snapshot) -> str:
    """The task whose import made it, as EC2 says."""
    found = _IMPORTED.fullmatch(part.description)
    return found.group(1) if found else ""


def _unused(task_id: str) -> str:
    return f"{task_id} made it, and nothing was made of it"


def _too_new(view: RegionView, part: Snapshot) -> bool:
    """Its image may be newer than the listing of images."""
    return part.started_epoch_seconds >= view.read_epoch_seconds


def _copies(family: Family, view: RegionView) -> Iterable[Suspect]:
    """A version's own ImageVersion removes what failed, when the next attempt is there."""
    region = view.place.region
    for image in view.images:
        version = image.tags.get(identity.VERSION, "")
        if identity.owner_of(image.tags) != family.owner or image.state not in BROKEN:
            continue
        if region in family.homes.get(version, frozenset()) or family.is_leaving(version, region):
            continue
        parts = tuple(sorted(part.snapshot_id for part in view.snapshots.values() if _goes_with(family, view, part, image)))
        why = f"it is {image.state}, and no ImageVersion of version {version} looks after {region}"
        kept = (
            "" if image.state == "failed" else "whether anybody has launched it before cannot be told, so it stays; deregister it by hand"
        )
        yield Suspect(image.image_id, Kind.IMAGE, why, image.tags, snapshot_ids=parts, kept=kept)


def _imports(family: Family, view: RegionView) -> Iterable[Suspect]:
    """No version waits for an import, so every task that has not ended is one."""
    for task in view.imports or ():
        if identity.owner_of(task.tags) != family.owner:
            continue
        if task.state in UNFINISHED:
            yield Suspect(task.task_id, Kind.IMPORT, "it has not ended, and no version waits for it", task.tags)
        if task.image_id:
            kept = f"whether {task.image_id} is used nobody has asked, so it stays; deregister it by hand, or adopt it as a version"
            yield Suspect(task.task_id, Kind.IMPORT, f"it made {task.image_id}, which is no version's", task.tags, kept=kept)
        for name in task.snapshot_ids:
            if name not in view.snapshots and name not in family.borrowed:
                tags = {key: value for key, value in task.tags.items() if key in (identity.OWNER, identity.VERSION)}
                yield Suspect(name, Kind.SNAPSHOT, _unused(task.task_id), tags, imported=True, is_listed=False)


def _goes_with(family: Family, view: RegionView, part: Snapshot, image: Image) -> bool:
    others = {snapshot_id for other in view.images if other is not image for snapshot_id in other.snapshot_ids}
    made = part.snapshot_id in image.snapshot_ids or made_for(part) == image.image_id
    return made and identity.owner_of(part.tags) == family.owner and part.snapshot_id not in others | family.borrowed
