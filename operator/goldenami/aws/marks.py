"""Parameters that still carry the mark of a release though they were taken back: that is two calls, and a process may die between them.

DescribeParameters tells no tags, so the mark is asked for by itself: once in the life of a process, for up to fifty owners at once, and
only where an owner has a parameter of which nothing else is known.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Sequence

from goldenami.aws.attribution import OWNERS_A_CALL
from goldenami.plan.identity import OWNER, RELEASED

Listing = Callable[[Sequence[str], Sequence[str]], Iterable[str]]
"""Names of what carries each of these tags with one of these owners as its value."""


class Marks:
    """Of one place. Safe to use from several threads."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._lock = threading.Lock()
        self._asked: set[str] = set()
        """Owners that were asked for."""
        self._marked: set[str] = set()
        self._tagged: set[str] = set()
        """What this process tagged itself."""

    def among(self, names: Collection[str], owner: str, others: Iterable[str]) -> frozenset[str]:
        """Those of an owner's names that carry it. `others`: who may be asked for in the same call. Raises AwsError."""
        with self._lock:
            unsure = set(names) - self._tagged
            due = [one for one in dict.fromkeys((owner, *others)) if one not in self._asked][:OWNERS_A_CALL]
            new = owner not in self._asked
        if unsure and new:
            found = self._listing((OWNER, RELEASED), due)
            with self._lock:
                self._asked.update(due)
                self._marked.update(found)
        with self._lock:
            return frozenset(unsure & self._marked - self._tagged)

    def tagged(self, name: str) -> None:
        """By this process: it was created just now, or the mark taken off."""
        with self._lock:
            self._tagged.add(name)
