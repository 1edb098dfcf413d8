"""What Ready says of a version where nothing is left to do: what the images are, and not what they were."""

import pytest

from goldenami.api.reasons import Reason
from goldenami.controllers import report
from goldenami.plan.observed import Finding
from goldenami.plan.whole import Look
from support.plan import HOME, PARIS, version

DISABLED, GONE, USED = Reason.DISABLED, Reason.RETIRED, Reason.STILL_IN_USE


@pytest.mark.parametrize(
    ("reasons", "message"),
    [
        pytest.param((), "version 1.0.0 is available and shared in 2 regions", id="a version that is kept"),
        pytest.param((DISABLED, DISABLED), "version 1.0.0 is disabled in 2 regions", id="one that is disabled is not called available"),
        pytest.param((DISABLED, GONE), "version 1.0.0 is disabled in 2 regions", id="nor one that somebody has removed in one region"),
        pytest.param((USED, USED), "version 1.0.0 stays, because it is still used", id="one that may go, and is used"),
        pytest.param((GONE, GONE), "nothing is left of version 1.0.0", id="one that is gone"),
    ],
)
def test_ready_says_what_the_images_are(reasons: tuple[Reason, ...], message: str) -> None:
    going = tuple(Finding(region, reason, "told") for region, reason in zip((HOME, PARIS), reasons, strict=False))
    assert report.done_message(version(HOME, PARIS), Look(None, (), (), (), going)) == message
