"""Orphans: what carries our owner tag and belongs to no image any more. Listed always, removed only where a retention policy is declared.

An image that somebody deregistered by hand leaves its snapshots, and so does a process that dies between the two, or after an import. They
are found in the shared listings; what else has to be known is asked for when one is first seen, and again right before it goes. Since when
it is one is a tag, so that it survives everything; a snapshot that an import made gets it with our owner tag, before EC2 forgets the task.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from goldenami.api.conditions import timestamp
from goldenami.plan import expiry, identity, suspects
from goldenami.plan.actions import Action, CancelImport, DeleteSnapshot, DeregisterImage, RemoveTags, SetTags
from goldenami.plan.identity import Owner
from goldenami.plan.suspects import Family, Kind, Suspect
from goldenami.plan.values import Image, Problem, RegionView

MOST_AT_ONCE = 20
"""How many go in one look at a region."""


@dataclass(frozen=True)
class Noted:
    """What the status remembers of one."""

    since: float
    """Epoch seconds."""
    message: str = ""


@dataclass(frozen=True)
class Checked:
    """What was looked up of a region in this look: the images that snapshots were made for, or that name an imported snapshot."""

    asked: frozenset[str]
    """Ids of images, and of imported snapshots."""
    images: Mapping[str, Image] = field(default_factory=dict)
    """Those that exist, by id, whatever their tags."""
    binned: frozenset[str] = frozenset()
    """Those that are in the Recycle Bin."""
    named_by: Mapping[str, str] = field(default_factory=dict)
    """An image for each imported snapshot that one names."""
    declared: frozenset[str] = frozenset()
    """What GoldenImages, of whatever family, are made from."""
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
    """Ids of images, and of imported snapshots."""
    unsure: bool = False
    """The listings may be from different moments: both have to be read anew."""


def look(family: Family, view: RegionView, noted: Mapping[str, Noted], now: float, checked: Checked | None = None) -> Found:
    """Of a region that could be read. With `checked` it asks for nothing more."""
    seen = suspects.of_region(family, view)
    if family.more_than_noted:
        noted = {**{one.resource_id: Noted(tagged.timestamp()) for one in seen if (tagged := _tagged(one))}, **noted}
    if checked is None:
        doubtful = (suspect for suspect in seen if _is_doubtful(family, suspect, noted.get(suspect.resource_id), now))
        asks = frozenset(suspect.asks for suspect in doubtful if suspect.asks)
        unsure = any(suspect.resource_id not in noted for suspect in seen if suspect.is_listed and suspect.kind is not Kind.IMPORT)
        if asks or unsure:
            return Found(asks=asks, unsure=unsure)
    known = checked or Checked(frozenset())
    orphans = tuple(_orphan(family, view.place.region, suspect, noted.get(suspect.resource_id), known, now) for suspect in seen)
    orphans = tuple(sorted(orphans, key=lambda orphan: (orphan.since, orphan.resource_id)))
    by_id = {suspect.resource_id: suspect for suspect in seen}
    due = (orphan for orphan in orphans if orphan.remove_at is not None and orphan.remove_at <= now)
    going = [orphan for orphan in due if _may_go(by_id[orphan.resource_id], known)][:MOST_AT_ONCE]
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


# --- what becomes of it ---


def _is_doubtful(family: Family, suspect: Suspect, before: Noted | None, now: float) -> bool:
    """To be looked up: when it is first seen, until it carries our tag, while something keeps it, and right before it goes."""
    if before is None or before.message or not suspect.is_listed:
        return True
    return family.remove_after_seconds is not None and _since(suspect, before, now) + family.remove_after_seconds <= now


def _orphan(family: Family, region: str, suspect: Suspect, before: Noted | None, known: Checked, now: float) -> Orphan:
    since = _since(suspect, before, now)
    kept = _kept(suspect, known)
    remove_at = since + family.remove_after_seconds if family.remove_after_seconds is not None and not kept else None
    return Orphan(region, suspect.resource_id, suspect.kind, suspect.why, since, remove_at, kept)


def _kept(suspect: Suspect, known: Checked) -> str:
    """Why it stays, whatever the policy says; empty where nothing keeps it."""
    if suspect.kept or suspect.kind is not Kind.SNAPSHOT:
        return suspect.kept
    if suspect.resource_id in known.declared:
        return "another GoldenImage is made from it, as its spec says"
    if suspect.imported:
        return _kept_import(suspect.resource_id, known)
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


def _kept_import(snapshot_id: str, known: Checked) -> str:
    if known.problem is not None and snapshot_id in known.asked:
        return f"it stays, because whether an image is made of it cannot be told: {known.problem.message}"
    if image_id := known.named_by.get(snapshot_id):
        return f"{image_id} is made of it, without the owner tag of this GoldenImage; delete both by hand if nobody needs them"
    return ""


def _may_go(suspect: Suspect, known: Checked) -> bool:
    """What was looked up in this very look, and what carries our tag."""
    return suspect.is_listed and (suspect.kind is not Kind.SNAPSHOT or suspect.asks in known.asked)


def _since(suspect: Suspect, before: Noted | None, now: float) -> float:
    """The tag's word, else the status's; now for one that nobody has seen before. Whole seconds, as they are written."""
    tagged = _tagged(suspect)
    return tagged.timestamp() if tagged else before.since if before else float(int(now))


def _tagged(suspect: Suspect) -> datetime | None:
    return expiry.parse(suspect.tags.get(identity.ORPHANED_SINCE, ""))


def _marks(view: RegionView, orphans: Iterable[Orphan], by_id: Mapping[str, Suspect]) -> Iterable[Action]:
    """Those that are seen for the first time, with the moment. Imports by themselves: their tags are a permission of its own."""
    bare: dict[tuple[float, bool], list[str]] = {}
    marks: list[Action] = []
    for orphan in orphans:
        suspect = by_id[orphan.resource_id]
        if suspect.is_listed and _tagged(suspect) is None:
            bare.setdefault((orphan.since, suspect.kind is Kind.IMPORT), []).append(orphan.resource_id)
        elif not suspect.is_listed and not orphan.message:
            marks.append(SetTags(view.place, (orphan.resource_id,), {**suspect.tags, identity.ORPHANED_SINCE: _text(orphan.since)}))
    named = [SetTags(view.place, tuple(names), {identity.ORPHANED_SINCE: _text(since)}) for (since, _), names in sorted(bare.items())]
    return [*named, *marks]


def _forgotten(view: RegionView, by_id: Mapping[str, Suspect]) -> Iterable[Action]:
    """Those that are none any more: an image that came back from the Recycle Bin names its snapshots again."""
    named = {snapshot_id for image in view.images for snapshot_id in image.snapshot_ids}
    back = sorted(
        part.snapshot_id
        for part in view.snapshots.values()
        if identity.ORPHANED_SINCE in part.tags and part.snapshot_id in named and part.snapshot_id not in by_id
    )
    return (RemoveTags(view.place, tuple(back), (identity.ORPHANED_SINCE,)),) if back else ()


def _removal(view: RegionView, suspect: Suspect, owner: Owner) -> Action:
    if suspect.kind is Kind.IMAGE:
        why = "a failed copy that nobody looks after"
        return DeregisterImage(view.place, suspect.resource_id, suspect.snapshot_ids, why=why, owner=owner)
    if suspect.kind is Kind.IMPORT:
        return CancelImport(view.place, suspect.resource_id, why="no version waits for it", owner=owner)
    why = suspect.why if suspect.imported else f"{suspect.image_id} is gone"
    return DeleteSnapshot(view.place, suspect.resource_id, why=why, owner=owner)


def _text(moment: float) -> str:
    return timestamp(datetime.fromtimestamp(moment, UTC))
