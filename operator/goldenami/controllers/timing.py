"""When an object is looked at again, and how old what a look reads may be. Pure."""

import math

from goldenami.api.reasons import Outcome, Reason
from goldenami.controllers import caretaker
from goldenami.plan import attempts
from goldenami.plan.observed import Finding, Observed
from goldenami.plan.values import Problem
from goldenami.plan.whole import Look

AT_REST = 0.9
"""A resync's listing may be this share of the interval old, so that objects which resync within ±10 % of each other share one listing."""
CHANGED_SECONDS = 30.0
"""How old a listing may be for a changed spec."""
POLL_SECONDS = 0.5
"""How old a listing may be while something is pending: objects that poll at the same moment share one."""
PROGRESS_AFTER_SECONDS = 7.0
"""How old a copy is before its progress is asked for: the listing of snapshots tells it, and nothing else is in there to wait for."""
PROGRESS_SECONDS = 5.0
"""How old that listing may be then; of an older copy a tenth of its age, as with the polls."""

SHORTEST_POLL_SECONDS, LONGEST_POLL_SECONDS, POLL_SHARE = 1.0, 30.0, 0.1
"""A pending image is looked at again after a tenth of its age: a copy of ten minutes is seen within one, one of ten seconds within one."""
IN_USE_LOOK_SECONDS = 30.0
ALIAS_LOOK_SECONDS = 5.0
"""An image waits that long for an alias to move away from it."""
STEP_SECONDS = 1.0


def progress_seconds(age_seconds: float) -> float:
    """How old the listing of snapshots may be beside a copy of this age; beside a young one any will do."""
    return math.inf if age_seconds < PROGRESS_AFTER_SECONDS else max(PROGRESS_SECONDS, POLL_SHARE * age_seconds)


def next_look(look: Look, observed: Observed, now: float, *, mutable: bool) -> caretaker.Outcome:
    """The soonest that any region asks for; a retry backs off in the caretaker. `now`: the end of the look, in epoch seconds.

    A call that was refused backs off, too, whoever has to act: made at every step it would eat up the region's share of calls.
    """
    findings = [finding for found in look.concerns.values() for finding in found]
    refused = [finding for finding in findings if finding.failed and finding.outcome is not Outcome.PROGRESSING]
    idle = {finding.region for finding in (refused if mutable else findings)}
    # Counted from what was seen: a second between two polls is not a second and a look.
    spent = max(0.0, now - observed.now)
    asked = [pause for finding in findings if (pause := _pause(finding, observed, acts=finding.region not in idle)) is not None]
    pauses = [max(pause - spent, pause / 2) for pause in asked]
    retried = [f for f in findings if f.outcome is Outcome.RETRYING and f.reason not in (Reason.IN_USE, Reason.COPY_FAILED)]
    return caretaker.Outcome(next_look_seconds=min(pauses, default=None), failed=bool(refused or retried))


def _pause(finding: Finding, observed: Observed, *, acts: bool) -> float | None:
    """`acts`: what is left to do in this region is done at the next step. Otherwise only what goes on by itself is worth a look."""
    if finding.reason is Reason.IN_USE:
        return IN_USE_LOOK_SECONDS
    if finding.reason is Reason.EVIDENCE_INCOMPLETE and finding.outcome is Outcome.PROGRESSING:
        return _until_told(finding, observed)
    image = finding.image
    if finding.reason is Reason.COPY_FAILED:
        # It can also go away before: a person may deregister it to have another at once.
        return min(LONGEST_POLL_SECONDS, max(STEP_SECONDS, attempts.wait_seconds(observed.now, image))) if image else 5 * STEP_SECONDS
    if image is not None and image.state == "pending":
        age = max(0.0, observed.now - image.created_epoch_seconds)
        return min(LONGEST_POLL_SECONDS, max(SHORTEST_POLL_SECONDS, POLL_SHARE * age))
    if finding.reason is Reason.SOURCE_PENDING:
        return 5 * STEP_SECONDS
    # What only waits for another finding's image has no pause of its own: that finding has.
    waits = finding.reason in (Reason.SHARING_PENDING, Reason.SUSPENDED) and not finding.actions
    steps = (finding.outcome is Outcome.PROGRESSING and not waits) or finding.actions
    return STEP_SECONDS if acts and steps else None


def _until_told(finding: Finding, observed: Observed) -> float:
    """A report of the use in other accounts takes EC2 minutes: as with a copy, a tenth of its age."""
    known = observed.evidence.get(finding.image.image_id) if finding.image else None
    if known is None or not known.pending_since_epoch_seconds:
        return ALIAS_LOOK_SECONDS
    return min(LONGEST_POLL_SECONDS, max(SHORTEST_POLL_SECONDS, POLL_SHARE * (observed.now - known.pending_since_epoch_seconds)))


def after_problem(problem: Problem) -> caretaker.Outcome:
    return caretaker.Outcome(failed=problem.reason.outcome is Outcome.RETRYING)
