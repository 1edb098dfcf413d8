"""Which changes of conditions are worth an event."""

from typing import Any

import pytest

from goldenami.api.reasons import EventReason
from goldenami.kube.events import BURST, REFILL_SECONDS, Allowance, transitions

READY = {"type": "Ready", "status": "True", "reason": "Succeeded", "message": "all is as declared"}
WORKING = {"type": "Ready", "status": "Unknown", "reason": "Progressing", "message": "copying to eu-west-1"}
BROKEN = {"type": "Ready", "status": "False", "reason": "CopyFailed", "message": "eu-west-1: the copy failed"}
STALLED = {"type": "Stalled", "status": "True", "reason": "AccessDenied", "message": "allow ec2:CopyImage"}
OTHERWISE_STALLED = {**STALLED, "reason": "QuotaExceeded", "message": "raise the quota"}

BECAME_READY = (EventReason.READY, READY["message"])
IS_STALLED = (EventReason.STALLED, STALLED["message"])


@pytest.mark.parametrize(
    ("before", "after", "news"),
    [
        pytest.param([], [WORKING], [], id="work that begins is no news"),
        pytest.param([], [BROKEN], [], id="not ready from the start is no loss"),
        pytest.param([WORKING], [READY], [BECAME_READY], id="it became ready"),
        pytest.param([], [READY], [BECAME_READY], id="it is ready at first sight"),
        pytest.param([READY], [READY], [], id="it stays ready"),
        pytest.param([READY], [{**READY, "message": "7 of 7"}], [], id="other words are no news"),
        pytest.param([READY], [BROKEN], [(EventReason.NOT_READY, BROKEN["message"])], id="it is ready no longer"),
        pytest.param([READY], [WORKING], [(EventReason.NOT_READY, WORKING["message"])], id="it is ready no longer, and being worked on"),
        pytest.param([BROKEN], [BROKEN], [], id="the same failure again is no news"),
        pytest.param([READY], [BROKEN, STALLED], [IS_STALLED], id="a person is needed: said once, not twice"),
        pytest.param([BROKEN, STALLED], [BROKEN, STALLED], [], id="still needed"),
        pytest.param(
            [BROKEN, STALLED],
            [BROKEN, OTHERWISE_STALLED],
            [(EventReason.STALLED, OTHERWISE_STALLED["message"])],
            id="needed for another reason",
        ),
        pytest.param([BROKEN, STALLED], [READY], [BECAME_READY], id="helped"),
        pytest.param([READY], [], [], id="nothing is said about readiness"),
    ],
)
def test_transitions(before: list[dict[str, Any]], after: list[dict[str, Any]], news: list[tuple[EventReason, str]]) -> None:
    assert transitions(before, after) == news


def test_an_object_may_say_much_at_once_and_then_little() -> None:
    allowance = Allowance()
    assert [allowance.take(0.0) for _ in range(BURST + 1)] == [True] * BURST + [False]
    assert [allowance.take(REFILL_SECONDS + 1), allowance.take(REFILL_SECONDS + 1)] == [True, False]
