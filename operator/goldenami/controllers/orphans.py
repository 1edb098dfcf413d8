"""The orphans of a GoldenImage: looked for in the shared listings, told in its status, and removed where its retention policy says so."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from goldenami.api.conditions import cut, timestamp_of
from goldenami.api.duration import parse_duration
from goldenami.api.golden_image import GoldenImage
from goldenami.api.orphans import MAX_ORPHANS, WHY_LENGTH
from goldenami.api.reasons import EventReason, Reason
from goldenami.api.retention_policy import RetentionPolicySpec
from goldenami.aws.errors import AwsError
from goldenami.controllers import translate
from goldenami.controllers.mirror import Children
from goldenami.controllers.subject import Seen
from goldenami.controllers.world import World
from goldenami.kube.client import Body
from goldenami.kube.errors import KubeError
from goldenami.plan import orphans as plan
from goldenami.plan import snapshots
from goldenami.plan.actions import Action, CancelImport, DeleteSnapshot, DeregisterImage, RemoveTags, SetTags
from goldenami.plan.identity import Owner
from goldenami.plan.orphans import Checked, Found, Noted, Orphan
from goldenami.plan.retention import GOING
from goldenami.plan.suspects import Family, Kind
from goldenami.plan.values import Account, ImportTask, Place, Problem, RegionView

REMOVE_AFTER_SECONDS = 7 * 86400.0
"""Where a retention policy is declared and says nothing of orphans."""


@dataclass(frozen=True)
class Left:
    """What there is to say about orphans after a look."""

    rows: tuple[Body, ...] = ()
    """As the status has them, the oldest first."""
    pending: tuple[Action, ...] = ()
    """What would be done; empty unless nothing may be changed."""
    unseen: tuple[str, ...] = ()
    """What cannot be looked for, a sentence for each region."""

    @property
    def status(self) -> Body:
        return {
            "orphans": [*self.rows[:MAX_ORPHANS]],
            "orphansFound": len(self.rows) or None,
            "orphansMessage": cut("; ".join(self.unseen)) or None,
        }


def look(
    world: World,
    seen: Seen[GoldenImage],
    account: Account,
    children: Children,
    views: Iterable[RegionView],
    policy: RetentionPolicySpec | None,
) -> Left:
    """Finds them, marks them, and removes those whose time is over; nothing but the finding unless the object may be worked on."""
    family = _family(world, seen.declared, account, children, policy)
    noted = {row.id: Noted(_seconds(row.since), row.message or "") for row in seen.declared.status.orphans}
    rows: list[Body] = []
    pending: list[Action] = []
    views = [*views]
    imports = _imports(world, family.owner, [view.place for view in views if view.problem is None], fresh=seen.asked)
    for view in views:
        told = [row for row in seen.declared.status.orphans if row.region == view.place.region]
        listed = imports.get(view.place)
        found = _found(world, family, replace(view, imports=listed), noted)
        # What is there is unknown; what was said stays said.
        rows += [row.to_object() for row in told if found is None or (listed is None and Kind(row.kind) is Kind.IMPORT)]
        if found is None:
            continue
        if seen.mutable:
            rows += map(_row, _acted(world, seen.obj, found))
        else:
            rows += map(_row, found.orphans)
            pending += found.actions
    new = [row for row in rows if row["id"] not in noted]
    if new and seen.mutable:
        world.events.record(seen.obj, EventReason.ORPHANS_FOUND, _told(new))
    return Left(tuple(sorted(rows, key=lambda row: (row["since"], row["id"]))), tuple(pending), tuple(_forbidden(world, imports)))


def _forbidden(world: World, places: Iterable[Place]) -> Iterable[str]:
    """Imports are in nobody's way, and so is that nobody may list them; but who expects them to be found has to know."""
    for place in sorted(places):
        if problem := world.inventory.imports_forbidden(place):
            yield f"half-finished imports are not looked for in {place.region}: {problem.message}"


def _imports(world: World, owner: Owner, places: Sequence[Place], *, fresh: bool) -> Mapping[Place, tuple[ImportTask, ...] | None]:
    """As the audit listed them last; who asks for a look has them listed now."""
    if not fresh:
        return {place: world.inventory.imports(place, owner) for place in places}
    return world.inventory.at_once(lambda place: world.inventory.imports(place, owner, fresh=True), places)


def _family(world: World, declared: GoldenImage, account: Account, children: Children, policy: RetentionPolicySpec | None) -> Family:
    versions = {name: translate.version(child, account, world.installation) for name, child in children.items()}
    told = {name: {row.region for row in child.status.replicas} for name, child in children.items()}
    going = {(name, "") for name, child in children.items() if child.deleting or child.spec.stage in GOING}
    cleared = {(name, region) for name, version in versions.items() if version.delete for region in told[name] - version.regions}
    return Family(
        owner=Owner(world.installation, declared.namespace, declared.name),
        homes={name: frozenset(version.regions | {version.home_region} | told[name]) for name, version in versions.items()},
        leaving=frozenset(going | cleared),
        borrowed=borrowed(world, account, children),
        remove_after_seconds=_remove_after(policy),
        more_than_noted=(declared.status.orphans_found or 0) > len(declared.status.orphans),
    )


def borrowed(world: World, account: Account, children: Children) -> frozenset[str]:
    """Snapshots that the spec of a version names."""
    versions = (translate.version(child, account, world.installation) for child in children.values())
    return frozenset().union(*map(snapshots.borrowed, versions))


def _remove_after(policy: RetentionPolicySpec | None) -> float | None:
    """Without a policy nothing of AWS goes by itself."""
    if policy is None:
        return None
    period = policy.orphans.remove_after if policy.orphans else None
    return parse_duration(period) if period is not None else REMOVE_AFTER_SECONDS


def _found(world: World, family: Family, view: RegionView, noted: Mapping[str, Noted]) -> Found | None:
    """Reads what the plan asks for, which at rest is nothing; None where the region cannot be read."""
    if view.problem is not None:
        return None
    now = world.now()
    found = plan.look(family, view, noted, now)
    if found.unsure:
        view = replace(world.inventory.region(view.place, not_older_than=now, owner=family.owner), imports=view.imports)
        if view.problem is not None:
            return None
        found = plan.look(family, view, noted, now)
    if not (found.asks or found.unsure):
        return found
    return plan.look(family, view, noted, now, _checked(world, view.place, sorted(found.asks)))


def _checked(world: World, place: Place, asks: Sequence[str]) -> Checked:
    snapshot_ids = [name for name in asks if name.startswith("snap-")]
    image_ids = [name for name in asks if name not in snapshot_ids]
    try:
        named = world.dependents.named(world.now())
        images = {image.image_id: image for image in world.inventory.existing_images(place, image_ids)}
        binned = world.inventory.binned_images(place, [name for name in image_ids if name not in images])
        return Checked(frozenset(asks), images, frozenset(binned), world.inventory.naming_images(place, snapshot_ids), named)
    except AwsError as error:
        return Checked(frozenset(asks), problem=error.problem)
    except KubeError as error:
        return Checked(frozenset(asks), problem=Problem(Reason.EVIDENCE_INCOMPLETE, f"the GoldenImages cannot be listed: {error.message}"))


def _acted(world: World, obj: Body, found: Found) -> tuple[Orphan, ...]:
    """Each by itself: one that EC2 does not let go, because somebody locked it, keeps no other."""
    gone: set[str] = set()
    refused: dict[str, str] = {}
    for action in found.actions:
        failures = world.perform(obj, (action,)).failures
        if failures:
            refused |= dict.fromkeys(_resources(action), failures[0][1].message)
        elif isinstance(action, (DeleteSnapshot, DeregisterImage, CancelImport)):
            gone |= _resources(action)
            if not isinstance(action, DeregisterImage):
                world.events.record(obj, EventReason.ORPHAN_REMOVED, action.sentence())
    return plan.after(found, gone, refused)


def _resources(action: Action) -> set[str]:
    match action:
        case DeleteSnapshot(snapshot_id=name) | DeregisterImage(image_id=name) | CancelImport(task_id=name):
            return {name}
        case SetTags(resource_ids=names) | RemoveTags(resource_ids=names):
            return set(names)
    return set()


def _row(orphan: Orphan) -> Body:
    row: Body = {
        "id": orphan.resource_id,
        "region": orphan.region,
        "kind": str(orphan.kind),
        "why": cut(orphan.why, WHY_LENGTH),
        "since": timestamp_of(orphan.since),
        "removeAt": timestamp_of(orphan.remove_at) if orphan.remove_at is not None else None,
        "message": cut(orphan.message) or None,
    }
    return {name: value for name, value in row.items() if value is not None}


def _told(rows: Sequence[Body]) -> str:
    shown = ", ".join(f"{row['id']} in {row['region']}" for row in rows[:5])
    more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
    return f"{shown}{more} carr{'y' if len(rows) > 1 else 'ies'} our owner tag and belong{'' if len(rows) > 1 else 's'} to no image"


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
