"""Adoption: how an image that exists becomes a replica without a copy, because it was released before or because the spec says `adopt`."""

from collections.abc import Mapping
from dataclasses import replace

from goldenami.api.reasons import Outcome, Reason
from goldenami.plan import identity, snapshots, tags
from goldenami.plan.actions import AdoptImage, RemoveTags, SetTags
from goldenami.plan.candidates import same_key, was_there
from goldenami.plan.desired import ImageSource, Replica, Version
from goldenami.plan.identity import Owner
from goldenami.plan.observed import Finding, Need, NeedKind, Observed, Recorded, SourceFacts
from goldenami.plan.values import Image, RegionView

_KEEPERS = {
    "aws:backup:": "AWS Backup",
    "aws:dlm:": "Data Lifecycle Manager",
    "dlm:managed": "Data Lifecycle Manager",
    "Ec2ImageBuilderArn": "EC2 Image Builder",
}
_TO_COPY = "set spec.source.image.adopt to false to copy it"


def take_back(version: Version, view: RegionView, image: Image) -> Finding:
    """First our tag and then the mark of the release goes, so that a crash between leaves it found."""
    role = image.tags.get(identity.ROLE, identity.REPLICA_ROLE)
    resources = (image.image_id, *snapshots.taggable(version, view, image))
    wanted = tags.wanted_tags(version, role=role, attempt=identity.attempt_of(image.tags), found=was_there(image))
    if was_there(image):
        parts = {name: view.snapshots[name].tags for name in resources[1:] if name in view.snapshots}
        wanted = tags.with_noted(version, image, wanted, parts, known=len(parts) == len(resources) - 1)
    take = SetTags(view.place, resources, wanted)
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
    known = {part.snapshot_id: part.tags for part in observed.source.snapshots} if observed.source else {}
    parts = {name: known[name] for name in resources[1:] if name in known}
    wanted = tags.wanted_tags(version, role=identity.REPLICA_ROLE, found=True)
    take = SetTags(version.home, resources, tags.with_noted(version, image, wanted, parts, known=len(parts) == len(resources) - 1))
    return Finding(region, Reason.PROGRESSING, f"{image.image_id} in {region} is adopted", image, (take,))


def awaiting(region: str, source: Finding) -> Finding:
    """A region that can do nothing before its source can."""
    reason = Reason.SOURCE_PENDING if source.reason.outcome is Outcome.PROGRESSING else Reason.DEPENDENCY_NOT_READY
    return Finding(region, reason, f"{region} waits for the source")


def is_due(version: Version, region: str, observed: Observed) -> bool:
    """Whether this region has an image to adopt that has never been ours: then nothing is copied there, whatever becomes of it."""
    image_id = version.adopted.get(region)
    return image_id is not None and observed.recorded.get(region, Recorded()).image_id != image_id


def member(version: Version, replica: Replica, observed: Observed) -> Finding | None:
    """The image that was there before becomes this region's replica; None where none shall, or where one that was ours is lost."""
    region = replica.region
    if not is_due(version, region, observed):
        return None
    image_id = version.adopted[region]
    facts = observed.adoptable.get(image_id)
    if facts is None:
        return Finding(region, Reason.PROGRESSING, f"reading {image_id} in {region}", needs=(Need(NeedKind.ADOPTED, region, image_id),))
    refusal = _refused(version, region, image_id, facts)
    if refusal is not None or facts.image is None:
        return refusal
    return _taken(version, observed, facts.image, facts, region)


def _taken(version: Version, observed: Observed, image: Image, facts: SourceFacts, region: str) -> Finding:
    view = observed.regions[region]
    known = replace(view, snapshots={**view.snapshots, **{part.snapshot_id: part for part in facts.snapshots}})
    resources = (image.image_id, *snapshots.taggable(version, known, image))
    # What we had made before, and released, stays what it was.
    role = (
        image.tags.get(identity.ROLE, identity.ADOPTED_ROLE) if identity.released_by(image.tags) == version.owner else identity.ADOPTED_ROLE
    )
    wanted = tags.wanted_tags(version, role=role, attempt=identity.attempt_of(image.tags))
    for name, present in {image.image_id: image.tags, **{part.snapshot_id: part.tags for part in facts.snapshots}}.items():
        count = len({key for key in present if not key.startswith("aws:")} | wanted.keys())
        if name in resources and count > tags.MAX_TAGS:
            why = f"{name} in {region} would carry {count} tags, and EC2 takes {tags.MAX_TAGS}; remove some there, or declare fewer"
            return Finding(region, Reason.TOO_MANY_TAGS, why)
    if role == identity.ADOPTED_ROLE:
        parts = {part.snapshot_id: part.tags for part in facts.snapshots if part.snapshot_id in resources}
        wanted = tags.with_noted(version, image, wanted, parts, known=len(parts) == len(resources) - 1)
    take = AdoptImage(view.place, resources, wanted, name=image.name, version=version.version)
    # Not told as the region's image until it is: what the status has had as its image, and is without our tag, was taken from us.
    return Finding(region, Reason.PROGRESSING, f"{image.image_id} in {region} is adopted", actions=(take,))


def _refused(version: Version, region: str, image_id: str, facts: SourceFacts) -> Finding | None:
    image = facts.image
    if facts.problem:
        return Finding(region, facts.problem.reason, facts.problem.message)
    if image is None:
        why = f"{image_id}, which version {version.version} adopts in {region}, is gone; name another in spec.adopt"
        return Finding(region, Reason.SOURCE_NOT_FOUND, f"{why}, or delete this ImageVersion to let the version go")
    holder, held = identity.owner_of(image.tags), image.tags.get(identity.VERSION)
    if holder == version.owner and held != version.version:
        return Finding(region, Reason.CONFLICT, f"{image_id} in {region} is version {held} of this family already")
    found = unfit(image, region, version.owner, version.account.account_id)
    return Finding(region, *found) if found else None


PENDING = frozenset({"pending", "transient", "recovering"})


def unfit(image: Image, region: str, owner: Owner, account_id: str) -> tuple[Reason, str] | None:
    """Why an image that was there before cannot become one of this owner's, in words that name it."""
    name = f"{image.image_id} in {region}"
    if image.owner_id != account_id:
        return Reason.CONFLICT, f"{name} belongs to account {image.owner_id}: only an own image can be adopted"
    holder = identity.owner_of(image.tags)
    if holder is not None and holder != owner:
        return Reason.CONFLICT, f"{name} belongs to {holder}, version {image.tags.get(identity.VERSION)}; release it there first"
    keeper = keeper_of(image.tags)
    if keeper is not None:
        return Reason.CONFLICT, f"{name} is managed by {keeper}, which may deregister it"
    if image.state in PENDING:
        return Reason.SOURCE_PENDING, f"{name} is {image.state}; it is adopted when it is available"
    if image.state != "available":
        return Reason.ADOPTION_REFUSED, f"{name} is {image.state}, and only what is available is adopted"
    return None


def keeper_of(tags: Mapping[str, str]) -> str | None:
    """Who tags an image as theirs deregisters it when their rules say so (trap 20 of the research)."""
    if tags.get("CreatedBy") == "EC2 Image Builder":
        return "EC2 Image Builder"
    return next((name for prefix, name in _KEEPERS.items() if any(key.startswith(prefix) for key in tags)), None)


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
    keeper = keeper_of(image.tags)
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
