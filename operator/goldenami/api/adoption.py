"""Adoption: AMIs that exist already and become versions of a family, without a copy. Shared by GoldenImage and ImageVersion."""

from typing import Annotated

from pydantic import ConfigDict, Field

from goldenami.api.fields import (
    MAX_REGIONS,
    Cel,
    ImageId,
    Message,
    Region,
    Regions,
    SemVer,
    Shaped,
    Tags,
    list_map,
    rules,
    text,
)
from goldenami.api.meta import Model

MAX_ADOPTED_VERSIONS = 128
"""That are named one by one; a pattern finds any number."""
MAX_REFUSED = 64
VERSION_GROUP = "(?P<version>"

NamePattern = Annotated[
    str,
    Shaped(
        r"^.*\(\?P<version>.*$",
        "a pattern contains the group (?P<version>...), which finds the version in the name: web-(?P<version>.+)",
        256,
    ),
    # An expression that RE2 does not take makes this rule fail, whichever way it would have decided.
    Cel("''.matches(self) || !''.matches(self)", "a pattern is a regular expression as RE2 has them: no look-around, no back references"),
]


class AdoptByName(Model):
    """Images of the account whose name, and tags, say that they belong to the family."""

    pattern: NamePattern
    """Regular expression (RE2) that the whole name of an AMI in EC2 matches, with a group that finds the version by SemVer 2.0:
    web-(?P<version>[0-9]+[.][0-9]+[.][0-9]+). A _ in it stands for the + of a version, which EC2 names cannot hold."""
    tags: Tags = Field(default_factory=dict)
    """Tags that the image must carry, all of them, with these very values."""


class AdoptedImage(Model):
    """An AMI that exists."""

    region: Region
    """The region it is in."""
    id: ImageId
    """The AMI's id there."""


AdoptedImages = Annotated[tuple[AdoptedImage, ...], Field(max_length=MAX_REGIONS), Regions]
"""One image in each region."""


class AdoptedVersion(Model):
    """One version of the family, and the AMIs that are it."""

    version: SemVer
    """The version."""
    images: Annotated[tuple[AdoptedImage, ...], Field(min_length=1, max_length=MAX_REGIONS), Regions]
    """Its AMI in each region; regions that are not listed stay without it."""


class Adopt(Model):
    """Which AMIs that exist become versions of this family: found by name, or named one by one."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Cel("has(self.byName) != has(self.versions)", "adopt takes either byName or versions: which images, found or listed"),
        )
    )

    by_name: AdoptByName | None = None
    """Finds them by name and tags, in every region of spec.replicas, at each comparison with AWS."""
    versions: Annotated[tuple[AdoptedVersion, ...], Field(max_length=MAX_ADOPTED_VERSIONS), list_map("version")] = ()
    """Names them, version by version."""


class RefusedImage(Model):
    """An AMI that spec.adopt means, and that is not adopted."""

    region: Region
    """The region it is in."""
    image_id: ImageId
    """The AMI."""
    reason: Annotated[str, text(64)]
    """One word from the operator's list of reasons."""
    message: Message
    """Why it is not adopted, and what to do about it."""
