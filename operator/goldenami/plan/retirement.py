"""Retirement: how an image of ours goes. Evidence, disable, evidence again, deregister with its snapshots; or, under Retain, released.

Every irreversible step is decided from evidence gathered in the same look (`goldenami.plan.evidence`); what is not complete blocks.
"""

from dataclasses import dataclass, replace
from functools import partial

from goldenami.api.reasons import Outcome, Reason
from goldenami.plan import identity, noted_tags, snapshots, undo
from goldenami.plan.actions import (
    Action,
    DeleteSnapshot,
    DeregisterImage,
    EnableImage,
    RemoveTags,
    RevokeKey,
    SetTags,
    UnshareSnapshot,
)
from goldenami.plan.candidates import BROKEN, is_home, lost, was_there
from goldenami.plan.desired import MAX_TAG_VALUE, Version
from goldenami.plan.evidence import Objection, objection
from goldenami.plan.observed import Finding, Need, NeedKind, Observed, Recorded, key_arns, made_for, ours, problem
from goldenami.plan.snapshots import unlisted
from goldenami.plan.values import NOBODY, Grants, Image, RegionView, Snapshot

IN_FLIGHT = frozenset({"pending", "transient"})
UNUSABLE = frozenset({"pending", "failed"})
"""States in which nobody can have launched the image: deregistering it cancels a copy, or clears a failed one. Of one in
any other state nobody knows what it was before: a `transient` one is waited for, the rest of the broken ones is for a person."""


@dataclass(frozen=True)
class Step:
    """What is done next about one image. Whatever its reason is but DELETING, the image stays for now."""

    reason: Reason
    message: str
    actions: tuple[Action, ...] = ()
    needs: tuple[Need, ...] = ()
    outcome: Outcome | None = None
    """Where it is another than the reason's own."""


def step(version: Version, image: Image, observed: Observed) -> Step:
    """The next step of one image on its way out."""
    view = _view_of(observed, image)
    name = f"{image.image_id} in {view.place.region}"
    protected = _protected(image, name)
    if protected is not None:
        return replace(protected, actions=undo.give_back(version, view.place, image))
    if image.state in UNUSABLE:
        # Snapshots in flight are named by nothing but their own description, so they have to be seen first.
        unseen = _unseen(view, observed)
        return Step(
            Reason.DELETING, f"{name} is {image.state} and is deregistered", () if unseen else _deregister(version, view, image), unseen
        )
    if image.state in BROKEN:
        told = f"{name} stays: it is {image.state}, and whether anybody has launched it before cannot be told; deregister it by hand"
        return Step(Reason.EVIDENCE_INCOMPLETE, told)
    evidence = observed.evidence.get(image.image_id)
    if evidence is None:
        return Step(Reason.DELETING, f"looking for users of {name}", needs=(Need(NeedKind.EVIDENCE, view.place.region, image.image_id),))
    if why := objection(evidence, observed.now):
        return _kept(version, view, image, why)
    if image.state == "available":
        return _disabled(version, view, image, observed)
    if image.state != "disabled":
        return Step(Reason.DELETING, f"{name} is {image.state}; it goes when it is available or disabled")
    return removal(version, view, image, observed)


def _view_of(observed: Observed, image: Image) -> RegionView:
    return next(view for view in observed.regions.values() if any(known.image_id == image.image_id for known in view.images))


def _protected(image: Image, name: str) -> Step | None:
    """EC2's words: `enabled-with-cooldown`, `enabled-without-cooldown`, `disabled`, and `disabled after <time>` during the cooldown."""
    if image.deregistration_protection.startswith("enabled"):
        return Step(
            Reason.IN_USE, f"{name} stays: it is protected from deregistration; switch its deregistration protection off to let it go"
        )
    if image.deregistration_protection.startswith("disabled after"):
        return Step(
            Reason.IN_USE, f"{name} stays until the cooldown of its deregistration protection is over, 24 hours after it was switched off"
        )
    return None


def _kept(version: Version, view: RegionView, image: Image, why: Objection) -> Step:
    """In use, or nobody can tell: the image stays, and one that is in use and that we had disabled can launch again, shared as before."""
    told = f"{image.image_id} in {view.place.region} stays: {why.message}"
    back = undo.give_back(version, view.place, image)
    if why.reason is Reason.IN_USE and image.state == "disabled":
        if undo.disabled_since(image):
            back = (EnableImage(view.place, image.image_id),)
        else:
            told += "; somebody else disabled it, so it stays disabled"
    return Step(why.reason, told, back, outcome=why.outcome)


def _disabled(version: Version, view: RegionView, image: Image, observed: Observed) -> Step:
    """With whom it is shared written down, as that is in this very look: EC2 forgets it, and no spec shares again what goes."""
    name = f"{image.image_id} in {view.place.region}"
    known = observed.grants.get(image.image_id) is not None and image.image_id in observed.fresh_grants
    if undo.needs_grants(version, leaving=True) and not known:
        needs = (Need(NeedKind.GRANTS, view.place.region, image.image_id),)
        return Step(Reason.DELETING, f"reading who may launch {name}, before it is disabled", needs=needs)
    taken = undo.disable(version, view.place, image, observed, leaving=True)
    if taken is None:
        told = f"{name} is not disabled: its tags leave no room to remember whom it is shared with; declare them in spec.sharing"
        return Step(Reason.TOO_MANY_TAGS, told)
    return Step(Reason.DELETING, f"{name} is disabled first", taken)


def removal(version: Version, view: RegionView, image: Image, observed: Observed) -> Step:
    message = f"{image.image_id} in {view.place.region} is deregistered"
    needs = _unseen(view, observed) if unlisted(version, view, image) else ()
    grants, keys = observed.grants.get(image.image_id), _own_keys(version, view, image)
    lent = snapshots.borrowed(version) & set(image.snapshot_ids)
    if (keys or lent) and (grants is None or not keys <= grants.keys.keys()):
        needs = (*needs, Need(NeedKind.GRANTS, view.place.region, image.image_id))
    if needs:
        return Step(Reason.DELETING, message, needs=needs)
    revoked = tuple(
        RevokeKey(view.place, arn, grant.grant_id, identity.account_of(grant.grantee))
        for arn in sorted(keys)
        for grant in (grants.keys[arn] if grants else ())
        if identity.is_grant_of(grant.name, version.owner, version.version, view.place.region, grant.grantee)
    )
    taken_back = _off_lent(view, sorted(lent), grants, observed)
    return Step(Reason.DELETING, message, (*taken_back, *revoked, *_deregister(version, view, image)))


def _off_lent(view: RegionView, lent: list[str], grants: Grants | None, observed: Observed) -> tuple[Action, ...]:
    """The user's own snapshot, from which the image was made, stays; what we permitted on it does not."""
    given = ((name, grants.snapshots.get(name, NOBODY).accounts & observed.granted.accounts) for name in lent) if grants else ()
    return tuple(UnshareSnapshot(view.place, name, tuple(sorted(accounts))) for name, accounts in given if accounts)


def _own_keys(version: Version, view: RegionView, image: Image) -> frozenset[str]:
    """Keys whose grants go with the image. A grant is named after version and region, so another image there may live on the same one."""
    others = (other for other in ours(view, version) if other.image_id != image.image_id and other.state not in BROKEN)
    return key_arns(view, image).difference(*(key_arns(view, other) for other in others))


def _unseen(view: RegionView, observed: Observed) -> tuple[Need, ...]:
    region = view.place.region
    return () if region in observed.fresh_snapshots else (Need(NeedKind.SNAPSHOTS, region),)


def _deregister(version: Version, view: RegionView, image: Image) -> tuple[Action, ...]:
    why = f"failed: {image.state_reason or 'EC2 gave no reason'}" if image.state in BROKEN else ""
    return (DeregisterImage(view.place, image.image_id, snapshots.own(version, view, image), why=why, owner=version.owner),)


def release(version: Version, image: Image, observed: Observed, *, returns: bool = False) -> Step:
    """Left as it is, with another tag in the owner's place: first the new one, so that a crash between leaves it found.

    One that was there before it became ours is left without any other tag of ours, unless it `returns` at once.
    """
    view = _view_of(observed, image)
    name = f"{image.image_id} in {view.place.region}"
    if image.state == "failed":
        return step(version, image, observed)
    if image.state in IN_FLIGHT:
        # Its snapshots are not all there yet, and would keep our owner tag for good.
        return Step(Reason.DELETING, f"{name} is {image.state}; it is released when that is over")
    unseen = _unseen(view, observed) if unlisted(version, view, image) else ()
    if unseen:
        return Step(Reason.RELEASED, f"{name} is released", needs=unseen)
    resources = (image.image_id, *snapshots.own(version, view, image))
    told = None if returns else _packed(version, image)
    mark = SetTags(view.place, resources, {identity.RELEASED: told or str(version.owner)})
    ours_before = identity.PACKED if told else (identity.OWNER,)
    carried = {key for part in resources for key in (image if part == image.image_id else view.snapshots[part]).tags}
    apart, everywhere = _added(version, view, image, resources) if told else ((), ())
    drop = RemoveTags(view.place, resources, (*(key for key in ours_before if key in carried), *everywhere))
    # One that was going, and was enabled again a moment ago, is left as it was before that.
    back = undo.give_back(version, view.place, image)
    how = "as it was found: our tags are taken off" if told else "left as it is"
    return Step(Reason.RELEASED, f"{name} is released, {how}", (*back, mark, *apart, drop))


def _added(version: Version, view: RegionView, image: Image, resources: tuple[str, ...]) -> tuple[tuple[RemoveTags, ...], tuple[str, ...]]:
    """Tags of the spec that it did not have before: what takes them off the image or its snapshots alone, and the keys that go from all.

    The former before our own tags go, so that a crash between leaves it ours, and released anew.
    """
    found, parts = noted_tags.read(image.tags), resources[1:]
    of_image = noted_tags.removable(version, found.image, (image.tags,))
    of_parts = noted_tags.removable(version, found.snapshots, (view.snapshots[name].tags for name in parts))
    everywhere = tuple(key for key in of_image if key in of_parts or not parts)
    apart = ((resources[:1], of_image), (parts, of_parts))
    left = ((names, tuple(key for key in keys if key not in everywhere)) for names, keys in apart)
    return tuple(RemoveTags(view.place, names, keys) for names, keys in left if names and keys), everywhere


def _packed(version: Version, image: Image) -> str | None:
    """What is left to say of an image that was there before; None of one that we made, and where one tag cannot hold it."""
    role, source = image.tags.get(identity.ROLE, identity.REPLICA_ROLE), image.tags.get(identity.SOURCE, version.source_tag)
    told = identity.packed(version.owner, version.version, role, source)
    return told if was_there(image) and len(told) <= MAX_TAG_VALUE else None


def look(version: Version, observed: Observed, *, everything: bool) -> tuple[Finding, ...]:
    """What is no longer wanted: images in regions that the spec no longer names; with `everything`, all of the version.

    No finding for a region means that nothing of ours is left there.
    """
    return tuple(
        finding
        for region, view in sorted(observed.regions.items())
        if everything or region not in version.regions
        if (finding := _region(version, region, view, observed, everything=everything))
    )


def _region(version: Version, region: str, view: RegionView, observed: Observed, *, everything: bool) -> Finding | None:
    if view.problem:
        return problem(region, view.problem, f"{region} cannot be cleared: ")
    images = [image for image in ours(view, version) if everything or not is_home(image)]
    missing = lost(version, view, observed) if any(image.state == "lost" for image in images) else None
    if missing and missing.needs:
        return Finding(region, Reason.DELETING, f"an image that was made in {region} is not listed", needs=missing.needs)
    if missing and missing.found:
        return Finding(region, Reason.DELETING, f"{missing.found[0].image_id} in {region} exists and is not listed yet")
    images = [image for image in images if image.state != "lost"]
    if not images:
        return leftovers(version, view, observed, everything=everything) if version.delete else None
    # Under a declared channel only somebody's hand deletes a version: it is rendered again from these very tags.
    decide = step if version.delete else partial(release, returns=everything and bool(version.channels))
    return _told(region, images, [decide(version, image, observed) for image in images])


def _told(region: str, images: list[Image], steps: list[Step]) -> Finding:
    """The most telling reason: what keeps an image before what is still going, and that before what is done."""
    order = (Reason.DELETING, Reason.RELEASED)
    worst = min(steps, key=lambda s: order.index(s.reason) + 1 if s.reason in order else 0)
    return Finding(
        region,
        worst.reason,
        "; ".join(s.message for s in steps),
        images[0],
        tuple(action for s in steps for action in s.actions),
        tuple(need for s in steps for need in s.needs),
        outcome_override=worst.outcome,
    )


def leftovers(version: Version, view: RegionView, observed: Observed, *, everything: bool) -> Finding | None:
    """Snapshots of the version that no image names any more: what a deregistration left behind."""
    region = view.place.region
    unseen = _unseen(view, observed)
    if unseen and (everything or _just_left(view, observed)):
        return Finding(region, Reason.DELETING, f"looking for snapshots left in {region}", needs=unseen)
    named = {snapshot_id for image in view.images for snapshot_id in image.snapshot_ids}
    left = sorted(
        (part for part in view.snapshots.values() if part.snapshot_id not in named and snapshots.is_own(version, part)),
        key=lambda part: part.snapshot_id,
    )
    if any(image.state in BROKEN | IN_FLIGHT for image in ours(view, version)):
        return None  # a home image in the making does not name its snapshots yet
    return _swept(version, view, observed, left) if left else None


def _just_left(view: RegionView, observed: Observed) -> bool:
    """An image is recorded here that is not here any more: its snapshots may be newer than the listing."""
    recorded = observed.recorded.get(view.place.region, Recorded()).image_id
    return bool(recorded) and recorded not in {image.image_id for image in view.images}


def _swept(version: Version, view: RegionView, observed: Observed, left: list[Snapshot]) -> Finding | None:
    """An image that EC2 says a snapshot was made for may exist all the same, unlisted or without its tag: then the snapshot stays."""
    region = view.place.region
    needs = tuple(Need(NeedKind.IMAGE, region, name) for name in sorted({made_for(s) for s in left} - {""} - observed.looked_up.keys()))
    if needs:
        return Finding(region, Reason.DELETING, f"looking for the images of snapshots left in {region}", needs=needs)
    free = [part for part in left if (image := observed.looked_up.get(made_for(part))) is None or image.state == "deregistered"]
    if not free:
        return None
    actions = tuple(DeleteSnapshot(view.place, part.snapshot_id, why="its image is gone", owner=version.owner) for part in free)
    return Finding(
        region, Reason.DELETING, f"{len(free)} snapshot{'s' if len(free) > 1 else ''} left in {region} to be deleted", actions=actions
    )
