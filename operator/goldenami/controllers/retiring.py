"""What is said of the retention of a family: the condition RetentionReady, and `status.retiring`, which a look also remembers the pass by.

A status may be lost; then the pass begins anew: who left its turn to others, and what is gone altogether, is known from nowhere else.
"""

from collections.abc import Sequence

from goldenami.api.conditions import ConcernResult, Condition, ConditionType, cut, timestamp_of
from goldenami.api.duration import parse_duration
from goldenami.api.golden_image import RetiringStatus
from goldenami.api.image_version import ImageVersion
from goldenami.api.reasons import Outcome as Meaning
from goldenami.api.reasons import Reason
from goldenami.controllers import judge
from goldenami.controllers.mirror import Children, is_current
from goldenami.controllers.retained import Retained
from goldenami.kube.client import Body
from goldenami.plan import channels, expiry, retention
from goldenami.plan.desired import DISABLE_FOR_SECONDS

TOLD = 5
ROWS = 256
STEP_SECONDS = 1.0
BLOCKED_SECONDS = 2 * 86_400.0
"""How long a fault may hold up one that has its turn, before others have theirs. A day would be too short for a protection with a cooldown:
it is on again when its image is called back, and takes a day anew."""


# --- what was written down ---


def since(row: RetiringStatus | None) -> float:
    """Since when its images are disabled, in epoch seconds; 0 where that is not written down."""
    return _epoch_seconds(row.since) if row is not None else 0.0


def tried_at(row: RetiringStatus | None) -> float:
    """When it left its turn to others, in epoch seconds; 0 where it did not."""
    return _epoch_seconds(row.tried_at) if row is not None else 0.0


def is_blocked(row: RetiringStatus | None, said: Condition | None, now: float) -> bool:
    """Whether one that has its turn cannot be told about, or not be disabled, for so long that it would hold up the others for good."""
    since = _epoch_seconds(row.turn_since) if row is not None else 0.0
    return said is not None and said.status == "False" and 0 < since <= now - BLOCKED_SECONDS


def went(row: RetiringStatus, now: float, pass_seconds: float) -> bool:
    """Whether it was disabled in the pass that is under way: it counts for that, whatever has become of it since."""
    return now - since(row) < pass_seconds


def _epoch_seconds(text: str | None) -> float:
    at = expiry.parse(text) if text else None
    return at.timestamp() if at is not None else 0.0


# --- what is said ---


def results(retained: Retained, children: Children) -> tuple[ConcernResult, ...]:
    """RetentionReady, where there is anything to say."""
    if not retained.declared:
        return ()
    if retained.problem is not None:
        return (judge.of_problem(ConditionType.RETENTION_READY, retained.problem),)
    told = [(child, result) for child in children.values() if (result := _said(retained, child)) and not child.deleting]
    faults = [(child, result) for child, result in told if result.outcome in (Meaning.STALLED, Meaning.RETRYING)]
    if faults:
        child, fault = faults[0]
        message = f"version {child.spec.version}: {fault.message}"
        return (ConcernResult(ConditionType.RETENTION_READY, fault.reason, message, fault.outcome_override),)
    going = sorted((child.spec.version for child, _ in told), key=channels.precedence)
    used = [child.spec.version for child, result in told if result.reason is Reason.STILL_IN_USE]
    kept = len(children) - len(going)
    parts = [f"{kept} version{'' if kept == 1 else 's'} kept"]
    if going:
        parts.append(f"on the way out: {_listed(going)}")
    young = [child.spec.version for child, result in told if result.reason is Reason.TOO_YOUNG]
    if young:
        parts.append(f"too young to be known unused: {_listed(sorted(young, key=channels.precedence))}")
    if used:
        parts.append(f"still in use: {_listed(sorted(used, key=channels.precedence))}; status.retiring says by whom")
    reason = Reason.STILL_IN_USE if used else Reason.TOO_YOUNG if young else Reason.SUCCEEDED
    return (ConcernResult(ConditionType.RETENTION_READY, reason, ", ".join(parts)),)


def _said(retained: Retained, child: ImageVersion) -> ConcernResult | None:
    if child.spec.stage not in retention.GOING:
        kept = retained.kept.get(child.spec.version)
        return ConcernResult(ConditionType.RETENTION_READY, kept.reason, kept.message) if kept else None
    found = judge.carried(ConditionType.RETENTION_READY, child.status.conditions) if is_current(child) else ()
    return found[0] if found else ConcernResult(ConditionType.RETENTION_READY, Reason.RETIRING, "not looked at yet")


def rows(retained: Retained, children: Children, now: float) -> list[Body]:
    """`status.retiring`: versions that are not kept, and those that went in the pass that is under way, oldest first."""
    there = {child.spec.version for child in children.values() if not child.deleting}
    found = {child.spec.version: child for child in children.values() if child.spec.stage not in (None, "Active")}
    told = {version: _row(retained, child, now) for version, child in found.items() if version in there}
    told |= {
        version: {**row.to_object(), "message": f"version {version} is gone, and counts for the pass that is under way"}
        for version, row in retained.before.items()
        if version not in there and went(row, now, retained.pass_seconds)
    }
    return [told[version] for version in sorted(told, key=channels.precedence)][:ROWS]


def next_look_seconds(retained: Retained, children: Children, now: float) -> float | None:
    """When the first of the disabled versions has been so for long enough; at once where that was only to be written down first."""
    disabled = [child for child in children.values() if child.spec.stage == "Disabled"]
    pauses = [_after(retained, child) - now for child in disabled if _after(retained, child) > now]
    if not retained.problem and any(0 < _after(retained, child) <= now and _is_new(retained, child) for child in disabled):
        pauses.append(0.0)
    return min(pauses) + STEP_SECONDS if pauses else None


def _is_new(retained: Retained, child: ImageVersion) -> bool:
    return since(retained.before.get(child.spec.version)) != retained.since.get(child.spec.version)


def _after(retained: Retained, child: ImageVersion) -> float:
    """When its images are deregistered at the earliest, in epoch seconds; 0 while that is not known."""
    since = retained.since.get(child.spec.version, 0.0)
    wait = child.spec.retirement.disable_for if child.spec.retirement else None
    return since + (DISABLE_FOR_SECONDS if wait is None else parse_duration(wait)) if since else 0.0


def _row(retained: Retained, child: ImageVersion, now: float) -> Body:
    version, said, before = child.spec.version, _said(retained, child), retained.before.get(child.spec.version)
    going, verdict = child.spec.stage in retention.GOING, retained.verdicts.get(version)
    if retained.problem is not None and before is not None and not going:
        # Nothing is decided, so what was found before stays said.
        return before.to_object()
    message = said.message if said and said.message else verdict.why if verdict else ""
    row: Body = {"version": version, "stage": child.spec.stage, "message": cut(message) or None}
    disabled, after = retained.since.get(version, 0.0), _after(retained, child)
    turn = before.turn_since if before else None
    if after and going:
        row |= {"since": timestamp_of(disabled), "deregisteredAfter": timestamp_of(after)}
    elif going and (turn or retained.problem is None):
        row |= {"turnSince": turn or timestamp_of(now)}
    if said and not going and verdict:
        row |= {"triedAt": timestamp_of(verdict.tried_at), "reason": str(said.reason)}
    return {name: value for name, value in row.items() if value is not None}


def _listed(versions: Sequence[str]) -> str:
    return ", ".join(versions[:TOLD]) + (f" and {len(versions) - TOLD} more" if len(versions) > TOLD else "")
