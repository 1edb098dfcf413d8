"""Others' objects that every look needs: read again when the watch has seen another version of them, and after some seconds in any case."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from goldenami.api.kinds import Key

T = TypeVar("T")

KEPT_SECONDS = 30.0
"""A watch that was cut may not tell of a deletion before the next sweep: so long at most an AWSAccount that was taken away still serves."""


@dataclass(frozen=True)
class Kept(Generic[T]):
    """What was read of each object, for all threads. An object that the watch does not see is read at each look.

    An edited AWSAccount wakes its users by the watch, so that is soon enough to read it. Read at each look, the same AWSAccount and
    namespace were a third of all requests to the API server.
    """

    seen: Callable[[Key], str | None]
    """The resourceVersion that the watch saw last; None for what is not in sight."""
    clock: Callable[[], float] = time.monotonic
    """Seconds."""
    _read: dict[Key, tuple[float, str, T]] = field(default_factory=dict)

    def get(self, key: Key, read: Callable[[], tuple[str, T] | None]) -> T | None:
        """What `read` returns with a resourceVersion, now or earlier; None where there is no such object."""
        now, kept = self.clock(), self._read.get(key)
        if kept is not None and now - kept[0] < KEPT_SECONDS and kept[1] == self.seen(key):
            return kept[2]
        found = read()
        if found is None:
            self._read.pop(key, None)
            return None
        self._read[key] = (now, *found)
        return found[1]
