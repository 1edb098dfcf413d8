"""The kinds as Python values: what goes in comes out, what does not fit is explained, what is newer than we are is left aside."""

from typing import Any

import pytest
from pydantic import ValidationError

from goldenami.api.aws_account import AWSAccount, LabelSelector
from goldenami.api.conditions import Condition
from goldenami.api.golden_image import GoldenImage
from goldenami.api.image_version import ImageVersion
from goldenami.api.kinds import Key
from goldenami.api.meta import InvalidObjectError
from goldenami.api.share_list import ShareList
from goldenami.api.source import Source

AMI = "ami-0a1b2c3d4e5f60718"


def golden_image(**spec: Any) -> dict[str, Any]:
    minimal = {
        "version": "1.4.2",
        "source": {"image": {"id": AMI}},
        "region": "us-east-1",
        "replicas": [{"region": "eu-west-1", "kmsKeyId": "alias/golden"}],
    }
    metadata = {"name": "web", "namespace": "images", "generation": 3, "annotations": {"goldenami.dev/reconcile-requested": "now"}}
    return {"apiVersion": "goldenami.dev/v1alpha1", "kind": "GoldenImage", "metadata": metadata, "spec": minimal | spec}


CONDITION = {
    "type": "Ready",
    "status": "True",
    "reason": "Succeeded",
    "message": "",
    "observedGeneration": 3,
    "lastTransitionTime": "2026-11-21T05:26:00Z",
}
OBJECTS = {
    "a GoldenImage": (
        GoldenImage,
        golden_image(
            source={"instance": {"id": "i-0a1b2c3d", "reboot": False, "volumes": [{"deviceName": "/dev/sdf", "sizeGiB": 8}]}},
            sharing={"accounts": ["111122223333"], "shareListRefs": [{"name": "partners"}], "foreignGrants": "Keep"},
            aliases=[{"parameter": "/golden/{image}"}],
            accountRef={"name": "build"},
            interval="10m",
        )
        | {
            "status": {
                "observedGeneration": 3,
                "conditions": [CONDITION],
                "lastHandledReconcile": "now",
                "channels": [{"name": "current", "version": "1.4.2", "images": [{"region": "eu-west-1", "imageId": AMI}]}],
                "aliases": [{"parameter": "/golden/web", "region": "eu-west-1", "imageId": AMI, "version": "1.4.2"}],
            }
        },
    ),
    "an ImageVersion": (
        ImageVersion,
        {
            "spec": {
                "goldenImage": "web",
                "version": "1.4.2",
                "source": {"image": {"id": AMI, "adopt": True}},
                "region": "us-east-1",
                "name": "web-1.4.2",
                "replicas": [{"region": "us-east-1"}],
                "sharing": {"public": True, "snapshots": False},
            },
            "status": {
                "observedGeneration": 1,
                "source": {"imageId": AMI, "region": "us-east-1", "snapshotIds": ["snap-0a1b2c3d"], "attempt": 1},
                "replicas": [{"region": "us-east-1", "imageId": AMI, "progress": 40, "kmsKeyArn": "arn", "sharedDigest": "abc"}],
                "tagKeys": ["team"],
                "regionsReady": "0/1",
                "foreignGrants": [{"region": "us-east-1", "principals": ["all"]}],
                "plan": ["us-east-1: copy"],
            },
        },
    ),
    "a ShareList": (ShareList, {"spec": {"accounts": ["111122223333"], "description": "partners"}}),
    "an AWSAccount": (
        AWSAccount,
        {
            "spec": {
                "accountId": "111122223333",
                "roleArn": "arn:aws:iam::111122223333:role/goldenami",
                "namespaces": {"matchLabels": {"team": "a"}, "matchExpressions": [{"key": "env", "operator": "Exists"}]},
            },
            "status": {"observedGeneration": 1, "accountId": "111122223333"},
        },
    ),
}


@pytest.mark.parametrize(("model", "given"), [pytest.param(*pair, id=name) for name, pair in OBJECTS.items()])
def test_what_goes_in_comes_out(model: Any, given: dict[str, Any]) -> None:
    parsed = model.from_object(given)
    dumped = parsed.to_object()
    assert _within(given, dumped)
    assert model.from_object(dumped) == parsed


def _within(given: Any, dumped: Any) -> bool:
    if isinstance(given, dict):
        return all(key in dumped and _within(value, dumped[key]) for key, value in given.items())
    if isinstance(given, list):
        return len(given) == len(dumped) and all(map(_within, given, dumped))
    return bool(given == dumped)


def test_absent_fields_stay_absent() -> None:
    dumped = GoldenImage.from_object(golden_image()).to_object()["spec"]
    assert not {"sharing", "description", "accountRef", "interval"} & dumped.keys()


def test_a_field_of_a_newer_release_is_left_aside() -> None:
    assert GoldenImage.from_object(golden_image(rollout={"name": "standard"})) == GoldenImage.from_object(golden_image())


def test_an_object_says_who_it_is() -> None:
    image = GoldenImage.from_object(golden_image())
    assert image.key == Key("GoldenImage", "images", "web")
    assert (image.generation, image.deleting, image.metadata.reconcile_requested) == (3, False, "now")
    assert image.status.observed_generation == -1


def test_values_cannot_be_changed() -> None:
    image = GoldenImage.from_object(golden_image())
    with pytest.raises(ValidationError):
        image.spec.region = "eu-west-1"  # type: ignore[misc]  # refused by the checker as well


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        pytest.param({"version": "v1"}, 'spec.version: "v1" is refused: a version follows SemVer 2.0', id="a value of the wrong shape"),
        pytest.param({"region": "us-east-1\n"}, "spec.region: ", id="a line break after a value"),
        pytest.param({"replicas": [{"region": "x"}]}, 'spec.replicas[0].region: "x" is refused', id="a value inside a list"),
        pytest.param({"replicas": []}, "spec.replicas: ", id="too few items"),
        pytest.param({"source": {}}, "spec.source: a source is exactly one of image, instance or snapshot", id="no source"),
        pytest.param({"source": {"instance": {"id": "i-0a1b2c3d"}}}, "spec.source.instance.reboot: Field required", id="a missing field"),
    ],
)
def test_what_does_not_fit_is_explained_by_field(spec: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidObjectError) as error:
        GoldenImage.from_object(golden_image(**spec))
    assert says in str(error.value)
    assert "pydantic" not in str(error.value)


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(InvalidObjectError, match=r"spec\.version: .*; spec\.region: "):
        GoldenImage.from_object(golden_image(version="1", region="here"))


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({"regionsReady": "x" * 99}, id="a value beyond its bounds"),
        pytest.param({"channels": [{"name": "stable", "version": "banana"}]}, id="a row in a list"),
        pytest.param({"aliases": "none", "versions": -1}, id="two fields"),
    ],
)
def test_what_does_not_fit_in_a_status_is_left_out_and_the_rest_stays(status: dict[str, Any]) -> None:
    parsed = GoldenImage.from_object({**golden_image(), "status": {"observedGeneration": 3, "configMap": "ids", **status}})
    assert (parsed.status.observed_generation, parsed.status.config_map) == (3, "ids")
    assert not status.keys() & {name for name, value in parsed.status.to_object().items() if value}


def test_a_status_excuses_no_spec() -> None:
    with pytest.raises(InvalidObjectError, match=r"spec\.version"):
        GoldenImage.from_object({**golden_image(version="1"), "status": {"versions": -1}})


def test_an_object_without_a_spec_is_explained() -> None:
    with pytest.raises(InvalidObjectError, match="spec: Field required"):
        GoldenImage.from_object({"metadata": {"name": "web"}})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({"image": {"id": AMI}}, (AMI, False), id="an image"),
        pytest.param({"image": {"id": AMI, "adopt": True}}, (AMI, True), id="an adopted image"),
        pytest.param({"instance": {"id": "i-0a1b2c3d", "reboot": True}}, ("i-0a1b2c3d", False), id="an instance"),
    ],
)
def test_a_source_tells_its_id(given: dict[str, Any], expected: tuple[str, bool]) -> None:
    source = Source.from_object(given)
    assert (source.id, source.adopted) == expected


IN = {"matchExpressions": [{"key": "e", "operator": "In", "values": ["x", "y"]}]}


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        pytest.param({}, {}, True, id="an empty selector selects everything"),
        pytest.param({"matchLabels": {"team": "a"}}, {"team": "a", "env": "dev"}, True, id="a label with its value"),
        pytest.param({"matchLabels": {"team": "a"}}, {"team": "b"}, False, id="a label with another value"),
        pytest.param({"matchLabels": {"team": ""}}, {}, False, id="an empty value is not a missing label"),
        pytest.param({"matchLabels": {"team": "a", "env": "dev"}}, {"team": "a"}, False, id="all labels must be there"),
        pytest.param(
            _expression := {"matchExpressions": [{"key": "e", "operator": "In", "values": ["x", "y"]}]}, {"e": "y"}, True, id="In"
        ),
        pytest.param(_expression, {}, False, id="In needs the label"),
        pytest.param({"matchExpressions": [{"key": "e", "operator": "NotIn", "values": ["x"]}]}, {"e": "x"}, False, id="NotIn"),
        pytest.param({"matchExpressions": [{"key": "e", "operator": "NotIn", "values": ["x"]}]}, {}, True, id="NotIn without the label"),
        pytest.param({"matchExpressions": [{"key": "e", "operator": "Exists"}]}, {"e": ""}, True, id="Exists"),
        pytest.param({"matchExpressions": [{"key": "e", "operator": "DoesNotExist"}]}, {"e": ""}, False, id="DoesNotExist"),
        pytest.param(
            {"matchLabels": {"a": "b"}, "matchExpressions": [{"key": "e", "operator": "Exists"}]}, {"a": "b"}, False, id="both parts"
        ),
    ],
)
def test_a_selector_selects_as_kubernetes_does(selector: dict[str, Any], labels: dict[str, str], selected: bool) -> None:
    assert LabelSelector.from_object(selector).matches(labels) is selected


def test_a_condition_is_not_made_without_its_generation() -> None:
    with pytest.raises(InvalidObjectError, match="observedGeneration"):
        Condition.from_object({key: value for key, value in CONDITION.items() if key != "observedGeneration"})
