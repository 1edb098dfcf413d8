"""Sharing: who may launch each replica, copy its snapshots and use its key. Owns the condition SharingReady.

Two-way: what is declared is granted, what is not declared is removed or kept as the spec says, and reported either way.
Granted in the order key, snapshot, image, because a grantee may copy an AMI the moment it can see it, and the copy reads the snapshots. Revoked in
reverse.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from goldenami.api.reasons import Reason
from goldenami.plan import identity
from goldenami.plan.actions import Action, GrantKey, RevokeKey, ShareImage, ShareSnapshot, UnshareImage, UnshareSnapshot
from goldenami.plan.desired import Version
from goldenami.plan.observed import Finding, Need, NeedKind, Observed, key_arns
from goldenami.plan.values import NOBODY, Grants, Image, KeyGrant, Principals, RegionView

SHARE_QUOTA = 1000
"""Entities an AMI can be shared with; an organization or OU counts once (EC2 quotas, "AMI sharing")."""


@dataclass(frozen=True)
class Shared:
    """What one region's look at sharing says beyond the finding: its digest when all is right, and who is foreign there."""

    finding: Finding
    digest: str = ""
    foreign: Principals = NOBODY


def digest(version: Version, image: Image) -> str:
    """Of the declared sharing on one image. Equal to the recorded one, it saves reading permissions, which EC2 tells one image a call."""
    sharing = version.sharing
    text = "\n".join((image.image_id, *version.grantees.names(), f"snapshots={sharing.snapshots}", f"remove={sharing.remove_foreign}"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def look(version: Version, observed: Observed, replicas: tuple[Finding, ...]) -> tuple[Shared, ...]:
    """One for each declared region, in the spec's order; then one for a home image that is nobody's replica and so is shared with nobody."""
    shares = [_region(version, observed, replica) for replica in replicas]
    return tuple(shares)


def _region(version: Version, observed: Observed, replica: Finding) -> Shared:
    region, image = replica.region, replica.image
    if not version.sharing.declared:
        return _undeclared(region, image)
    if image is None or image.state != "available" or identity.owner_of(image.tags) != version.owner:
        return Shared(Finding(region, Reason.SHARING_PENDING, f"{region} is shared when its image is available"))
    if len(version.grantees) > SHARE_QUOTA:
        return Shared(
            Finding(
                region,
                Reason.SHARE_QUOTA_EXCEEDED,
                f"{len(version.grantees)} principals are declared, and EC2 shares an image with {SHARE_QUOTA} at most; "
                "share with an organization or an organizational unit instead",
                image,
            )
        )
    return _available(version, observed, region, image)


def _undeclared(region: str, image: Image | None) -> Shared:
    """Nothing is granted, and nothing taken away; but an image that everybody may launch is never passed over in silence."""
    if image is not None and image.public:
        told = Finding(region, Reason.NOTHING_DECLARED, f"{image.image_id} in {region} is public, and spec.sharing says nothing about it", image)
        return Shared(told, foreign=Principals(public=True))
    return Shared(Finding(region, Reason.NOTHING_DECLARED, "spec.sharing is absent: grants are left as they are", image))


def _available(version: Version, observed: Observed, region: str, image: Image) -> Shared:
    view = observed.regions[region]
    exposed = image.public and not version.grantees.public
    recorded = observed.recorded.get(region)
    known = observed.grants.get(image.image_id)
    if known is None and not exposed and recorded and recorded.shared_digest == digest(version, image):
        return Shared(_right(version, region, image), digest(version, image))
    if known is None:
        # Public access is taken away before anything else is read: each second of it counts.
        first = (UnshareImage(view.place, image.image_id, Principals(public=True)),) if exposed else ()
        need = Need(NeedKind.GRANTS, region, image.image_id)
        return Shared(
            Finding(region, Reason.SHARING_PENDING, f"reading who may launch {image.image_id} in {region}", image, first, (need,))
        )
    if version.grantees.public:
        facts = observed.facts.get(region)
        if facts is None or facts.public_sharing_blocked_by is None:
            return Shared(Finding(region, Reason.SHARING_PENDING, f"checking {region}", image, needs=(Need(NeedKind.FACTS, region),)))
    return _compare(version, observed, region, image, known)


def _right(version: Version, region: str, image: Image) -> Finding:
    count = len(version.grantees)
    whom = "everybody" if version.grantees.public else f"{count} principal{'' if count == 1 else 's'}" if count else "nobody"
    return Finding(region, Reason.SUCCEEDED, f"{image.image_id} in {region} is shared with {whom}", image)


def _compare(version: Version, observed: Observed, region: str, image: Image, known: Grants) -> Shared:
    view, wanted = observed.regions[region], version.grantees
    refusal = _refusal(version, observed, region, image)
    if refusal is not None and refusal.reason is Reason.PUBLIC_BLOCKED:
        wanted = wanted - Principals(public=True)  # everybody else still gets it
    elif refusal is not None:
        return Shared(refusal)
    extra = known.launch - wanted
    foreign = extra - observed.granted - Principals(public=True)
    removed = extra if version.sharing.remove_foreign else extra - foreign
    grants = _grants(version, view, image, known, wanted)
    revocations = _revocations(version, observed, view, image, known, wanted, removed)
    actions = (*revocations, *grants) if len(known.launch | wanted) > SHARE_QUOTA else (*grants, *revocations)
    if actions:
        finding = Finding(region, Reason.SHARING_PENDING, f"{image.image_id} in {region} is being shared as declared", image, actions)
        return Shared(refusal or finding, "", foreign) if not refusal else Shared(_with(refusal, actions), "", foreign)
    if refusal is not None:
        return Shared(refusal, "", foreign)
    return Shared(_right(version, region, image), digest(version, image), foreign)


def _with(refusal: Finding, actions: tuple[Action, ...]) -> Finding:
    return Finding(refusal.region, refusal.reason, refusal.message, refusal.image, actions)


def _refusal(version: Version, observed: Observed, region: str, image: Image) -> Finding | None:
    facts = observed.facts.get(region)
    if version.grantees.public and facts is not None and facts.public_sharing_blocked_by:
        return Finding(
            region,
            Reason.PUBLIC_BLOCKED,
            f"{image.image_id} cannot be public: block public access for AMIs is on in {region}, set by {facts.public_sharing_blocked_by}; "
            "have it switched off there, or take spec.sharing.public back",
            image,
        )
    return None


def _wanted_on_snapshots(version: Version, wanted: Principals) -> frozenset[str]:
    return wanted.accounts if version.sharing.snapshots else frozenset()


def _grants(version: Version, view: RegionView, image: Image, known: Grants, wanted: Principals) -> tuple[Action, ...]:
    accounts = _wanted_on_snapshots(version, wanted)
    keys = [
        GrantKey(view.place, arn, name, account)
        for arn in sorted(key_arns(view, image))
        for account in sorted(wanted.accounts)
        if (name := identity.grant_name(version.owner, version.version, view.place.region, account))
        not in {grant.name for grant in known.keys.get(arn, ())}
    ]
    snapshots = [
        ShareSnapshot(view.place, snapshot_id, missing)
        for snapshot_id in image.snapshot_ids
        if (missing := tuple(sorted(accounts - known.snapshots.get(snapshot_id, NOBODY).accounts)))
    ]
    added = wanted - known.launch
    return (*keys, *snapshots, *((ShareImage(view.place, image.image_id, added),) if added else ()))


def _revocations(
    version: Version, observed: Observed, view: RegionView, image: Image, known: Grants, wanted: Principals, removed: Principals
) -> tuple[Action, ...]:
    """Image, snapshot, key: a former grantee loses what it can see before what it could do with it."""
    actions: list[Action] = [UnshareImage(view.place, image.image_id, removed)] if removed else []
    accounts = _wanted_on_snapshots(version, wanted)
    for snapshot_id in image.snapshot_ids:
        now = known.snapshots.get(snapshot_id, NOBODY)
        surplus = now.accounts - accounts
        if not version.sharing.remove_foreign:
            surplus &= observed.granted.accounts
        if surplus or now.public:
            actions.append(UnshareSnapshot(view.place, snapshot_id, tuple(sorted(surplus)), public=now.public))
    return (*actions, *_key_revocations(version, view, known.keys, wanted))


def _key_revocations(
    version: Version, view: RegionView, keys: Mapping[str, tuple[KeyGrant, ...]], wanted: Principals
) -> tuple[Action, ...]:
    """Only grants of our own making: a key has other users, whose grants are not ours to judge."""
    return tuple(
        RevokeKey(view.place, arn, grant.grant_id, account)
        for arn, grants in sorted(keys.items())
        for grant in grants
        if (account := _account_of(grant.grantee)) not in wanted.accounts
        if grant.name == identity.grant_name(version.owner, version.version, view.place.region, account)
    )


def _account_of(principal: str) -> str:
    """The account id in `arn:aws:iam::111122223333:root`; a principal of another form is returned as it is."""
    parts = principal.split(":")
    return parts[4] if len(parts) >= 6 else principal
