"""Retention rules of the Recycle Bin, and which deleted image or snapshot they keep.

Values only; `services.recycle_bin` makes and changes them, `recycle_bin` asks them.
Sources: Recycle Bin API reference (CreateRule) and EBS user guide ("Recycle Bin", "Considerations for Recycle Bin").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

IMAGE = "EC2_IMAGE"
SNAPSHOT = "EBS_SNAPSHOT"
VOLUME = "EBS_VOLUME"

Tag = tuple[str, str | None]  # without a value, the key alone counts


@dataclass
class Rule:
    """A rule with `tags` keeps what carries one of them; one without keeps everything in the region but what carries an excluded tag."""

    id: str
    arn: str
    resource_type: str
    days: int
    active_at: float  # the first rule of a region takes up to half an hour to work
    description: str = ""
    tags: tuple[Tag, ...] = ()
    excluded: tuple[Tag, ...] = ()
    unlock_delay_days: int | None = None  # set on a locked rule, which nobody can change or delete
    own_tags: dict[str, str] = field(default_factory=dict)  # of the rule itself

    @property
    def locked(self) -> bool:
        return self.unlock_delay_days is not None

    def keeps(self, resource_type: str, tags: Mapping[str, str], now: float) -> bool:
        """Whether it retains a resource of this type, deleted now, that carries these tags."""
        if resource_type != self.resource_type or now < self.active_at:
            return False
        return carries(tags, self.tags) if self.tags else not carries(tags, self.excluded)


def carries(tags: Mapping[str, str], wanted: Iterable[Tag]) -> bool:
    return any(key in tags and value in (None, tags[key]) for key, value in wanted)


def days_kept(rules: Iterable[Rule], resource_type: str, tags: Mapping[str, str], now: float) -> int:
    """How long a resource that is deleted now stays in the Recycle Bin; 0 is not at all. Of several rules the longest counts."""
    return max((rule.days for rule in rules if rule.keeps(resource_type, tags, now)), default=0)
