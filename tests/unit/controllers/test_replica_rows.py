"""What the status tells of one region's image: since when it is, or until when it stays, at each stage."""

from dataclasses import replace
from typing import Any

import pytest

from goldenami.api.image_version import ImageVersion, ImageVersionStatus
from goldenami.api.reasons import Reason
from goldenami.controllers import report
from goldenami.plan import undo
from goldenami.plan.observed import Finding
from goldenami.plan.values import Image
from goldenami.plan.whole import Look
from support.plan import HOME, NOW, PARIS, golden_ami, observed, version, view

NAMES: dict[str, Any] = {"goldenImage": "web", "version": "1.0.0", "name": "web-1.0.0"}
PLACES: dict[str, Any] = {"source": {"image": {"id": "ami-0a1b2c3d4e5f60718"}}, "region": HOME, "replicas": [{"region": PARIS}]}
DECLARED = ImageVersion.from_object({"metadata": {"name": "web-1.0.0", "namespace": "images"}, "spec": {**NAMES, **PLACES}})
AMI = golden_ami("ami-0a1b2c3d4e5f60718", snapshot_ids=())
COOLING = "disabled after 2026-11-22T06:00:00Z"
TOLD = ("deprecation_time", "deregistration_protection", "disabled_since")


@pytest.mark.parametrize(
    ("image", "told"),
    [
        pytest.param(AMI, (None, None, None), id="kept"),
        pytest.param(replace(AMI, deprecation_epoch_seconds=NOW), ("2023-11-14T22:13:20Z", None, None), id="deprecated"),
        pytest.param(
            replace(AMI, deregistration_protection="enabled-with-cooldown"), (None, "enabled-with-cooldown", None), id="protected"
        ),
        pytest.param(replace(AMI, deregistration_protection=COOLING), (None, COOLING, None), id="no longer, until its cooldown ends"),
        pytest.param(replace(AMI, deregistration_protection="disabled"), (None, None, None), id="nor after that"),
        pytest.param(
            replace(AMI, state="disabled", tags={**AMI.tags, **undo.since(NOW)}), (None, None, "2023-11-14T22:13:20Z"), id="disabled"
        ),
    ],
)
def test_the_dates_of_each_stage(image: Image, told: tuple[str | None, ...]) -> None:
    look = Look(None, (Finding(PARIS, Reason.SUCCEEDED, "", image),), (), ())
    status = ImageVersionStatus.from_object(report.image_version(DECLARED, version(), look, observed(view(image)), ()))
    assert tuple(getattr(status.replicas[0], name) for name in TOLD) == told
