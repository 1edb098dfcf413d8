"""How soon a pending copy is looked at again, and when its progress is worth a listing."""

import math

import pytest

from goldenami.api.reasons import Reason
from goldenami.controllers import timing
from goldenami.plan.observed import Finding
from goldenami.plan.whole import Look
from support.plan import NOW, PARIS, golden_ami, observed, view


def pause(age_seconds: float, spent_seconds: float) -> float | None:
    """Until the next look at a copy of this age, by a look that took so long."""
    image = golden_ami(state="pending", created_epoch_seconds=NOW - age_seconds)
    look = Look(None, (Finding(PARIS, Reason.COPYING, image=image),), (), ())
    return timing.next_look(look, observed(view(image)), NOW + spent_seconds, mutable=True).next_look_seconds


@pytest.mark.parametrize(
    ("age", "spent", "expected"),
    [
        pytest.param(0.0, 0.0, 1.0, id="a young copy is looked at each second"),
        pytest.param(0.0, 0.3, 0.7, id="the look's own time is part of the second"),
        pytest.param(0.0, 5.0, 0.5, id="a look that takes long leaves time for others"),
        pytest.param(120.0, 0.0, 12.0, id="an older one after a tenth of its age"),
        pytest.param(3600.0, 0.0, 30.0, id="and within half a minute at the latest"),
    ],
)
def test_polls(age: float, spent: float, expected: float) -> None:
    assert pause(age, spent) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("age", "expected"),
    [
        pytest.param(6.9, math.inf, id="of a young copy nobody needs it"),
        pytest.param(10.0, 5.0, id="then every five seconds"),
        pytest.param(600.0, 60.0, id="and of an old one as often as it is polled for, or more seldom"),
    ],
)
def test_progress(age: float, expected: float) -> None:
    assert timing.progress_seconds(age) == expected
