"""Events: what `kubectl describe` tells about an object; repeats are counted on the same Event, and a failure to record fails nothing.

core/v1 Events, because every kubectl shows their count ("3m (x5 over 20m)") and `kubectl get events` sorts by their last time.
Recording only hands over; one thread of its own writes.
"""

import collections
import contextlib
import datetime
import itertools
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from urllib.parse import quote

from goldenami.api.fields import MAX_REGIONS
from goldenami.api.kinds import FIELD_MANAGER
from goldenami.api.reasons import EventReason
from goldenami.kube.client import MERGE_PATCH, Body, Kubernetes
from goldenami.kube.errors import KubeError, KubeNotFound

LOG = logging.getLogger(__name__)

EventType = Literal["Normal", "Warning"]

COUNTED_FOR_SECONDS = 3000.0
"""A repeat within this time is counted on the same Event. Below the API server's time to live (1 h by default, renewed by each count)."""

BURST = MAX_REGIONS
REFILL_SECONDS = 300.0
"""Per object and reason: one for each region at once, one more every 5 minutes. client-go's spam filter has 25 for an object: a version in
nine regions would have started, received and shared its copies, and nobody would be told that it is Ready, or public by now.
"""

REMEMBERED = 4096
"""Events, and objects with a reason, remembered for counting; the least recently used are forgotten first (client-go's number)."""

PENDING = 1000
"""Events waiting to be written; when the API server is away longer, new ones are dropped: status says the same."""

MESSAGE_LIMIT = 1024
"""Characters of an event's message that the API server accepts (validation of events)."""


@dataclass(frozen=True)
class Event:
    """One thing worth telling about one object."""

    regarding: Mapping[str, Any]
    type: EventType
    reason: str
    message: str

    @property
    def identity(self) -> tuple[str, str, str, str]:
        """What makes two events repeats of each other."""
        return (str(self.regarding["uid"]), self.type, self.reason, self.message)


@dataclass(frozen=True)
class Written:
    """An Event object as we last wrote it."""

    name: str
    namespace: str
    count: int
    last_seconds: float


@dataclass
class Allowance:
    """A token bucket of one object and reason."""

    tokens: float = BURST
    filled_at: float = 0.0

    def take(self, now: float) -> bool:
        """True when one more event may be written."""
        self.tokens = min(float(BURST), self.tokens + (now - self.filled_at) / REFILL_SECONDS)
        self.filled_at = now
        if self.tokens < 1.0:
            return False
        self.tokens -= 1.0
        return True


def regarding(obj: Body) -> Body:
    """The reference to an object that an Event carries."""
    metadata = obj["metadata"]
    reference = {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "name": metadata["name"], "uid": metadata["uid"]}
    for name in ("namespace", "resourceVersion"):
        if metadata.get(name):
            reference[name] = metadata[name]
    return reference


def transitions(before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]) -> list[tuple[EventReason, str]]:
    """What the summary conditions tell: became Ready, is Ready no longer, or waits for a person (also for another reason than before).

    A reworded message is no news, and neither is work in progress on an object that has not been Ready yet.
    """
    was, now = _by_type(before), _by_type(after)
    news: list[tuple[EventReason, str]] = []
    if _is_true(now.get("Ready")) and not _is_true(was.get("Ready")):
        news.append((EventReason.READY, now["Ready"]["message"]))
    if _is_true(now.get("Stalled")) and _reason_if_true(was.get("Stalled")) != now["Stalled"]["reason"]:
        news.append((EventReason.STALLED, now["Stalled"]["message"]))
    elif _is_true(was.get("Ready")) and "Ready" in now and not _is_true(now["Ready"]):
        news.append((EventReason.NOT_READY, now["Ready"]["message"]))
    return news


def _by_type(conditions: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {condition["type"]: condition for condition in conditions}


def _is_true(condition: Mapping[str, Any] | None) -> bool:
    return condition is not None and condition["status"] == "True"


def _reason_if_true(condition: Mapping[str, Any] | None) -> str | None:
    return str(condition["reason"]) if condition is not None and _is_true(condition) else None


class Events:
    """The recorder; its thread ends with `close`."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        *,
        instance: str,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._writer = EventWriter(kubernetes, instance=instance, now=now, clock=clock)
        self._queue: queue.Queue[Event | None] = queue.Queue(PENDING)
        self._thread = threading.Thread(target=self._write_all, name="events", daemon=True)
        self._thread.start()

    def record_transitions(self, obj: Body, conditions: Iterable[Mapping[str, Any]]) -> None:
        """What changes from the status of `obj` as read to these conditions: call it once they are written."""
        for reason, message in transitions(obj.get("status", {}).get("conditions", []), conditions):
            self.record(obj, reason, message)

    def record(self, obj: Body, reason: EventReason, message: str) -> None:
        """Hand over one event about an object as read; never blocks, never raises for want of room or of an API server."""
        with contextlib.suppress(queue.Full):
            self._queue.put_nowait(Event(regarding(obj), "Warning" if reason.warning else "Normal", reason.value, message[:MESSAGE_LIMIT]))

    def close(self, timeout_seconds: float = 1.0) -> None:
        """Write what is pending, for at most this long."""
        with contextlib.suppress(queue.Full):
            self._queue.put(None, timeout=timeout_seconds)
        self._thread.join(timeout_seconds)

    def _write_all(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                self._writer.write(event)
            except KubeError as error:
                LOG.warning("an event could not be recorded: %s", error.message, extra={"reason": error.reason})
            except Exception:  # a bug in what one event says must not end the thread, and with it every later event, unseen
                LOG.exception("an event could not be recorded")


@dataclass
class EventWriter:
    """Writes, counts and limits; used by one thread only."""

    kubernetes: Kubernetes
    instance: str
    now: Callable[[], datetime.datetime]
    clock: Callable[[], float]
    _written: "collections.OrderedDict[tuple[str, str, str, str], Written]" = field(default_factory=collections.OrderedDict)
    _allowances: "collections.OrderedDict[tuple[str, str], Allowance]" = field(default_factory=collections.OrderedDict)
    _serial: "itertools.count[int]" = field(default_factory=lambda: itertools.count(time.time_ns()))

    def write(self, event: Event) -> None:
        """One Event created or counted; nothing when its object has said too much of this kind lately."""
        if not self._allowed((str(event.regarding["uid"]), event.reason)):
            return
        known = self._written.get(event.identity)
        written = self._counted(known) if known is not None else None
        self._remember(event, written if written is not None else self._created(event))

    def _allowed(self, told: tuple[str, str]) -> bool:
        allowance = self._allowances.setdefault(told, Allowance(filled_at=self.clock()))
        _keep_recent(self._allowances, told)
        return allowance.take(self.clock())

    def _remember(self, event: Event, written: Written) -> None:
        self._written[event.identity] = written
        _keep_recent(self._written, event.identity)

    def _created(self, event: Event) -> Written:
        # Events of cluster-scoped objects live in `default`, where `kubectl describe` looks for them.
        namespace = str(event.regarding.get("namespace", "default"))
        name = f"{str(event.regarding['name'])[:230]}.{next(self._serial):x}"
        self.kubernetes.call("POST", _path(namespace), body=self._body(event, namespace, name))
        return Written(name, namespace, 1, self.clock())

    def _body(self, event: Event, namespace: str, name: str) -> Body:
        moment = _moment(self.now())
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": dict(event.regarding),
            "type": event.type,
            "reason": event.reason,
            "message": event.message,
            "count": 1,
            "firstTimestamp": moment,
            "lastTimestamp": moment,
            "source": {"component": FIELD_MANAGER},
            "reportingComponent": FIELD_MANAGER,
            "reportingInstance": self.instance,
        }

    def _counted(self, known: Written) -> Written | None:
        """None when the Event expired meanwhile: it is told anew."""
        if self.clock() - known.last_seconds > COUNTED_FOR_SECONDS:
            return None
        patch = {"count": known.count + 1, "lastTimestamp": _moment(self.now())}
        try:
            self.kubernetes.call("PATCH", _path(known.namespace, known.name), body=patch, content_type=MERGE_PATCH)
        except KubeNotFound:
            return None
        return replace(known, count=known.count + 1, last_seconds=self.clock())


def _keep_recent(memory: "collections.OrderedDict[Any, Any]", key: Any) -> None:
    memory.move_to_end(key)
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)


def _path(namespace: str, name: str = "") -> str:
    path = f"/api/v1/namespaces/{quote(namespace, safe='')}/events"
    return f"{path}/{quote(name, safe='')}" if name else path


def _moment(moment: datetime.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
