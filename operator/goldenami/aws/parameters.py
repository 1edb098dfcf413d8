"""Aliases: the SSM parameters that carry our owner tag, listed for all owners of a place together.

DescribeParameters filters by tags and does not tell them. So one listing asks for up to fifty owners at once, and whose a parameter is gets
settled the first time it is seen, by one listing for its owner alone.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from goldenami.aws import translate
from goldenami.aws.calls import Calls
from goldenami.aws.dated import Dated
from goldenami.aws.errors import NotFound
from goldenami.aws.holding import paged
from goldenami.plan.identity import OWNER, Owner, owner_of
from goldenami.plan.values import Parameter, Past, Place

PAGE = 50
OWNERS_A_CALL = 50
NAMES_A_CALL = 10
SETTLE_SECONDS = 5.0
FORGET_SECONDS = 86_400.0
"""An owner that nobody asked for in a day has been deleted."""


@dataclass
class _Own:
    """One owner's parameters by name. `settled_at`: when they were last listed for this owner alone."""

    names: set[str] = field(default_factory=set)
    settled_at: float = -1.0
    asked_at: float = 0.0


@dataclass(frozen=True)
class _Write:
    """What we wrote last to one name, kept until a listing that began after it; None: deleted."""

    at: float
    parameter: Parameter | None


class Parameters:
    """Of one place. Safe to use from several threads."""

    def __init__(self, place: Place, calls: Calls, clock: Callable[[], float]) -> None:
        self._place = place
        self._calls = calls
        self._clock = clock
        self._lock = threading.Lock()
        self._owners: dict[str, _Own] = {}
        self._listed: dict[str, Parameter] = {}
        self._first_seen: dict[str, float] = {}
        self._writes: dict[str, _Write] = {}
        self._sent: dict[str, tuple[float, str]] = {}
        self._read = Dated(self._read_all, clock)

    def of(self, owner: Owner, not_older_than: float) -> tuple[Parameter, ...]:
        """Without values. Raises AwsError."""
        name = str(owner)
        with self._lock:
            known = self._owners.setdefault(name, _Own())
            known.asked_at = self._clock()
        if known.settled_at < 0:
            self._settle(name, known)
        if known.settled_at < not_older_than:
            self._read.get(not_older_than)
        if self._has_unsettled(known):
            self._settle(name, known)
        with self._lock:
            return tuple(self._listed[entry] for entry in sorted(known.names) if entry in self._listed)

    def values(self, names: Sequence[str]) -> Mapping[str, str]:
        """Present ones only. Raises AwsError."""
        found: dict[str, str] = {}
        for start in range(0, len(names), NAMES_A_CALL):
            found |= self._values(list(names[start : start + NAMES_A_CALL]))
        return found

    def _values(self, names: list[str]) -> dict[str, str]:
        answer = self._calls.ssm(self._place, "GetParameters", lambda ssm: ssm.get_parameters(Names=names), about=", ".join(names))
        return {row["Name"]: row["Value"] for row in answer["Parameters"]}

    def history(self, name: str) -> tuple[Past, ...]:
        """Oldest first. Raises AwsError."""
        rows = paged(
            lambda more: self._calls.ssm(
                self._place,
                "GetParameterHistory",
                lambda ssm: ssm.get_parameter_history(Name=name, MaxResults=PAGE, **more),
                about=name,
            ),
            "Parameters",
        )
        ordered = sorted(rows, key=lambda row: int(row["Version"]))
        return tuple(Past(str(row["Value"]), translate.epoch_seconds(row["LastModifiedDate"])) for row in ordered)

    def one(self, name: str) -> Parameter | None:
        """Anybody's, with its tags; None when there is none. Raises AwsError."""
        rows = self._list({"Key": "Name", "Option": "Equals", "Values": [name]})
        if not rows:
            return None
        try:
            answer = self._calls.ssm(
                self._place,
                "ListTagsForResource",
                lambda ssm: ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name),
                about=name,
            )
        except NotFound:
            return None
        return replace(rows[0], tags=translate.tags(answer.get("TagList")))

    def wrote(self, parameter: Parameter) -> None:
        """Our own write, with the tags it has now."""
        self._fold(parameter.name, parameter)

    def sent_value(self, name: str, value: str) -> None:
        """Our own write of a value, which SSM checks later."""
        with self._lock:
            self._sent[name] = (self._clock(), value)

    def settled(self, name: str) -> None:
        """It was read since, and found right: what is wrong from now on is somebody else's doing."""
        with self._lock:
            self._sent.pop(name, None)

    def sent(self, name: str) -> tuple[float, str] | None:
        """The last value that we sent, and when."""
        with self._lock:
            return self._sent.get(name)

    def deleted(self, name: str) -> None:
        with self._lock:
            self._sent.pop(name, None)
        self._fold(name, None)

    def known(self, name: str) -> Parameter | None:
        with self._lock:
            return self._listed.get(name)

    def _fold(self, name: str, parameter: Parameter | None) -> None:
        with self._lock:
            self._writes[name] = _Write(self._clock(), parameter)
            self._apply(name, parameter)

    def _apply(self, name: str, parameter: Parameter | None) -> None:
        owner = owner_of(parameter.tags) if parameter else None
        for other in self._owners.values():
            other.names.discard(name)
        if parameter is None or owner is None:
            self._listed.pop(name, None)
            return
        self._listed[name] = parameter
        self._owners.setdefault(str(owner), _Own()).names.add(name)

    def _has_unsettled(self, known: _Own) -> bool:
        """Whether a name that belongs to nobody yet has shown up since this owner was last listed alone."""
        with self._lock:
            claimed = {name for own in self._owners.values() for name in own.names}
            return any(self._first_seen.get(name, 0.0) > known.settled_at for name in self._listed.keys() - claimed)

    def _settle(self, owner: str, known: _Own) -> None:
        began = self._clock()
        rows = self._list({"Key": f"tag:{OWNER}", "Option": "Equals", "Values": [owner]})
        with self._lock:
            for row in rows:
                self._see(replace(row, tags={OWNER: owner}), began)
            names = {row.name for row in rows}
            for other in self._owners.values():
                other.names -= names
            known.names = names
            known.settled_at = began
            self._refold(began)

    def _read_all(self) -> None:
        began = self._clock()
        owners = self._asking(began)
        rows: list[Parameter] = []
        for start in range(0, len(owners), OWNERS_A_CALL):
            rows += self._list({"Key": f"tag:{OWNER}", "Option": "Equals", "Values": owners[start : start + OWNERS_A_CALL]})
        with self._lock:
            owner_of_name = {name: owner for owner, own in self._owners.items() for name in own.names}
            listed = {row.name for row in rows}
            for gone in self._listed.keys() - listed:
                del self._listed[gone]
                self._first_seen.pop(gone, None)
            for row in rows:
                owner = owner_of_name.get(row.name)
                self._see(replace(row, tags={OWNER: owner}) if owner else row, began)
            for own in self._owners.values():
                own.names &= listed
            self._refold(began)

    def _asking(self, now: float) -> list[str]:
        """Owners that somebody still asks for; deleted objects stop asking."""
        with self._lock:
            for owner in [owner for owner, own in self._owners.items() if now - own.asked_at > FORGET_SECONDS]:
                del self._owners[owner]
            return sorted(self._owners)

    def _see(self, parameter: Parameter, began: float) -> None:
        self._first_seen.setdefault(parameter.name, began)
        self._listed[parameter.name] = parameter

    def _refold(self, began: float) -> None:
        """A listing that began before a write, or hardly after it, does not undo it."""
        for name, write in list(self._writes.items()):
            if began > write.at + SETTLE_SECONDS:
                del self._writes[name]
            else:
                self._apply(name, write.parameter)

    def _list(self, by: dict[str, Any]) -> list[Parameter]:
        rows = paged(
            lambda more: self._calls.ssm(
                self._place,
                "DescribeParameters",
                lambda ssm: ssm.describe_parameters(ParameterFilters=[by], MaxResults=PAGE, **more),  # type: ignore[list-item]
            ),
            "Parameters",
        )
        return [translate.parameter(row) for row in rows]
