"""Events tell what was done, and nothing that was only meant to be."""

from dataclasses import replace

import pytest

from goldenami.api.image_version import ImageVersion
from goldenami.api.reasons import EventReason, Reason
from goldenami.controllers import news
from goldenami.controllers.news import Acted
from goldenami.plan import whole
from goldenami.plan.actions import Action, RemoveTags, SetDescription, SetTags
from goldenami.plan.values import Problem
from goldenami.plan.whole import Performed
from support.plan import HOME, PARIS, golden_ami, observed, version, view

AT_REST = ImageVersion.from_object(
    {
        "metadata": {"name": "web-1.0.0", "namespace": "images", "generation": 3},
        "spec": {
            "goldenImage": "web",
            "version": "1.0.0",
            "name": "web-1.0.0",
            "source": {"image": {"id": "ami-0a1b2c3d4e5f60718"}},
            "region": HOME,
            "replicas": [{"region": PARIS}],
        },
        "status": {
            "observedGeneration": 3,
            "conditions": [
                {
                    "type": "Ready",
                    "status": "True",
                    "reason": "Succeeded",
                    "message": "",
                    "observedGeneration": 3,
                    "lastTransitionTime": "2026-11-21T05:26:00Z",
                }
            ],
        },
    }
)
MADE = golden_ami()
DRIFTED = replace(MADE, description="changed", tags={**MADE.tags, "Name": "changed"})
DENIED = Problem(Reason.ACCESS_DENIED, "not allowed")


def told(look: whole.Look, result: Performed, reason: EventReason) -> list[str]:
    return [message for why, message in news.of(AT_REST, [Acted(look, result)], look) if why is reason]


def split(look: whole.Look, kind: type[Action]) -> tuple[Action, list[Action]]:
    """The first action of that kind, and those that come after it."""
    position = next(number for number, action in enumerate(look.actions) if isinstance(action, kind))
    return look.actions[position], list(look.actions[position + 1 :])


def test_drift_that_was_not_repaired_is_not_told() -> None:
    look = whole.look(version(), observed(view(DRIFTED), fresh_snapshots=frozenset({PARIS})))
    tags, rest = split(look, SetTags)
    assert [type(action) for action in rest] == [SetDescription]

    assert told(look, Performed(), EventReason.DRIFT_REPAIRED) == [tags.sentence(), rest[0].sentence()]
    assert told(look, Performed([(tags, DENIED)], tuple(rest)), EventReason.DRIFT_REPAIRED) == []
    assert told(look, Performed([(rest[0], DENIED)]), EventReason.DRIFT_REPAIRED) == [tags.sentence()]


@pytest.mark.parametrize("failing", [SetTags, RemoveTags])
def test_a_release_is_told_once_all_of_it_is_done(failing: type[Action]) -> None:
    look = whole.look(version(HOME), observed(view(MADE), fresh_snapshots=frozenset({PARIS})))
    failed, rest = split(look, failing)

    assert len(told(look, Performed(), EventReason.RELEASED)) == 1
    assert told(look, Performed([(failed, DENIED)], tuple(rest)), EventReason.RELEASED) == []
