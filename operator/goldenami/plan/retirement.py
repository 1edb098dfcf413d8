"""Retirement: how an image of ours goes. Evidence, disable, evidence again, deregister with its snapshots; or, under Retain, released.

Every irreversible step is decided from usage read in the same look. Usage that is missing or incomplete blocks.
"""

from dataclasses import dataclass

from goldenami.api.reasons import Reason
from goldenami.plan import identity
from goldenami.plan.actions import Action, DeleteSnapshot, DeregisterImage, DisableImage, EnableImage, RemoveTags, RevokeKey, SetTags
from goldenami.plan.desired import Version
from goldenami.plan.observed import Finding, Need, NeedKind, Observed, key_arns, ours, snapshots_of
from goldenami.plan.values import Image, RegionView, Usage

UNUSABLE = frozenset({"failed", "error", "invalid", "pending", "transient"})
"""States in which nobody can have launched the image: deregistering it cancels a copy, or clears a failed one."""


@dataclass(frozen=True)
class Step:
    reason: Reason
    message: str
    actions: tuple[Action, ...] = ()
    needs: tuple[Need, ...] = ()


def step(view: RegionView, image: Image, observed: Observed) -> Step:
    """The next step of one image on its way out."""
    region = view.place.region
    if image.state == "lost":
        return Step(Reason.DELETING, f"{image.image_id} was never listed in {region}")
    if image.deregistration_protection.startswith("enabled"):
        return Step(Reason.IN_USE, f"{image.image_id} in {region} is protected from deregistration; disable the protection to let it go")
    if image.state in UNUSABLE:
        return Step(Reason.DELETING, f"{image.image_id} in {region} is {image.state} and is deregistered", (_deregister(view, image),))
    usage = observed.usage.get(image.image_id)
    if usage is None:
        return Step(
            Reason.DELETING, f"looking for users of {image.image_id} in {region}", needs=(Need(NeedKind.USAGE, region, image.image_id),)
        )
    if usage or usage.problem:
        return _kept(view, image, usage)
    if image.state == "available":
        return Step(Reason.DELETING, f"{image.image_id} in {region} is disabled first", (DisableImage(view.place, image.image_id),))
    return _removal(view, image, observed)


def _kept(view: RegionView, image: Image, usage: Usage) -> Step:
    """In use, or nobody can tell: the image stays, and one that we had disabled can launch again."""
    undo = (EnableImage(view.place, image.image_id),) if usage and image.state == "disabled" else ()
    if usage.problem:
        return Step(
            usage.problem.reason,
            f"{image.image_id} in {view.place.region} stays: who uses it cannot be told. {usage.problem.message}",
            undo,
        )
    users = [*(f"instance {user}" for user in usage.instances), *(f"launch template {user}" for user in usage.launch_templates)]
    shown = ", ".join(users[:3]) + (f" and {len(users) - 3} more" if len(users) > 3 else "")
    return Step(
        Reason.IN_USE,
        f"{image.image_id} in {view.place.region} stays: it is used by {shown}; it goes when they no longer refer to it",
        undo,
    )


def _removal(view: RegionView, image: Image, observed: Observed) -> Step:
    region = view.place.region
    keys = key_arns(view, image)
    grants = observed.grants.get(image.image_id)
    if keys and observed.granted.accounts and grants is None:
        return Step(Reason.DELETING, f"reading the grants of {image.image_id}", needs=(Need(NeedKind.GRANTS, region, image.image_id),))
    revoked = _revocations(view, image, observed) if grants else ()
    return Step(Reason.DELETING, f"{image.image_id} in {region} is deregistered", (*revoked, _deregister(view, image)))


def _revocations(view: RegionView, image: Image, observed: Observed) -> tuple[Action, ...]:
    owner, version = identity.owner_of(image.tags), image.tags.get(identity.VERSION, "")
    assert owner is not None  # only images with our owner tag come here
    grants = observed.grants[image.image_id]
    ours_by_name = {identity.grant_name(owner, version, view.place.region, account): account for account in observed.granted.accounts}
    return tuple(
        RevokeKey(view.place, arn, grant.grant_id, ours_by_name[grant.name])
        for arn, key_grants in sorted(grants.keys.items())
        for grant in key_grants
        if grant.name in ours_by_name
    )


def _deregister(view: RegionView, image: Image) -> DeregisterImage:
    parts = {*image.snapshot_ids, *(part.snapshot_id for part in snapshots_of(view, image))}
    return DeregisterImage(view.place, image.image_id, tuple(sorted(parts)))


def release(view: RegionView, image: Image) -> tuple[Action, ...]:
    """Left as it is, with another tag in the owner's place: first the new one, so that a crash between leaves it found."""
    owner = image.tags[identity.OWNER]
    resources = (image.image_id, *image.snapshot_ids)
    return (SetTags(view.place, resources, {identity.RELEASED: owner}), RemoveTags(view.place, resources, (identity.OWNER,)))


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
        return Finding(region, view.problem.reason, f"{region} cannot be cleared: {view.problem.message}")
    images = [image for image in ours(view, version) if everything or image.tags.get(identity.ROLE) != identity.HOME_ROLE]
    if not images:
        return _leftovers(version, region, view) if version.delete else None
    if not version.delete:
        actions = tuple(action for image in images for action in release(view, image))
        return Finding(
            region, Reason.RELEASED, f"{', '.join(i.image_id for i in images)} in {region} released, left as they are", images[0], actions
        )
    steps = [step(view, image, observed) for image in images]
    worst = next((s for s in steps if s.reason is not Reason.DELETING), steps[0])
    return Finding(
        region,
        worst.reason,
        "; ".join(s.message for s in steps),
        images[0],
        tuple(action for s in steps for action in s.actions),
        tuple(need for s in steps for need in s.needs),
    )


def _leftovers(version: Version, region: str, view: RegionView) -> Finding | None:
    """Snapshots of the version that no image names any more: what a deregistration left behind."""
    named = {snapshot_id for image in view.images for snapshot_id in image.snapshot_ids}
    lost = [
        snapshot
        for snapshot in view.snapshots.values()
        if identity.owner_of(snapshot.tags) == version.owner and snapshot.tags.get(identity.VERSION) == version.version
        if snapshot.snapshot_id not in named
    ]
    if not lost or any(image.state in UNUSABLE for image in ours(view, version)):
        return None
    actions = tuple(DeleteSnapshot(view.place, s.snapshot_id, why="its image is gone") for s in sorted(lost, key=lambda s: s.snapshot_id))
    return Finding(region, Reason.DELETING, f"{len(lost)} snapshots left in {region} are deleted", actions=actions)
