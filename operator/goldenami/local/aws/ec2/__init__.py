"""The image core of the local EC2: own images and snapshots, on the lab's clock, in place of moto's."""

import os

from goldenami.local.aws import lab
from goldenami.local.aws.ec2.copies import fail_next_copies
from goldenami.local.aws.ec2.records import State
from goldenami.local.aws.ec2.seed import seed, seed_image
from goldenami.local.aws.ec2.store import STORE, settled
from goldenami.local.aws.ec2.visibility import seen

__all__ = ["fail_next_copies", "image_visible", "install", "reset", "seed", "seed_image"]

_installed = False


def install() -> None:
    """Puts the image core in moto's place. Comes before the first EC2 request of the process; a second call changes nothing."""
    global _installed
    if _installed:
        return
    os.environ.setdefault("MOTO_EC2_LOAD_DEFAULT_AMIS", "false")  # read when moto is imported; its thirteen hundred images are not ours
    from moto.ec2 import urls

    from goldenami.local.aws.ec2.response import ImageCoreResponse

    urls.url_paths["{0}/"] = ImageCoreResponse.dispatch
    lab.on_reset(reset)
    lab.answer_image_visible(image_visible)
    _installed = True


def reset(account: str | None = None) -> None:
    """Forgets one account's images, snapshots, tokens and settings, or everything."""
    STORE.forget(account)


def image_visible(account: str, region: str, image_id: str) -> bool:
    """Whether the account sees an available image by this id in the region."""
    with STORE.lock:
        image = settled().images[region].get(image_id)
        return image is not None and image.state is State.AVAILABLE and seen(image, account, lab.current().clock.now())
