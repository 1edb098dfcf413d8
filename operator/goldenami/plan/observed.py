"""What is known when a version is planned, and how a concern asks for more.

A concern never reads. Where it cannot decide yet it returns needs; the controller reads exactly those and plans again. So at rest nothing
but the shared listing is read, and a test shows what a decision depends on.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from goldenami.api.reasons import Outcome, Reason
from goldenami.plan import identity
from goldenami.plan.actions import Action
from goldenami.plan.desired import ImageSource, Version, parse_source
from goldenami.plan.evidence import Evidence
from goldenami.plan.values import NOBODY, Grants, Image, Principals, Problem, RegionFacts, RegionView, Snapshot


class NeedKind(StrEnum):
    SOURCE = "source"
    """The declared source, as it is in its home region."""
    FACTS = "facts"
    """The preflight of a region."""
    GRANTS = "grants"
    """Permissions of the image `subject`, its snapshots and their keys."""
    EVIDENCE = "evidence"
    """Who uses the image `subject`, from every source."""
    IMAGE = "image"
    """The image `subject` by its id: the listing no longer has it."""
    ADOPTED = "adopted"
    """The image `subject`, which shall be adopted, and its snapshots."""
    SNAPSHOTS = "snapshots"
    """A listing of snapshots that is newer than the image that names them."""


@dataclass(frozen=True, order=True)
class Need:
    kind: NeedKind
    region: str
    subject: str = ""


@dataclass(frozen=True)
class SourceFacts:
    """The declared source, as read: exactly one of `image`, `problem` or neither (it does not exist)."""

    image: Image | None = None
    """The source AMI; for an instance or a snapshot, an Image that carries what can rule it out: state, root device, product codes."""
    snapshots: tuple[Snapshot, ...] = ()
    """Of the source AMI, as far as they can be seen: a foreign image's often cannot."""
    unusable_key_arns: frozenset[str] = frozenset()
    """Keys of those snapshots that this account may not use."""
    problem: Problem | None = None


DARK = "disabled:"
"""Begins the digest of sharing on a disabled image: on its snapshots and its keys, since it has no launch permissions."""


@dataclass(frozen=True)
class Recorded:
    """What the status remembers of one region. It is a report: losing it costs a few reads, never an image."""

    image_id: str = ""
    state: str = ""
    attempt: int = 1
    shared_digest: str = ""
    """Digest of the sharing that was last found, or made, right."""
    foreign: Principals = NOBODY
    """Who had been granted what nobody declared, when that was last read."""

    @property
    def as_available(self) -> bool:
        """Whether launch permissions are among what was found right."""
        return bool(self.shared_digest) and not self.shared_digest.startswith(DARK)


@dataclass(frozen=True)
class Observed:
    regions: Mapping[str, RegionView]
    now: float
    """Epoch seconds."""
    recorded: Mapping[str, Recorded] = field(default_factory=dict)
    recorded_source_image_id: str = ""
    granted: Principals = NOBODY
    """Whom we have granted before: what of it is no longer declared is ours to revoke, and not foreign."""
    tag_keys: frozenset[str] = frozenset()
    """User tags we have set before."""
    source: SourceFacts | None = None
    facts: Mapping[str, RegionFacts] = field(default_factory=dict)
    name_holders: Mapping[str, Image] = field(default_factory=dict)
    """By region: an image that another owner keeps there under this version's name in EC2, where there is one and none of ours."""
    grants: Mapping[str, Grants] = field(default_factory=dict)
    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    """By image id, gathered for this look."""
    fresh_grants: frozenset[str] = frozenset()
    """Images whose grants were read for this look."""
    looked_up: Mapping[str, Image | None] = field(default_factory=dict)
    """Images read by id; None: gone."""
    adoptable: Mapping[str, SourceFacts] = field(default_factory=dict)
    """By id: images that shall be adopted."""
    fresh_snapshots: frozenset[str] = frozenset()
    """Regions whose snapshots were listed for this look."""
    asked: bool = False
    """Somebody asked for this look: permissions are read, whatever is recorded of them."""


@dataclass(frozen=True)
class Finding:
    """What one concern says of one region: where it stands, what to do about it, what it needs to know first."""

    region: str
    reason: Reason
    message: str = ""
    image: Image | None = None
    actions: tuple[Action, ...] = ()
    needs: tuple[Need, ...] = ()
    aside: str = ""
    """What a person should know of the region although all is well: what is there beside its image, and stays."""
    cleanup: tuple[Action, ...] = ()
    """What comes after everything else in this place: a failed copy that cannot be removed must not keep an image from being shared."""
    outcome_override: Outcome | None = None
    failed: bool = False
    """An action of it was tried, or a need of it read, in vain: it is tried again with backoff, and not at the next step."""

    @property
    def outcome(self) -> Outcome:
        """What follows: the reason's own, unless the concern knows better."""
        return self.outcome_override or self.reason.outcome


def problem(region: str, why: Problem, prefix: str = "") -> Finding:
    """A place that could not be read: what is there is unknown, so nothing is decided."""
    return Finding(region, why.reason, prefix + why.message)


def ours(view: RegionView, version: Version) -> tuple[Image, ...]:
    """The images of this version that carry our owner tag, oldest first."""
    return _of(view, version, released=False)


def released(view: RegionView, version: Version) -> tuple[Image, ...]:
    """The images of this version that an object of the same name released before."""
    return _of(view, version, released=True)


def _of(view: RegionView, version: Version, *, released: bool) -> tuple[Image, ...]:
    claim = identity.released_by if released else identity.owner_of
    mine = [
        image
        for image in view.images
        if claim(image.tags) == version.owner and image.tags.get(identity.VERSION) == version.version and image.state != "deregistered"
    ]
    by_hand = {image.image_id for image in _copied_by_hand(view, version, mine)}
    found = (image for image in mine if image.image_id not in by_hand)
    return tuple(sorted(found, key=lambda image: (image.created_epoch_seconds, image.image_id)))


def copied_by_hand(view: RegionView, version: Version) -> tuple[Image, ...]:
    """Somebody's own copies of the version's images, which took the tags along."""
    mine = [
        image
        for image in view.images
        if version.owner in {identity.owner_of(image.tags), identity.released_by(image.tags)}
        and image.tags.get(identity.VERSION) == version.version
        and image.state != "deregistered"
    ]
    return tuple(_copied_by_hand(view, version, mine))


def _copied_by_hand(view: RegionView, version: Version, mine: Sequence[Image]) -> Iterable[Image]:
    """CopyImage takes tags along where it is told to (CopyImageTags), ours too. Within a region we copy only the declared source, and what
    we made at home: what else was copied there is not ours, never taken for a second replica, never removed.
    """
    replicas = {image.image_id for image in mine if not _is_home(image)}
    for image in mine:
        within = image.source_image_id and image.source_region in {"", view.place.region}
        if within and (image.source_image_id in replicas or _is_of_another(version, image)):
            yield image


def _is_of_another(version: Version, image: Image) -> bool:
    """By its own tags, which say what we would have copied; so also when what it was copied from is gone."""
    if image.tags.get(identity.ROLE) == identity.ADOPTED_ROLE or image.image_id in version.adopted.values():
        return False
    declared = parse_source(image.tags.get(identity.SOURCE, ""))
    if declared is None or not isinstance(declared[1], ImageSource) or _is_home(image):
        return False
    return declared[1].image_id not in {image.image_id, image.source_image_id}


def _is_home(image: Image) -> bool:
    return image.tags.get(identity.ROLE) == identity.HOME_ROLE


def maybe_shared(version: Version, image: Image, observed: Observed) -> bool | None:
    """Whether another account may launch the image, or could until it was disabled; None: its launch permissions tell."""
    if image.public or version.grantees or observed.granted - Principals(accounts=frozenset({version.account.account_id})):
        return True
    if version.sharing.declared and version.sharing.remove_foreign:
        return False
    # Disabling has erased what there was.
    return True if image.state == "disabled" else None


_IN_FLIGHT = re.compile(r"\b(?:DestinationAmi|for) (ami-\w+)")
"""EC2 writes "Copied for DestinationAmi <new> from SourceAmi <old> …" and "Created by CreateImage(<instance>) for <new>".

The image a snapshot is made for comes first; the one it is made from must never be taken for it.
"""


def made_for(snapshot: Snapshot) -> str:
    """The image that EC2 says it made the snapshot for; empty where it says nothing."""
    found = _IN_FLIGHT.search(snapshot.description)
    return found.group(1) if found else ""


def snapshots_of(view: RegionView, image: Image) -> tuple[Snapshot, ...]:
    """Those of the image's snapshots that are listed; a pending copy names none, but they name the copy."""
    if image.snapshot_ids:
        return tuple(view.snapshots[snapshot_id] for snapshot_id in image.snapshot_ids if snapshot_id in view.snapshots)
    return tuple(snapshot for snapshot in view.snapshots.values() if made_for(snapshot) == image.image_id)


def key_arns(view: RegionView, image: Image) -> frozenset[str]:
    """The keys that encrypt the image; empty when it is not encrypted."""
    return frozenset(snapshot.kms_key_arn for snapshot in snapshots_of(view, image) if snapshot.kms_key_arn)


def progress(view: RegionView, image: Image) -> str:
    """` (40 %)`: of the slowest snapshot, in steps of ten because each step is a status write; empty while none is listed."""
    parts = snapshots_of(view, image)
    return f" ({min(part.progress for part in parts) // 10 * 10} %)" if parts else ""
