"""Replicas: one image of the version in every region the spec names. Owns the condition ReplicasReady and status.replicas.

Each region is decided alone, from its own view: what is wrong in one never shows in another.
"""

import hashlib
import json
from dataclasses import replace

from goldenami.api.reasons import Reason
from goldenami.plan import adoption, attempts, deprecation, identity, preflight, protection, retirement, tags
from goldenami.plan.actions import CopyImage, EnableImage
from goldenami.plan.candidates import (
    BROKEN,
    Lost,
    Origin,
    alive,
    home_images,
    is_home,
    lost,
    returning_home,
    reused,
    same_key,
    serves,
    stand_in,
    takeable,
)
from goldenami.plan.desired import Replica, Version
from goldenami.plan.observed import Finding, Observed, Recorded, copied_by_hand, key_arns, ours, problem, progress
from goldenami.plan.snapshots import unlisted
from goldenami.plan.values import Image


def copies_wanted(version: Version, observed: Observed) -> bool:
    """Whether any readable region still has to be copied, so that the source matters."""
    return any(_is_absent(version, replica, observed) for replica in version.replicas if not observed.regions[replica.region].problem)


def _is_absent(version: Version, replica: Replica, observed: Observed) -> bool:
    if alive(version, replica, observed) or adoption.is_due(version, replica.region, observed):
        return False
    return _waiting(version, replica, observed) is None


def _waiting(version: Version, replica: Replica, observed: Observed) -> Image | None:
    """A released image that only has to be taken back."""
    view = observed.regions[replica.region]
    homes = (image for image in takeable(version, view, home=True) if serves(version, view, replica, image))
    return next(iter((*takeable(version, view, home=False), *homes)), None)


def look(version: Version, observed: Observed, source: Finding) -> tuple[Finding, ...]:
    """One finding for each declared region, in the spec's order. `source` is what `goldenami.plan.source` found."""
    return tuple(_region(version, replica, observed, source) for replica in version.replicas)


def look_at_going(version: Version, observed: Observed) -> tuple[Finding, ...]:
    """The same for a version on its way out: what is there is kept in step while it is, and nothing is made or enabled."""
    return tuple(_going(version, replica, observed) for replica in version.replicas)


def _going(version: Version, replica: Replica, observed: Observed) -> Finding:
    region, view = replica.region, observed.regions[replica.region]
    if view.problem:
        return problem(region, view.problem)
    there = alive(version, replica, observed)
    if not there:
        return Finding(region, Reason.SUCCEEDED, f"no image of the version is in {region}, and none is made: it goes")
    keep = there[0]
    if keep.state != "available":
        return Finding(region, Reason.SUCCEEDED, f"{keep.image_id} in {region} is {keep.state}, and the version goes", keep)
    actions, needs = tags.look(version, region, keep, observed)
    return Finding(region, Reason.SUCCEEDED, f"{keep.image_id} in {region} is available, and the version goes", keep, actions, needs)


def _region(version: Version, replica: Replica, observed: Observed, source: Finding) -> Finding:
    view = observed.regions[replica.region]
    if view.problem:
        return problem(replica.region, view.problem)
    other = reused(version, observed)
    if other is not None:
        return _reused(version, replica, other)
    candidates = alive(version, replica, observed)
    if candidates:
        return _present(version, replica, observed, candidates)
    return _absent(version, replica, observed, source)


def _reused(version: Version, replica: Replica, other: Image) -> Finding:
    return Finding(
        replica.region,
        Reason.VERSION_REUSED,
        f"version {version.version} exists, as {other.image_id}, made from {other.tags[identity.SOURCE]}, and spec.source says "
        f"{version.source_text}; declare a new version for the new source",
    )


# --- an image is there ---


def _present(version: Version, replica: Replica, observed: Observed, candidates: tuple[Image, ...]) -> Finding:
    keep, *doubles = candidates
    found = _kept(version, replica, observed, keep)
    failed = (image for image in ours(observed.regions[replica.region], version) if image.state in BROKEN and not is_home(image))
    by_hand = copied_by_hand(observed.regions[replica.region], version)
    # Two images of one version in one region: an answer was lost for longer than a token lives. The other one goes, with evidence, as any.
    # A failed copy goes only now that its successor is there: its attempt tag is what counts the tries.
    leaving = [retirement.step(version, image, observed) for image in (*failed, *(d for d in doubles if not is_home(d)))]
    kept = [step.message for step in leaving if step.reason is not Reason.DELETING]
    kept += [
        f"{image.image_id} in {replica.region} is somebody's copy of {image.source_image_id}, tags and all, and is left alone"
        for image in by_hand
    ]
    return replace(
        found,
        aside="; ".join(kept),
        needs=(*found.needs, *(need for step in leaving for need in step.needs)),
        cleanup=tuple(action for step in leaving for action in step.actions),
    )


def _kept(version: Version, replica: Replica, observed: Observed, keep: Image) -> Finding:
    if keep.state == "available":
        return _available(version, replica, observed, keep)
    if keep.state == "disabled":
        return enable(version, observed, keep, replica.region)
    word = Reason.CREATING if is_home(keep) else Reason.COPYING
    view = observed.regions[replica.region]
    return Finding(replica.region, word, f"{keep.image_id} in {replica.region} is {keep.state}{progress(view, keep)}", keep)


def enable(version: Version, observed: Observed, image: Image, region: str) -> Finding:
    """Disabling took its launch permissions away, so the record that they are right goes first, and only then is it enabled.

    The other way round, a crash between the two would leave it enabled, unshared, and recorded as shared (trap 15 of the research).
    """
    recorded = observed.recorded.get(region, Recorded())
    actions = () if recorded.as_available else (EnableImage(version.place(region), image.image_id),)
    return Finding(region, Reason.PROGRESSING, f"{image.image_id} in {region} is disabled and will be enabled", image, actions)


def _available(version: Version, replica: Replica, observed: Observed, keep: Image) -> Finding:
    actions, needs = tags.look(version, replica.region, keep, observed)
    wrong = None if needs else _wrong_key(version, replica, observed, keep) or tags.crowded(version, replica.region, keep, observed)
    if wrong is not None:
        return replace(wrong, image=keep, actions=actions, needs=needs)
    actions = (
        *actions,
        *deprecation.look(version, replica.region, keep, observed.now),
        *protection.look(version, replica.region, keep),
    )
    return Finding(replica.region, Reason.SUCCEEDED, f"{keep.image_id} in {replica.region} is available", keep, actions, needs)


def _wrong_key(version: Version, replica: Replica, observed: Observed, keep: Image) -> Finding | None:
    view, region, key = observed.regions[replica.region], replica.region, replica.kms_key_id
    if not key or not keep.snapshot_ids or unlisted(version, view, keep):
        return None
    arns = key_arns(view, keep)
    wrong = sorted(arn for arn in arns if same_key(arn, key) is False)
    if arns and not wrong:
        return None
    how = f"encrypted with {', '.join(wrong)}" if wrong else "not encrypted"
    return Finding(
        region,
        Reason.KEY_MISMATCH,
        f"{keep.image_id} in {region} is {how}, and spec.replicas says {key}; "
        f"an image's key never changes: declare a new version, or put the key of {region} back",
    )


# --- no image is there ---


def _absent(version: Version, replica: Replica, observed: Observed, source: Finding) -> Finding:
    view = observed.regions[replica.region]
    waiting = _waiting(version, replica, observed)
    if waiting is not None:
        back = adoption.take_back(version, view, waiting)
        return replace(back, actions=()) if waiting == returning_home(version, view) else back  # that one is taken back as the source
    too_many = tags.too_many(version, replica.region)
    if too_many is not None:
        return too_many
    return (
        adoption.member(version, replica, observed)
        or _undecided_home(version, replica, observed)
        or _name_held(version, replica, observed)
        or adoption.adopt(version, replica, observed, source)
        or _after_lost(version, replica, observed, source, lost(version, view, observed))
    )


def _name_held(version: Version, replica: Replica, observed: Observed) -> Finding | None:
    """CreateImage and RegisterImage refuse a name that is taken. CopyImage does not (trap 3 of the research), so it is looked for here."""
    holder = observed.name_holders.get(replica.region)
    if holder is None:
        return None
    return Finding(
        replica.region,
        Reason.NAME_CONFLICT,
        f"the name {version.name} is held by {holder.image_id} of {identity.owner_of(holder.tags)} in {replica.region}; "
        "declare another nameTemplate, as one with {namespace}, together with a new version",
    )


def _undecided_home(version: Version, replica: Replica, observed: Observed) -> Finding | None:
    """A home image whose snapshots are not listed: only their key tells whether it is the replica too, so nothing is copied beside it."""
    view = observed.regions[replica.region]
    image = next((i for i in home_images(view, version) if i.state == "available" and serves(version, view, replica, i) is None), None)
    if image is None:
        return None
    actions, needs = tags.look(version, replica.region, image, observed)
    return Finding(
        replica.region,
        Reason.PROGRESSING,
        f"the snapshots of {image.image_id} in {replica.region} are not listed yet",
        image,
        actions,
        needs,
    )


def _after_lost(version: Version, replica: Replica, observed: Observed, source: Finding, lost_images: Lost) -> Finding:
    region = replica.region
    if lost_images.needs:
        return Finding(region, Reason.PROGRESSING, f"an image that was made in {region} is not listed", needs=lost_images.needs)
    if lost_images.found:
        return Finding(
            region, Reason.COPYING, f"{lost_images.found[0].image_id} in {region} exists and is not listed yet", lost_images.found[0]
        )
    if lost_images.untagged:
        return attempts.untagged(region, lost_images.untagged[0])
    attempt = attempts.following(version, region, observed, lost_images.gone)
    if isinstance(attempt, Finding):
        return attempt
    origin = _origin(version, observed, source)
    if origin is None:
        return adoption.awaiting(region, source)
    return preflight.look(version, replica, observed, encrypted=origin.encrypted) or _copy(version, replica, origin, attempt)


def _origin(version: Version, observed: Observed, source: Finding) -> Origin | None:
    """The source, or a replica in its place where the source cannot be used any more."""
    image = source.image
    if image is None or image.state != "available":
        return stand_in(version, observed) if not source.needs else None
    home = observed.regions[version.home_region]
    parts = observed.source.snapshots if observed.source else ()
    encrypted = any(part.encrypted for part in parts) or bool(key_arns(home, image))
    return Origin(image, version.home_region, encrypted)


def _copy(version: Version, replica: Replica, origin: Origin, attempt: int) -> Finding:
    copy = CopyImage(
        version.place(replica.region),
        source_image_id=origin.image.image_id,
        source_region=origin.region,
        name=version.name,
        client_token="",
        attempt=attempt,
        description=version.description,
        kms_key_id=replica.kms_key_id,
        tags=tags.wanted_tags(version, role=identity.REPLICA_ROLE, attempt=attempt),
    )
    copy = replace(copy, client_token=_token(version, copy))
    message = f"copying {copy.source_image_id} from {copy.source_region} to {replica.region}"
    return Finding(replica.region, Reason.COPYING, message, actions=(copy,))


def _token(version: Version, copy: CopyImage) -> str:
    """Of everything the call says, because the same token with other parameters is refused (trap 5 of the research).

    What a spec edit doubles between a lost answer and the next listing is found by its tags, and removed.
    """
    call = (copy.source_image_id, copy.source_region, copy.name, copy.description, copy.kms_key_id, sorted(copy.tags.items()))
    text = hashlib.sha256(json.dumps((version.source_text, call)).encode()).hexdigest()
    return identity.client_token(version.owner, version.version, version.account.account_id, copy.place.region, text, copy.attempt)
