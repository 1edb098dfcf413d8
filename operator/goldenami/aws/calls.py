"""The one way a call takes to AWS: breaker, pacing, client, types of errors, counters."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from botocore.exceptions import ConnectionClosedError

from goldenami.aws import metrics
from goldenami.aws.dated import Dated
from goldenami.aws.errors import (
    AwsError,
    Throttled,
    Unreachable,
    failure_of_breaker,
    looked_after_by_others,
    region_not_enabled,
    typed_errors,
)
from goldenami.aws.pacing import Pacer
from goldenami.aws.sessions import Sessions, is_about_credentials
from goldenami.plan.values import Account, Place

if TYPE_CHECKING:
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_ssm import SSMClient

T = TypeVar("T")
OPT_IN_SECONDS = 600.0
RENEW_SECONDS = 60.0


@dataclass
class _Silence:
    """Of one place: calls without an answer in a row, and when the next may try."""

    failures: int = 0
    pause_seconds: float = 0.0
    until: float = 0.0


class Breaker:
    """Spares a place that does not answer: after three calls in a row, others fail at once, for 1 s doubling to 30 s.

    Without it every object would hold a worker for the connect timeout of a dead region, and the others would wait for a thread.
    """

    FAILURES = 3
    FIRST_SECONDS = 1.0
    LONGEST_SECONDS = 30.0

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._silent: dict[tuple[str, str, str], _Silence] = {}

    def check(self, place: Place, service: str) -> float:
        """Seconds until somebody may try; 0 lets this caller try, and the next one a pause later."""
        with self._lock:
            silence = self._silent.get(self._key(place, service))
            if silence is None or not silence.pause_seconds:
                return 0.0
            now = self._monotonic()
            if now < silence.until:
                return silence.until - now
            silence.until = now + silence.pause_seconds
            return 0.0

    def failed(self, place: Place, service: str) -> None:
        with self._lock:
            silence = self._silent.setdefault(self._key(place, service), _Silence())
            silence.failures += 1
            if silence.failures >= self.FAILURES:
                silence.pause_seconds = min(self.LONGEST_SECONDS, silence.pause_seconds * 2 or self.FIRST_SECONDS)
                silence.until = self._monotonic() + silence.pause_seconds

    def answered(self, place: Place, service: str) -> None:
        if self._silent:
            with self._lock:
                self._silent.pop(self._key(place, service), None)

    @staticmethod
    def _key(place: Place, service: str) -> tuple[str, str, str]:
        return (place.account.account_id, place.region, service)


class Calls:
    """Typed clients behind one gate. `ask` gets the client and makes exactly one call; `about` names the resource for messages."""

    def __init__(
        self, sessions: Sessions, pacer: Pacer, *, clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.sessions = sessions
        self._pacer = pacer
        self._clock = clock
        self._monotonic = monotonic
        self._breaker = Breaker(monotonic)
        self._lock = threading.Lock()
        self._opt_in: dict[Account, Dated[frozenset[str]]] = {}
        self._renewed: dict[str, float] = {}

    def ec2(self, place: Place, operation: str, ask: "Callable[[EC2Client], T]", *, about: str = "") -> T:
        return self._call(place, "ec2", operation, ask, about)

    def ssm(self, place: Place, operation: str, ask: "Callable[[SSMClient], T]", *, about: str = "") -> T:
        return self._call(place, "ssm", operation, ask, about)

    def kms(self, place: Place, operation: str, ask: "Callable[[KMSClient], T]", *, about: str = "") -> T:
        return self._call(place, "kms", operation, ask, about)

    def autoscaling(self, place: Place, operation: str, ask: Callable[[Any], T], *, about: str = "") -> T:
        return self._call(place, "autoscaling", operation, ask, about)

    def imagebuilder(self, place: Place, operation: str, ask: Callable[[Any], T], *, about: str = "") -> T:
        return self._call(place, "imagebuilder", operation, ask, about)

    def closed_regions(self, account: Account, not_older_than: float | None = None) -> frozenset[str]:
        """Regions this account has not opted in to; read every ten minutes at most, unless asked for anew."""
        with self._lock:
            dated = self._opt_in.setdefault(account, Dated(lambda: self._read_closed(account), self._clock))
        return dated.get(self._clock() - OPT_IN_SECONDS if not_older_than is None else not_older_than)

    def _read_closed(self, account: Account) -> frozenset[str]:
        home = self.sessions.home(account)
        answer = self._once(home, "ec2", "DescribeRegions", lambda ec2: ec2.describe_regions(AllRegions=True), "")
        return frozenset(region["RegionName"] for region in answer["Regions"] if region.get("OptInStatus") == "not-opted-in")

    def _call(self, place: Place, service: str, operation: str, ask: Callable[[Any], T], about: str) -> T:
        try:
            return self._once(place, service, operation, ask, about)
        except AwsError as error:
            if not is_about_credentials(error):
                raise
            # A region that is not enabled answers exactly as bad credentials do.
            if error.code == "AuthFailure" and self._is_closed(place):
                raise region_not_enabled(place, operation) from error
            # So do resources that others look after, as the images of AWS Backup.
            if error.code == "AuthFailure" and about and self.sessions.is_accepted(place.account):
                raise looked_after_by_others(place, operation, about) from error
            if not self._renew(place.account.name):
                raise
        return self._once(place, service, operation, ask, about)

    def _is_closed(self, place: Place) -> bool:
        try:
            return place.region in self.closed_regions(place.account)
        except AwsError:
            return False

    def _renew(self, name: str) -> bool:
        """Loads credentials again, at most once a minute: whether that was done."""
        with self._lock:
            if self._monotonic() - self._renewed.get(name, -RENEW_SECONDS) < RENEW_SECONDS:
                return False
            self._renewed[name] = self._monotonic()
        self.sessions.renew(name)
        return True

    def _once(self, place: Place, service: str, operation: str, ask: Callable[[Any], T], about: str) -> T:
        if wait := self._breaker.check(place, service):
            raise failure_of_breaker(place, operation, wait)
        self._acquire(place, service, operation)
        try:
            answer = self._timed(place, service, operation, ask, about)
        except Throttled:
            metrics.THROTTLES.labels(service, operation, place.region).inc()
            self._pacer.throttled(place, f"{service}.{operation}")
            raise
        except Unreachable as error:
            # A code is an answer: the region lives, whatever is wrong with it.
            (self._breaker.answered if error.code else self._breaker.failed)(place, service)
            raise
        except AwsError:
            self._breaker.answered(place, service)
            raise
        self._breaker.answered(place, service)
        return answer

    def _acquire(self, place: Place, service: str, operation: str) -> None:
        try:
            self._pacer.acquire(place, f"{service}.{operation}")
        except Throttled:
            metrics.PACED.labels(service, operation, place.region).inc()
            raise

    def _timed(self, place: Place, service: str, operation: str, ask: Callable[[Any], T], about: str) -> T:
        began = self._monotonic()
        code = "Bug"
        try:
            with typed_errors(operation, place, about):
                answer = self._ask(self.sessions.client(place, service), operation, ask)
            code = "OK"
            return answer
        except AwsError as error:
            code = error.code or "NoAnswer"
            raise
        finally:
            metrics.CALLS.labels(service, operation, code).inc()
            metrics.SECONDS.labels(service, operation).observe(self._monotonic() - began)

    @staticmethod
    def _ask(client: Any, operation: str, ask: Callable[[Any], T]) -> T:
        try:
            return ask(client)
        except ConnectionClosedError:
            # A kept connection that the other side has closed. Reads may simply be asked again; a write may have been carried out.
            if not operation.startswith(("Describe", "Get", "List")):
                raise
        return ask(client)
