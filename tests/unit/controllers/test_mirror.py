"""What a GoldenImage repeats of its versions."""

from typing import Any

import pytest

from goldenami.api.conditions import ConditionType
from goldenami.api.golden_image import GoldenImage
from goldenami.api.image_version import ImageVersion
from goldenami.api.reasons import Reason
from goldenami.controllers.mirror import mirrored
from support.plan import HOME, PARIS

SPEC: dict[str, Any] = {"source": {"image": {"id": "ami-0a1b2c3d4e5f60718"}}, "region": HOME, "replicas": [{"region": PARIS}]}
DECLARED = GoldenImage.from_object({"metadata": {"name": "web", "namespace": "images"}, "spec": {**SPEC, "version": "1.1.0"}})


def child(version: str, reason: Reason | None = None, *, deleting: bool = False) -> ImageVersion:
    name = f"web-{version}"
    said = {"type": "ReplicasReady", "status": "False", "reason": reason, "message": "so it is", "observedGeneration": 1}
    return ImageVersion.from_object(
        {
            "metadata": {"name": name, "generation": 1, **({"deletionTimestamp": "2026-11-27T10:00:00Z"} if deleting else {})},
            "spec": {**SPEC, "goldenImage": "web", "version": version, "name": name},
            "status": {
                "observedGeneration": 1,
                "conditions": [{**said, "lastTransitionTime": "2026-11-27T10:00:00Z"}] if reason else [],
            },
        }
    )


@pytest.mark.parametrize(
    ("children", "reason", "says"),
    [
        pytest.param([child("1.1.0", Reason.COPY_FAILED)], "CopyFailed", "so it is", id="what the declared one says"),
        pytest.param(
            [child("1.0.0", Reason.KEY_MISMATCH), child("1.1.0", Reason.COPY_FAILED)],
            "KeyMismatch",
            "version 1.0.0: so it is",
            id="what is worse, with its version",
        ),
        pytest.param(
            [child("1.0.0", Reason.KEY_MISMATCH, deleting=True), child("1.1.0", Reason.COPY_FAILED)],
            "CopyFailed",
            "so it is",
            id="nothing of one that is being deleted",
        ),
        pytest.param([child("1.1.0")], "Progressing", "ImageVersion web-1.1.0 has not been looked at yet", id="one that says nothing yet"),
        pytest.param(
            [child("1.1.0", Reason.SUCCEEDED, deleting=True)],
            "Deleting",
            "ImageVersion web-1.1.0 is being deleted; it is rendered anew once it is gone",
            id="the only one is being deleted",
        ),
    ],
)
def test_what_is_repeated(children: list[ImageVersion], reason: str, says: str) -> None:
    found = mirrored(ConditionType.REPLICAS_READY, DECLARED, {one.spec.version: one for one in children})
    assert (found.reason, found.message) == (reason, says)
