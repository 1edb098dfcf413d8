"""Calls spread over time: our share of AWS's token buckets, one per account, region and action.

AWS refills every action's bucket on its own (Amazon EC2 API reference, "Request throttling"). Half of it is ours, the rest belongs to the
account's other tools. Knows nothing of boto3; the clock and the sleep are passed in.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from goldenami.aws.errors import throttled_by_ourselves
from goldenami.plan.values import Place


@dataclass(frozen=True)
class Limit:
    """Tokens a full bucket holds, and tokens that come back each second."""

    burst: float
    per_second: float

    def share(self, part: float) -> "Limit":
        return Limit(max(1.0, self.burst * part), self.per_second * part)


READ = Limit(100, 20)
WRITE = Limit(50, 5)
_COMMON_WRITE = Limit(100, 5)
_SSM = Limit(40, 40)
_UNPUBLISHED = Limit(20, 10)

# EC2's published defaults; actions that are not named here follow READ or WRITE by their first word.
LIMITS: Mapping[str, Limit] = {
    "ec2.CopyImage": Limit(100, 1),
    "ec2.ModifyImageAttribute": _COMMON_WRITE,
    "ec2.ModifySnapshotAttribute": _COMMON_WRITE,
    "ec2.DeregisterImage": _COMMON_WRITE,
    "ec2.DeleteSnapshot": _COMMON_WRITE,
    "ec2.CreateTags": Limit(100, 10),
    "ec2.DeleteTags": Limit(100, 10),
    # Parameter Store shares 40 calls a second between the reads; the writes are set lower than any figure AWS has published.
    "ssm.GetParameters": _SSM,
    "ssm.PutParameter": Limit(10, 5),
    "ssm.DeleteParameter": Limit(10, 5),
    "ssm.AddTagsToResource": Limit(10, 5),
    "ssm.RemoveTagsFromResource": Limit(10, 5),
    # KMS: 50 grants a second; listings 100.
    "kms.CreateGrant": Limit(50, 50),
    "kms.RevokeGrant": Limit(30, 30),
    "kms.ListGrants": Limit(100, 100),
    # Neither service publishes its figures.
    "autoscaling.DescribeAutoScalingGroups": _UNPUBLISHED,
    "autoscaling.DescribeLaunchConfigurations": _UNPUBLISHED,
    "imagebuilder.ListImageRecipes": _UNPUBLISHED,
    "imagebuilder.ListContainerRecipes": _UNPUBLISHED,
}
_READS = ("Describe", "Get", "List")


def limit_of(action: str) -> Limit:
    """AWS's bucket for `service.Operation`."""
    return LIMITS.get(action) or (READ if action.partition(".")[2].startswith(_READS) else WRITE)


class Bucket:
    """Tokens on a clock that is told, never asked. Not safe for threads by itself.

    A throttle answer empties it and halves its refill; every `RECOVERY_SECONDS` without one doubles the refill again.
    """

    RECOVERY_SECONDS = 30.0
    SLOWEST = 1 / 16

    def __init__(self, limit: Limit, now: float) -> None:
        self._limit = limit
        self._tokens = limit.burst
        self._filled_at = now
        self._pace = 1.0
        self._slowed_at = now
        self._promised_at = now

    def take(self, now: float, patience_seconds: float) -> float | None:
        """Takes a token, possibly one that is still to come: the seconds to wait for it. None when that is longer than the patience."""
        self._fill(now)
        wait = max(0.0, (1.0 - self._tokens) / self._per_second)
        if wait > patience_seconds:
            return None
        self._tokens -= 1.0
        return wait

    def promise(self, now: float) -> float:
        """Seconds after which to come back. Each caller gets a later moment, so that a crowd returns one by one and finds a token each."""
        self._fill(now)
        soonest = now + max(0.0, (1.0 - self._tokens) / self._per_second)
        self._promised_at = max(self._promised_at + 1.0 / self._per_second, soonest)
        return self._promised_at - now

    def slow_down(self, now: float) -> None:
        self._fill(now)
        self._tokens = min(self._tokens, 0.0)
        # Answers to calls that were already under way arrive together: they are one lesson.
        if self._pace == 1.0 or now - self._slowed_at >= 1.0:
            self._pace = max(self.SLOWEST, self._pace / 2)
        self._slowed_at = now

    @property
    def _per_second(self) -> float:
        return self._limit.per_second * self._pace

    def _fill(self, now: float) -> None:
        if self._pace < 1.0 and now - self._slowed_at >= self.RECOVERY_SECONDS:
            self._pace, self._slowed_at = min(1.0, self._pace * 2), now
        self._tokens = min(self._limit.burst, self._tokens + max(0.0, now - self._filled_at) * self._per_second)
        self._filled_at = max(now, self._filled_at)


class Pacer:
    """The buckets of this process. `acquire` sleeps in the calling worker thread, for at most `patience_seconds`."""

    def __init__(
        self,
        *,
        share: float = 0.5,
        patience_seconds: float = 2.0,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        limits: Callable[[str], Limit] = limit_of,
    ) -> None:
        self._share = share
        self._patience_seconds = patience_seconds
        self._monotonic = monotonic
        self._sleep = sleep
        self._limits = limits
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str, str], Bucket] = {}

    def acquire(self, place: Place, action: str) -> None:
        """`action` is `service.Operation`. Raises Throttled with `retry_after_seconds` when the turn is further away than the patience."""
        with self._lock:
            now = self._monotonic()
            bucket = self._bucket(place, action, now)
            wait = bucket.take(now, self._patience_seconds)
            later = bucket.promise(now) if wait is None else 0.0
        if wait is None:
            raise throttled_by_ourselves(place, action.partition(".")[2], later)
        if wait > 0:
            self._sleep(wait)

    def throttled(self, place: Place, action: str) -> None:
        """AWS said that this was too much."""
        with self._lock:
            now = self._monotonic()
            self._bucket(place, action, now).slow_down(now)

    def _bucket(self, place: Place, action: str, now: float) -> Bucket:
        # By account id and not by name: AWS counts the account, whatever roles lead there.
        key = (place.account.account_id, place.region, action)
        if key not in self._buckets:
            self._buckets[key] = Bucket(self._limits(action).share(self._share), now)
        return self._buckets[key]
