"""One reading of AWS shared by everybody who asks at the same time, with the moment it began."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from goldenami.aws.errors import AwsError

T = TypeVar("T")


FAILURE_SECONDS = 2.0
"""A failed reading is shared by those who ask at the same time, not by those who come later: what was wrong may have been put right."""


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What one reading gave: a value, or why there is none."""

    value: T | None
    error: AwsError | None
    began_epoch_seconds: float
    ended_epoch_seconds: float
    shared: bool = False
    """It was about several things, and its error may be of one of them."""


def usable(reading: Reading[T] | None, not_older_than: float, now: float) -> Reading[T] | None:
    """The reading, where it began late enough, and its failure, if it is one, is not old."""
    if reading is None or reading.began_epoch_seconds < not_older_than:
        return None
    return None if reading.error and now - reading.ended_epoch_seconds > FAILURE_SECONDS else reading


class Dated(Generic[T]):
    """A value, read again only when somebody wants it newer than it is. At most one reading is in flight.

    The date is when a reading *began*: what changed during it may be missing in it. A failed reading is shared for two seconds.
    """

    def __init__(self, read: Callable[[], T], clock: Callable[[], float]) -> None:
        self._read = read
        self._clock = clock
        self._idle = threading.Condition()
        self._reading = False
        self._last: Reading[T] | None = None
        self._good: Reading[T] | None = None

    def get(self, not_older_than: float) -> T:
        """`not_older_than` in epoch seconds. Raises the reading's AwsError."""
        with self._idle:
            while (last := self._fresh(not_older_than)) is None and self._reading:
                # The one in flight may be too old for us; then we start the next when it ends.
                self._idle.wait()
            if last is None:
                self._reading = True
        if last is None:
            last = self._read_now()
        if last.error is not None:
            raise last.error
        return last.value  # type: ignore[return-value]  # None belongs to T then

    def is_fresh(self, not_older_than: float) -> bool:
        """Whether `get` would answer with a value at once."""
        last = self._fresh(not_older_than)
        return last is not None and last.error is None

    def peek(self) -> tuple[T, float] | None:
        """The last good value and when its reading began; nothing is read."""
        good = self._good
        return None if good is None else (good.value, good.began_epoch_seconds)  # type: ignore[return-value]  # None belongs to T then

    def last_was_good(self) -> bool:
        """Whether there was a reading, and the last one did not fail."""
        last = self._last
        return last is not None and last.error is None

    def assume(self, value: T, began_epoch_seconds: float) -> None:
        """Takes this for a reading of that moment, where nothing was read yet and nothing is in flight."""
        with self._idle:
            if self._last is None and not self._reading:
                self._last = self._good = Reading(value, None, began_epoch_seconds, began_epoch_seconds)

    def expire(self) -> None:
        """Whoever asks next reads again, however old a value would do."""
        with self._idle:
            self._last = None

    def _fresh(self, not_older_than: float) -> Reading[T] | None:
        return usable(self._last, not_older_than, self._clock())

    def _read_now(self) -> Reading[T]:
        began = self._clock()
        done: Reading[T] | None = None
        try:
            value = self._read()
            done = Reading(value, None, began, self._clock())
            return done
        except AwsError as error:
            done = Reading(None, error, began, self._clock())
            return done
        finally:
            with self._idle:
                if done is not None:
                    self._last = done
                    self._good = done if done.error is None else self._good
                self._reading = False
                self._idle.notify_all()
