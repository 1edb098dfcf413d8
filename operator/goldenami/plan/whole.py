"""One version as a whole: the concerns in their order, each told what the earlier ones found."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from goldenami.api.conditions import ConditionType
from goldenami.plan import replicas, retirement, sharing, source, stages
from goldenami.plan.actions import Action, RevokeKey, UnshareImage, UnshareSnapshot
from goldenami.plan.desired import Version
from goldenami.plan.observed import Finding, Need, Observed
from goldenami.plan.sharing import Shared
from goldenami.plan.values import Problem

Failures = Sequence[tuple[Action, Problem]]
"""Actions that were tried and did not work, and why."""


@dataclass(frozen=True)
class Performed:
    """What came of actions, but for those that were done."""

    failures: Failures = ()
    skipped: tuple[Action, ...] = ()
    """Not tried, because an earlier one of their place had failed."""

    def done(self, actions: Iterable[Action]) -> list[Action]:
        """Those of them that were."""
        left = [*(action for action, _ in self.failures), *self.skipped]
        return [action for action in actions if action not in left]


@dataclass(frozen=True)
class Look:
    """What all concerns say of one version at one moment."""

    source: Finding | None
    replicas: tuple[Finding, ...]
    shared: tuple[Shared, ...]
    leaving: tuple[Finding, ...]
    """Regions that are no longer declared, or all of them while the version is being deleted."""
    going: tuple[Finding, ...] = ()
    """All regions of a version that shall be disabled or retired."""

    @property
    def concerns(self) -> Mapping[ConditionType, tuple[Finding, ...]]:
        """Findings by the condition they decide."""
        return {
            ConditionType.SOURCE_READY: (self.source,) if self.source else (),
            ConditionType.REPLICAS_READY: (*self.replicas, *self.leaving),
            ConditionType.SHARING_READY: tuple(shared.finding for shared in self.shared),
            **({ConditionType.RETENTION_READY: self.going} if self.going else {}),
        }

    @property
    def actions(self) -> tuple[Action, ...]:
        """In the order they have to happen within one place, where a failure keeps the rest for later.

        What is taken back comes first, so that it waits for nothing: public access, then image, snapshot, key, as they are never granted.
        What can wait comes last.
        """
        findings = [finding for found in self.concerns.values() for finding in found]
        actions = sorted((action for finding in findings for action in finding.actions), key=_urgency)
        return (*actions, *(action for finding in findings for action in finding.cleanup))

    @property
    def needs(self) -> frozenset[Need]:
        return frozenset(need for findings in self.concerns.values() for finding in findings for need in finding.needs)

    def with_failures(self, failures: Failures) -> "Look":
        """The same look, where each finding whose action failed says why instead of what was being done."""
        return self._changed(lambda finding: _failed(finding, failures)) if failures else self

    def with_unread(self, unread: Mapping[Need, Problem]) -> "Look":
        """The same look, where each finding that needs what could not be read says why, and needs nothing more."""
        return self._changed(lambda finding: _unread(finding, unread)) if unread else self

    def _changed(self, change: Callable[[Finding], Finding]) -> "Look":
        return Look(
            change(self.source) if self.source else None,
            tuple(map(change, self.replicas)),
            tuple(_share_changed(shared, change(shared.finding)) for shared in self.shared),
            tuple(map(change, self.leaving)),
            tuple(map(change, self.going)),
        )


def _urgency(action: Action) -> int:
    match action:
        case UnshareImage(principals=principals):
            return 0 if principals.public else 1
        case UnshareSnapshot():
            return 2
        case RevokeKey():
            return 3
    return 4


def _failed(finding: Finding, failures: Failures) -> Finding:
    problem = next((problem for action, problem in failures if action in (*finding.actions, *finding.cleanup)), None)
    return replace(finding, reason=problem.reason, message=problem.message, outcome_override=None, failed=True) if problem else finding


def _unread(finding: Finding, unread: Mapping[Need, Problem]) -> Finding:
    why = next((unread[need] for need in finding.needs if need in unread), None)
    return replace(finding, reason=why.reason, message=why.message, needs=(), outcome_override=None, failed=True) if why else finding


def _share_changed(shared: Shared, finding: Finding) -> Shared:
    return shared if finding is shared.finding else replace(shared, finding=finding, digest="")


def look(version: Version, observed: Observed) -> Look:
    """A version that shall exist, or go step by step."""
    if version.going:
        return _look_at_going(version, observed)
    origin = source.look(version, observed, copying=replicas.copies_wanted(version, observed))
    found = replicas.look(version, observed, origin)
    return Look(origin, found, _shared(version, observed, found), retirement.look(version, observed, everything=False))


def _look_at_going(version: Version, observed: Observed) -> Look:
    found = replicas.look_at_going(version, observed)
    shared = _shared(version, observed, found)
    return Look(None, found, shared, retirement.look(version, observed, everything=False), stages.look(version, observed))


def _shared(version: Version, observed: Observed, found: tuple[Finding, ...]) -> tuple[Shared, ...]:
    return (*sharing.look(version, observed, found), *sharing.look_at_leaving(version, observed, everything=False))


def look_at_leaving(version: Version, observed: Observed) -> Look:
    """A version that is being deleted."""
    shared = sharing.look_at_leaving(version, observed, everything=True)
    return Look(None, (), shared, retirement.look(version, observed, everything=True))
