"""The local AWS's clock: real, scaled, or moved only by hand.

Everything that takes time in EC2 (a copy, a snapshot, a token bucket's refill, the lag of a listing) asks this clock, so months pass in a
second and a test never sleeps.
"""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime


class Clock:
    """Seconds since the epoch, as the local AWS sees them.

    `scale` 1 is real time, 60 makes a minute pass each second, and 0 stands still until `advance` moves it (a stepped clock).
    Safe to use from several threads.
    """

    def __init__(
        self, *, scale: float = 1.0, start_epoch_seconds: float | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._scale = scale
        self._mark = monotonic()
        self._now = time.time() if start_epoch_seconds is None else start_epoch_seconds

    def now(self) -> float:
        """Epoch seconds."""
        with self._lock:
            return self._read()

    def utc(self) -> datetime:
        """The same moment as an aware datetime."""
        return datetime.fromtimestamp(self.now(), UTC)

    @property
    def scale(self) -> float:
        return self._scale

    def advance(self, seconds: float) -> float:
        """Jumps forward (never back) and returns the new time."""
        if seconds < 0:
            raise ValueError(f"a clock moves forward only: {seconds} s was asked for")
        with self._lock:
            self._now = self._read() + seconds
            self._mark = self._monotonic()
            return self._now

    def rescale(self, scale: float) -> None:
        """Goes on from the present moment at another speed; 0 stops it."""
        if scale < 0:
            raise ValueError(f"a clock's scale is 0 or more: {scale} was asked for")
        with self._lock:
            self._now = self._read()
            self._mark = self._monotonic()
            self._scale = scale

    def _read(self) -> float:
        return self._now + (self._monotonic() - self._mark) * self._scale
