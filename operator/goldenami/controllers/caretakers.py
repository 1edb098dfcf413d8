"""All caretakers of this process: created at the first wake-up, forgotten with their object, drained at the end.

Everything here runs on one event loop; the `_threadsafe` entries may be called from any thread. Reconcilers run in a bounded thread pool.
"""

import asyncio
import contextlib
import contextvars
import logging
import math
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from typing import Protocol

from goldenami.api.kinds import Key
from goldenami.controllers import logs
from goldenami.controllers.caretaker import Caretaker, Outcome, Pace, Reconciler
from goldenami.kube.errors import KubeError

LOG = logging.getLogger(__name__)

SPREAD_CAP_SECONDS = 60.0
SPREAD_STEP_SECONDS = 0.01
"""A start with N objects is spread over min(60 s, 10 ms x N): a ramp instead of a storm on both APIs."""

Run = Callable[[Callable[[], Outcome]], Awaitable[Outcome]]
"""Runs a synchronous reconcile somewhere that does not block the loop."""


class Observer(Protocol):
    """Told what the caretakers do; the metrics are one."""

    def queued(self, key: Key) -> None:
        """An object is due and waits for a slot."""

    def unqueued(self, key: Key) -> None:
        """It waits no longer: its look begins, or never will."""

    def started(self, key: Key, *, retry: bool) -> None:
        """A look began."""

    def finished(self, key: Key, result: str, seconds: float) -> None:
        """A look ended; `result` is success, requeue_after, error or gone."""

    def forgotten(self, key: Key) -> None:
        """The object is gone, and with it everything said about it."""


class NobodyWatches:
    """The observer for whoever needs none."""

    def queued(self, key: Key) -> None: ...

    def unqueued(self, key: Key) -> None: ...

    def started(self, key: Key, *, retry: bool) -> None: ...

    def finished(self, key: Key, result: str, seconds: float) -> None: ...

    def forgotten(self, key: Key) -> None: ...


class Caretakers:
    """The registry. Make it inside the running event loop it shall use."""

    def __init__(
        self,
        reconcilers: Mapping[str, Reconciler],
        *,
        run: Run,
        workers: int = 16,
        pace: Pace | None = None,
        chance: random.Random | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._reconcilers = dict(reconcilers)
        self._run = run
        self._slots = asyncio.Semaphore(workers)
        self._pace = pace if pace is not None else Pace()
        self._chance = chance if chance is not None else random.Random()  # noqa: S311 -- jitter, nothing secret
        self._observer: Observer = observer if observer is not None else NobodyWatches()
        self._caretakers: dict[Key, Caretaker] = {}
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._ramp_end = 0.0
        self._draining = False

    def __len__(self) -> int:
        return len(self._caretakers)

    def __contains__(self, key: Key) -> bool:
        return key in self._caretakers

    def attend(self, key: Key) -> bool:
        """Whether somebody looks after the object and will look again, or nobody has to: kinds without a reconciler, and all at the end."""
        if self._draining or key.kind not in self._reconcilers:
            return True
        caretaker = self._caretakers.get(key)
        return caretaker is not None and not self._tasks[key].done() and (caretaker.looking or caretaker.deadline < math.inf)

    @property
    def looking(self) -> int:
        """How many looks are running now."""
        return sum(caretaker.looking for caretaker in self._caretakers.values())

    def due(self, key: Key) -> float | None:
        """Seconds until the next planned look; None for an object nobody looks after."""
        caretaker = self._caretakers.get(key)
        return None if caretaker is None else max(0.0, caretaker.deadline - self._loop.time())

    # Waking ------------------------------------------------------------------------------------------------------------------------------

    def wake(self, key: Key) -> None:
        """Look at the object as soon as a slot is free. Kinds without a reconciler are nobody's business."""
        self.wake_soon(key, 0.0)

    def wake_soon(self, key: Key, after_seconds: float) -> None:
        """Look at the object no later than `after_seconds` from now; an earlier plan stays."""
        if self._draining or key.kind not in self._reconcilers:
            return
        self._caretaker(key).wake_at(self._loop.time() + after_seconds)

    def wake_ramped(self, keys: Sequence[Key]) -> None:
        """Look at all of them, one by one in this order, over min(60 s, 10 ms x N): for a start, when everything is new at once."""
        now = self._loop.time()
        start = max(now, self._ramp_end)
        step = min(SPREAD_STEP_SECONDS, max(0.0, now + SPREAD_CAP_SECONDS - start) / max(1, len(keys)))
        for position, key in enumerate(keys):
            self.wake_soon(key, start - now + step * position)
        self._ramp_end = start + step * len(keys)

    def wake_threadsafe(self, key: Key) -> None:
        """`wake` from another thread; does nothing once the loop is closed."""
        self.wake_soon_threadsafe(key, 0.0)

    def wake_soon_threadsafe(self, key: Key, after_seconds: float) -> None:
        """`wake_soon` from another thread; does nothing once the loop is closed."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.wake_soon, key, after_seconds)

    def set_interval(self, key: Key, seconds: float | None) -> None:
        """The object's own resync interval, from its spec; it counts from its next look on."""
        if not self._draining and key.kind in self._reconcilers:
            self._caretaker(key).interval_seconds = seconds

    def _caretaker(self, key: Key) -> Caretaker:
        caretaker = self._caretakers.get(key)
        # One that has just ended is forgotten in the loop's next turn, and hears nothing any more.
        if caretaker is None or self._tasks[key].done():
            caretaker = Caretaker(key, self._look, enter=self._slot, pace=self._pace, chance=self._chance)
            self._caretakers[key] = caretaker
            task = self._loop.create_task(caretaker.run())
            self._tasks[key] = task
            task.add_done_callback(lambda done: self._forget(key, done))
        return caretaker

    def _forget(self, key: Key, task: "asyncio.Task[None]") -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            LOG.error("the caretaker of an object failed and is replaced", exc_info=error, extra=logs.about(key))
        if self._tasks.get(key) is not task:
            return
        del self._tasks[key], self._caretakers[key]
        self._observer.forgotten(key)
        if error is not None:
            # Only a bug of the caretaker itself can end here; the object must not be left alone because of it.
            self.wake_soon(key, self._pace.backoff_cap_seconds)

    @contextlib.asynccontextmanager
    async def _slot(self, key: Key) -> AsyncIterator[None]:
        """Wait in line for one of the workers, first come first served."""
        self._observer.queued(key)
        try:
            await self._slots.acquire()
        finally:
            self._observer.unqueued(key)
        try:
            yield
        finally:
            self._slots.release()

    # Looking -----------------------------------------------------------------------------------------------------------------------------

    async def _look(self, caretaker: Caretaker) -> Outcome:
        key = caretaker.key
        reconcile_id = secrets.token_hex(4)
        self._observer.started(key, retry=caretaker.failures > 0)
        # The wall clock of real work, not the loop's: a log line must not lie when a test bends time.
        started = time.monotonic()
        context = contextvars.copy_context()
        context.run(logs.begin, key, reconcile_id)
        outcome, problem = await self._attempt(key, context)
        seconds = time.monotonic() - started
        result = _result(outcome)
        self._observer.finished(key, result, seconds)
        context.run(logs.outcome, LOG, result=result, seconds=seconds, next_look_seconds=outcome.next_look_seconds, problem=problem)
        return outcome

    async def _attempt(self, key: Key, context: contextvars.Context) -> tuple[Outcome, BaseException | None]:
        reconciler = self._reconcilers[key.kind]
        try:
            return await self._run(lambda: context.run(reconciler, key)), None
        except KubeError as error:
            return Outcome(failed=True), error
        except Exception as error:  # noqa: BLE001 -- the one place: a bug in one object's reconcile is logged, retried, and stays its own
            return Outcome(failed=True), error

    # The end -----------------------------------------------------------------------------------------------------------------------------

    async def drain(self, grace_seconds: float) -> list[Key]:
        """Begin no further look, wait for the running ones; the keys of those still running when the grace period is over."""
        self._draining = True
        running = [key for key, caretaker in self._caretakers.items() if caretaker.stop()]
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=grace_seconds)
        return _still_running(running, self._tasks)


def _still_running(keys: Iterable[Key], tasks: Mapping[Key, "asyncio.Task[None]"]) -> list[Key]:
    return [key for key in keys if key in tasks and not tasks[key].done()]


def _result(outcome: Outcome) -> str:
    # The words of controller-runtime's reconcile_total, so that existing dashboards count them; `gone` is ours.
    if outcome.gone:
        return "gone"
    if outcome.failed:
        return "error"
    return "success" if outcome.next_look_seconds is None else "requeue_after"


def in_threads(executor: Executor) -> Run:
    """Run reconciles in this pool; the pool's size and the caretakers' `workers` should be the same number."""

    async def run(work: Callable[[], Outcome]) -> Outcome:
        return await asyncio.get_running_loop().run_in_executor(executor, work)

    return run
