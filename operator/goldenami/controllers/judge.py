"""From findings to conditions: the worst of a concern's regions decides, and the message names every region that differs from it."""

from collections.abc import Sequence
from dataclasses import replace

from goldenami.api.conditions import ConcernResult, Condition, ConditionType, find
from goldenami.api.reasons import Outcome, Reason
from goldenami.plan.observed import Finding
from goldenami.plan.values import Problem

_SEVERITY = (Outcome.STALLED, Outcome.RETRYING, Outcome.WAITING, Outcome.PROGRESSING, Outcome.DONE)
_REASONS = {reason.value: reason for reason in Reason}
_SHOWN = 5
"""Regions whose trouble is told in full; the others are in status.replicas."""


def concern(kind: ConditionType, findings: Sequence[Finding], done: str) -> ConcernResult:
    """One concern's result over its regions. `done` is what to say when all of them are."""
    worst = next((outcome for outcome in _SEVERITY if any(f.outcome is outcome for f in findings)), Outcome.DONE)
    if worst is Outcome.DONE:
        reasons = {finding.reason for finding in findings}
        return ConcernResult(kind, Reason.SUCCEEDED if len(reasons) != 1 else reasons.pop(), done)
    culprits = [finding for finding in findings if finding.outcome is worst]
    return ConcernResult(kind, culprits[0].reason, _told(culprits), culprits[0].outcome_override)


def retention(findings: Sequence[Finding]) -> ConcernResult:
    """The stage of a version on its way out: of what is no fault, that it is still used is the news."""
    result = concern(ConditionType.RETENTION_READY, findings, "")
    if result.outcome is not Outcome.DONE:
        return result
    for reason in (Reason.STILL_IN_USE, Reason.TOO_YOUNG, Reason.COOLING_DOWN):
        if kept := [finding for finding in findings if finding.reason is reason]:
            return ConcernResult(ConditionType.RETENTION_READY, reason, _told(kept))
    dark = any(finding.reason is Reason.DISABLED for finding in findings)
    reason = Reason.DISABLED if dark else Reason.RETIRED
    return ConcernResult(ConditionType.RETENTION_READY, reason, _told([finding for finding in findings if finding.reason is reason]))


def of_problem(kind: ConditionType, problem: Problem) -> ConcernResult:
    return ConcernResult(kind, problem.reason, problem.message)


def with_problems(result: ConcernResult, problems: Sequence[Problem]) -> ConcernResult:
    """The result, or what is worse; of what is equally bad all is told."""
    candidates = (result, *(of_problem(result.type, problem) for problem in problems))
    worst = min(candidates, key=lambda one: _SEVERITY.index(one.outcome))
    if worst.outcome is Outcome.DONE:
        return result
    messages = list(dict.fromkeys(one.message for one in candidates if one.outcome is worst.outcome))
    more = f"; and {len(messages) - _SHOWN} more" if len(messages) > _SHOWN else ""
    return replace(worst, message="; ".join(messages[:_SHOWN]) + more)


def carried(kind: ConditionType, previous: Sequence[Condition]) -> tuple[ConcernResult, ...]:
    """What a concern said last, for a look that did not reach it: what is not known to have changed is not unsaid."""
    before = find(previous, kind)
    if before is None or before.reason not in _REASONS:
        return ()
    return (ConcernResult(kind, _REASONS[before.reason], before.message, _override(before, find(previous, ConditionType.STALLED))),)


def kept(kind: ConditionType, previous: Sequence[Condition]) -> tuple[ConcernResult, ...]:
    """As `carried`, and still about the generation it was said about: an edit since then is not covered by it."""
    before = find(previous, kind)
    return tuple(replace(result, generation=before.observed_generation) for result in carried(kind, previous) if before)


def _override(before: Condition, stalled: Condition | None) -> Outcome | None:
    """What followed from it, where that is more than its reason tells."""
    if before.status == "Unknown":
        return Outcome.PROGRESSING
    return Outcome.STALLED if stalled is not None and stalled.status == "True" and stalled.reason == before.reason else None


def _told(culprits: Sequence[Finding]) -> str:
    messages = list(dict.fromkeys(finding.message for finding in culprits))
    more = f"; and {len(messages) - _SHOWN} more regions" if len(messages) > _SHOWN else ""
    return "; ".join(messages[:_SHOWN]) + more
