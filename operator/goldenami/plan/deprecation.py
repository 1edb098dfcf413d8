"""Deprecation: whether EC2 shows an image as deprecated, as its version's stage says.

Who has its id launches it in either case; who selects the newest image passes a deprecated one by.
"""

import math

from goldenami.plan.actions import Action, DeprecateImage, UndeprecateImage
from goldenami.plan.desired import Version
from goldenami.plan.values import Image

MINUTE_SECONDS = 60.0
AHEAD_SECONDS = 20.0
"""EC2 takes times that lie ahead when the call arrives, rounded to the nearest minute."""
PUBLIC_SECONDS = 2 * 365 * 86_400.0 - 2 * 86_400.0
"""EC2 deprecates public images two years after their creation, and nobody can undo that (EC2 user guide, "Deprecate an Amazon EC2 AMI")."""


def look(version: Version, region: str, image: Image, now: float) -> tuple[Action, ...]:
    """What brings the deprecation of an available image to what is declared; times are compared by the minute, as EC2 keeps them."""
    place, at = version.place(region), image.deprecation_epoch_seconds
    soon = next_minute(now)
    if version.deprecated is True and (not at or at > soon):
        return (DeprecateImage(place, image.image_id, soon),)
    if version.deprecated is False and lasts(image):
        return (UndeprecateImage(place, image.image_id),)
    return ()


def lasts(image: Image) -> bool:
    """Whether it is, or will be, deprecated, and somebody can undo that."""
    return bool(image.deprecation_epoch_seconds) and not _by_law(image)


def next_minute(now: float) -> float:
    """The first whole minute that is far enough ahead to be sent."""
    return math.ceil((now + AHEAD_SECONDS) / MINUTE_SECONDS) * MINUTE_SECONDS


def _by_law(image: Image) -> bool:
    return image.public and image.deprecation_epoch_seconds >= image.created_epoch_seconds + PUBLIC_SECONDS
