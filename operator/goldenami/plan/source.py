"""Source: what every copy starts from, and whether it can be copied at all. Owns the condition SourceReady.

It is looked at only while something has to be copied: a version whose replicas all exist does not depend on its source any more.
"""

from collections.abc import Callable
from dataclasses import replace

from goldenami.api.reasons import Reason
from goldenami.plan import adoption, attempts, identity, preflight, replicas, snapshots, tags
from goldenami.plan.actions import Action, CreateImage, DeregisterImage, RegisterImage
from goldenami.plan.attempts import MAX_ATTEMPTS
from goldenami.plan.candidates import BROKEN, becoming, is_home, is_spare, live_homes, lost, returning, returning_home, reused, stand_in
from goldenami.plan.candidates import home_images as home_images
from goldenami.plan.desired import ImageSource, InstanceSource, SnapshotSource, Version
from goldenami.plan.identity import HOME_ROLE
from goldenami.plan.observed import Finding, Need, NeedKind, Observed, SourceFacts, problem, progress
from goldenami.plan.values import Image


def look(version: Version, observed: Observed, *, copying: bool) -> Finding:
    """Where the source stands. `copying`: at least one region has to be copied from it, so it must be known."""
    if isinstance(version.source, ImageSource):
        return _image(version, observed) if copying else _resolved(version)
    return _home(version, observed, copying=copying)


def _resolved(version: Version, image: Image | None = None) -> Finding:
    # The same words whether it was read or not: what a condition says must not depend on how much had to be read for it.
    kind, _, name = version.source_text.split("/")
    return Finding(version.home_region, Reason.SUCCEEDED, f"{kind} {name} in {version.home_region}", image=image)


def _image(version: Version, observed: Observed) -> Finding:
    facts = observed.source
    if facts is None:
        return Finding(version.home_region, Reason.PROGRESSING, "reading the source", needs=(Need(NeedKind.SOURCE, version.home_region),))
    refusal = _refusal(version, facts)
    if refusal is not None:
        return refusal
    assert facts.image is not None  # otherwise refused
    return _resolved(version, facts.image)


def _home(version: Version, observed: Observed, *, copying: bool) -> Finding:
    """An instance or a snapshot becomes an image of ours in the home region first."""
    view = observed.regions[version.home_region]
    if view.problem:
        return problem(version.home_region, view.problem)
    made = live_homes(view, version)
    if made and reused(version, observed) is None:
        return _made(version, observed, min(made, key=lambda image: image.state != "available"), copying=copying)
    back = returning_home(version, view)
    if back is not None and reused(version, observed) is None:
        return _taken_back(version, observed, back)
    if not copying or reused(version, observed) or stand_in(version, observed):
        # Never made twice: the replicas that exist are this version, and what the instance is now may be something else.
        return _resolved(version)
    copies = tuple(returning(version, observed).values())
    if copies:
        return Finding(version.home_region, Reason.SOURCE_PENDING, f"{copies[0].image_id} is taken back; what is missing is copied from it")
    coming = becoming(version, observed)
    if coming is not None:
        told = f"{coming.image_id} is {coming.state}; what is missing is copied from it when it is available"
        return Finding(version.home_region, Reason.SOURCE_PENDING, told)
    return _absent_home(version, observed)


def _taken_back(version: Version, observed: Observed, image: Image) -> Finding:
    """After the copy that waits beside it: with a home image there its region would not miss that, and after a crash it stayed released."""
    found = adoption.take_back(version, observed.regions[version.home_region], image)
    return replace(found, image=None, actions=() if version.home_region in returning(version, observed) else found.actions)


def _made(version: Version, observed: Observed, image: Image, *, copying: bool) -> Finding:
    home, spare = version.home_region, is_spare(version, observed, image)
    if image.state == "available":
        # As a replica, its tags are kept by the region's own finding.
        actions, needs = tags.look(version, home, image, observed) if spare else ((), ())
        return replace(_resolved(version, image), actions=actions, needs=needs)
    if image.state == "disabled" and not copying:
        return _resolved(version)
    if image.state == "disabled":
        found = replicas.enable(version, observed, image, home)
        return replace(found, image=None, actions=found.actions if spare else ())
    view = observed.regions[home]
    return Finding(home, Reason.CREATING, f"{image.image_id} is being made from {_of(version)} in {home}{progress(view, image)}")


def _absent_home(version: Version, observed: Observed) -> Finding:
    home, view = version.home_region, observed.regions[version.home_region]
    missing = lost(version, view, observed)
    if missing.needs:
        return Finding(home, Reason.PROGRESSING, f"an image that was made in {home} is not listed", needs=missing.needs)
    if any(is_home(image) for image in missing.found):
        return Finding(home, Reason.CREATING, f"the image made from {_of(version)} in {home} is not listed yet")
    if missing.untagged:
        return replace(attempts.untagged(home, missing.untagged[0]), image=None)
    failed = tuple(image for image in home_images(view, version) if image.state in BROKEN)
    return _make(version, observed, failed)


def _make(version: Version, observed: Observed, failed: tuple[Image, ...]) -> Finding:
    home = version.home_region
    before, last = observed.recorded_source_image_id, attempts.last_failed(failed)
    if before and last is None:
        # A version is immutable, an instance is not: making it again would put other bytes under the same version.
        return Finding(
            home,
            Reason.SOURCE_NOT_FOUND,
            f"{before}, made from {_of(version)} for version {version.version}, is gone from {home}; declare a new version to make another",
        )
    waiting = _after_failure(version, observed, last) if last else None
    if waiting is not None:
        return waiting
    too_many = tags.too_many(version, home)
    if too_many is not None:
        return too_many
    if observed.source is None:
        return Finding(home, Reason.PROGRESSING, "reading the source", needs=(Need(NeedKind.SOURCE, home),))
    refusal = _refusal(version, observed.source) or preflight.of_all(version, observed, what=f"no image is made from {_of(version)}")
    if refusal is not None:
        return refusal
    attempt = identity.attempt_of(last.tags) + 1 if last else 1
    actions = (*_clear(version, observed, failed), _creation(version, attempt))
    return Finding(home, Reason.CREATING, f"making an image from {_of(version)} in {home}", actions=actions)


def _after_failure(version: Version, observed: Observed, last: Image) -> Finding | None:
    home, why, number = version.home_region, attempts.reason_of(last), identity.attempt_of(last.tags)
    if number >= MAX_ATTEMPTS:
        return Finding(
            home,
            Reason.COPIES_EXHAUSTED,
            f"making an image from {_of(version)} in {home} failed {MAX_ATTEMPTS} times, last: {why}; "
            f"mend the cause, then deregister {last.image_id} to try again, or declare a new version",
        )
    if not attempts.may_retry(observed.now, last):
        return Finding(
            home,
            Reason.CREATE_FAILED,
            f"{last.image_id}, made from {_of(version)} in {home}, failed: {why}; attempt {number + 1} of {MAX_ATTEMPTS} follows",
        )
    if home not in observed.fresh_snapshots:
        # What the failed one left behind has to be seen to be removed with it.
        return Finding(home, Reason.CREATE_FAILED, f"{last.image_id} failed: {why}", needs=(Need(NeedKind.SNAPSHOTS, home),))
    return None


def _clear(version: Version, observed: Observed, failed: tuple[Image, ...]) -> tuple[Action, ...]:
    """A failed image keeps its name, which CreateImage and RegisterImage want for themselves (trap 2 of the research)."""
    view = observed.regions[version.home_region]
    return tuple(
        DeregisterImage(
            view.place,
            image.image_id,
            snapshots.own(version, view, image),
            why=f"failed: {attempts.reason_of(image)}",
            owner=version.owner,
        )
        for image in failed
    )


def _creation(version: Version, attempt: int) -> Action:
    carried = tags.wanted_tags(version, role=HOME_ROLE, attempt=attempt)
    source = version.source
    if isinstance(source, InstanceSource):
        return CreateImage(
            version.home,
            instance_id=source.instance_id,
            name=version.name,
            reboot=source.reboot,
            description=version.description,
            volumes=source.volumes,
            tags=carried,
        )
    assert isinstance(source, SnapshotSource)
    return RegisterImage(
        version.home,
        snapshot_id=source.snapshot_id,
        name=version.name,
        architecture=source.architecture,
        boot_mode=source.boot_mode,
        root_device_name=source.root_device_name,
        ena_support=source.ena_support,
        imds_support=source.imds_support,
        tpm_support=source.tpm_support,
        volume_type=source.volume_type,
        description=version.description,
        tags=carried,
    )


def _of(version: Version) -> str:
    kind, _, name = version.source_text.split("/")
    return f"{kind} {name}"


# What rules a source out, before the first byte is copied. First refusal wins; each says what to do instead.
Rule = Callable[[Version, SourceFacts], tuple[Reason, str] | None]


def _refusal(version: Version, facts: SourceFacts) -> Finding | None:
    for rule in _RULES:
        refused = rule(version, facts)
        if refused is not None:
            return Finding(version.home_region, *refused)
    return None


def _unreadable(_: Version, facts: SourceFacts) -> tuple[Reason, str] | None:
    return (facts.problem.reason, facts.problem.message) if facts.problem else None


def _absent(version: Version, facts: SourceFacts) -> tuple[Reason, str] | None:
    if facts.image is not None:
        return None
    return Reason.SOURCE_NOT_FOUND, (
        f"{_of(version)} is not in {version.home_region}, or account {version.account.account_id} may not see it; "
        "check spec.source and spec.region, and for another account's image its launch permissions"
    )


def _pending(version: Version, facts: SourceFacts) -> tuple[Reason, str] | None:
    image = facts.image
    assert image is not None
    if image.state in {"pending", "transient", "recovering"}:
        return Reason.SOURCE_PENDING, f"{_of(version)} in {version.home_region} is {image.state}; the work starts when that is over"
    return None


_MUST_BE: dict[type, str] = {
    ImageSource: "it must be available",
    InstanceSource: "it must be running or stopped",
    SnapshotSource: "it must be completed",
}


def _unusable(version: Version, facts: SourceFacts) -> tuple[Reason, str] | None:
    image = facts.image
    assert image is not None
    usable = {"available"} if isinstance(version.source, ImageSource) else {"available", "completed", "running", "stopped", "stopping"}
    if image.state not in usable:
        why = f" ({image.state_reason})" if image.state_reason else ""
        reason = Reason.INVALID_SOURCE if isinstance(version.source, InstanceSource) else Reason.SOURCE_FAILED
        return reason, f"{_of(version)} in {version.home_region} is {image.state}{why}; {_MUST_BE[type(version.source)]}"
    return None


def _instance_store(version: Version, facts: SourceFacts) -> tuple[Reason, str] | None:
    image = facts.image
    assert image is not None
    if image.root_device_type == "instance-store":
        return Reason.INSTANCE_STORE_UNSUPPORTED, (
            f"the root of {_of(version)} is an instance store, which EC2 can neither copy nor share as snapshots; use an EBS-backed source"
        )
    return None


def _paravirtual(version: Version, facts: SourceFacts) -> tuple[Reason, str] | None:
    image = facts.image
    assert image is not None
    if image.virtualization_type == "paravirtual":
        return Reason.PARAVIRTUAL_UNSUPPORTED, f"{_of(version)} is paravirtual; only hvm images launch in every region"
    return None


def _product_coded(version: Version, facts: SourceFacts) -> tuple[Reason, str] | None:
    image = facts.image
    assert image is not None
    if image.product_codes:
        return Reason.PRODUCT_CODES_UNSUPPORTED, (
            f"{_of(version)} carries product codes ({', '.join(image.product_codes[:5])}): "
            "EC2 refuses to copy it to, and to share it with, accounts without that subscription; build from an image without product codes"
        )
    return None


def _foreign_key(version: Version, facts: SourceFacts) -> tuple[Reason, str] | None:
    if not facts.unusable_key_arns:
        return None
    return Reason.SOURCE_KEY_NOT_USABLE, (
        f"{_of(version)} is encrypted with {', '.join(sorted(facts.unusable_key_arns))}, "
        f"which account {version.account.account_id} may not use; "
        "its owner must allow kms:DescribeKey, Decrypt, ReEncrypt* and CreateGrant, or re-encrypt it with a key that can be shared"
    )


_RULES: tuple[Rule, ...] = (_unreadable, _absent, _pending, _unusable, _instance_store, _paravirtual, _product_coded, _foreign_key)
