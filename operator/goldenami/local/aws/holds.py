"""Calls held in mid-air until a control call lets them go on or drops them.

A crash test holds a write right before or right after its effect, kills the operator, and then decides what AWS made of the call.
"""

import threading
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from goldenami.local.aws.audit import Record

When = Literal["before", "after"]


@dataclass
class Held:
    id: int
    when: When
    record: Record
    decided: threading.Event = field(default_factory=threading.Event)
    go_on: bool = False

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.id, "when": self.when, "call": self.record.as_dict()}


class Holds:
    """Safe to use from several threads: the held call waits in its own."""

    def __init__(self) -> None:
        self._held: dict[int, Held] = {}
        self._last_id = 0
        self._changed = threading.Condition()
        self._closed = False

    def hold(self, record: Record, when: When) -> bool:
        """Blocks until somebody decides. True: go on; False: drop."""
        with self._changed:
            if self._closed:
                return False
            self._last_id += 1
            held = Held(self._last_id, when, record)
            self._held[held.id] = held
            record.outcome = "held"
            self._changed.notify_all()
        held.decided.wait()
        record.outcome = "running"
        return held.go_on

    def listed(self, wait_seconds: float = 0.0) -> list[Held]:
        """The held calls; waits up to so many seconds of real time for the first."""
        deadline = time.monotonic() + wait_seconds
        with self._changed:
            while not self._held and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return list(self._held.values())

    def decide(self, held_id: int, *, go_on: bool) -> bool:
        """Lets one go; False where no such call is held."""
        with self._changed:
            held = self._held.pop(held_id, None)
        if held is None:
            return False
        held.go_on = go_on
        held.decided.set()
        return True

    def drop_all(self) -> None:
        for held in self.listed():
            self.decide(held.id, go_on=False)

    def close(self) -> None:
        """Drops what is held and holds nothing more: the server is stopping."""
        with self._changed:
            self._closed = True
        self.drop_all()
