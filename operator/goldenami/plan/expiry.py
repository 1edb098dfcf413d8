"""When a version expires, as tags that people and tools set on images say it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from goldenami.api.conditions import timestamp

TAGS = ("ExpirationDate", "DeleteOn")
"""Those that cleaners in use go by."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
# RFC 3339 §5.6: seconds and an offset are always there, and a space may stand for the T.
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})")


@dataclass(frozen=True)
class Expiry:
    """What the tags of one image, or of all images of a version, say."""

    at: datetime | None = None
    """UTC, in whole seconds; None: never."""
    ignored: tuple[str, ...] = ()
    """`DeleteOn=soon`: tags whose value is no time."""


def parse(value: str) -> datetime | None:
    """UTC, in whole seconds, from RFC 3339; a plain date is the end of that day in UTC. None for anything else."""
    text = value.strip()
    try:
        if _DATE.fullmatch(text):
            return datetime.fromisoformat(f"{text}T23:59:59+00:00")
        if _TIME.fullmatch(text):
            # Rounded down, which is less than a second early.
            return datetime.fromisoformat(text.upper()).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        pass
    return None


def of_tags(tags: Mapping[str, str]) -> Expiry:
    """Of one image: where two tags differ, the later counts, because what expires may be removed."""
    said = {name: parse(tags[name]) for name in TAGS if name in tags}
    times = [at for at in said.values() if at is not None]
    return Expiry(max(times, default=None), tuple(f"{name}={tags[name]}" for name, at in said.items() if at is None))


def of_version(images: Iterable[Mapping[str, str]]) -> Expiry:
    """Of a version, from the tags of its images: the latest counts, and one that never expires keeps the version."""
    found = [of_tags(tags) for tags in images]
    ignored = tuple(sorted({text for one in found for text in one.ignored}))
    times = [one.at for one in found if one.at is not None]
    return Expiry(max(times) if times and len(times) == len(found) else None, ignored)


def text(at: datetime) -> str:
    """RFC 3339, as a Kubernetes field of format date-time takes it."""
    return timestamp(at)
