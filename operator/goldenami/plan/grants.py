"""Grants on one image, its snapshots and its keys: what is too much, what is missing, and in which order that is put right."""

from dataclasses import dataclass

from goldenami.plan import identity, snapshots
from goldenami.plan.actions import Action, GrantKey, RevokeKey, ShareImage, ShareSnapshot, UnshareImage, UnshareSnapshot
from goldenami.plan.desired import Version
from goldenami.plan.observed import Observed, Recorded, key_arns
from goldenami.plan.values import NOBODY, Grants, Image, Principals, RegionView

PUBLIC = Principals(public=True)


@dataclass(frozen=True)
class Target:
    """One image and whom it shall be shared with. `beside`: the region's replica, where this image is not it."""

    image: Image
    wanted: Principals
    beside: Image | None = None


def foreign(version: Version, observed: Observed, target: Target, known: Grants) -> Principals:
    """Who has been granted what nobody declared, and not by us: on the image or on its snapshots."""
    accounts = _on_snapshots(version, target)
    found = known.launch - target.wanted
    for who in known.snapshots.values():
        found |= who - Principals(accounts=accounts)
    return found - observed.granted


def recorded(observed: Observed, region: str) -> Principals:
    """Who was foreign there when somebody last read it, and is not declared by now."""
    return observed.recorded.get(region, Recorded()).foreign - observed.granted


def removed(version: Version, observed: Observed, target: Target, known: Grants) -> Principals:
    """Launch permissions that go. Under `Keep` that is what we granted before, and public access in any case."""
    extra = known.launch - target.wanted
    return extra if version.sharing.remove_foreign else extra & (observed.granted | PUBLIC)


def revocations(version: Version, observed: Observed, target: Target, known: Grants) -> tuple[Action, ...]:
    """Image, snapshot, key: a former grantee loses what it can see before what it could do with it."""
    view, gone = _view(observed, target), removed(version, observed, target, known)
    image = (UnshareImage(view.place, target.image.image_id, gone),) if gone else ()
    return (*image, *_off_snapshots(version, observed, target, known), *_off_keys(version, view, target, known))


def _off_snapshots(version: Version, observed: Observed, target: Target, known: Grants) -> tuple[Action, ...]:
    view, accounts = _view(observed, target), _on_snapshots(version, target)
    actions: list[Action] = []
    for snapshot_id in target.image.snapshot_ids:
        now = known.snapshots.get(snapshot_id, NOBODY)
        # The snapshot that an image was registered from is the user's: there we take back what we gave, and judge nothing else.
        mine = (listed := view.snapshots.get(snapshot_id)) is not None and snapshots.is_own(version, listed)
        every = mine and version.sharing.remove_foreign
        surplus = now.accounts - accounts if every else (now.accounts - accounts) & observed.granted.accounts
        public = now.public and (mine or observed.granted.public)
        if surplus or public:
            actions.append(UnshareSnapshot(view.place, snapshot_id, tuple(sorted(surplus)), public=public))
    return tuple(actions)


def _off_keys(version: Version, view: RegionView, target: Target, known: Grants) -> tuple[Action, ...]:
    """Only grants of our own making: a key has other users, whose grants are not ours to judge."""
    # Grants are named after version and region, so those on the replica's key are the replica's.
    others = key_arns(view, target.beside) if target.beside else frozenset()
    return tuple(
        RevokeKey(view.place, arn, grant.grant_id, account)
        for arn in sorted(key_arns(view, target.image) - others)
        for grant in known.keys[arn]
        if (account := identity.account_of(grant.grantee)) not in target.wanted.accounts
        if identity.is_grant_of(grant.name, version.owner, version.version, view.place.region, account)
    )


def additions(version: Version, observed: Observed, target: Target, known: Grants) -> tuple[Action, ...]:
    """Key, snapshot, image."""
    view = _view(observed, target)
    missing = target.wanted - known.launch
    image = (ShareImage(view.place, target.image.image_id, missing),) if missing else ()
    return (*_keys(version, view, target, known), *_snapshots(version, view, target, known), *image)


def _keys(version: Version, view: RegionView, target: Target, known: Grants) -> tuple[Action, ...]:
    """For launching, too: who may launch an encrypted image needs its key, whether it may copy the snapshots or not."""
    return tuple(
        GrantKey(view.place, arn, name, account)
        for arn in sorted(key_arns(view, target.image))
        for account in sorted(target.wanted.accounts)
        if (name := identity.grant_name(version.owner, version.version, view.place.region, account))
        not in {grant.name for grant in known.keys[arn]}
    )


def _snapshots(version: Version, view: RegionView, target: Target, known: Grants) -> tuple[Action, ...]:
    accounts = _on_snapshots(version, target)
    return tuple(
        ShareSnapshot(view.place, snapshot_id, missing)
        for snapshot_id in target.image.snapshot_ids
        if (missing := tuple(sorted(accounts - known.snapshots.get(snapshot_id, NOBODY).accounts)))
    )


def _on_snapshots(version: Version, target: Target) -> frozenset[str]:
    return target.wanted.accounts if version.sharing.snapshots else frozenset()


def _view(observed: Observed, target: Target) -> RegionView:
    return next(view for view in observed.regions.values() if any(i.image_id == target.image.image_id for i in view.images))
