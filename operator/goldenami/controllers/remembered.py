"""Versions that AWS remembers: what the tags of a family's images say of them, checked as what people declare. Pure.

Anybody who may tag an image can change what they say. Nothing of it is believed that the API would refuse.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from goldenami.api import source as api
from goldenami.api.fields import SEMVER, Region
from goldenami.api.meta import Model, explain
from goldenami.api.reasons import Reason
from goldenami.plan import identity, notes, undo
from goldenami.plan.desired import ImageSource, InstanceSource, SnapshotSource, Source, parse_source
from goldenami.plan.identity import Owner
from goldenami.plan.tags import NAME
from goldenami.plan.values import Image, Problem, RegionView

GONE = frozenset({"failed", "error", "invalid", "lost", "deregistered"})


@dataclass(frozen=True)
class Remembered:
    """A version that AWS holds images of."""

    version: str
    name: str
    home_region: str
    source: Source
    regions: frozenset[str]
    """Where its replicas are; an image kept only as the source does not count."""
    made_at: float = 0.0
    """When its first image was made, in epoch seconds."""
    deprecated: bool = False
    """EC2 shows one of its images as deprecated."""
    disabled: bool = False
    """The operator disabled one of its images, on its way out."""
    notes: str = ""
    adopted: Mapping[str, Image] = field(default_factory=dict)
    """By region, the image that was there before and is, or becomes, its replica."""
    withheld: frozenset[str] = frozenset()
    """Regions where it is not known yet whether there is an image to adopt."""


@dataclass(frozen=True)
class Unreadable:
    """An image of the family whose tags say nothing that a version could be rendered from."""

    image_id: str
    region: str
    version: str
    """As tagged; empty where what is tagged is no version."""
    why: str

    @property
    def problem(self) -> Problem:
        return Problem(
            Reason.TAGS_UNREADABLE,
            f"{self.image_id} in {self.region} {self.why}: put the tag right, or remove {identity.OWNER} to let the image go. "
            "Until then nothing about it changes, grants included",
            stalled=True,
        )


@dataclass(frozen=True)
class Memory:
    """What the images of a family tell."""

    versions: dict[str, Remembered] = field(default_factory=dict)
    unreadable: tuple[Unreadable, ...] = ()

    def problems(self, known: Collection[str]) -> tuple[Problem, ...]:
        """Of the images that nothing can be made of. `known`: versions that are rendered anyway, and put their images' tags right."""
        return tuple(one.problem for one in self.unreadable if one.version not in known and one.version not in self.versions)


class _Origin(Model):
    """What a source tag says, as the API has it."""

    region: Region
    source: api.Source


def remembered(owner: Owner, views: Iterable[RegionView], named: Collection[str] = (), now: float = 0.0) -> Memory:
    """The versions of this owner that are found in these places.

    Of those that a channel names also what was released: whoever deletes such an ImageVersion by hand finds it there again.
    """
    found: dict[str, Remembered] = {}
    unreadable: list[Unreadable] = []
    for view in views:
        for image in view.images:
            version = image.tags.get(identity.VERSION, "")
            mine = identity.owner_of(image.tags) == owner
            if image.state in GONE or not (mine or (version in named and identity.released_by(image.tags) == owner)):
                continue
            read = _read(image)
            if not isinstance(read, str):
                found[version] = _added(found.get(version), owner, version, image, view.place.region, read, now)
            elif mine:
                unreadable.append(Unreadable(image.image_id, view.place.region, version if SEMVER.fits(version) else "", read))
    return Memory(found, tuple(sorted(unreadable, key=lambda one: (one.region, one.image_id))))


def _added(
    before: Remembered | None, owner: Owner, version: str, image: Image, region: str, origin: tuple[str, Source], now: float
) -> Remembered:
    """What was known of the version before, with one more image."""
    regions = (before.regions if before else frozenset()) | {region}
    made_at = min(image.created_epoch_seconds, before.made_at) if before else image.created_epoch_seconds
    deprecated = (before is not None and before.deprecated) or 0 < image.deprecation_epoch_seconds <= now
    disabled = (before is not None and before.disabled) or undo.by_stage(image)
    told = before.notes if before and before.notes else _notes(owner, version, image)
    adopted = dict(before.adopted) if before else {}
    if image.tags.get(identity.ROLE) == identity.ADOPTED_ROLE:
        adopted[region] = image
    name = before.name if before and not _names(image, origin) else _name(image, origin)
    return Remembered(version, name, *origin, regions, made_at, deprecated, disabled, told, adopted)


def _names(image: Image, origin: tuple[str, Source]) -> bool:
    """Whether the image's name in EC2 is the version's: we made it, and did not take over what had a name of its own."""
    taken = isinstance(origin[1], ImageSource) and origin[1].image_id == image.image_id
    return not taken and image.tags.get(identity.ROLE) != identity.ADOPTED_ROLE


def _name(image: Image, origin: tuple[str, Source]) -> str:
    """EC2 never renames an image, whatever the template says since; the tag says it where the source itself was taken over."""
    if _names(image, origin) or image.tags.get(identity.ROLE) == identity.ADOPTED_ROLE:
        return image.name
    return image.tags.get(NAME) or image.name


def _read(image: Image) -> tuple[str, Source] | str:
    """Home region and source of the image's version; or what is wrong with its tags."""
    version, source = image.tags.get(identity.VERSION, ""), image.tags.get(identity.SOURCE, "")
    if not SEMVER.fits(version):
        said = f"is tagged {identity.VERSION}={version}" if version else f"lacks the tag {identity.VERSION}"
        return f"{said}, but {SEMVER.sentence}"
    if not source:
        return f"lacks the tag {identity.SOURCE}, which says what version {version} was made from"
    origin = parse_source(source)
    refusal = _refusal(origin) if origin else "it is not written as image/us-east-1/ami-0a1b2c3d4e5f60718"
    if origin is None or refusal:
        return f"is tagged {identity.SOURCE}={source}, from which version {version} cannot be rendered ({refusal})"
    return origin


def origin_of(image: Image) -> tuple[str, Source] | None:
    """Home region and source as the image's tag says them; None where it says nothing that the API would take."""
    origin = parse_source(image.tags.get(identity.SOURCE, ""))
    return origin if origin and not _refusal(origin) else None


def _refusal(origin: tuple[str, Source]) -> str:
    """Why the API would refuse it; empty where it would not."""
    region, source = origin
    try:
        _Origin(region=region, source=declared_source(source))
    except ValidationError as error:
        return explain(error)
    return ""


def _notes(owner: Owner, version: str, image: Image) -> str:
    return notes.recalled(owner.name, version, image.tags.get(identity.NOTES, ""), image.description)


def declared_source(source: Source) -> api.Source:
    """As people write it. ValidationError for what the API refuses."""
    match source:
        case ImageSource(image_id=image_id, adopt=adopt):
            return api.Source(image=api.ImageSource(id=image_id, adopt=adopt))
        case InstanceSource(instance_id=instance_id, reboot=reboot, volumes=volumes):
            extra = tuple(
                api.ExtraVolume.model_validate(
                    {"device_name": v.device_name, "size_gib": v.size_gib, "volume_type": v.volume_type, "snapshot_id": v.snapshot_id}
                )
                for v in volumes
            )
            return api.Source(instance=api.InstanceSource(id=instance_id, reboot=reboot, volumes=extra))
        case SnapshotSource():
            return api.Source(
                snapshot=api.SnapshotSource.model_validate(
                    {
                        "id": source.snapshot_id,
                        "architecture": source.architecture,
                        "boot_mode": source.boot_mode,
                        "root_device_name": source.root_device_name,
                        "ena_support": source.ena_support,
                        "imds_support": source.imds_support,
                        "tpm_support": source.tpm_support,
                        "volume_type": source.volume_type,
                    }
                )
            )


def source_id(source: Source) -> str:
    """The EC2 id, whichever kind it is."""
    match source:
        case ImageSource(image_id=source_id) | InstanceSource(instance_id=source_id) | SnapshotSource(snapshot_id=source_id):
            return source_id
