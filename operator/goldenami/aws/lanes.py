"""Threads shared by all places, of which no place can take more than its part: a dead region holds up its own work only."""

import contextvars
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

from goldenami.plan.values import Place

T = TypeVar("T")


class Lanes:
    """A bounded pool with a queue per place. `per_place` bounds how many threads one place has at once."""

    def __init__(self, *, workers: int = 32, per_place: int = 4) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="aws")
        self._per_place = per_place
        self._lock = threading.Lock()
        self._running: dict[Place, int] = {}
        self._waiting: dict[Place, deque[Callable[[], None]]] = {}
        self._hanging: dict[Place, Future[Any]] = {}

    def submit(self, place: Place, work: Callable[[], T]) -> "Future[T]":
        future: Future[T] = Future()
        # Threads begin with an empty context: without this no log line could tell which object's work it belongs to.
        context = contextvars.copy_context()

        def run() -> None:
            try:
                _fulfil(future, lambda: context.run(work))
            finally:
                self._next(place)

        with self._lock:
            if self._running.get(place, 0) >= self._per_place:
                self._waiting.setdefault(place, deque()).append(run)
                return future
            self._running[place] = self._running.get(place, 0) + 1
        self._pool.submit(run)
        return future

    def map(self, work: Callable[[Place], T], places: Iterable[Place]) -> Mapping[Place, T]:
        """In the places' order; with one place in the calling thread. Never to be called from within a lane."""
        chosen = list(dict.fromkeys(places))
        if len(chosen) == 1:
            return {chosen[0]: work(chosen[0])}
        futures = {place: self.submit(place, lambda place=place: work(place)) for place in chosen}  # type: ignore[misc]  # bound per place
        return {place: future.result() for place, future in futures.items()}

    def map_patiently(
        self,
        work: Callable[[Place], T],
        places: Iterable[Place],
        seconds: float,
        late: Callable[[Place], T],
        at_hand: Callable[[Place], bool] = lambda _: False,
    ) -> Mapping[Place, T]:
        """The same, where a place that takes longer than `seconds` has what `late` says of it, while its work goes on.

        One that hangs holds up no other then, and is late at once for whoever asks before that work is done. Where there is one place
        only, nobody else waits for it, and it has the time that it takes. What is `at_hand` needs no waiting, and gets no thread.
        """
        chosen = list(dict.fromkeys(places))
        if len(chosen) == 1:
            return {chosen[0]: work(chosen[0])}
        here = [place for place in chosen if at_hand(place)]
        with self._lock:
            asked = [place for place in chosen if place not in self._hanging and place not in here]
        futures = {place: self.submit(place, lambda place=place: work(place)) for place in asked}  # type: ignore[misc]  # bound per place
        found = {place: work(place) for place in here}
        done, _ = wait(futures.values(), timeout=seconds)
        for place, future in futures.items():
            if future in done:
                found[place] = future.result()
            else:
                self._hangs(place, future)
        return {place: found[place] if place in found else late(place) for place in chosen}

    def _hangs(self, place: Place, future: "Future[Any]") -> None:
        """Until this work is done nobody waits for the place again."""
        with self._lock:
            self._hanging[place] = future

        def answers(ended: "Future[Any]") -> None:
            with self._lock:
                if self._hanging.get(place) is ended:
                    del self._hanging[place]

        future.add_done_callback(answers)

    def close(self) -> None:
        """Waits for what runs; what waits is still done."""
        self._pool.shutdown(wait=True)

    def _next(self, place: Place) -> None:
        with self._lock:
            queue = self._waiting.get(place)
            if queue:
                run = queue.popleft()
            else:
                self._running[place] -= 1
                if not self._running[place]:
                    del self._running[place]
                self._waiting.pop(place, None)
                return
        try:
            self._pool.submit(run)
        except RuntimeError:
            run()  # The pool takes no more, and what was accepted is still done.


def _fulfil(future: "Future[Any]", work: Callable[[], Any]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
        future.set_exception(error)
