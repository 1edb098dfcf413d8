"""A caretaker looks after one object: runs its reconciler, never twice at once, and decides when to look again.

Time and randomness come from the event loop and from arguments, so tests on a virtual clock are exact. Knows nothing of Kubernetes,
AWS or threads.
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from goldenami.api.kinds import Key


@dataclass(frozen=True)
class Outcome:
    """What one look at an object led to; whatever deadline is earliest wins (resync, next look, backoff after a failure)."""

    next_look_seconds: float | None = None
    """None: at the next resync."""
    failed: bool = False
    """Back off exponentially before the next look."""
    gone: bool = False
    """The object no longer exists: forget it."""


class Reconciler(Protocol):
    """Brings the world one step closer to what one object declares. Synchronous; begins with a GET; safe to repeat at any time."""

    def __call__(self, key: Key) -> Outcome: ...


@dataclass(frozen=True)
class Pace:
    """How often an object is looked at. Numbers as in client-go (backoff) and Flux (resync jitter)."""

    resync_seconds: float = 600.0
    resync_jitter: float = 0.1
    backoff_base_seconds: float = 1.0
    backoff_factor: float = 2.0
    backoff_cap_seconds: float = 300.0
    backoff_jitter: float = 0.2

    def backoff_seconds(self, failures: int, chance: random.Random) -> float:
        """The pause after this many failures in a row (from 1), jitter included: the cap holds before jitter."""
        # 2 ** 64 seconds is beyond any cap: no need to let the power overflow after a week of failures.
        doublings = min(failures - 1, 64)
        pause = min(self.backoff_cap_seconds, self.backoff_base_seconds * self.backoff_factor**doublings)
        return pause * _around_one(self.backoff_jitter, chance)

    def resync_pause_seconds(self, interval_seconds: float | None, chance: random.Random) -> float:
        """The pause until the periodic look; `interval_seconds` is the object's own, None means the default."""
        interval = self.resync_seconds if interval_seconds is None else interval_seconds
        return interval * _around_one(self.resync_jitter, chance)


def _around_one(jitter: float, chance: random.Random) -> float:
    return 1.0 + jitter * (2.0 * chance.random() - 1.0)


class Caretaker:
    """One object's loop: wait until due, take a slot, look, plan the next look.

    Any number of wake-ups before the look begins make one look; one or more during it make exactly one more.
    """

    __slots__ = (
        "_alarm",
        "_chance",
        "_deadline",
        "_enter",
        "_look",
        "_pace",
        "_stopping",
        "failures",
        "interval_seconds",
        "key",
        "looking",
    )

    def __init__(
        self,
        key: Key,
        look: Callable[["Caretaker"], Awaitable[Outcome]],
        *,
        enter: Callable[[Key], AbstractAsyncContextManager[None]],
        pace: Pace,
        chance: random.Random,
    ) -> None:
        self.key = key
        self.interval_seconds: float | None = None
        self.failures = 0
        self.looking = False
        self._look = look
        self._enter = enter
        self._pace = pace
        self._chance = chance
        self._deadline = math.inf
        self._alarm: asyncio.Future[bool] | None = None
        self._stopping = False

    @property
    def deadline(self) -> float:
        """When the next look is due, in loop time; infinity while looking without having been woken."""
        return self._deadline

    def wake_at(self, when: float) -> None:
        """Look no later than `when` (loop time). Later than what is planned changes nothing."""
        if when < self._deadline:
            self._deadline = when
            self._ring(False)

    def stop(self) -> bool:
        """Begin no further look. True when one is running now and has to be waited for."""
        self._stopping = True
        self._ring(False)
        return self.looking

    async def run(self) -> None:
        """Until the object is gone or the caretaker is stopped."""
        while True:
            await self._until_due()
            if self._stopping:
                return
            async with self._enter(self.key):
                # Stopped while waiting for the slot. A method, because to the type checker nothing can have changed since the line above.
                if self._is_stopping():
                    return
                outcome = await self._one_look()
            if outcome.gone and self._deadline == math.inf:
                return
            self._plan_next(outcome)

    def _is_stopping(self) -> bool:
        return self._stopping

    async def _one_look(self) -> Outcome:
        self._deadline = math.inf
        self.looking = True
        try:
            return await self._look(self)
        finally:
            self.looking = False

    def _plan_next(self, outcome: Outcome) -> None:
        now = asyncio.get_running_loop().time()
        self.failures = self.failures + 1 if outcome.failed else 0
        self.wake_at(now + self._pace.resync_pause_seconds(self.interval_seconds, self._chance))
        if outcome.failed:
            self.wake_at(now + self._pace.backoff_seconds(self.failures, self._chance))
        if outcome.next_look_seconds is not None:
            self.wake_at(now + outcome.next_look_seconds)

    async def _until_due(self) -> None:
        # A bare future and timer instead of asyncio.timeout and Event: with 10,000 caretakers asleep each frame and object counts.
        loop = asyncio.get_running_loop()
        while not self._stopping and self._deadline > loop.time():
            self._alarm = loop.create_future()
            timer = None if self._deadline == math.inf else loop.call_at(self._deadline, self._ring, True)
            try:
                # A timer may fire within the clock's resolution before its time: it is believed, not checked, else this loop could spin.
                if await self._alarm:
                    return
            finally:
                self._alarm = None
                if timer is not None:
                    timer.cancel()

    def _ring(self, due: bool) -> None:
        if self._alarm is not None and not self._alarm.done():
            self._alarm.set_result(due)
