"""Adoption: how an image that exists becomes a replica without a copy, because it was released before or because the spec says `adopt`."""

from goldenami.api.reasons import Outcome, Reason
from goldenami.plan import identity, snapshots, tags
from goldenami.plan.actions import RemoveTags, SetTags
from goldenami.plan.candidates import same_key
from goldenami.plan.desired import ImageSource, Replica, Version
from goldenami.plan.observed import Finding, Observed
from goldenami.plan.values import Image, RegionView

_KEEPERS = {"aws:backup:": "AWS Backup", "aws:dlm:": "Data Lifecycle Manager", "dlm:managed": "Data Lifecycle Manager"}
_TO_COPY = "set spec.source.image.adopt to false to copy it"


def take_back(version: Version, view: RegionView, image: Image) -> Finding:
    """First our tag and then the mark of the release goes, so that a crash between leaves it found."""
    role = image.tags.get(identity.ROLE, identity.REPLICA_ROLE)
    resources = (image.image_id, *snapshots.taggable(version, view, image))
    take = SetTags(view.place, resources, tags.wanted_tags(version, role=role, attempt=identity.attempt_of(image.tags)))
    drop = RemoveTags(view.place, resources, (identity.RELEASED,))
    return Finding(
        view.place.region,
        Reason.PROGRESSING,
        f"{image.image_id} in {view.place.region} was released before and is taken back",
        image,
        (take, drop),
    )


def adopt(version: Version, replica: Replica, observed: Observed, source: Finding) -> Finding | None:
    """`adopt: true` takes the source AMI itself as the replica of its own region; None where that is not asked for."""
    if not (isinstance(version.source, ImageSource) and version.source.adopt and replica.region == version.home_region):
        return None
    image, region = source.image, replica.region
    if image is None:
        return awaiting(region, source)
    refusal = _foreign(version, image, region) or _kept_by_others(image, region) or _other_key(replica, observed, image)
    if refusal is not None:
        return refusal
    resources = (image.image_id, *snapshots.taggable(version, observed.regions[region], image))
    take = SetTags(version.home, resources, tags.wanted_tags(version, role=identity.REPLICA_ROLE))
    return Finding(region, Reason.PROGRESSING, f"{image.image_id} in {region} is adopted", image, (take,))


def awaiting(region: str, source: Finding) -> Finding:
    """A region that can do nothing before its source can."""
    reason = Reason.SOURCE_PENDING if source.reason.outcome is Outcome.PROGRESSING else Reason.DEPENDENCY_NOT_READY
    return Finding(region, reason, f"{region} waits for the source")


def _foreign(version: Version, image: Image, region: str) -> Finding | None:
    if image.owner_id != version.account.account_id:
        why = f"{image.image_id} belongs to account {image.owner_id}: only an own image can be adopted; {_TO_COPY}"
        return Finding(region, Reason.CONFLICT, why)
    holder, held = identity.owner_of(image.tags), image.tags.get(identity.VERSION)
    if holder is not None and (holder != version.owner or held != version.version):
        why = f"{image.image_id} in {region} belongs to {holder}, version {held}; release it there first, or {_TO_COPY}"
        return Finding(region, Reason.CONFLICT, why)
    return None


def _kept_by_others(image: Image, region: str) -> Finding | None:
    """Who tags an image as theirs deregisters it when their rules say so (trap 20 of the research)."""
    keeper = next((name for prefix, name in _KEEPERS.items() if any(key.startswith(prefix) for key in image.tags)), None)
    if image.tags.get("CreatedBy") == "EC2 Image Builder":
        keeper = "EC2 Image Builder"
    if keeper is None:
        return None
    return Finding(region, Reason.CONFLICT, f"{image.image_id} in {region} is managed by {keeper}, which may deregister it; {_TO_COPY}")


def _other_key(replica: Replica, observed: Observed, image: Image) -> Finding | None:
    key = replica.kms_key_id
    parts = observed.source.snapshots if observed.source else ()
    if not key or not any(same_key(part.kms_key_arn, key) is False for part in parts):
        return None
    return Finding(
        replica.region,
        Reason.KEY_MISMATCH,
        f"{image.image_id} in {replica.region} is not encrypted with {key}, and an image's key never changes; "
        f"take kmsKeyId of {replica.region} back, or {_TO_COPY}",
    )
