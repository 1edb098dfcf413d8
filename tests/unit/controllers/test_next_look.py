"""When a version is looked at again: the soonest that any region asks for, and with backoff where a call was refused."""

import pytest

from goldenami.api.reasons import Reason
from goldenami.controllers import timing
from goldenami.controllers.caretaker import Outcome
from goldenami.plan.actions import CopyImage, SetTags
from goldenami.plan.observed import Finding
from goldenami.plan.values import Problem
from goldenami.plan.whole import Look
from support.plan import HOME, NOW, PARIS, golden_ami, observed, place

COPY = CopyImage(place(), "ami-0", HOME, "web", "token")
TAG = SetTags(place(), ("ami-1",), {"a": "b"})
COPYING = Finding(PARIS, Reason.COPYING, "copying", actions=(COPY,))
PENDING = Finding(HOME, Reason.COPYING, "pending", golden_ami(state="pending", created_epoch_seconds=NOW - 100))
UPDATING = Finding(PARIS, Reason.UPDATING, "tags", golden_ami(), actions=(TAG,))
WAITING = Finding(PARIS, Reason.SHARING_PENDING, "waits")
DONE = Finding(HOME, Reason.SUCCEEDED, "there", golden_ami())
DENIED, THROTTLED, QUEUED = Problem(Reason.ACCESS_DENIED, "no"), Problem(Reason.THROTTLED, "slowly"), Problem(Reason.QUEUED, "later")


def outcome(*findings: Finding, refused: Problem | None = None, mutable: bool = True) -> Outcome:
    """Where the copy, which is the first thing that is done in Paris, is refused, all that follows there was not tried."""
    look = Look(None, findings, (), ()).with_failures([(COPY, refused)] if refused else [])
    return timing.next_look(look, observed(), NOW, mutable=mutable)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(outcome(DONE), Outcome(), id="what is done waits for the resync"),
        pytest.param(outcome(DONE, COPYING), Outcome(1.0), id="what is left to do is done at the next step"),
        pytest.param(outcome(DONE, PENDING), Outcome(10.0), id="a pending copy is looked at after a tenth of its age"),
        pytest.param(outcome(DONE, WAITING), Outcome(), id="what waits for another finding's image has no pause of its own"),
        pytest.param(outcome(DONE, COPYING, refused=DENIED), Outcome(failed=True), id="a call that a person must allow backs off"),
        pytest.param(outcome(DONE, COPYING, refused=THROTTLED), Outcome(failed=True), id="so does one that is throttled"),
        pytest.param(outcome(COPYING, UPDATING, refused=DENIED), Outcome(failed=True), id="what follows it in its region was not tried"),
        pytest.param(outcome(PENDING, COPYING, refused=DENIED), Outcome(10.0, failed=True), id="the other regions keep their pace"),
        pytest.param(outcome(DONE, COPYING, refused=QUEUED), Outcome(1.0), id="a call that waits for its turn is on schedule"),
        pytest.param(outcome(COPYING, mutable=False), Outcome(), id="what is only observed is not looked at again and again"),
        pytest.param(outcome(PENDING, COPYING, mutable=False), Outcome(10.0), id="but for what goes on by itself"),
    ],
)
def test_the_next_look(found: Outcome, expected: Outcome) -> None:
    assert found == expected
