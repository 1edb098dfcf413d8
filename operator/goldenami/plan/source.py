"""Source: what every copy starts from, and whether it can be copied at all. Owns the condition SourceReady.

It is looked at only while something has to be copied: a version whose replicas all exist does not depend on its source any more.
"""

from collections.abc import Callable

from goldenami.api.reasons import Reason
from goldenami.plan import identity
from goldenami.plan.actions import Action, CreateImage, DeregisterImage, RegisterImage
from goldenami.plan.desired import ImageSource, InstanceSource, SnapshotSource, Version
from goldenami.plan.identity import HOME_ROLE
from goldenami.plan.observed import Finding, Need, NeedKind, Observed, SourceFacts, ours, problem, progress, released
from goldenami.plan.tags import wanted_tags
from goldenami.plan.values import Image, RegionView

BROKEN = frozenset({"failed", "error", "invalid"})
MAX_ATTEMPTS = 5


def home_images(view: RegionView, version: Version) -> tuple[Image, ...]:
    """Images we made ourselves from the instance or the snapshot, oldest first."""
    return tuple(image for image in ours(view, version) if image.tags.get(identity.ROLE) == HOME_ROLE)


def look(version: Version, observed: Observed, *, copying: bool) -> Finding:
    """Where the source stands. `copying`: at least one region has to be copied from it, so it must be known."""
    if isinstance(version.source, ImageSource):
        return _image(version, observed) if copying else _resolved(version)
    return _home(version, observed)


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


def _home(version: Version, observed: Observed) -> Finding:
    """An instance or a snapshot becomes an image of ours in the home region first."""
    view = observed.regions[version.home_region]
    if view.problem:
        return problem(version.home_region, view.problem)
    made = home_images(view, version)
    usable = [image for image in made if image.state == "available"]
    pending = [image for image in made if image.state not in BROKEN and image.state not in {"available", "lost"}]
    if usable:
        return _resolved(version, usable[0])
    if pending:
        return Finding(
            version.home_region,
            Reason.CREATING,
            f"{pending[0].image_id} is being made from {_of(version)} in {version.home_region}{progress(view, pending[0])}",
            image=None,
        )
    return _make(version, observed, failed=[image for image in made if image.state in BROKEN])


def _make(version: Version, observed: Observed, *, failed: list[Image]) -> Finding:
    home = version.home_region
    before = observed.recorded_source_image_id
    if before and not failed:
        # A version is immutable, an instance is not: making it again would put other bytes under the same version.
        return Finding(
            home,
            Reason.SOURCE_NOT_FOUND,
            f"{before}, made from {_of(version)} for version {version.version}, is gone from {home}; declare a new version to make another",
        )
    attempt = max((identity.attempt_of(image.tags) for image in failed), default=0) + 1
    if attempt > MAX_ATTEMPTS:
        return Finding(
            home,
            Reason.COPIES_EXHAUSTED,
            f"making an image from {_of(version)} in {home} failed {MAX_ATTEMPTS} times, last: {failed[-1].state_reason or 'EC2 gave no reason'}; "
            f"mend the cause and declare a new version, or deregister {failed[-1].image_id} to try again",
        )
    if observed.source is None:
        return Finding(home, Reason.PROGRESSING, "reading the source", needs=(Need(NeedKind.SOURCE, home),))
    refusal = _refusal(version, observed.source)
    if refusal is not None:
        return refusal
    # A failed image keeps its name, which CreateImage and RegisterImage want for themselves (trap 2 of the research).
    clear = tuple(
        DeregisterImage(version.home, image.image_id, image.snapshot_ids, why=f"failed: {image.state_reason}") for image in failed
    )
    return Finding(home, Reason.CREATING, f"making an image from {_of(version)} in {home}", actions=(*clear, _creation(version, attempt)))


def _creation(version: Version, attempt: int) -> Action:
    tags = wanted_tags(version, role=HOME_ROLE, attempt=attempt)
    source = version.source
    if isinstance(source, InstanceSource):
        return CreateImage(
            version.home,
            instance_id=source.instance_id,
            name=version.name,
            reboot=source.reboot,
            description=version.description,
            volumes=source.volumes,
            tags=tags,
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
        tags=tags,
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
    if image.state in {"pending", "transient"}:
        return Reason.SOURCE_PENDING, f"{_of(version)} in {version.home_region} is {image.state}; copies start when it is available"
    return None


def _unusable(version: Version, facts: SourceFacts) -> tuple[Reason, str] | None:
    image = facts.image
    assert image is not None
    usable = {"available"} if isinstance(version.source, ImageSource) else {"available", "completed", "running", "stopped", "stopping"}
    if image.state not in usable:
        why = f" ({image.state_reason})" if image.state_reason else ""
        return (
            Reason.INVALID_SOURCE,
            f"{_of(version)} in {version.home_region} is {image.state}{why}; it must be {' or '.join(sorted(usable))}",
        )
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
        f"{_of(version)} is encrypted with {', '.join(sorted(facts.unusable_key_arns))}, which account {version.account.account_id} "
        "may not use; "
        "its owner must allow kms:DescribeKey, Decrypt, ReEncrypt* and CreateGrant, or re-encrypt it with a key that can be shared"
    )


_RULES: tuple[Rule, ...] = (_unreadable, _absent, _pending, _unusable, _instance_store, _paravirtual, _product_coded, _foreign_key)
