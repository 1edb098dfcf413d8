"""Sharing: who may launch each replica, copy its snapshots and use its key. Owns the condition SharingReady.

Two-way: what is declared is granted, what is not declared is removed or kept as the spec says, and reported either way.
Granted in the order key, snapshot, image, because a grantee may copy an AMI the moment it can see it, and the copy reads the snapshots.
Revoked in reverse, and before anything is granted: a grant that EC2 refuses must not keep a revocation from happening.
"""

import hashlib
from dataclasses import dataclass, replace

from goldenami.api.reasons import Outcome, Reason
from goldenami.plan import grants, preflight, undo
from goldenami.plan.actions import Action, UnshareImage
from goldenami.plan.candidates import SETTLED, home_images, home_replica, is_home, is_ours, serves
from goldenami.plan.desired import Version
from goldenami.plan.grants import Target
from goldenami.plan.observed import DARK, Finding, Need, NeedKind, Observed, Recorded, key_arns, ours, problem
from goldenami.plan.snapshots import unread
from goldenami.plan.values import NOBODY, Grants, Image, Principals

SHARE_QUOTA = 1000
"""Entities an AMI can be shared with; an organization or OU counts once (EC2 quotas, "AMI sharing")."""


@dataclass(frozen=True)
class Shared:
    """What one region's look at sharing says beyond the finding: its digest when all is right, and who is foreign there."""

    finding: Finding
    digest: str = ""
    foreign: Principals = NOBODY


def digest(version: Version, image: Image, *spares: Image) -> str:
    """Of the declared sharing on a region's image. Equal to the recorded one, it saves reading permissions, one call an image.

    `spares`: images of the region that are shared with nobody.
    """
    sharing = version.sharing
    text = "\n".join(
        (
            image.image_id,
            *version.grantees.names(),
            f"snapshots={sharing.snapshots}",
            f"remove={sharing.remove_foreign}",
            *(f"nobody={spare.image_id}" for spare in spares),
        )
    )
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def look(version: Version, observed: Observed, replicas: tuple[Finding, ...]) -> tuple[Shared, ...]:
    """One for each declared region, in the spec's order; then one for a home image where home is not declared: it is shared with nobody."""
    shares = tuple(_region(version, observed, replica) for replica in replicas)
    if home_replica(version) is not None or not version.sharing.declared:
        return shares
    spares = _spares(version, observed, kept=None)
    return (*shares, _unshared_home(version, observed, spares)) if spares else shares


def look_at_leaving(version: Version, observed: Observed, *, everything: bool) -> tuple[Shared, ...]:
    """Of images that shall be deregistered and may have to stay for long: nothing is granted, but what is taken back is taken back there.

    One for each region, as in `goldenami.plan.retirement`, about which there is anything to do, to read, or to say.
    """
    if not (version.delete and version.sharing.declared):
        return ()
    regions = sorted(region for region in observed.regions if everything or region not in version.regions)
    return tuple(shared for region in regions if (shared := _leaving(version, observed, region, everything=everything)))


def _leaving(version: Version, observed: Observed, region: str, *, everything: bool) -> Shared | None:
    view = observed.regions[region]
    if view.problem:
        # Until it is known to be taken back everywhere, whom we have granted before is not forgotten.
        told = problem(region, view.problem, f"what is shared in {region}, which goes, is not known: ")
        return Shared(told, foreign=grants.recorded(observed, region))
    images = [image for image in ours(view, version) if image.state in SETTLED and (everything or not is_home(image))]
    shares = [shared for image in images if (shared := _taken_back(version, observed, region, image))]
    return _merged(shares, "") if shares else None


def _taken_back(version: Version, observed: Observed, region: str, image: Image) -> Shared | None:
    known, target = observed.grants.get(image.image_id), Target(image, version.grantees)
    if image.public and not target.wanted.public:
        return _exposed(observed, region, image)
    recorded = observed.recorded.get(region, Recorded())
    if known is None and not observed.asked and recorded.shared_digest == digest(version, image):
        return None
    needs = _needs(version, observed, region, image, known)
    if needs or known is None:
        told = f"reading who may launch {image.image_id} in {region}"
        return Shared(Finding(region, Reason.UPDATING, told, image, needs=needs), foreign=grants.recorded(observed, region))
    # A disabled image has no launch permissions, whatever was read before; its snapshots and its key keep theirs.
    seen = _as_seen(version, image, replace(known, launch=known.launch if image.state == "available" else NOBODY))
    actions, foreign = grants.revocations(version, observed, target, seen), grants.foreign(version, observed, target, seen)
    if actions:
        told = f"{image.image_id} in {region}, which goes, is no longer shared with those who are not declared any more"
        return Shared(Finding(region, Reason.UPDATING, told, image, actions), "", foreign)
    return Shared(Finding(region, Reason.SUCCEEDED, f"{image.image_id} in {region} goes", image), "", foreign) if foreign else None


def _region(version: Version, observed: Observed, replica: Finding) -> Shared:
    region, image = replica.region, replica.image
    if not version.sharing.declared:
        return _undeclared(version, observed, region, image)
    if image is None or image.state != "available" or not is_ours(version, image):
        return _gone_dark(version, observed, region, image) if version.going else _pending(version, observed, region)
    if back := undo.restore(version, observed.regions[region].place, image):
        return _shared_again(region, image, back)
    spares = _spares(version, observed, kept=image) if region == version.home_region else ()
    right = digest(version, image, *spares)
    targets = (Target(image, version.grantees), *(Target(spare, NOBODY, beside=image) for spare in spares))
    return _merged([_image(version, observed, region, target, right) for target in targets], right)


def _unshared_home(version: Version, observed: Observed, spares: tuple[Image, ...]) -> Shared:
    right = digest(version, spares[0], *spares)
    shares = [_image(version, observed, version.home_region, Target(spare, NOBODY), right) for spare in spares]
    return _merged(shares, right)


def _spares(version: Version, observed: Observed, kept: Image | None) -> tuple[Image, ...]:
    """Home images that are no replica. `kept`: the replica of the home region, available: nobody has to launch what is unshared here."""
    view, replica = observed.regions[version.home_region], home_replica(version)
    return tuple(
        image
        for image in home_images(view, version)
        if image.state == "available" and (kept is None or image.image_id != kept.image_id)
        if replica is None or serves(version, view, replica, image) is not None
    )


def _gone_dark(version: Version, observed: Observed, region: str, image: Image | None) -> Shared:
    """Of a version on its way out: EC2 knows no launch permissions of a disabled image. Its snapshots and its key keep theirs, so whom the
    spec drops loses them there. The digest is another than that of an available image, which has its launch permissions."""
    told = f"{image.image_id} in {region} is {image.state}" if image else f"no image is in {region}"
    dark = Finding(region, Reason.SUCCEEDED, f"{told}: nobody can launch it", image)
    if image is None or image.state != "disabled" or not is_ours(version, image):
        return Shared(dark)
    right = DARK + digest(version, image)
    if observed.recorded.get(region, Recorded()).shared_digest == right and image.image_id not in observed.grants and not observed.asked:
        return Shared(dark, right, grants.recorded(observed, region))
    taken = _taken_back(version, observed, region, image)
    if taken is not None and taken.finding.reason.outcome is not Outcome.DONE:
        return taken
    return Shared(dark, right, taken.foreign if taken else NOBODY)


def _shared_again(region: str, image: Image, back: tuple[Action, ...]) -> Shared:
    told = f"{image.image_id} in {region} is shared as it was before it was disabled"
    return Shared(Finding(region, Reason.UPDATING, told, image, back))


def _undeclared(version: Version, observed: Observed, region: str, image: Image | None) -> Shared:
    """Nothing is granted, and nothing taken away; but an image that everybody may launch is never passed over in silence."""
    enabled = image is not None and image.state == "available" and is_ours(version, image)
    if image is not None and enabled and (back := undo.restore(version, observed.regions[region].place, image)):
        return _shared_again(region, image, back)
    if image is not None and image.public:
        told = f"{image.image_id} in {region} is public, and spec.sharing says nothing about it"
        return Shared(Finding(region, Reason.NOTHING_DECLARED, told, image), foreign=grants.PUBLIC)
    return Shared(Finding(region, Reason.NOTHING_DECLARED, "spec.sharing is absent: grants are left as they are", image))


def _pending(version: Version, observed: Observed, region: str) -> Shared:
    """No replica to share yet. A home image that waits to be replaced by one keeps its grants, but is never public unsaid."""
    waiting = Finding(region, Reason.SHARING_PENDING, f"{region} is shared when its image is available")
    homes = home_images(observed.regions[region], version) if region == version.home_region else ()
    exposed = [home for home in homes if home.public and home.state == "available" and not version.grantees.public]
    unseen = grants.recorded(observed, region) if observed.regions[region].problem else NOBODY
    return _exposed(observed, region, exposed[0]) if exposed else Shared(waiting, foreign=unseen)


def _merged(shares: list[Shared], right: str) -> Shared:
    """Several images of one region as one: the first that is not done speaks for it."""
    speaker = next((shared.finding for shared in shares if shared.finding.reason.outcome is not Outcome.DONE), shares[0].finding)
    foreign = NOBODY
    for shared in shares:
        foreign |= shared.foreign
    finding = replace(
        speaker,
        image=shares[0].finding.image,
        # The last first: what must not be shared at all comes before what shall be.
        actions=tuple(action for shared in reversed(shares) for action in shared.finding.actions),
        needs=tuple(need for shared in shares for need in shared.finding.needs),
    )
    return Shared(finding, right if all(shared.digest for shared in shares) else "", foreign)


def _image(version: Version, observed: Observed, region: str, target: Target, right: str) -> Shared:
    image = target.image
    if image.public and not target.wanted.public:
        return _exposed(observed, region, image)
    hidden = target.wanted.public and not image.public
    known = observed.grants.get(image.image_id)
    recorded = observed.recorded.get(region, Recorded()).shared_digest == right and not observed.asked
    if known is None and not hidden and recorded:
        return Shared(_right(target, region), right, grants.recorded(observed, region))
    needs = _needs(version, observed, region, image, known)
    if needs or known is None:
        told = f"reading who may launch {image.image_id} in {region}"
        return Shared(Finding(region, Reason.UPDATING, told, image, needs=needs), foreign=grants.recorded(observed, region))
    if unread(version, observed.regions[region], image) and target.wanted:
        told = f"the snapshots of {image.image_id} in {region} are not listed yet"
        return Shared(Finding(region, Reason.SHARING_PENDING, told, image))
    return _compare(version, observed, region, target, _as_seen(version, image, known), right)


def _exposed(observed: Observed, region: str, image: Image) -> Shared:
    """Public access is taken away before anything else is read, whatever the spec says about foreign grants: each second counts."""
    action = UnshareImage(observed.regions[region].place, image.image_id, grants.PUBLIC)
    foreign = grants.PUBLIC - observed.granted
    told = f"{image.image_id} in {region} is public, and spec.sharing does not say so: public access is removed"
    return Shared(Finding(region, Reason.UPDATING, told, image, (action,)), foreign=foreign)


def _needs(version: Version, observed: Observed, region: str, image: Image, known: Grants | None) -> tuple[Need, ...]:
    view = observed.regions[region]
    if unread(version, view, image) and region not in observed.fresh_snapshots:
        return (Need(NeedKind.SNAPSHOTS, region),)  # which keys to ask about is not known before
    if known is None or not key_arns(view, image) <= known.keys.keys():
        return (Need(NeedKind.GRANTS, region, image.image_id),)
    return ()


def _as_seen(version: Version, image: Image, known: Grants) -> Grants:
    """Without the owning account, which has every right whether EC2 lists it or not; public as the listing of this look says."""
    own = Principals(accounts=frozenset({version.account.account_id}))
    launch = known.launch - own | grants.PUBLIC if image.public else known.launch - own - grants.PUBLIC
    return replace(known, launch=launch, snapshots={name: who - own for name, who in known.snapshots.items()})


def _right(target: Target, region: str) -> Finding:
    count = len(target.wanted)
    whom = "everybody" if target.wanted.public else f"{count} principal{'' if count == 1 else 's'}" if count else "nobody"
    return Finding(region, Reason.SUCCEEDED, f"{target.image.image_id} in {region} is shared with {whom}", target.image)


def _compare(version: Version, observed: Observed, region: str, target: Target, known: Grants, right: str) -> Shared:
    """`allowed` is what is declared and may stay; of that, what EC2 would refuse is not granted, and said."""
    foreign = grants.foreign(version, observed, target, known)
    asked = _needs_facts(target, observed, region, known)
    if asked:
        return Shared(Finding(region, Reason.UPDATING, f"checking {region}", target.image, needs=asked), foreign=foreign)
    refusal, given = _refusal(version, observed, region, target, known)
    actions: tuple[Action, ...] = (
        *grants.revocations(version, observed, target, known),
        *grants.additions(version, observed, replace(target, wanted=given), known),
    )
    if refusal is not None:
        return Shared(replace(refusal, image=target.image, actions=actions), "", foreign)
    if actions:
        told = f"{target.image.image_id} in {region} is being shared as declared"
        return Shared(Finding(region, Reason.UPDATING, told, target.image, actions), "", foreign)
    return Shared(_right(target, region), right, foreign)


def _needs_facts(target: Target, observed: Observed, region: str, known: Grants) -> tuple[Need, ...]:
    making_public = target.wanted.public and not known.launch.public
    return (Need(NeedKind.FACTS, region),) if making_public and region not in observed.facts else ()


def _refusal(version: Version, observed: Observed, region: str, target: Target, known: Grants) -> tuple[Finding | None, Principals]:
    """Why not everything declared can be granted, and what of it is granted all the same."""
    image, wanted, keys = target.image, target.wanted, key_arns(observed.regions[region], target.image)
    facts = observed.facts.get(region)
    if wanted and keys & known.aws_managed_keys:
        return _default_key(region, image, sorted(keys & known.aws_managed_keys)), NOBODY
    if wanted.public and not known.launch.public and keys:
        told = f"{image.image_id} in {region} is encrypted, and an encrypted image cannot be public; take spec.sharing.public back"
        return Finding(region, Reason.ENCRYPTED_NOT_PUBLIC, told), wanted - grants.PUBLIC
    if wanted.public and not known.launch.public and facts is not None and facts.public_sharing_blocked_by:
        return preflight.blocked(region, facts.public_sharing_blocked_by, image.image_id), wanted - grants.PUBLIC
    together = known.launch - grants.removed(version, observed, target, known) | wanted
    if len(together) > SHARE_QUOTA:
        return _over_quota(region, image, len(wanted), len(together)), NOBODY
    return None, wanted


def _default_key(region: str, image: Image, arns: list[str]) -> Finding:
    return Finding(
        region,
        Reason.DEFAULT_KEY_NOT_SHAREABLE,
        f"{image.image_id} in {region} is encrypted with {', '.join(arns)}, which AWS manages and which cannot be shared; "
        f"declare a new version with a kmsKeyId of your own for {region}",
    )


def _over_quota(region: str, image: Image, declared: int, together: int) -> Finding:
    kept = f", and {together - declared} more are kept though nobody declared them" if together > declared else ""
    return Finding(
        region,
        Reason.SHARE_QUOTA_EXCEEDED,
        f"{declared} principals are declared for {image.image_id} in {region}{kept}; EC2 shares an image with {SHARE_QUOTA} at most: "
        "share with an organization or an organizational unit instead",
    )
