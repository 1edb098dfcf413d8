"""Who owns what in AWS: the tags every image and snapshot of ours carries, names, and client tokens (design §4).

The installation is an operator setting and not a cluster's uid: the same manifests in a new cluster find the same images.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

PREFIX = "goldenami.dev/"
OWNER = PREFIX + "owner"
"""`<installation>/<namespace>/<name>` of the GoldenImage."""
RELEASED = PREFIX + "released"
"""Takes the place of OWNER, with the same value, when an image is released: no longer ours, but the same manifest can take it back.

On an image that was there before it became ours it is the only tag that stays, and says the rest, too (`packed`)."""
VERSION = PREFIX + "version"
SOURCE = PREFIX + "source"
"""What the version was made from, as `image/us-east-1/ami-0abc`: enough to render the ImageVersion again from AWS alone."""
ROLE = PREFIX + "role"
"""`replica`: a copy, or the source itself. `home`: made by us in the home region from an instance or a snapshot. `adopted`: it was there
before, and became a version of the family by spec.adopt; its name and description are its own."""
ATTEMPT = PREFIX + "attempt"
"""Which try of a copy this is, counted from 1: a failed copy stays until the next one exists, so that the count survives everything."""
NOTES = PREFIX + "notes"
"""What is new in the version, as far as a tag can hold it: a rebuilt cluster renders it again."""
ADDED = PREFIX + "added"
"""Keys of tags of the spec that an image which was there before, and its snapshots, did not have (`goldenami.plan.noted_tags`)."""

DISABLED_SINCE = PREFIX + "disabled-since"
"""RFC 3339: since when the operator keeps the image disabled. Written right before it is disabled, each time."""
GRANTS = PREFIX + "grants"
"""Launch permissions that nobody declared, of an image that is disabled: EC2 forgets them. `goldenami.dev/grants-2` and so on go on."""
SHARED_WITH = PREFIX + "shared-with"
"""The same of those that were declared, of an image that was disabled on its way out of a place, where no spec shares it again."""
ORPHANED_SINCE = PREFIX + "orphaned-since"
"""Since when a snapshot, a failed copy or an import belongs to nothing, as it was first seen: `2026-11-21T05:26:00Z`."""

REPLICA_ROLE = "replica"
HOME_ROLE = "home"
ADOPTED_ROLE = "adopted"

_TOKEN_LENGTH = 64  # CopyImage takes 128 characters, RunInstances 64: one length serves all.


@dataclass(frozen=True, order=True)
class Owner:
    """The GoldenImage that an image belongs to, across clusters."""

    installation: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.installation}/{self.namespace}/{self.name}"

    @classmethod
    def parse(cls, value: str) -> "Owner | None":
        """None for a value that no installation of ours wrote."""
        parts = value.split("/")
        return cls(*parts) if len(parts) == 3 and all(parts) else None


def owner_of(tags: Mapping[str, str]) -> Owner | None:
    return Owner.parse(tags.get(OWNER, ""))


def released_by(tags: Mapping[str, str]) -> Owner | None:
    """Who released it; None while an owner tag is still, or again, there."""
    return None if OWNER in tags else Owner.parse(released_as(tags.get(RELEASED, "")))


PACKED = (OWNER, VERSION, SOURCE, ROLE, ATTEMPT, NOTES, ADDED, ORPHANED_SINCE)
"""Tags of ours that go with the release of an image that was there before."""
_PACKED = re.compile(r"(?P<owner>[^/]+/[^/]+/[^/ ]+) (?P<version>\S+) (?P<role>\S+) (?P<source>.+)")


def packed(owner: Owner, version: str, role: str, source: str) -> str:
    """RELEASED's value where no other tag of ours stays: what is needed to take the image back as what it was."""
    return f"{owner} {version} {role} {source}"


def unpacked(tags: Mapping[str, str]) -> Mapping[str, str]:
    """Tags as AWS has them, with those that `packed` put into RELEASED; any others are returned as they are."""
    found = None if OWNER in tags else _PACKED.fullmatch(tags.get(RELEASED, ""))
    return tags if found is None else {VERSION: found["version"], ROLE: found["role"], SOURCE: found["source"], **tags}


def released_as(value: str) -> str:
    """The owner in RELEASED's value, as the owner tag has it."""
    found = _PACKED.fullmatch(value)
    return found["owner"] if found else value


def identity_tags(owner: Owner, version: str, source: str, *, role: str = REPLICA_ROLE, attempt: int = 1) -> dict[str, str]:
    """Sent in the creating call, never after it: a tag that comes later leaves an orphan when the process dies between."""
    return {OWNER: str(owner), VERSION: version, SOURCE: source, ROLE: role, ATTEMPT: str(attempt)}


def attempt_of(tags: Mapping[str, str]) -> int:
    text = tags.get(ATTEMPT, "1")
    return int(text) if text.isdigit() else 1


def client_token(owner: Owner, version: str, account_id: str, region: str, source_image_id: str, attempt: int) -> str:
    """The same for the same copy, in any process and any cluster.

    `attempt` is part of it because a token whose copy failed keeps answering with the failed image.
    """
    text = "\n".join((str(owner), version, account_id, region, source_image_id, str(attempt)))
    return hashlib.sha256(text.encode()).hexdigest()[:_TOKEN_LENGTH]


def grant_name(owner: Owner, version: str, region: str, grantee: str) -> str:
    """A KMS grant's name: `[a-zA-Z0-9:/_-]`, at most 256 characters. Equal calls of one name answer with one grant."""
    digest = hashlib.sha256("\n".join((str(owner), version, region, grantee)).encode()).hexdigest()[:32]
    return f"goldenami/{digest}"


def account_of(principal: str) -> str:
    """The account id in `arn:aws:iam::111122223333:root`; a principal of another form is returned as it is."""
    parts = principal.split(":")
    return parts[4] if len(parts) >= 6 else principal


def is_grant_of(name: str, owner: Owner, version: str, region: str, grantee: str) -> bool:
    """Whether a KMS grant is one of ours: others' have other names, or none."""
    return name == grant_name(owner, version, region, account_of(grantee))


_NOT_IN_A_NAME = re.compile(r"[^a-z0-9.-]+")


def image_version_name(image: str, version: str) -> str:
    """The ImageVersion object's name.

    A SemVer may hold capitals and `+`, an object's name may not: what changes on the way gets a digest, so that two versions never meet.
    """
    plain = f"{image}-{version}"
    name = _NOT_IN_A_NAME.sub("-", plain.lower())[:240].rstrip("-.")
    return name if name == plain else f"{name}-{hashlib.sha256(plain.encode()).hexdigest()[:8]}"
