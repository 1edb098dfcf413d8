"""The control client: what tests, the demo and benchmarks say to a running local AWS besides AWS's own API."""

import http.client
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

TIMEOUT_SECONDS = 90.0


class LabError(Exception):
    """The control path refused a call; the message says what is allowed."""


@dataclass(frozen=True)
class AuditedCall:
    """One recorded call. `ids` are the EC2 ids in the answer; `answer` holds the plain members of a short one."""

    sequence: int
    at: float  # epoch seconds of the lab's clock
    service: str
    operation: str
    account: str
    region: str
    arguments: Mapping[str, Any]
    mutating: bool
    outcome: str  # answered, refused, throttled, lost (effect done, answer not delivered), dropped (no effect, no answer), held, running
    effect: bool  # the call reached the service
    status: int
    code: str
    duration_seconds: float
    ids: Sequence[str]
    answer: Mapping[str, Any]

    @property
    def name(self) -> str:
        return f"{self.service}.{self.operation}"


@dataclass(frozen=True)
class HeldCall:
    id: int
    when: str  # before, after
    call: AuditedCall


class LabControl:
    """Talks to `/_lab/…` of one server. A connection per call: control calls are few, and a held test must not share one."""

    def __init__(self, endpoint_url: str) -> None:
        parts = urlsplit(endpoint_url)
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._changing = threading.Lock()

    def healthy(self) -> bool:
        """Whether the server answers."""
        try:
            return bool(self._call("GET", "health")["ready"])
        except OSError:
            return False

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Changes the named settings (see `goldenami.local.aws.lab.Settings`) and returns all of them."""
        with self._changing:
            return dict(self._call("PUT", "settings", changes) if changes else self._call("GET", "settings"))

    def now(self) -> float:
        """Epoch seconds of the lab's clock."""
        return float(self._call("GET", "clock")["now"])

    def advance(self, seconds: float) -> float:
        """Moves the lab's clock forward and returns its time."""
        return float(self._call("POST", "clock/advance", {"seconds": seconds})["now"])

    def rescale(self, scale: float) -> None:
        """1 is real time, 60 a minute per second, 0 a clock that only `advance` moves."""
        self._call("PUT", "clock", {"scale": scale})

    def add_fault(self, form: str, **fields: Any) -> int:
        """Orders a fault (fields: see `goldenami.local.aws.faults.Fault`) and returns its id."""
        return int(self._call("POST", "faults", {"form": form, **fields})["id"])

    def faults(self) -> list[dict[str, Any]]:
        """The faults in force, with how often each matched and struck."""
        return list(self._call("GET", "faults"))

    def remove_fault(self, fault_id: int) -> None:
        self._call("DELETE", f"faults/{fault_id}")

    def clear_faults(self) -> None:
        self._call("DELETE", "faults")

    def audit_calls(self, **filters: Any) -> list[AuditedCall]:
        """The recorded calls, oldest first.

        Filters: operation (wildcards; `ec2.Copy*`), service, account, region, outcome, code, id, mutating, since (a sequence number).
        """
        return [AuditedCall(**each) for each in self._call("GET", "audit", query=_query(filters))]

    def audit_counts(self, **filters: Any) -> dict[str, int]:
        """How many calls of each service.operation, by the same filters."""
        return dict(self._call("GET", "audit/counts", query=_query(filters)))

    def clear_audit(self) -> None:
        self._call("DELETE", "audit")

    def held(self, *, wait_seconds: float = 0.0) -> list[HeldCall]:
        """The calls being held; waits for the first up to so many seconds."""
        answer = self._call("GET", "held", query={"wait_seconds": str(wait_seconds)})
        return [HeldCall(each["id"], each["when"], AuditedCall(**each["call"])) for each in answer]

    def release(self, held_id: int) -> None:
        """Lets a held call go on as if nothing had been."""
        self._call("POST", f"held/{held_id}/release")

    def drop(self, held_id: int) -> None:
        """Ends a held call without an answer; one held before its effect has none."""
        self._call("POST", f"held/{held_id}/drop")

    def reset_account(self, account: str) -> None:
        """Forgets all resources and token buckets of one account."""
        self._call("POST", f"accounts/{account}/reset")

    def reset(self) -> None:
        """Forgets all resources, buckets, faults and recorded calls, and drops what is held. Settings and clock stay."""
        self._call("POST", "reset")

    def enrol(self, account: str, *, management_account: str, unit_path: str = "") -> frozenset[str]:
        """Makes an account a member of an organization and its units; returns the ARNs it belongs to."""
        body = {"management_account": management_account, "unit_path": unit_path}
        return frozenset(self._call("POST", f"accounts/{account}/enrol", body))

    def memberships(self, account: str) -> frozenset[str]:
        """The ARNs of the organization and units an account belongs to."""
        return frozenset(self._call("GET", f"accounts/{account}/memberships"))

    def seed(self, **what: Any) -> dict[str, Any]:
        """Sows the demo's starting point (see `goldenami.local.aws.seed.sow`) and returns its ids."""
        return dict(self._call("POST", "seed", what))

    def seed_one(self, kind: str, account: str, region: str, **fields: Any) -> dict[str, Any]:
        """Makes one `image`, `snapshot`, `instance` or `recipe` with any trait and returns its ids: see `ec2.seed.seed`."""
        return dict(self._call("POST", f"accounts/{account}/{region}/seed/{kind}", fields))

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None, query: Mapping[str, str] | None = None) -> Any:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_SECONDS)
        try:
            target = f"/_lab/{path}" + (f"?{urlencode(query)}" if query else "")
            connection.request(method, target, json.dumps(body or {}), {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status >= 400:
            raise LabError(answer["error"])
        return answer


def _query(filters: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in filters.items() if value is not None}
