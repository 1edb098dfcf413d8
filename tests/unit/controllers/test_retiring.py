"""Whose turn it is to go: how long one holds it that nobody can be told about, and what the status remembers of it."""

from typing import Any

import pytest

from goldenami.api.conditions import Condition, timestamp_of
from goldenami.api.golden_image import GoldenImageStatus, RetiringStatus
from goldenami.api.image_version import ImageVersion
from goldenami.api.reasons import Reason
from goldenami.controllers import retiring
from goldenami.controllers.retained import Retained
from goldenami.controllers.retiring import BLOCKED_SECONDS
from goldenami.plan.values import Problem
from support.plan import HOME, NOW

BEFORE = timestamp_of(NOW - BLOCKED_SECONDS)


def said(status: str, reason: str = "EvidenceIncomplete") -> Condition:
    told = {"type": "RetentionReady", "status": status, "reason": reason, "message": "", "observedGeneration": 1}
    return Condition.model_validate({**told, "lastTransitionTime": BEFORE})


def row(**facts: Any) -> RetiringStatus:
    return RetiringStatus.model_validate({"version": "1.0.0", "stage": "Disabled", **facts})


@pytest.mark.parametrize(
    ("known", "condition", "blocked"),
    [
        pytest.param(row(turnSince=BEFORE), said("False"), True, id="nobody could tell for two days"),
        pytest.param(row(turnSince=BEFORE), said("False", "AccessDenied"), True, id="or AWS did not let it go"),
        pytest.param(row(turnSince=timestamp_of(NOW - BLOCKED_SECONDS + 1)), said("False"), False, id="not yet for two days"),
        pytest.param(row(turnSince=BEFORE), said("Unknown"), False, id="a report is being made"),
        pytest.param(row(turnSince=BEFORE), said("True", "CoolingDown"), False, id="its protection is cooling down"),
        pytest.param(row(turnSince=BEFORE), None, False, id="it was not looked at yet"),
        pytest.param(row(since=BEFORE), said("False"), False, id="it is disabled, and holds up nobody"),
        pytest.param(None, said("False"), False, id="nothing is remembered of it"),
    ],
)
def test_when_one_is_blocked(known: RetiringStatus | None, condition: Condition | None, blocked: bool) -> None:
    assert retiring.is_blocked(known, condition, NOW) is blocked


def going(stage: str) -> ImageVersion:
    source = {"image": {"id": "ami-0a1b2c3d4e5f60718"}}
    spec = {"goldenImage": "web", "version": "1.0.0", "name": "web-1.0.0", "source": source, "region": HOME, "replicas": [{"region": HOME}]}
    return ImageVersion.from_object({"metadata": {"name": "web-1.0.0", "namespace": "images"}, "spec": {**spec, "stage": stage}})


UNREAD = Problem(Reason.REGION_UNREACHABLE, "no answer")


@pytest.mark.parametrize(
    ("stage", "retained", "since"),
    [
        pytest.param("Disabled", Retained(True), timestamp_of(NOW), id="it begins when it is first told"),
        pytest.param("Disabled", Retained(True, before={"1.0.0": row(turnSince=BEFORE)}), BEFORE, id="and goes on"),
        pytest.param("Disabled", Retained(True, before={"1.0.0": row(stage="Deprecated", triedAt=BEFORE)}), timestamp_of(NOW), id="anew"),
        pytest.param("Disabled", Retained(True, since={"1.0.0": NOW}), None, id="it is over when all of its images are disabled"),
        pytest.param("Deprecated", Retained(True, before={"1.0.0": row(turnSince=BEFORE)}), None, id="or others have theirs"),
        pytest.param("Disabled", Retained(True, problem=UNREAD), None, id="whether they are is not known"),
        pytest.param(
            "Disabled", Retained(True, before={"1.0.0": row(turnSince=BEFORE)}, problem=UNREAD), BEFORE, id="it does not end by that"
        ),
    ],
)
def test_since_when_it_is_its_turn(stage: str, retained: Retained, since: str | None) -> None:
    (told,) = GoldenImageStatus.from_object({"retiring": retiring.rows(retained, {"1.0.0": going(stage)}, NOW)}).retiring
    assert told.turn_since == since
