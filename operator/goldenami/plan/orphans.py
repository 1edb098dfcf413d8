"""Orphans: what carries our owner tag and belongs to no image any more. Listed always, removed only where a retention policy is declared.

An image that somebody deregistered by hand leaves its snapshots, and so does a process that dies between the two. They are found in the
shared listings; what else has to be known is asked for when one is first seen, and again right before it goes. Since when it is one is a
tag, so that it survives everything.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from goldenami.api.conditions import timestamp
from goldenami.plan import expiry, identity
from goldenami.plan.actions import Action, DeleteSnapshot, DeregisterImage, RemoveTags, SetTags
from goldenami.plan.candidates import BROKEN
from goldenami.plan.identity import Owner
from goldenami.plan.observed import made_for
from goldenami.plan.values import Image, Problem, RegionView, Snapshot

MOST_AT_ONCE = 20
"""How many go in one look at a region."""
SETTLED = frozenset({"completed", "error"})
"""States of a snapshot that nobody is making any more, nor bringing back."""
_EVERYWHERE = ""


class Kind(StrEnum):
    SNAPSHOT = "Snapshot"
    IMAGE = "Image"
    """A copy that failed, and that no ImageVersion looks after."""


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
class Noted:
    """What the status remembers of one."""

    since: float
    """Epoch seconds."""
    message: str = ""


@dataclass(frozen=True)
class Checked:
    """What was looked up of a region in this look: the images that snapshots were made for."""

    asked: frozenset[str]
    """Their ids."""
    images: Mapping[str, Image] = field(default_factory=dict)
    """Those that exist, by id, whatever their tags."""
    binned: frozenset[str] = frozenset()
    """Those that are in the Recycle Bin."""
    problem: Problem | None = None
    """Why that cannot be told."""


@dataclass(frozen=True)
class Orphan:
    region: str
    resource_id: str
    kind: Kind
    why: str
    since: float
    remove_at: float | None = None
    """Epoch seconds; None: it stays."""
    message: str = ""
    """What keeps it."""


@dataclass(frozen=True)
class Found:
    """One region's orphans and what is done about them; or what has to be looked up first, and then nothing else."""

    orphans: tuple[Orphan, ...] = ()
    actions: tuple[Action, ...] = ()
    asks: frozenset[str] = frozenset()
    """Ids of images."""
    unsure: bool = False
    """The listings may be from different moments: both have to be read anew."""


@dataclass(frozen=True)
class _Suspect:
    resource_id: str
    kind: Kind
    why: str
    tags: Mapping[str, str]
    image_id: str = ""
    """That a snapshot was made for; empty where EC2 does not say."""
    snapshot_ids: tuple[str, ...] = ()
    """That go with a failed copy."""


def look(family: Family, view: RegionView, noted: Mapping[str, Noted], now: float, checked: Checked | None = None) -> Found:
    """Of a region that could be read. With `checked` it asks for nothing more."""
    suspects = [*_snapshots(family, view), *_copies(family, view)]
    if family.more_than_noted:
        noted = {**{one.resource_id: Noted(tagged.timestamp()) for one in suspects if (tagged := _tagged(one))}, **noted}
    if checked is None:
        doubtful = (suspect for suspect in suspects if _is_doubtful(family, suspect, noted.get(suspect.resource_id), now))
        asks = frozenset(suspect.image_id for suspect in doubtful if suspect.image_id)
        unsure = any(suspect.resource_id not in noted for suspect in suspects)
        if asks or unsure:
            return Found(asks=asks, unsure=unsure)
    known = checked or Checked(frozenset())
    orphans = tuple(_orphan(family, view.place.region, suspect, noted.get(suspect.resource_id), known, now) for suspect in suspects)
    orphans = tuple(sorted(orphans, key=lambda orphan: (orphan.since, orphan.resource_id)))
    by_id = {suspect.resource_id: suspect for suspect in suspects}
    due = (orphan for orphan in orphans if orphan.remove_at is not None and orphan.remove_at <= now)
    going = [orphan for orphan in due if orphan.kind is Kind.IMAGE or by_id[orphan.resource_id].image_id in known.asked][:MOST_AT_ONCE]
    staying = [orphan for orphan in orphans if orphan not in going]
    return Found(
        orphans,
        (
            *_forgotten(view, by_id),
            *_marks(view, staying, by_id),
            *(_removal(view, by_id[orphan.resource_id], family.owner) for orphan in going),
        ),
    )


def after(found: Found, gone: Collection[str], refused: Mapping[str, str]) -> tuple[Orphan, ...]:
    """What is left when the actions are done: `refused` says of which something was not done, and why."""
    left = (orphan for orphan in found.orphans if orphan.resource_id not in gone)
    return tuple(replace(orphan, message=refused.get(orphan.resource_id, orphan.message)) for orphan in left)


# --- what is one ---


def _snapshots(family: Family, view: RegionView) -> Iterable[_Suspect]:
    named = {snapshot_id for image in view.images for snapshot_id in image.snapshot_ids}
    listed = {image.image_id for image in view.images}
    for part in view.snapshots.values():
        version, image_id = part.tags.get(identity.VERSION, ""), made_for(part)
        if identity.owner_of(part.tags) != family.owner or part.state not in SETTLED:
            continue
        if part.snapshot_id in named or part.snapshot_id in family.borrowed or image_id in listed or _too_new(view, part):
            continue
        if not family.is_leaving(version, view.place.region):
            why = f"{image_id}, which it was made for, is gone" if image_id else "no image names it"
            yield _Suspect(part.snapshot_id, Kind.SNAPSHOT, why, part.tags, image_id)


def _too_new(view: RegionView, part: Snapshot) -> bool:
    """Its image may be newer than the listing of images."""
    return part.started_epoch_seconds >= view.read_epoch_seconds


def _copies(family: Family, view: RegionView) -> Iterable[_Suspect]:
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
        yield _Suspect(image.image_id, Kind.IMAGE, why, image.tags, snapshot_ids=parts)


def _goes_with(family: Family, view: RegionView, part: Snapshot, image: Image) -> bool:
    others = {snapshot_id for other in view.images if other is not image for snapshot_id in other.snapshot_ids}
    made = part.snapshot_id in image.snapshot_ids or made_for(part) == image.image_id
    return made and identity.owner_of(part.tags) == family.owner and part.snapshot_id not in others | family.borrowed


# --- what becomes of it ---


def _is_doubtful(family: Family, suspect: _Suspect, before: Noted | None, now: float) -> bool:
    """To be looked up: when it is first seen, while something keeps it, and right before it goes."""
    if before is None or before.message:
        return True
    return family.remove_after_seconds is not None and _since(suspect, before, now) + family.remove_after_seconds <= now


def _orphan(family: Family, region: str, suspect: _Suspect, before: Noted | None, known: Checked, now: float) -> Orphan:
    since = _since(suspect, before, now)
    kept = _kept(suspect, known)
    remove_at = since + family.remove_after_seconds if family.remove_after_seconds is not None and not kept else None
    return Orphan(region, suspect.resource_id, suspect.kind, suspect.why, since, remove_at, kept)


def _kept(suspect: _Suspect, known: Checked) -> str:
    """Why it stays, whatever the policy says; empty where nothing keeps it."""
    if suspect.kind is Kind.IMAGE:
        return ""
    if not suspect.image_id:
        return "EC2 does not say which image it was made for, so it stays; delete it by hand if nobody needs it"
    if known.problem is not None and suspect.image_id in known.asked:
        return f"it stays, because whether {suspect.image_id} can come back cannot be told: {known.problem.message}"
    if suspect.image_id in known.binned:
        return f"{suspect.image_id} is in the Recycle Bin, and needs it to be restored"
    image = known.images.get(suspect.image_id)
    if image is not None and image.state != "deregistered":
        return f"{suspect.image_id} exists, without the owner tag of this GoldenImage; put the tag back, or delete both by hand"
    return ""


def _since(suspect: _Suspect, before: Noted | None, now: float) -> float:
    """The tag's word, else the status's; now for one that nobody has seen before. Whole seconds, as they are written."""
    tagged = _tagged(suspect)
    return tagged.timestamp() if tagged else before.since if before else float(int(now))


def _tagged(suspect: _Suspect) -> datetime | None:
    return expiry.parse(suspect.tags.get(identity.ORPHANED_SINCE, ""))


def _marks(view: RegionView, orphans: Iterable[Orphan], by_id: Mapping[str, _Suspect]) -> Iterable[Action]:
    """Those that are seen for the first time, with the moment."""
    bare: dict[float, list[str]] = {}
    for orphan in orphans:
        if _tagged(by_id[orphan.resource_id]) is None:
            bare.setdefault(orphan.since, []).append(orphan.resource_id)
    return [SetTags(view.place, tuple(names), {identity.ORPHANED_SINCE: _text(since)}) for since, names in sorted(bare.items())]


def _forgotten(view: RegionView, by_id: Mapping[str, _Suspect]) -> Iterable[Action]:
    """Those that are none any more: an image that came back from the Recycle Bin names its snapshots again."""
    named = {snapshot_id for image in view.images for snapshot_id in image.snapshot_ids}
    back = sorted(
        part.snapshot_id
        for part in view.snapshots.values()
        if identity.ORPHANED_SINCE in part.tags and part.snapshot_id in named and part.snapshot_id not in by_id
    )
    return (RemoveTags(view.place, tuple(back), (identity.ORPHANED_SINCE,)),) if back else ()


def _removal(view: RegionView, suspect: _Suspect, owner: Owner) -> Action:
    if suspect.kind is Kind.IMAGE:
        why = "a failed copy that nobody looks after"
        return DeregisterImage(view.place, suspect.resource_id, suspect.snapshot_ids, why=why, owner=owner)
    return DeleteSnapshot(view.place, suspect.resource_id, why=f"{suspect.image_id} is gone", owner=owner)


def _text(moment: float) -> str:
    return timestamp(datetime.fromtimestamp(moment, UTC))
