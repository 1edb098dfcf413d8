"""Sweeps for as long as the process works, whatever becomes of one of them: what the watch missed, and what nobody looks after."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence

from goldenami.api.kinds import Key
from goldenami.controllers import logs
from goldenami.controllers.attention import Attention
from goldenami.controllers.metrics import Metrics
from goldenami.kube.client import Kubernetes
from goldenami.kube.errors import KubeError
from goldenami.kube.sweep import sweep

LOG = logging.getLogger(__name__)

LOOP_SECONDS = 30.0
"""How long the sweep waits for the loop to say what is known."""


class Sweeping:
    """Made and used on the caretakers' loop; what it asks of Kubernetes it asks in a thread."""

    def __init__(
        self, kubernetes: Kubernetes, attention: Attention, metrics: Metrics, *, namespaces: Sequence[str], every_seconds: float
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._kubernetes = kubernetes
        self._attention = attention
        self._metrics = metrics
        self._namespaces = namespaces
        self._every_seconds = every_seconds

    async def keep(self) -> None:
        """Until it is cancelled."""
        chance = random.Random()  # noqa: S311 -- jitter, nothing secret
        while True:
            await asyncio.sleep(self._every_seconds * chance.uniform(0.9, 1.1))
            await self.once()

    async def once(self) -> None:
        """Raises nothing: an error would end all sweeps, unseen, and missed deletions were never found again."""
        try:
            found = await asyncio.to_thread(sweep, self._kubernetes, self._namespaces, self._known())
        except Exception as error:
            self._metrics.sweeps.labels("error").inc()
            why, reason, expected = _why_not(error)
            LOG.warning("the sweep failed and is repeated later: %s", why, exc_info=None if expected else error, extra={"reason": reason})
            return
        self._metrics.sweeps.labels("success").inc()
        for seen in found:
            self._metrics.corrected(seen.key, seen.how.value)
            LOG.warning("the watch missed an object that was %s", seen.how.value, extra=logs.about(seen.key))
            self._attention.seen(seen)
        for key in self._attention.mend():
            self._metrics.corrected(key, "unattended")
            LOG.warning("nobody looked after an object; it is looked at now", extra=logs.about(key))

    def _known(self) -> Callable[[], Mapping[Key, str]]:
        """What is known, asked for by another thread: the copy is made on the loop, where nothing changes meanwhile."""

        async def copied() -> dict[Key, str]:
            return self._attention.known_uids

        return lambda: asyncio.run_coroutine_threadsafe(copied(), self._loop).result(timeout=LOOP_SECONDS)


def _why_not(error: Exception) -> tuple[str, str, bool]:
    """For people, in a word, and whether it is no bug."""
    match error:
        case KubeError():
            return error.message, error.reason, True
        case TimeoutError():
            return f"the main loop was busy for {LOOP_SECONDS:g} s", "Busy", True
        case _:
            return f"{type(error).__name__}: {error}", "Unexpected", False
