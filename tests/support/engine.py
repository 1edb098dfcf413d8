"""The engine without its process: intake, attention and caretakers on a real API server; its reconciler only looks and remembers."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from goldenami.api.kinds import GOLDEN_IMAGE, IMAGE_VERSION, KINDS, Key
from goldenami.controllers.attention import Attention
from goldenami.controllers.caretaker import Outcome, Pace
from goldenami.controllers.caretakers import Caretakers, in_threads
from goldenami.kube.client import Kubernetes
from goldenami.kube.connection import load_configuration
from goldenami.kube.intake import Endurance, Intake
from goldenami.kube.seen import Seen
from goldenami.kube.sweep import sweep

QUICK = Endurance(backoff_base_seconds=0.1, backoff_cap_seconds=0.5, failures=5, stable_seconds=5, poll_seconds=0.1)


@dataclass
class Engine:
    """What happened so far. Objects are looked at only when woken: the resync is far away."""

    kubernetes: Kubernetes
    looks: Counter[Key] = field(default_factory=Counter)
    sightings: list[Seen] = field(default_factory=list)
    restarts: int = 0
    gave_up: list[str] = field(default_factory=list)
    attention: Attention | None = None
    caretakers: Caretakers | None = None
    loop: asyncio.AbstractEventLoop | None = None
    namespaces: tuple[str, ...] = ()
    deaf_to: frozenset[str] = frozenset()

    def reconcile(self, key: Key) -> Outcome:
        kinds = {kind.kind: kind for kind in KINDS}
        gone = self.kubernetes.get(kinds[key.kind], key.namespace, key.name) is None
        self.looks[key] += 1
        return Outcome(gone=gone)

    def hand_over(self, seen: Seen) -> None:
        self.sightings.append(seen)
        if seen.how.value not in self.deaf_to and self.loop is not None and self.attention is not None:
            self.loop.call_soon_threadsafe(self.attention.seen, seen)

    def restarted(self) -> None:
        self.restarts += 1

    def sweep(self) -> list[Seen]:
        assert self.attention is not None
        assert self.loop is not None
        found = sweep(self.kubernetes, self.namespaces, self.known)
        for seen in found:
            self.loop.call_soon_threadsafe(self.attention.seen, seen)
        return found

    def known(self) -> Mapping[Key, str]:
        """As the loop says it: what it changes cannot be gone through from here."""
        attention, loop = self.attention, self.loop
        assert attention is not None
        assert loop is not None

        async def say() -> Mapping[Key, str]:
            return attention.known_uids

        return asyncio.run_coroutine_threadsafe(say(), loop).result(5)

    def knows(self, key: Key) -> bool:
        assert self.attention is not None
        return self.attention.version_of(key) is not None

    def looked_after(self, key: Key) -> bool:
        return self.caretakers is not None and key in self.caretakers


@contextmanager
def running_engine(
    kubeconfig: Path, monkeypatch: pytest.MonkeyPatch, *, namespaces: tuple[str, ...] = (), endurance: Endurance = QUICK
) -> Iterator[Engine]:
    """Intake in its thread, the caretakers' loop in another; both ended with the block."""
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    engine = Engine(Kubernetes(load_configuration()), namespaces=namespaces)
    with _caretakers_in_a_thread(engine):
        intake = Intake(
            engine.kubernetes,
            sink=engine.hand_over,
            gave_up=engine.gave_up.append,
            restarted=engine.restarted,
            namespaces=namespaces,
            endurance=endurance,
        )
        intake.start()
        try:
            yield engine
        finally:
            intake.stop()
            assert intake.join(10), "the intake does not end"


@contextmanager
def _caretakers_in_a_thread(engine: Engine) -> Iterator[None]:
    started, ended = threading.Event(), threading.Event()

    async def live() -> None:
        with ThreadPoolExecutor(4) as pool:
            reconcilers = {kind.kind: engine.reconcile for kind in (GOLDEN_IMAGE, IMAGE_VERSION)}
            engine.loop = asyncio.get_running_loop()
            engine.caretakers = Caretakers(reconcilers, run=in_threads(pool), workers=4, pace=Pace(resync_seconds=36_000))
            engine.attention = Attention(engine.caretakers)
            started.set()
            await asyncio.to_thread(ended.wait)
            await engine.caretakers.drain(5)

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="engine")
    thread.start()
    started.wait(5)
    try:
        yield
    finally:
        ended.set()
        thread.join()
