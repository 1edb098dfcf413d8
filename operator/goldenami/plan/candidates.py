"""Which image is a region's replica, which one copies can start from, and which only waits to be taken back."""

from dataclasses import dataclass

from goldenami.plan import identity
from goldenami.plan.desired import ImageSource, Replica, Version, parse_source
from goldenami.plan.identity import HOME_ROLE
from goldenami.plan.observed import Need, NeedKind, Observed, Recorded, key_arns, ours, released
from goldenami.plan.snapshots import borrowed, unlisted
from goldenami.plan.values import Image, RegionView

BROKEN = frozenset({"failed", "error", "invalid"})
"""No region's replica. Only what `failed` is known never to have been launched: EC2 does not say what the others were before."""
SETTLED = frozenset({"available", "disabled"})


def is_home(image: Image) -> bool:
    return image.tags.get(identity.ROLE) == HOME_ROLE


def was_there(image: Image) -> bool:
    """Whether it existed before it became ours: adopted by the family, or the declared source itself."""
    if image.tags.get(identity.ROLE) == identity.ADOPTED_ROLE:
        return True
    origin = parse_source(image.tags.get(identity.SOURCE, ""))
    return origin is not None and isinstance(origin[1], ImageSource) and origin[1].image_id == image.image_id


def home_images(view: RegionView, version: Version) -> tuple[Image, ...]:
    """Images we made ourselves from the instance or the snapshot, oldest first."""
    return tuple(image for image in ours(view, version) if is_home(image))


def live_homes(view: RegionView, version: Version) -> tuple[Image, ...]:
    """Those of them that a copy can be made from, now or once they are ready."""
    return tuple(image for image in home_images(view, version) if image.state not in BROKEN and image.state != "lost")


def same_key(arn: str, reference: str) -> bool | None:
    """None: an alias, which only KMS can resolve."""
    if "alias/" in reference:
        return None
    return arn == reference or arn.rsplit("/", 1)[-1] == reference


def serves(version: Version, view: RegionView, replica: Replica, image: Image) -> bool | None:
    """Whether an image that we made is the home replica too: unless another key is declared for that. None: its key is not known yet."""
    if not replica.kms_key_id:
        return True
    if borrowed(version) & set(image.snapshot_ids):
        return False  # that snapshot's key is the user's choice of before
    if not image.snapshot_ids or unlisted(version, view, image):
        return None
    keys = key_arns(view, image)
    return bool(keys) and all(same_key(arn, replica.kms_key_id) is True for arn in keys)


def alive(version: Version, replica: Replica, observed: Observed) -> tuple[Image, ...]:
    """Images that are, or will be, this region's replica; the one to keep first.

    A copy comes before the home image, what is available before what is disabled, both before what is pending; then the one known before,
    because that is what aliases name; then the oldest.
    """
    view, known = observed.regions[replica.region], observed.recorded.get(replica.region, Recorded()).image_id
    images = [image for image in ours(view, version) if image.state not in BROKEN and image.state != "lost"]
    images = [image for image in images if not is_home(image) or serves(version, view, replica, image)]
    return tuple(sorted(images, key=lambda i: (i.state not in SETTLED, is_home(i), i.state != "available", i.image_id != known)))


def home_replica(version: Version) -> Replica | None:
    return next((replica for replica in version.replicas if replica.region == version.home_region), None)


def is_spare(version: Version, observed: Observed, image: Image) -> bool:
    """A home image that is no region's replica: it is kept as the source of regions added later, and shared with nobody."""
    replica = home_replica(version)
    return replica is None or image.image_id not in {kept.image_id for kept in alive(version, replica, observed)[:1]}


def takeable(version: Version, view: RegionView, *, home: bool) -> tuple[Image, ...]:
    """Images of this version that were released before and are still what the version declares."""
    return tuple(
        image
        for image in released(view, version)
        if is_home(image) is home and image.state not in BROKEN and image.state != "lost" and not _of_another_source(version, image)
    )


def reused(version: Version, observed: Observed) -> Image | None:
    """An image of this very version that was made from another source: the bytes behind a version never change."""
    return next(
        (
            image
            for view in observed.regions.values()
            for image in ours(view, version)
            if image.state not in BROKEN and _of_another_source(version, image)
        ),
        None,
    )


def _of_another_source(version: Version, image: Image) -> bool:
    """By what it was made from; how that is read, as the tag goes on to say, may change."""
    return image.tags.get(identity.SOURCE, version.source_text).split(" ")[0] != version.source_text


@dataclass(frozen=True)
class Origin:
    """What a copy is made from."""

    image: Image
    region: str
    encrypted: bool


def stand_in(version: Version, observed: Observed) -> Origin | None:
    """A replica in the place of a source that is gone: an unencrypted one if possible, since a copy never loses its encryption."""
    found = [
        Origin(image, region, bool(key_arns(view, image)) or (unlisted(version, view, image) and image.encrypted is not False))
        for region, view in observed.regions.items()
        if region in version.regions
        for image in ours(view, version)
        if image.state == "available"
    ]
    return min(found, key=lambda origin: (origin.encrypted, origin.region != version.home_region, origin.region), default=None)


def becoming(version: Version, observed: Observed) -> Image | None:
    """A replica that will be able to stand in, once it is copied or enabled."""
    images = (image for region in sorted(version.regions) for image in ours(observed.regions[region], version))
    return next((image for image in images if image.state not in BROKEN and image.state != "lost"), None)


def returning_home(version: Version, view: RegionView) -> Image | None:
    """A home image that was released and is taken back as the source: there is no other."""
    return None if live_homes(view, version) else next(iter(takeable(version, view, home=True)), None)


def returning(version: Version, observed: Observed) -> dict[str, Image]:
    """By region: a copy that was released and is taken back. It is this very version, so that nothing has to be made again."""
    bare = (replica for replica in version.replicas if not alive(version, replica, observed))
    copies = {replica.region: takeable(version, observed.regions[replica.region], home=False) for replica in bare}
    return {region: found[0] for region, found in copies.items() if found}


@dataclass(frozen=True)
class Lost:
    """Images that EC2 answered to our own calls and has not listed since, as a look-up by their ids finds them."""

    needs: tuple[Need, ...] = ()
    found: tuple[Image, ...] = ()
    """They exist, and they are ours."""
    untagged: tuple[Image, ...] = ()
    """They exist, and have lost our tag."""
    gone: tuple[Image, ...] = ()


def lost(version: Version, view: RegionView, observed: Observed) -> Lost:
    """What has become of the lost images of this version in one place. It is asked only where it decides something."""
    images = [image for image in ours(view, version) if image.state == "lost"]
    needs = tuple(Need(NeedKind.IMAGE, view.place.region, i.image_id) for i in images if i.image_id not in observed.looked_up)
    if needs:
        return Lost(needs)
    looked_up = [(image, observed.looked_up[image.image_id]) for image in images]
    there = [found for _, found in looked_up if found is not None and found.state != "deregistered"]
    return Lost(
        found=tuple(image for image in there if is_ours(version, image)),
        untagged=tuple(image for image in there if not is_ours(version, image)),
        gone=tuple(image for image, found in looked_up if found is None or found.state == "deregistered"),
    )


def is_ours(version: Version, image: Image) -> bool:
    return identity.owner_of(image.tags) == version.owner and image.tags.get(identity.VERSION) == version.version
