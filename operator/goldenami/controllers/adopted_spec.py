"""What adoption adds to a rendered ImageVersion: which images it adopts, the regions that it has because of them, its expiry. Pure."""

from collections.abc import Collection, Mapping, Sequence

from goldenami.api.adoption import AdoptedImage
from goldenami.api.image_version import ImageVersion, ImageVersionSpec
from goldenami.api.sharing import Replica
from goldenami.plan import expiry
from goldenami.plan.values import Image


def completed(
    spec: ImageVersionSpec,
    declared: Sequence[Replica],
    child: ImageVersion | None,
    adopted: Mapping[str, Image],
    withheld: Collection[str],
) -> ImageVersionSpec:
    """`declared`: the GoldenImage's replicas. `adopted`: by region, what is or shall be adopted, as far as it could be read.

    `withheld`: regions where it is not known yet whether there is an image to adopt, so that nothing may be copied there.
    """
    before = {image.region: image.id for image in child.spec.adopt} if child else {}
    had = {replica.region for replica in child.spec.replicas} if child else set()
    replicas = {replica.region: replica for replica in spec.replicas if replica.region not in withheld or replica.region in had}
    for replica in declared:
        if replica.region in adopted:
            replicas.setdefault(replica.region, replica)
    now = {region: image.image_id for region, image in adopted.items()}
    images = {region: image_id for region, image_id in {**before, **now}.items() if region in replicas}
    if not images and len(replicas) == len(spec.replicas):
        return spec
    order = [replica.region for replica in declared]
    rows = sorted(replicas.values(), key=lambda replica: order.index(replica.region) if replica.region in order else len(order))
    return spec.model_copy(
        update={
            # An image keeps the key that it has: what is declared is for copies.
            "replicas": tuple(row.model_copy(update={"kms_key_id": None}) if row.region in images else row for row in rows),
            "adopt": tuple(AdoptedImage(region=region, id=image_id) for region, image_id in sorted(images.items())),
            "expires_at": _expires_at(spec, child, {region: adopted.get(region) for region in images}),
        }
    )


def _expires_at(spec: ImageVersionSpec, child: ImageVersion | None, images: Mapping[str, Image | None]) -> str | None:
    """As declared; else as the tags of all adopted images say. While some of them cannot be read, as before."""
    if spec.keep or spec.expires_at:
        return spec.expires_at
    read = [image.tags for image in images.values() if image is not None]
    if len(read) < len(images):
        return child.spec.expires_at if child else None
    at = expiry.of_version(read).at
    return expiry.text(at) if at else None
