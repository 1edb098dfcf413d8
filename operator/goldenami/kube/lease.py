"""Active and standby by a `coordination.k8s.io/v1` Lease, by client-go's rules, with release at the end.

The holder renews every 2 s and has lost the Lease once it could not for 10 s, by the clock, whatever its requests are waiting for; others
may take it 15 s after the last renewal they saw.
A standby asks twice a second, so that a release is taken up at once, and a renewal is not dated much later than it was made.
Clocks of different machines are never compared: everybody measures by its own how long the record has not changed.
"""

import datetime
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from goldenami.kube.client import Body, Kubernetes
from goldenami.kube.errors import KubeConflict, KubeError, KubeNotFound, KubeUnavailable

LOG = logging.getLogger(__name__)

NOT_IN_TIME = "it could not be renewed in time"


@dataclass(frozen=True)
class LeaseTiming:
    """Seconds; client-go's defaults, but that a standby asks more often than a holder renews."""

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0
    standby: float = 0.5


@dataclass(frozen=True)
class Sighting:
    """A Lease as read or written, and when (own monotonic clock) its record was first seen like this."""

    lease: Body
    since: float

    @property
    def holder(self) -> str:
        """Empty when released."""
        return str(self.lease["spec"].get("holderIdentity") or "")


class LeaseElection:
    """One candidate. `acquire`, then `keep` in the background, then `release`; not for use by several threads at once."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        *,
        namespace: str,
        name: str,
        identity: str,
        timing: LeaseTiming | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: random.Random | None = None,
    ) -> None:
        self._kubernetes = kubernetes.asking_once()
        self._collection = f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace, safe='')}/leases"
        self._path = f"{self._collection}/{quote(name, safe='')}"
        self._metadata = {"name": name, "namespace": namespace}
        self._identity = identity
        self._timing = timing if timing is not None else LeaseTiming()
        self._clock = clock
        self._chance = chance if chance is not None else random.Random()  # noqa: S311 -- jitter, nothing secret
        self._sighting: Sighting | None = None
        self._renewed_at = -float("inf")
        self._trouble = ""
        self._ending = threading.Event()
        self._given_up = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def held(self) -> bool:
        """Whether the last thing known is that we hold it, recently enough to act on it."""
        mine = self._sighting is not None and self._sighting.holder == self._identity
        return mine and self._clock() - self._renewed_at < self._timing.renew_deadline

    def acquire(self, stopping: threading.Event) -> bool:
        """Block until the Lease is ours (True) or `stopping` is set (False)."""
        told = ""
        while not stopping.is_set():
            try:
                if self._take_or_renew():
                    LOG.info("the Lease is ours: active")
                    return True
                news = f"standing by: {self._sighting.holder} holds the Lease" if self._sighting is not None else "standing by"
            except KubeError as error:
                news = f"standing by, the Lease cannot be read or written: {error.message}"
            if news != told:
                LOG.info(news)
                told = news
            stopping.wait(self._pause_as_standby())
        return False

    def keep(self, lost: Callable[[str], None]) -> None:
        """Renew in a thread of its own from now on; `lost` is called there, or in the one that watches the clock, and must end the process.

        It is called once. The clock has its own thread because a request may take longer than its timeout, which counts from one piece of
        an answer to the next and not while a name is looked up.
        """
        self._thread = threading.Thread(target=self._renew_until_lost, args=(lost,), name="lease", daemon=True)
        self._thread.start()
        threading.Thread(target=self._watch_the_clock, args=(lost,), name="lease-deadline", daemon=True).start()

    def release(self) -> None:
        """Stop renewing and let the next one in at once, if the Lease is still ours. Never raises."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join(self._timing.renew_deadline)
        if self._sighting is None or self._sighting.holder != self._identity:
            return
        try:
            # A duration of 1 s, because 0 is invalid; the empty holder is what counts.
            self._write(self._record(holder="", duration_seconds=1, transition=False))
        except KubeError as error:
            LOG.warning("the Lease could not be released and will expire: %s", error.message)

    def _renew_until_lost(self, lost: Callable[[str], None]) -> None:
        while not self._ending.wait(self._timing.retry):
            problem = self._renewal_problem()
            if self._ending.is_set():
                return
            if problem is not None:
                self._give_up(lost, problem)
                return

    def _watch_the_clock(self, lost: Callable[[str], None]) -> None:
        while not self._ending.wait(max(0.0, self._remaining())):
            if self._remaining() <= 0:
                self._give_up(lost, self._trouble or NOT_IN_TIME)
                return

    def _remaining(self) -> float:
        """Seconds until it is lost, unless it is renewed before."""
        return self._renewed_at + self._timing.renew_deadline - self._clock()

    def _give_up(self, lost: Callable[[str], None], problem: str) -> None:
        if self._given_up.acquire(blocking=False):
            lost(problem)

    def _renewal_problem(self) -> str | None:
        """None while the Lease is ours; else why it is not."""
        self._trouble = ""
        try:
            if self._take_or_renew():
                return None
            if self._sighting is not None and self._sighting.holder not in ("", self._identity):
                return f"{self._sighting.holder} holds it now"
        except KubeError as error:
            self._trouble = error.message
        return (self._trouble or NOT_IN_TIME) if self._remaining() <= 0 else None

    def _pause_as_standby(self) -> float:
        # Jitter keeps two standbys from colliding each time; waking right when the holder's time is over saves up to a whole pause.
        pause = min(self._timing.standby, self._timing.retry) * (1.0 + 0.2 * self._chance.random())
        if self._sighting is None or not self._sighting.holder:
            return pause
        remaining = self._sighting.since + self._timing.duration - self._clock()
        return min(pause, max(0.05, remaining))

    def _take_or_renew(self) -> bool:
        started = self._clock()
        taken = self._try_write()
        if taken is None:
            taken = self._try_write()
        if taken:
            self._renewed_at = started
        return bool(taken)

    def _try_write(self) -> bool | None:
        """True when the record now names us. False when another one's time is not over. None when the record was not as remembered.

        Then it has been read anew, and one more try tells: it may have been deleted or edited by hand, which is no reason to end.
        """
        try:
            if self._sighting is None or self._sighting.holder != self._identity:
                self._look()
            if self._sighting is None:
                self._remember(self._create())
                return True
            if not self._free_or_ours(self._sighting):
                return False
            self._write(self._record(self._identity, int(self._timing.duration), transition=self._sighting.holder != self._identity))
        except (KubeConflict, KubeNotFound):
            self._look()
            return None
        return True

    def _free_or_ours(self, sighting: Sighting) -> bool:
        return sighting.holder in ("", self._identity) or self._clock() - sighting.since >= self._timing.duration

    def _look(self) -> None:
        try:
            self._remember(self._call("GET", self._path))
        except KubeNotFound:
            self._sighting = None

    def _remember(self, lease: Body) -> None:
        version = lease["metadata"]["resourceVersion"]
        if self._sighting is None or self._sighting.lease["metadata"]["resourceVersion"] != version:
            self._sighting = Sighting(lease, self._clock())

    def _create(self) -> Body:
        record = self._record(self._identity, int(self._timing.duration), transition=False)
        return self._call("POST", self._collection, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **record})

    def _write(self, record: Body) -> None:
        # The resourceVersion in the record makes this a compare-and-swap.
        self._remember(self._call("PUT", self._path, {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", **record}))

    def _record(self, holder: str, duration_seconds: int, *, transition: bool) -> Body:
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        before: Body = self._sighting.lease if self._sighting is not None else {"metadata": self._metadata, "spec": {}}
        spec: Body = before["spec"]
        taken = self._identity != spec.get("holderIdentity")
        return {
            "metadata": before["metadata"],
            "spec": {
                "holderIdentity": holder,
                "leaseDurationSeconds": max(1, duration_seconds),
                "acquireTime": now if taken else spec.get("acquireTime", now),
                "renewTime": now,
                "leaseTransitions": spec.get("leaseTransitions", 0) + (1 if transition else 0),
            },
        }

    def _call(self, method: str, path: str, body: Body | None = None) -> Body:
        # One that gets no answer leaves time for another.
        answer = self._kubernetes.call(method, path, body=body, timeout_seconds=self._timing.renew_deadline / 3)
        if "metadata" not in answer:
            raise KubeUnavailable("Unavailable", "the Kubernetes API server's answer is no Lease: is there a proxy in between?")
        return answer
