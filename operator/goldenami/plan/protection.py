"""Protection from deregistration: EC2's own, which holds against everybody, as the retention policy declares it.

EC2's words: `disabled`, `enabled-without-cooldown`, `enabled-with-cooldown`, and `disabled after <time>` for the 24 hours of a cooldown.
"""

from goldenami.plan.actions import Action, ProtectImage, UnprotectImage
from goldenami.plan.desired import Version
from goldenami.plan.values import Image

_WORDS = {"Enabled": "enabled-without-cooldown", "EnabledWithCooldown": "enabled-with-cooldown"}


def is_on(image: Image) -> bool:
    return image.deregistration_protection.startswith("enabled")


def is_cooling_down(image: Image) -> bool:
    return image.deregistration_protection.startswith("disabled after")


def look(version: Version, region: str, image: Image) -> tuple[Action, ...]:
    """What brings the protection of an image that is kept to what is declared; nothing where nothing is."""
    wanted = version.protection
    if wanted is None:
        return ()
    place = version.place(region)
    if wanted == "Disabled":
        return (UnprotectImage(place, image.image_id),) if is_on(image) else ()
    if image.deregistration_protection == _WORDS[wanted]:
        return ()
    return (ProtectImage(place, image.image_id, cooldown=wanted == "EnabledWithCooldown"),)
