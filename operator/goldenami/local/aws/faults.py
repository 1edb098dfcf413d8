"""Faults to order: which calls go wrong, when, and how.

A fault strikes calls that match all its fields, from the n-th match on, as many times as it says. It decides; the shell carries it out.
"""

import threading
from dataclasses import asdict, dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Literal

from goldenami.local.aws.calls import Call

Form = Literal["refuse", "lose", "slow", "region_down", "credentials_expired", "hold", "bug"]
FORMS: tuple[Form, ...] = ("refuse", "lose", "slow", "region_down", "credentials_expired", "hold", "bug")
# These describe a condition, which lasts until it is lifted; the others strike once unless told otherwise.
LASTING: tuple[Form, ...] = ("slow", "region_down", "credentials_expired")

_STATUS = {
    **dict.fromkeys(("RequestLimitExceeded", "ServiceUnavailable", "Unavailable", "SlowDown", "InsufficientInstanceCapacity"), 503),
    **dict.fromkeys(("InternalError", "InternalFailure", "InternalServerError"), 500),
    **dict.fromkeys(("UnauthorizedOperation", "AccessDenied"), 403),
    "AuthFailure": 401,
}


@dataclass(kw_only=True)
class Fault:
    """One rule. `operation` may hold wildcards and a service: `CopyImage`, `ec2.Copy*`, `*`."""

    form: Form
    operation: str = "*"
    account: str = "*"
    region: str = "*"
    resource: str = ""  # text that an argument must contain
    writes_only: bool = False  # only calls that mean to change something
    nth: int = 1  # the first match that is struck, counted from 1
    times: int | None = None  # how many are struck; None: one, or all for a lasting form
    code: str = "InternalError"  # refuse
    message: str = "An injected fault refused this call."
    status: int = 0  # 0: what AWS sends with such a code
    seconds: float = 0.0  # slow: real time
    answer: Literal["drop", "error"] = "drop"  # lose, region_down: connection closed, or a 500/503
    when: Literal["before", "after"] = "before"  # hold: before or after the effect
    id: int = 0
    matched: int = 0
    struck: int = 0

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ValueError(f"a fault's form is one of {', '.join(FORMS)}: {self.form!r} was given")
        if self.answer not in {"drop", "error"} or self.when not in {"before", "after"}:
            raise ValueError("a fault's `answer` is drop or error, and its `when` is before or after")
        if self.nth < 1:
            raise ValueError(f"`nth` counts from 1: {self.nth} was given")

    @property
    def http_status(self) -> int:
        """503 and 500 for the codes that mean AWS's side, 400 for the others."""
        return self.status or _STATUS.get(self.code, 400)

    def matches(self, call: Call) -> bool:
        name = call.name if "." in self.operation else call.operation
        return (
            fnmatchcase(name, self.operation)
            and fnmatchcase(call.account, self.account)
            and fnmatchcase(call.region, self.region)
            and (call.mutating or not self.writes_only)
            and (not self.resource or call.mentions(self.resource))
        )

    def strikes(self, call: Call) -> bool:
        """Counts the call where it matches, and says whether it is struck."""
        if not self.matches(call):
            return False
        self.matched += 1
        limit = self.times if self.times is not None else (None if self.form in LASTING else 1)
        if self.matched < self.nth or (limit is not None and self.struck >= limit):
            return False
        self.struck += 1
        return True


@dataclass
class Faults:
    """The rules in force, oldest first. Safe to use from several threads."""

    _rules: list[Fault] = field(default_factory=list)
    _last_id: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, fault: Fault) -> Fault:
        with self._lock:
            self._last_id += 1
            fault.id = self._last_id
            self._rules.append(fault)
            return fault

    def remove(self, fault_id: int | None = None) -> int:
        """Removes one, or all; returns how many are gone."""
        with self._lock:
            kept = [rule for rule in self._rules if fault_id is not None and rule.id != fault_id]
            removed = len(self._rules) - len(kept)
            self._rules = kept
            return removed

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(rule) for rule in self._rules]

    def struck_by(self, call: Call, *, region_down: bool) -> list[Fault]:
        """The rules that strike this call.

        An unreachable region is asked about apart, and first: its calls reach neither the buckets nor the other faults.
        """
        with self._lock:
            if not self._rules:
                return []
            return [rule for rule in self._rules if (rule.form == "region_down") == region_down and rule.strikes(call)]
