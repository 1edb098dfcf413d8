"""Attention: which sighting deserves whose look. The rule that keeps the operator quiet at rest and quick otherwise.

Runs on the caretakers' loop. Keeps a signature per object, and the references; no bodies.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from goldenami.api.duration import parse_duration
from goldenami.api.kinds import Key
from goldenami.controllers.caretakers import Caretakers
from goldenami.controllers.references import References, references_of
from goldenami.kube.seen import How, Seen, Signature

GATHER_SECONDS = 0.2
"""Listed objects are gathered this long, so that those that are not Ready can go first."""
CHILD_SECONDS = 0.2
"""What children say wakes their parent at most this often: the first at once, and one look for the finalizer, the status and whatever their
siblings say meanwhile.

A look reads all children, so with a hundred versions on their way out each of their writes would cost a hundred objects.
"""


@dataclass(frozen=True, slots=True)
class Known:
    """The last sighting of an object that exists."""

    signature: Signature
    resource_version: str


class Attention:
    """Feeds the caretakers from what the intake, and the sweep, saw."""

    def __init__(self, caretakers: Caretakers) -> None:
        self._loop = asyncio.get_running_loop()
        self._caretakers = caretakers
        self._references = References()
        self._known: dict[Key, Known] = {}
        self._gathered: dict[Key, bool] = {}
        self._told: dict[Key, float] = {}
        """When children woke each parent last, or will, in loop time."""

    @property
    def known_uids(self) -> dict[Key, str]:
        """Every object in sight."""
        return {key: known.signature.uid for key, known in self._known.items()}

    def version_of(self, key: Key) -> str | None:
        """The resourceVersion of the last sighting; None for what is not in sight. May be called from any thread."""
        known = self._known.get(key)
        return None if known is None else known.resource_version

    def knows(self, key: Key, uid: str) -> bool:
        """Whether this incarnation is in sight."""
        known = self._known.get(key)
        return known is not None and known.signature.uid == uid

    def mend(self) -> list[Key]:
        """Wakes what is in sight and has no caretaker, and names it. There should be none; but one that is lost stays so until its next
        edit, however often it is listed."""
        unattended = [key for key in self._known if key not in self._gathered and not self._caretakers.attend(key)]
        for key in unattended:
            self._caretakers.wake(key)
        return unattended

    def seen(self, seen: Seen) -> None:
        """Take note, and wake whoever is concerned."""
        if seen.how is How.DELETED:
            self._deleted(seen)
        else:
            self._present(seen)

    def _present(self, seen: Seen) -> None:
        before = self._known.get(seen.key)
        if before is not None and before.resource_version == seen.resource_version:
            return
        self._known[seen.key] = Known(seen.signature, seen.resource_version)
        changed = before is None or before.signature != seen.signature
        if changed:
            self._references.update(seen.key, references_of(seen.key, seen.spec))
            self._caretakers.set_interval(seen.key, interval_seconds(seen.spec))
            self._wake(seen.key, seen)
            for user in self._references.users_of(seen.key):
                self._wake(user, seen)
        self._tell_parent(seen)

    def _deleted(self, seen: Seen) -> None:
        if not self.knows(seen.key, seen.signature.uid):
            # The end of an incarnation whose successor is already known, or of something never noticed.
            return
        del self._known[seen.key]
        self._told.pop(seen.key, None)
        self._tell_parent(seen)
        self._references.forget(seen.key)
        # One more look finds it gone, and lets go of what was remembered about it.
        if seen.key in self._caretakers:
            self._caretakers.wake(seen.key)
        for user in self._references.users_of(seen.key):
            self._caretakers.wake(user)

    def _tell_parent(self, seen: Seen) -> None:
        parent = self._references.parent_of(seen.key)
        if parent is not None and seen.how is How.LISTED:
            self._wake(parent, seen)
        elif parent is not None:
            now, last = self._loop.time(), self._told.get(parent, -CHILD_SECONDS)
            # Also where a look is planned already: that one may begin before it is due, and then another one has to be.
            self._told[parent] = last if last > now else max(now, last + CHILD_SECONDS)
            self._caretakers.wake_soon(parent, self._told[parent] - now)

    def _wake(self, key: Key, seen: Seen) -> None:
        if seen.how is not How.LISTED:
            self._caretakers.wake(key)
            return
        if not self._gathered:
            self._loop.call_later(GATHER_SECONDS, self._wake_gathered)
        if key == seen.key:
            self._gathered[key] = seen.ready
        else:
            self._gathered.setdefault(key, True)

    def _wake_gathered(self) -> None:
        ordered = sorted(self._gathered, key=lambda key: self._gathered[key])
        self._gathered = {}
        self._caretakers.wake_ramped(ordered)


def interval_seconds(spec: Mapping[str, Any]) -> float | None:
    """`spec.interval` in seconds; None when absent or not a positive duration."""
    text = spec.get("interval")
    try:
        return (parse_duration(text) or None) if isinstance(text, str) else None
    except ValueError:
        # Stored under an older definition: the reconcile says so, the intake goes on.
        return None
