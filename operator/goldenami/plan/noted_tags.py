"""Which tags of the spec an image that was there before did not have: they go when it is released, and its own stay.

That is written into a tag of the image and its snapshots by the call that sets them: keys that the image lacked, then ` / `, then keys that
all of its snapshots lacked. What does not fit stays on the image, as nobody could tell it from what it had.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from goldenami.plan import identity
from goldenami.plan.desired import MAX_TAG_VALUE, Version
from goldenami.plan.values import Image

_BETWEEN = "/"


@dataclass(frozen=True)
class Noted:
    """Keys of tags, in the order in which they were set first."""

    image: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The tag's value; empty where nothing is noted."""
        return f"{' '.join(self.image)} {_BETWEEN} {' '.join(self.snapshots)}".strip() if self.image or self.snapshots else ""


def read(tags: Mapping[str, str]) -> Noted:
    words = tags.get(identity.ADDED, "").split()
    at = words.index(_BETWEEN) if _BETWEEN in words else len(words)
    return Noted(tuple(words[:at]), tuple(words[at + 1 :]))


def noted(version: Version, image: Image, snapshots: Iterable[Mapping[str, str]] | None) -> Noted:
    """What is noted of the image, without what is declared no longer, and with what is about to be set where it is not.

    `snapshots`: the tags of each of them; None where those are not known.
    """
    declared = [key for key in sorted(version.tags) if not key.startswith(identity.PREFIX) and key.split() == [key] and key != _BETWEEN]
    before, parts = read(image.tags), None if snapshots is None else [*snapshots]
    found = Noted(tuple(key for key in before.image if key in declared), tuple(key for key in before.snapshots if key in declared))
    for key in declared:
        if key not in image.tags and key not in found.image:
            found = _fitting(found, Noted((*found.image, key), found.snapshots))
        if parts and key not in found.snapshots and not any(key in tags for tags in parts):
            found = _fitting(found, Noted(found.image, (*found.snapshots, key)))
    return found


def _fitting(found: Noted, more: Noted) -> Noted:
    return more if len(more.text) <= MAX_TAG_VALUE else found


def removable(version: Version, keys: Iterable[str], carried: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    """Of these keys those that are, wherever they are, what the spec says: what somebody has changed since is theirs."""
    resources = [*carried]
    return tuple(
        key for key in keys if key in version.tags and all(tags.get(key, version.tags[key]) == version.tags[key] for tags in resources)
    )
