"""status.evidence: each source's verdict with the time, which alone is no reason to write."""

from dataclasses import replace
from typing import Any

import pytest

from goldenami.api.image_version import EvidenceStatus, ImageVersion
from goldenami.api.reasons import Reason
from goldenami.controllers.evidence_status import proof, rows, waits_for_a_report
from goldenami.plan.actions import DisableImage
from goldenami.plan.evidence import Evidence, Source, Testimony
from goldenami.plan.observed import Finding, Observed
from goldenami.plan.values import Problem
from goldenami.plan.whole import Look
from support.plan import NOW, OWNER, PARIS, evidence, golden_ami, observed, place, unused, used, view

LEAVING = Look(None, (), (), (Finding(PARIS, Reason.DELETING),))
AT_REST = Look(None, (), (), ())
AMI_ID = "ami-0a1b2c3d4e5f60718"
AMI = golden_ami(AMI_ID)


def seen(known: Evidence | None = None, **changes: Any) -> Observed:
    return observed(view(replace(AMI, **changes)), evidence={AMI_ID: known} if known else {})


def stored(*bodies: Any) -> tuple[EvidenceStatus, ...]:
    return tuple(EvidenceStatus.model_validate(body) for body in bodies)


def test_every_source_has_a_verdict() -> None:
    known = evidence(
        AMI_ID,
        Testimony(Source.INSTANCES, users=tuple(f"instance i-{number}" for number in range(5))),
        Testimony(Source.PARAMETERS, problem=Problem(Reason.ACCESS_DENIED, "not allowed")),
        Testimony(Source.USAGE_REPORTS, pending=True, note="being made"),
        Testimony(Source.REFERENCES, note="not required"),
    )
    (row,) = rows((), LEAVING, seen(known))
    assert (row["imageId"], row["region"], row["state"], row["gatheredAt"]) == (AMI_ID, PARIS, "available", "2023-11-14T22:13:20Z")
    told = {found["source"]: (found["verdict"], found.get("message")) for found in row["findings"]}
    assert set(told) == set(Source)
    assert told["Instances"] == ("InUse", "instance i-0, instance i-1, instance i-2 and 2 more")
    assert told["Parameters"] == ("Unknown", "not allowed")
    assert told["UsageReports"] == ("Pending", "being made")
    assert told["References"] == ("NotAsked", "not required")
    assert told["Channels"] == ("Unused", None)


def test_a_later_time_alone_is_not_written() -> None:
    (row,) = rows((), LEAVING, seen(unused(AMI_ID)))
    later = replace(unused(AMI_ID), gathered_epoch_seconds=NOW + 600)
    assert rows(stored(row), LEAVING, seen(later)) == [row]


def test_other_findings_and_another_step_are_written_with_their_time() -> None:
    (row,) = rows((), LEAVING, seen(unused(AMI_ID)))
    in_use = replace(used(AMI_ID, "instance i-1"), gathered_epoch_seconds=NOW + 600)
    disabled = replace(unused(AMI_ID), gathered_epoch_seconds=NOW + 600)
    assert rows(stored(row), LEAVING, seen(in_use))[0]["gatheredAt"] == "2023-11-14T22:23:20Z"
    assert rows(stored(row), LEAVING, seen(disabled, state="disabled"))[0]["gatheredAt"] == "2023-11-14T22:23:20Z"


def disables(known: Evidence) -> list[Any]:
    """What is kept of a look that disables the image."""
    acted = Look(None, (), (), (Finding(PARIS, Reason.DELETING, actions=(DisableImage(place(), AMI_ID, owner=OWNER),)),))
    return proof(acted, seen(known))


LATER = replace(unused(AMI_ID), gathered_epoch_seconds=NOW + 600)
IN_USE, UNUSED = ("Instances", "InUse"), ("Instances", "Unused")


def told(found: list[Any]) -> list[tuple[str, tuple[str, str], str]]:
    """State, what instances say, and when."""
    return [(row["state"], (one["source"], one["verdict"]), row["gatheredAt"]) for row in found for one in row["findings"][:1]]


AT, AFTER = "2023-11-14T22:13:20Z", "2023-11-14T22:23:20Z"


@pytest.mark.parametrize(
    ("before", "acted", "look", "now", "expected"),
    [
        pytest.param(unused(AMI_ID), [], LEAVING, seen(), [("available", UNUSED, AT)], id="it stays while the image goes"),
        pytest.param(unused(AMI_ID), [], AT_REST, seen(), [], id="it is dropped when the image stays"),
        pytest.param(
            used(AMI_ID, "instance i-1"),
            disables(LATER),
            LEAVING,
            seen(state="disabled"),
            [("available", UNUSED, AFTER)],
            id="what allowed a step replaces what kept the image before",
        ),
        pytest.param(
            unused(AMI_ID), disables(LATER), LEAVING, seen(state="disabled"), [("available", UNUSED, AFTER)], id="with the time of the step"
        ),
        pytest.param(
            unused(AMI_ID), [], LEAVING, seen(state="disabled"), [("available", UNUSED, AT)], id="it stays for as long as the step lasts"
        ),
        pytest.param(
            unused(AMI_ID),
            disables(unused(AMI_ID)),
            LEAVING,
            seen(used(AMI_ID, "instance i-1"), state="disabled"),
            [("disabled", IN_USE, AT)],
            id="until it is asked about again",
        ),
        pytest.param(
            used(AMI_ID, "instance i-1"),
            [],
            LEAVING,
            seen(state="disabled"),
            [],
            id="what kept the image is not told when it has gone a step all the same, and nobody could write down why",
        ),
        pytest.param(
            unused(AMI_ID), [], LEAVING, observed(view()), [("available", UNUSED, AT)], id="what allowed the last step stays, too"
        ),
        pytest.param(used(AMI_ID, "instance i-1"), [], LEAVING, observed(view()), [], id="what kept an image that is gone does not"),
        pytest.param(
            used(AMI_ID, "instance i-1"),
            [],
            LEAVING,
            observed(view(problem=Problem(Reason.REGION_UNREACHABLE, "away"))),
            [("available", IN_USE, AT)],
            id="but in a region that cannot be read",
        ),
        pytest.param(unused(AMI_ID), [], AT_REST, observed(view()), [], id="where nothing goes any more there is nothing to tell"),
    ],
)
def test_what_is_told_of_an_image_that_nobody_asks_about_now(
    before: Evidence, acted: list[Any], look: Look, now: Observed, expected: list[Any]
) -> None:
    stored_before = stored(*rows((), LEAVING, seen(before)))
    found = rows(stored_before, look, now, acted)
    assert told(found) == expected
    assert told(rows(stored(*found), look, now)) == expected


@pytest.mark.parametrize(
    ("stage", "verdict", "replica", "waits"),
    [
        pytest.param("Retired", "Pending", "disabled", True, id="EC2 is making it"),
        pytest.param("Disabled", "Unknown", "available", True, id="EC2 could not be asked for it"),
        pytest.param("Retired", "Unused", "disabled", False, id="it is there"),
        pytest.param("Retired", "InUse", "disabled", False, id="and names a user"),
        pytest.param("Retired", "Pending", "pending", False, id="a copy is under way as well"),
        pytest.param("Active", "Pending", "available", False, id="the version stays, and only an image goes"),
    ],
)
def test_what_waits_for_a_report_alone(stage: str, verdict: str, replica: str, *, waits: bool) -> None:
    """Its images are read by their ids before anything is done to them, so its places are not listed at every look."""
    findings = [{"source": "Instances", "verdict": "Pending"}, {"source": "UsageReports", "verdict": verdict}]
    declared = ImageVersion.from_object(
        {
            "metadata": {"name": "web-1.0.0", "namespace": "images", "generation": 3},
            "spec": {
                "goldenImage": "web",
                "version": "1.0.0",
                "name": "web-1.0.0",
                "source": {"image": {"id": AMI_ID}},
                "region": PARIS,
                "replicas": [{"region": PARIS}],
                "stage": stage,
            },
            "status": {
                "evidence": [{"imageId": AMI_ID, "region": PARIS, "gatheredAt": "2023-11-14T22:13:20Z", "findings": findings}],
                "replicas": [{"region": PARIS, "imageId": AMI_ID, "state": replica}],
            },
        }
    )
    assert waits_for_a_report(declared) is waits
