"""The operator process: everything is put together here, started in order, and ended in order.

Start: health and metrics, reconcilers, our kinds served, the Lease, caretakers, the watch. End (SIGTERM): no new look and no new mutation,
running looks finish, the Lease is released. A second signal ends at once.
"""

import asyncio
import contextlib
import enum
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from goldenami.api.kinds import Key
from goldenami.controllers import logs
from goldenami.controllers.attention import Attention
from goldenami.controllers.bugs import telling
from goldenami.controllers.caretaker import Pace, Reconciler
from goldenami.controllers.caretakers import Caretakers, in_threads
from goldenami.controllers.health import HealthServer
from goldenami.controllers.metrics import Metrics
from goldenami.controllers.settings import Settings
from goldenami.controllers.sweeping import Sweeping
from goldenami.kube.client import Kubernetes
from goldenami.kube.connection import load_configuration
from goldenami.kube.events import Events
from goldenami.kube.intake import Intake, wait_until_served
from goldenami.kube.lease import LeaseElection
from goldenami.kube.seen import Seen

LOG = logging.getLogger(__name__)

STUCK_AFTER_SECONDS = 60.0
"""A loop that has not turned for this long is stuck: the liveness probe says so."""


class Exit(enum.IntEnum):
    """Exit codes of the operator process."""

    DONE = 0
    """Ended by a signal, in order."""
    LEASE_LOST = 3
    """Another process may be active now: ended at once, in the middle of whatever ran."""
    INTAKE_FAILED = 4
    """The watch failed again and again although the API server answers."""
    GRACE_EXCEEDED = 5
    """Looks were still running when the grace period was over; the Lease was left to expire."""


@dataclass(frozen=True)
class Engine:
    """What reconcilers are built from. Everything in it may be used from any thread."""

    settings: Settings
    kubernetes: Kubernetes
    events: Events
    metrics: Metrics
    stopping: threading.Event
    """Set at SIGTERM: from then on no mutation may begin."""
    wake: Callable[[Key], None]
    """Have an object looked at, as soon as there is a worker for it."""
    seen: Callable[[Key], str | None]
    """The resourceVersion of an object that the watch saw last; None for what is not in sight."""
    active: Callable[[], bool]
    """Whether the Lease is ours, and fresh. A process that was frozen for a while goes on in all its threads at once: one that is about to
    write has to find out by itself that another process may be active by now."""


BuildReconcilers = Callable[[Engine], Mapping[str, Reconciler]]
"""Reconcilers by CamelCase kind; called once, in a thread of its own, before this process may be the active one: it reads models and makes
clients, and asks neither AWS nor Kubernetes for anything."""


def run(settings: Settings, build: BuildReconcilers) -> int:
    """Be the operator until a signal ends it; the exit code. Call it in the main thread, as signals arrive there.

    Raises KubeForbidden when no cluster is configured, PortUnusable when the probes' port is taken. A lost Lease and a second signal
    end the process from within.
    """
    logs.configure(settings.log_format)
    return asyncio.run(Operator(settings, build).serve())


class Operator:
    """One run of the process."""

    def __init__(self, settings: Settings, build: BuildReconcilers) -> None:
        self._settings = settings
        self._build = build
        self._metrics = Metrics()
        self._kubernetes = Kubernetes(load_configuration(connections=settings.workers + 8), observer=self._metrics.requested)
        self._events = Events(self._kubernetes, instance=settings.identity)
        self._stopping = threading.Event()
        self._served = False
        self._beat_at = time.monotonic()
        self._exit = Exit.DONE
        self._intake: Intake | None = None
        self._caretakers: Caretakers | None = None
        self._attention: Attention | None = None
        self._lease: LeaseElection | None = None
        self._metrics.max_concurrent.labels("all").set(settings.workers)

    async def serve(self) -> int:
        """Start, work, end."""
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._listen_to_signals()
        heart = asyncio.create_task(self._keep_beating())
        health = self._serve_health()
        try:
            reconcilers = await asyncio.to_thread(self._build, self._engine())
            if await self._until_ours():
                await self._work(reconcilers)
            return await self._leave()
        finally:
            heart.cancel()
            if health is not None:
                health.close()

    # Signals -----------------------------------------------------------------------------------------------------------------------------

    def _listen_to_signals(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: signal.Signals) -> None:
        if self._stopping.is_set():
            LOG.warning("%s again: ending at once", number.name)
            _end_process(128 + number)
        LOG.info("%s: finishing what runs, beginning nothing new", number.name)
        self._end(Exit.DONE)

    def _end(self, code: Exit) -> None:
        self._exit = code
        self._stopping.set()
        self._ended.set()

    # Health ------------------------------------------------------------------------------------------------------------------------------

    def _serve_health(self) -> HealthServer | None:
        if self._settings.metrics_port < 0:
            return None
        server = HealthServer(
            host=self._settings.metrics_host,
            port=self._settings.metrics_port,
            alive=self._not_alive,
            ready=self._not_ready,
            metrics=self._metrics.exposition,
        )
        LOG.info("serving /metrics, /healthz and /readyz on port %d", server.port)
        return server

    async def _keep_beating(self) -> None:
        while True:
            self._beat_at = time.monotonic()
            await asyncio.sleep(1.0)

    def _not_alive(self) -> str | None:
        if time.monotonic() - self._beat_at > STUCK_AFTER_SECONDS:
            return "the main loop is stuck"
        if self._intake is not None and self._intake.silent_seconds() > STUCK_AFTER_SECONDS:
            return "the watch on Kubernetes is stuck"
        return None

    def _not_ready(self) -> str | None:
        if self._stopping.is_set():
            return "shutting down"
        return None if self._served else "waiting for the API server to serve our kinds"

    # Becoming the active one -------------------------------------------------------------------------------------------------------------

    async def _until_ours(self) -> bool:
        """Wait for our kinds and for the Lease; False when stopped before."""
        if not await asyncio.to_thread(wait_until_served, self._kubernetes, self._stopping):
            return False
        self._served = True
        return await self._until_elected()

    async def _until_elected(self) -> bool:
        lease = self._election()
        if lease is None:
            return True
        leader = self._metrics.leader.labels(self._settings.lease_name)
        leader.set(0)
        if not await asyncio.to_thread(lease.acquire, self._stopping):
            return False
        leader.set(1)
        self._lease = lease
        lease.keep(self._lease_lost)
        return True

    def _election(self) -> LeaseElection | None:
        if not self._settings.leader_election:
            return None
        settings = self._settings
        return LeaseElection(self._kubernetes, namespace=settings.lease_namespace, name=settings.lease_name, identity=settings.identity)

    def _lease_lost(self, problem: str) -> None:
        # In the Lease's own thread, at once: another process may be active, and nothing that runs here may write any more.
        LOG.error("the Lease is lost, ending at once: %s", problem)
        _end_process(Exit.LEASE_LOST)

    # Working -----------------------------------------------------------------------------------------------------------------------------

    async def _work(self, reconcilers: Mapping[str, Reconciler]) -> None:
        pool = ThreadPoolExecutor(self._settings.workers, thread_name_prefix="reconcile")
        self._caretakers = Caretakers(
            telling(reconcilers, self._kubernetes, self._events),
            run=in_threads(pool),
            workers=self._settings.workers,
            pace=Pace(resync_seconds=self._settings.interval_seconds),
            observer=self._metrics,
        )
        self._attention = attention = Attention(self._caretakers)
        self._intake = self._start_intake(attention)
        sweeper = asyncio.create_task(self._sweeping(attention).keep())
        await self._ended.wait()
        sweeper.cancel()
        self._intake.stop()
        await self._drain(self._caretakers)
        pool.shutdown(wait=False, cancel_futures=True)

    def _engine(self) -> Engine:
        return Engine(
            self._settings, self._kubernetes, self._events, self._metrics, self._stopping, self._wake, self._seen, self._is_active
        )

    def _is_active(self) -> bool:
        return self._lease is None or self._lease.held

    def _wake(self, key: Key) -> None:
        if self._caretakers is not None:
            self._caretakers.wake_threadsafe(key)

    def _seen(self, key: Key) -> str | None:
        return None if self._attention is None else self._attention.version_of(key)

    def _start_intake(self, attention: Attention) -> Intake:
        def hand_over(seen: Seen) -> None:
            self._metrics.saw(seen)
            with contextlib.suppress(RuntimeError):  # the loop is closed: the process is ending
                self._loop.call_soon_threadsafe(attention.seen, seen)

        intake = Intake(
            self._kubernetes,
            sink=hand_over,
            gave_up=self._intake_failed,
            restarted=self._metrics.intake_restarts.inc,
            namespaces=self._settings.namespaces,
        )
        intake.start()
        return intake

    def _sweeping(self, attention: Attention) -> Sweeping:
        settings = self._settings
        return Sweeping(self._kubernetes, attention, self._metrics, namespaces=settings.namespaces, every_seconds=settings.sweep_seconds)

    def _intake_failed(self, problem: str) -> None:
        LOG.error("the watch on Kubernetes fails again and again, ending: %s", problem)
        self._loop.call_soon_threadsafe(self._end, Exit.INTAKE_FAILED)

    # The end -----------------------------------------------------------------------------------------------------------------------------

    async def _drain(self, caretakers: Caretakers) -> None:
        still_running = await caretakers.drain(self._settings.grace_seconds)
        for key in still_running:
            LOG.error("still running at the end of the grace period", extra=logs.about(key))
        if still_running:
            self._exit = Exit.GRACE_EXCEEDED

    async def _leave(self) -> int:
        if self._exit is Exit.GRACE_EXCEEDED:
            # What runs cannot be stopped and may still write, so the Lease is not handed over early, and no thread is waited for.
            _end_process(Exit.GRACE_EXCEEDED)
        await self._hand_over_lease()
        # What is still to be told is no reason to keep the next one waiting.
        await asyncio.to_thread(self._events.close)
        LOG.info("done")
        return int(self._exit)

    async def _hand_over_lease(self) -> None:
        if self._lease is not None:
            await asyncio.to_thread(self._lease.release)


def _end_process(code: int) -> None:
    logging.shutdown()
    os._exit(code)
