"""Evidence from Kubernetes: which other GoldenImages are made from an image, and whether its own is on its way out.

Only what the operator can see is known; a listing that does not even hold the image's own family is not believed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from goldenami.api.kinds import GOLDEN_IMAGE, IMAGE_VERSION, Kind
from goldenami.api.reasons import Reason
from goldenami.aws.dated import Dated
from goldenami.kube.client import Body, Kubernetes
from goldenami.kube.errors import KubeError, KubeForbidden
from goldenami.plan.desired import Version
from goldenami.plan.evidence import MAX_USERS, Source, Testimony, channels
from goldenami.plan.values import Image, Problem


@dataclass(frozen=True)
class Family:
    """What Kubernetes says of one image's users."""

    testimony: Testimony
    goes: bool = False
    """Its GoldenImage is being deleted."""
    channels: frozenset[str] = frozenset()
    """Channels that name the version now, for the GoldenImage may have been edited since the version was rendered, or this very image in
    a region that has not followed yet."""
    declared: bool = False
    """Its GoldenImage declares the version."""
    edited: bool = False
    """Its GoldenImage was edited, and no look at it has come to its end since."""

    def named(self, version: Version) -> Testimony:
        """Whether its own family keeps the version, by what was rendered and by what is declared now."""
        return channels(version.channels | self.channels, version.rules, declared=self.declared, edited=self.edited)


@dataclass(frozen=True)
class _Listing:
    golden_images: tuple[Body, ...]
    image_versions: tuple[Body, ...]


@dataclass(frozen=True)
class Dependents:
    """Safe to use from several threads; images that go at the same time share one listing."""

    kubernetes: Kubernetes
    namespaces: tuple[str, ...]
    """Those that are served; none: all."""
    now: Callable[[], float]
    _kept: list[Dated[_Listing]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._kept.append(Dated(self._read, self.now))

    def __call__(self, version: Version, image: Image, since: float) -> Family:
        """Not older than `since`, in epoch seconds."""
        try:
            listing = self._kept[0].get(since)
        except KubeError as error:
            why = f"the GoldenImages that may be made from it cannot be listed: {error.message}"
            return Family(_unknown(why, stalled=isinstance(error, KubeForbidden)))
        return family(version, image, listing.golden_images, listing.image_versions)

    def named(self, since: float) -> frozenset[str]:
        """Images and snapshots from which any GoldenImage, or version, is made that is there to stay; not older than `since`, in epoch
        seconds. Raises KubeError."""
        listing = self._kept[0].get(since)
        return named((*listing.golden_images, *listing.image_versions))

    def _read(self) -> _Listing:
        return _Listing(self._list(GOLDEN_IMAGE), self._list(IMAGE_VERSION))

    def _list(self, kind: Kind) -> tuple[Body, ...]:
        return tuple(obj for namespace in self.namespaces or (None,) for obj in self.kubernetes.list(kind, namespace))


def named(objects: Iterable[Body]) -> frozenset[str]:
    """What these are made from, but for those that go. Pure."""
    return frozenset(name for obj in objects if not _goes(obj) for name in _sources(obj) if name)


def family(version: Version, image: Image, golden_images: Iterable[Body], image_versions: Iterable[Body]) -> Family:
    """Of these listings. Pure."""
    golden_images = tuple(golden_images)
    own = (version.owner.namespace, version.owner.name)
    mine = next((obj for obj in golden_images if _key(obj) == own), None)
    if mine is None:
        why = f"GoldenImage {'/'.join(own)} itself is not among those listed, so others may be missing, too; it has to outlive its versions"
        return Family(_unknown(why))
    users = dict.fromkeys(
        (*_made_from(image, golden_images, own, lambda obj: _key(obj)), *_made_from(image, image_versions, own, _family_of))
    )
    return Family(
        Testimony(Source.GOLDEN_IMAGES, tuple(f"GoldenImage {'/'.join(name)}" for name in users)[:MAX_USERS]),
        goes="deletionTimestamp" in mine["metadata"],
        channels=frozenset((*_declared_for(version, mine), *_still_on(image.image_id, mine))),
        declared=mine["spec"].get("version") == version.version,
        edited=mine["metadata"].get("generation", 0) > _looked_at(mine),
    )


def _looked_at(mine: Body) -> int:
    """The newest generation that a look went through with. One that was stopped on its way leaves conditions of before as they were."""
    status = mine.get("status", {})
    about = [condition["observedGeneration"] for condition in status.get("conditions", ())]
    return int(min([status.get("observedGeneration", -1), *about]))


def _declared_for(version: Version, mine: Body) -> Iterator[str]:
    return (channel["name"] for channel in mine["spec"].get("channels", ()) if channel["version"] == version.version)


def _still_on(image_id: str, mine: Body) -> Iterator[str]:
    """As last told: whoever reads the id map, or the status itself, has this id from there."""
    told = mine.get("status", {}).get("channels", ())
    return (row["name"] for row in told if any(image.get("imageId") == image_id for image in row.get("images", ())))


def _made_from(
    image: Image, objects: Iterable[Body], own: tuple[str, str], family_of: Callable[[Body], tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """Families whose object here has that source, or one of its snapshots, which go with it, and is there to stay."""
    wanted = {image.image_id, *image.snapshot_ids}
    for obj in objects:
        if family_of(obj) != own and not _goes(obj) and not wanted.isdisjoint(_sources(obj)):
            yield family_of(obj)


def _goes(obj: Body) -> bool:
    return "deletionTimestamp" in obj["metadata"]


def _sources(obj: Body) -> Iterator[str]:
    source: Any = obj["spec"].get("source", {})
    for kind in ("image", "snapshot"):
        yield source.get(kind, {}).get("id", "")
    yield from (volume.get("snapshotId", "") for volume in source.get("instance", {}).get("volumes", ()))


def _key(obj: Body) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _family_of(obj: Body) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["spec"].get("goldenImage", "")


def _unknown(why: str, *, stalled: bool = False) -> Testimony:
    return Testimony(Source.GOLDEN_IMAGES, problem=Problem(Reason.EVIDENCE_INCOMPLETE, why, stalled=stalled))
