"""status.evidence: each source's verdict with the time, which alone is no reason to write."""

from dataclasses import replace
from typing import Any

from goldenami.api.image_version import EvidenceStatus
from goldenami.api.reasons import Reason
from goldenami.controllers.evidence_status import rows
from goldenami.plan.evidence import Evidence, Source, Testimony
from goldenami.plan.observed import Finding, Observed
from goldenami.plan.values import Problem
from goldenami.plan.whole import Look
from support.plan import NOW, PARIS, evidence, golden_ami, observed, unused, used, view

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


def test_it_stays_while_the_image_goes_and_is_dropped_when_it_stays_or_is_gone() -> None:
    (row,) = rows((), LEAVING, seen(unused(AMI_ID)))
    assert rows(stored(row), LEAVING, seen()) == [row]
    assert rows(stored(row), AT_REST, seen()) == []
    assert rows(stored(row), LEAVING, observed()) == []
