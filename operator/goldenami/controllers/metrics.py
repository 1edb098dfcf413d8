"""Metrics under the names controller-runtime gives them, so that stock dashboards work; what is said about an object ends with it.

Thread-safe, as the Prometheus client is. No account ids and no ARNs in labels.
"""

import threading
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

from goldenami import __version__
from goldenami.api.kinds import KINDS, Key
from goldenami.controllers.object_series import ObjectSeries
from goldenami.kube.seen import Seen

RECONCILE_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
SIZES = {
    "goldenami_replicas": "Images of a GoldenImage or ImageVersion that are available or disabled",
    "goldenami_snapshot_bytes": "Full size of their snapshots, each once, rounded up to GiB",
    "goldenami_made_timestamp_seconds": "When the first of them was made",
    "goldenami_orphans": "Snapshots, failed copies and imports of a GoldenImage that belong to no image",
}
"""Gauges about one object, and what they say."""
CONDITION_STATUSES = ("True", "False", "Unknown")


class Metrics:
    """All series of one operator, on a registry of their own; `caretakers.Observer` is part of it."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        # The creation time of each series doubles their number; the library has no annotation here.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry if registry is not None else CollectorRegistry()
        prometheus_client.ProcessCollector(registry=self.registry)
        self._lock = threading.Lock()
        self._queued_at: dict[Key, float] = {}
        self._started_at: dict[Key, float] = {}
        self._conditions = ObjectSeries("goldenami_condition", "1 for the status a condition has, 0 for the others", ["type", "status"])
        self._sizes = {name: ObjectSeries(name, text) for name, text in SIZES.items()}
        self._make_reconcile_series()
        self._make_queue_series()
        self._make_own_series()
        self.registry.register(self)

    def _make_reconcile_series(self) -> None:
        one = ["controller"]
        prefix = "controller_runtime_"
        self._results = self._counter(f"{prefix}reconcile_total", "Reconciles, by controller and result", [*one, "result"])
        self._errors = self._counter(f"{prefix}reconcile_errors_total", "Reconciles that failed and back off", one)
        self._seconds = self._histogram(f"{prefix}reconcile_time_seconds", "Duration of a reconcile", one)
        self._active = self._gauge(f"{prefix}active_workers", "Reconciles running now", one)
        self.max_concurrent = self._gauge(
            f"{prefix}max_concurrent_reconciles", "Reconciles that may run at once, over all controllers", one
        )

    def _make_queue_series(self) -> None:
        one = ["name"]
        self._depth = self._gauge("workqueue_depth", "Objects that are due and wait for a worker", one)
        self._adds = self._counter("workqueue_adds_total", "Times an object became due", one)
        self._retries = self._counter("workqueue_retries_total", "Looks after a failure", one)
        self._wait = self._histogram("workqueue_queue_duration_seconds", "Time from due to started", one)
        self._work = self._histogram("workqueue_work_duration_seconds", "Time from started to done", one)

    def _make_own_series(self) -> None:
        self._requests = self._counter("rest_client_requests_total", "Requests to Kubernetes", ["code", "method", "host"])
        self.leader = self._gauge("leader_election_master_status", "1 while this process holds the Lease", ["name"])
        self._events = self._counter("goldenami_intake_events_total", "Sightings by the watch", ["kind", "how"])
        self.intake_restarts = self._counter("goldenami_intake_restarts_total", "Times the watch ended by itself and began anew", [])
        self._corrections = self._counter(
            "goldenami_sweep_corrections_total", "Objects that the watch missed, or that nobody looked after", ["kind", "how"]
        )
        self.sweeps = self._counter("goldenami_sweeps_total", "Sweeps, by result", ["result"])
        self._gauge("goldenami_build_info", "Always 1", ["version"]).labels(__version__).set(1)

    def _counter(self, name: str, text: str, labels: list[str]) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, labels: list[str]) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, labels: list[str]) -> Histogram:
        return Histogram(name, text, labels, buckets=RECONCILE_BUCKETS, registry=self.registry)

    # What the caretakers tell ------------------------------------------------------------------------------------------------------------

    def queued(self, key: Key) -> None:
        """An object is due and waits for a worker."""
        self._depth.labels(controller_of(key)).inc()
        self._adds.labels(controller_of(key)).inc()
        with self._lock:
            self._queued_at[key] = time.monotonic()

    def unqueued(self, key: Key) -> None:
        """It waits no longer: its look begins, or never will."""
        self._depth.labels(controller_of(key)).dec()
        with self._lock:
            queued_at = self._queued_at.pop(key, None)
        if queued_at is not None:
            self._wait.labels(controller_of(key)).observe(time.monotonic() - queued_at)

    def started(self, key: Key, *, retry: bool) -> None:
        """A look began."""
        self._active.labels(controller_of(key)).inc()
        if retry:
            self._retries.labels(controller_of(key)).inc()
        with self._lock:
            self._started_at[key] = time.monotonic()

    def finished(self, key: Key, result: str, seconds: float) -> None:
        """A look ended."""
        controller = controller_of(key)
        self._active.labels(controller).dec()
        self._results.labels(controller, result).inc()
        if result == "error":
            self._errors.labels(controller).inc()
        self._seconds.labels(controller).observe(seconds)
        self._work.labels(controller).observe(seconds)
        with self._lock:
            self._started_at.pop(key, None)

    def forgotten(self, key: Key) -> None:
        """The object is gone: so is every series about it."""
        for series in (self._conditions, *self._sizes.values()):
            series.say(key, [])

    # What others tell --------------------------------------------------------------------------------------------------------------------

    def set_conditions(self, key: Key, conditions: Iterable[Mapping[str, Any]]) -> None:
        """The conditions of an object as just judged: `goldenami_condition`, until it is gone."""
        told = {str(condition["type"]): str(condition["status"]) for condition in conditions}
        rows = [((type_, status), float(status == actual)) for type_, actual in told.items() for status in CONDITION_STATUSES]
        self._conditions.say(key, rows)

    def set_sizes(self, key: Key, status: Mapping[str, Any]) -> None:
        """What an object's status says of its images: the gauges of `SIZES`, until it says nothing of them or is gone."""
        sizes = sizes_of(status)
        for name, series in self._sizes.items():
            series.say(key, [((), sizes[name])] if name in sizes else [])

    def saw(self, seen: Seen) -> None:
        """The watch saw something."""
        self._events.labels(seen.key.kind, seen.how.value).inc()

    def corrected(self, key: Key, how: str) -> None:
        """The sweep found something: how it came into sight, or that it was `unattended`."""
        self._corrections.labels(key.kind, how).inc()

    def requested(self, *, method: str, host: str, code: str, seconds: float) -> None:  # noqa: ARG002 -- the port says how long; nobody counts it
        """A request to Kubernetes ended; `kube.client.RequestObserver`."""
        self._requests.labels(code, method, host.partition("://")[2] or host).inc()

    # What is worked out at each scrape ---------------------------------------------------------------------------------------------------

    def collect(self) -> Iterable[Metric]:
        """Called by the registry."""
        with self._lock:
            started = dict(self._started_at)
        yield from _unfinished(started)

    def exposition(self) -> bytes:
        """The page Prometheus reads."""
        about_objects = [series.exposition() for series in (self._conditions, *self._sizes.values())]
        return prometheus_client.generate_latest(self.registry) + b"".join(about_objects)


def controller_of(key: Key) -> str:
    """The controller's name: the kind in lower case, as controller-runtime has it."""
    return key.kind.lower()


def _unfinished(started: Mapping[Key, float]) -> Iterable[Metric]:
    now = time.monotonic()
    total = GaugeMetricFamily("workqueue_unfinished_work_seconds", "Sum over the running looks of their time so far", labels=["name"])
    longest = GaugeMetricFamily("workqueue_longest_running_processor_seconds", "Time so far of the longest running look", labels=["name"])
    for kind in KINDS:
        ages = [now - since for key, since in started.items() if key.kind == kind.kind]
        total.add_metric([kind.kind.lower()], sum(ages))
        longest.add_metric([kind.kind.lower()], max(ages, default=0.0))
    return [total, longest]


def sizes_of(status: Mapping[str, Any]) -> dict[str, float]:
    """By gauge; what the status does not say is left out."""
    storage, made_at = status.get("storage", {}), status.get("madeAt")
    told = {
        "goldenami_replicas": storage.get("images"),
        "goldenami_snapshot_bytes": storage["snapshotGib"] * 2**30 if "snapshotGib" in storage else None,
        "goldenami_orphans": status.get("orphansFound"),
        "goldenami_made_timestamp_seconds": datetime.fromisoformat(made_at).timestamp() if made_at else None,
    }
    return {name: float(value) for name, value in told.items() if value is not None}
