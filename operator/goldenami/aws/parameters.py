"""Aliases: the SSM parameters that carry our owner tag, listed for all owners of a place together.

DescribeParameters filters by tags and does not tell them. So one listing asks for up to fifty owners at once; whose a parameter is gets
settled when it is first seen (`goldenami.aws.attribution`).
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from goldenami.aws import attribution, translate
from goldenami.aws.calls import Calls
from goldenami.aws.dated import Dated
from goldenami.aws.errors import FixTheAccess, FixTheSpec, NotFound
from goldenami.aws.holding import paged
from goldenami.aws.marks import Marks
from goldenami.plan.identity import OWNER, Owner, owner_of
from goldenami.plan.values import Parameter, Past, Place

PAGE = 50
NAMES_A_CALL = 10
SETTLE_SECONDS = 5.0
FORGET_SECONDS = 86_400.0
"""An owner that nobody asked for in a day has been deleted."""


@dataclass
class _Own:
    """One owner's parameters by name. `listed_at`: as of when they are known."""

    names: set[str] = field(default_factory=set)
    listed_at: float = -1.0
    asked_at: float = 0.0


@dataclass(frozen=True)
class _Write:
    """What we wrote last to one name, kept until a listing that began after it; None: deleted."""

    at: float
    parameter: Parameter | None


class Parameters:
    """Of one place. Safe to use from several threads.

    `expected`: owners that will ask here, as far as that is known; they are part of the first listing, so that a process that has just
    started lists once for all of them.
    """

    def __init__(
        self, place: Place, calls: Calls, clock: Callable[[], float], expected: Callable[[], Iterable[Owner]] = lambda: ()
    ) -> None:
        self._place = place
        self._calls = calls
        self._clock = clock
        self._expected = expected
        self._lock = threading.Lock()
        self._owners: dict[str, _Own] = {}
        self._listed: dict[str, Parameter] = {}
        self._holders: dict[str, str] = {}
        """The owner of each name, as far as it is known."""
        self._writes: dict[str, _Write] = {}
        self._sent: dict[str, tuple[float, str]] = {}
        self._neighbours: dict[str, tuple[int, str]] = {}
        """Version and value of what was read along with others, until somebody asks."""
        self._valued: set[str] = set()
        """Names whose value was read once."""
        self._read = Dated(self._read_all, clock)
        self.marks = Marks(lambda keys, owners: [row.name for row in self._list(*(_tagged(key, owners) for key in keys))])

    def of(self, owner: Owner, not_older_than: float) -> tuple[Parameter, ...]:
        """Without values. Raises AwsError."""
        with self._lock:
            known = self._owners.setdefault(str(owner), _Own())
            known.asked_at = self._clock()
        if known.listed_at < not_older_than:
            self._read.get(not_older_than)
        if known.listed_at < not_older_than:
            # The listing of all is young enough, and began before anybody asked for this owner.
            self._list_alone(str(owner), known)
        with self._lock:
            return tuple(self._listed[entry] for entry in sorted(known.names) if entry in self._listed)

    def begins(self, owner: Owner, at: float) -> None:
        """Nothing of this owner was known anywhere at that moment, so there is nothing to list before the next resync.

        What is there all the same is not overwritten: creating it is refused, and then it is looked up.
        """
        with self._lock:
            known = self._owners.setdefault(str(owner), _Own())
            known.asked_at = self._clock()
            if known.listed_at < 0:
                known.listed_at = at

    def marked(self, owner: Owner, names: Collection[str]) -> frozenset[str]:
        """Those of the owner's names that carry the mark of a release, too. Raises AwsError."""
        with self._lock:
            others = sorted(self._owners)
        return self.marks.among(names, str(owner), others)

    def values(self, names: Sequence[str]) -> Mapping[str, str]:
        """Present ones only. What a call has room for is filled with others that somebody will ask for. Raises AwsError."""
        found = self._told_before(names)
        wanted = [name for name in names if name not in found]
        for start in range(0, len(wanted), NAMES_A_CALL):
            found |= self._values(wanted[start : start + NAMES_A_CALL])
        return found

    def _told_before(self, names: Sequence[str]) -> dict[str, str]:
        """What was read along with others, of the version that is listed; told once, for whoever asks again wants it anew."""
        with self._lock:
            near = {name: self._neighbours.pop(name) for name in names if name in self._neighbours}
            listed = {name: self._listed[name].version for name in near if name in self._listed}
        return {name: value for name, (version, value) in near.items() if listed.get(name) == version}

    def _values(self, names: list[str]) -> dict[str, str]:
        others = self._unvalued(NAMES_A_CALL - len(names), names)
        try:
            rows = self._values_of([*names, *others])
        except (FixTheAccess, FixTheSpec):
            if not others:
                raise
            # One of the others may be what is refused, and that is its owner's trouble alone.
            rows = self._values_of(names)
        with self._lock:
            self._valued.update(names, others)
            self._neighbours |= {name: told for name, told in rows.items() if name not in names}
        return {name: value for name, (_, value) in rows.items() if name in names}

    def _values_of(self, names: list[str]) -> dict[str, tuple[int, str]]:
        answer = self._calls.ssm(self._place, "GetParameters", lambda ssm: ssm.get_parameters(Names=names), about=", ".join(names))
        return {row["Name"]: (int(row.get("Version", 0)), row["Value"]) for row in answer["Parameters"]}

    def _unvalued(self, room: int, names: Sequence[str]) -> list[str]:
        """Others' that are listed and whose value was never read: after a start, that is everybody's."""
        if room <= 0:
            return []
        with self._lock:
            fresh = (name for name, known in self._listed.items() if name not in self._valued and known.tags and name not in names)
            return [name for _, name in zip(range(room), fresh, strict=False)]

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
        try:
            return replace(rows[0], tags=self._tags_now(name)) if rows else None
        except NotFound:
            return None

    def _tags(self, name: str) -> Mapping[str, str]:
        """None of one that has gone meanwhile."""
        try:
            return self._tags_now(name)
        except NotFound:
            return {}

    def _tags_now(self, name: str) -> Mapping[str, str]:
        answer = self._calls.ssm(
            self._place,
            "ListTagsForResource",
            lambda ssm: ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=name),
            about=name,
        )
        return translate.tags(answer.get("TagList"))

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
        self._hold(name, str(owner) if owner else None)
        if owner is None or parameter is None:
            self._listed.pop(name, None)
        else:
            self._listed[name] = parameter

    def _list_alone(self, owner: str, known: _Own) -> None:
        began = self._clock()
        rows = self._list_of([owner])
        with self._lock:
            for gone in known.names - {row.name for row in rows}:
                self._hold(gone, None)
            for row in rows:
                self._claim(row, owner)
            known.listed_at = began
            self._refold(began)

    def _read_all(self) -> None:
        began = self._clock()
        owners = self._asking(began)
        listings = [self._list_of(batch) for batch in attribution.batches(owners)]
        batch_of = {row.name: number for number, rows in enumerate(listings) for row in rows}
        with self._lock:
            holders = dict(self._holders)
        new = {name: batch for name, batch in batch_of.items() if name not in holders}
        holders |= self._attributed(owners, new)
        with self._lock:
            for gone in self._listed.keys() - batch_of.keys():
                del self._listed[gone]
                self._hold(gone, None)
            for row in (row for rows in listings for row in rows):
                self._claim(row, holders.get(row.name))
            for own in (self._owners[owner] for owner in owners if owner in self._owners):
                own.listed_at = max(own.listed_at, began)
            self._refold(began)

    def _attributed(self, owners: Sequence[str], new: Mapping[str, int]) -> dict[str, str]:
        """Whose these are: by their own tags where they are few, else by questions about all owners."""
        if not new:
            return {}
        if len(new) <= attribution.calls(owners):
            tagged = {name: owner_of(self._tags(name)) for name in sorted(new)}
            return {name: str(owner) for name, owner in tagged.items() if owner}
        answers = [
            [row.name for batch in attribution.batches(asked) for row in self._list_of(batch)] for asked in attribution.questions(owners)
        ]
        return attribution.spelled(owners, new, answers)

    def _asking(self, now: float) -> list[str]:
        """Owners that somebody still asks for; deleted objects stop asking. At a start, those that are about to."""
        first = self._read.peek() is None
        with self._lock:
            installations = {owner.partition("/")[0] for owner in self._owners}
            for expected in self._expected() if first else ():
                if expected.installation in installations:
                    self._owners.setdefault(str(expected), _Own(asked_at=now))
            for owner in [owner for owner, own in self._owners.items() if now - own.asked_at > FORGET_SECONDS]:
                for name in self._owners.pop(owner).names:
                    self._holders.pop(name, None)
            return sorted(self._owners)

    def _claim(self, row: Parameter, owner: str | None) -> None:
        """Takes a row into the listing; whose it is may not be known."""
        self._listed[row.name] = replace(row, tags={OWNER: owner}) if owner else row
        self._hold(row.name, owner)

    def _hold(self, name: str, owner: str | None) -> None:
        before = self._holders.get(name)
        if before == owner:
            return
        if before in self._owners:
            self._owners[before].names.discard(name)
        self._holders.pop(name, None)
        if owner is not None:
            self._holders[name] = owner
            self._owners.setdefault(owner, _Own(asked_at=self._clock())).names.add(name)

    def _refold(self, began: float) -> None:
        """A listing that began before a write, or hardly after it, does not undo it."""
        for name, write in list(self._writes.items()):
            if began > write.at + SETTLE_SECONDS:
                del self._writes[name]
            else:
                self._apply(name, write.parameter)

    def _list_of(self, owners: Sequence[str]) -> list[Parameter]:
        return self._list(_tagged(OWNER, owners))

    def _list(self, *by: dict[str, Any]) -> list[Parameter]:
        rows = paged(
            lambda more: self._calls.ssm(
                self._place,
                "DescribeParameters",
                lambda ssm: ssm.describe_parameters(ParameterFilters=list(by), MaxResults=PAGE, **more),  # type: ignore[arg-type]
            ),
            "Parameters",
        )
        return [translate.parameter(row) for row in rows]


def _tagged(key: str, owners: Sequence[str]) -> dict[str, Any]:
    """A filter: those whose tag names one of the owners."""
    return {"Key": f"tag:{key}", "Option": "Equals", "Values": list(owners)}
