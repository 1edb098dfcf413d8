"""Objects that were stored while their definitions were laxer, and do not fit any more: told, left alone, and in nobody's way.

The reconcilers run in the test's own process; the API server is one whose definitions are relaxed while the misfit is stored, as by an
older release, and strict again when it is looked at.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import kubernetes.client
import kubernetes.config
import pytest
import yaml

from goldenami.api.kinds import AWS_ACCOUNT, FINALIZER, GOLDEN_IMAGE, IMAGE_VERSION, RETENTION_POLICY, SHARE_LIST, Key, Kind
from goldenami.aws.sessions import Sessions
from goldenami.kube.client import APPLY_PATCH, MERGE_PATCH, Body, Kubernetes, path_of
from goldenami.kube.errors import KubeInvalid
from goldenami.local.aws import LocalAws, lab
from goldenami.local.aws.clock import Clock
from goldenami.local.kubernetes import ControlPlane, Programs
from support.operator import HOME, eventually, tags_of
from support.serving import CRDS
from support.stepped import Stepped

ACCOUNT, PARTNER = "711111111111", "722222222222"
LIMITS = frozenset(
    ("x-kubernetes-validations", "pattern", "enum", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "maxProperties")
)


def relaxed(node: Any) -> Any:
    """The schema, or a part of it, without what an older release did not ask for."""
    if isinstance(node, dict):
        return {key: relaxed(value) for key, value in node.items() if key not in LIMITS}
    return [relaxed(item) for item in node] if isinstance(node, list) else node


class Place:
    """A family in a namespace of its own."""

    def __init__(self, plane: ControlPlane, aws: LocalAws, sessions: Sessions) -> None:
        configuration = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(str(plane.kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
        self.kubernetes = Kubernetes(configuration)
        self.namespace, self.account_name = f"misfit-{uuid.uuid4().hex[:10]}", f"account-{uuid.uuid4().hex[:8]}"
        self.kubernetes.call("POST", "/api/v1/namespaces", body={"metadata": {"name": self.namespace}})
        self.aws = aws
        aws.lab.reset()
        aws.lab.settings(throttling=False, copy_seconds=2.0, image_seconds=1.0, usage_report_seconds=2.0)
        lab.current().clock = Clock(scale=0)
        self.operator = Stepped(self.kubernetes, aws, sessions, self.namespace)
        self.make(AWS_ACCOUNT, self.account_name, {"accountId": ACCOUNT, "namespaces": {}})

    def make(self, kind: Kind, name: str, spec: Body) -> None:
        self.operator.apply({"apiVersion": "goldenami.dev/v1alpha1", "kind": kind.kind, "metadata": {"name": name}, "spec": spec})

    def declare(self, version: str, **spec: Any) -> None:
        """Each version has a source of its own."""
        source = {"image": {"id": self.aws.lab.seed_one("image", ACCOUNT, HOME, name=f"base-{version}")["image_id"]}}
        base = {"version": version, "source": source, "region": HOME, "replicas": [{"region": HOME}]}
        self.make(GOLDEN_IMAGE, "web", {**base, "accountRef": {"name": self.account_name}, **spec})

    def settle(self) -> None:
        """Until nothing changes any more, and all is as declared."""
        self.operator.settle()
        assert self.condition(GOLDEN_IMAGE, "web", "Ready")[0] == "True", self.get(GOLDEN_IMAGE, "web")["status"]

    def edit(self, kind: Kind, name: str, change: Body) -> None:
        self.kubernetes.call("PATCH", path_of(kind, self.namespace, name), body=change, content_type=MERGE_PATCH)

    def store(self, kind: Kind, name: str, spec: Body) -> None:
        """An edit that only an older release admits."""
        with self.older_definitions():
            self.edit(kind, name, {"spec": spec})

    @contextmanager
    def older_definitions(self) -> Iterator[None]:
        probe = {"metadata": {"name": "probe"}, "spec": {"accounts": ["nobody"]}}
        path, strict = path_of(SHARE_LIST, self.namespace), [yaml.safe_load(file.read_text()) for file in sorted(CRDS.glob("*.yaml"))]

        def admitted() -> bool:
            try:
                self.kubernetes.call(
                    "POST", path, query={"dryRun": "All"}, body={"apiVersion": "goldenami.dev/v1alpha1", "kind": "ShareList"} | probe
                )
            except KubeInvalid:
                return False
            return True

        self._define([relaxed(definition) for definition in strict])
        eventually(admitted, "laxer definitions in force")
        try:
            yield
        finally:
            self._define(strict)
            eventually(lambda: not admitted(), "strict definitions in force")

    def _define(self, definitions: list[Body]) -> None:
        for definition in definitions:
            path = f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{definition['metadata']['name']}"
            self.kubernetes.call("PATCH", path, query={"fieldManager": "test", "force": "true"}, body=definition, content_type=APPLY_PATCH)

    def look(self, kind: Kind, name: str) -> None:
        self.operator.look(Key(kind.kind, self.namespace if kind.namespaced else "", name))

    def get(self, kind: Kind, name: str) -> Body:
        obj = self.kubernetes.get(kind, self.namespace, name)
        assert obj is not None
        return obj

    def condition(self, kind: Kind, name: str, condition: str) -> tuple[str, str, str]:
        rows = self.get(kind, name).get("status", {}).get("conditions", [])
        return next(((row["status"], row["reason"], row["message"]) for row in rows if row["type"] == condition), ("", "", ""))

    def shared(self) -> dict[str, set[str]]:
        """By version: with whom, and which are disabled."""
        ec2 = self.aws.client("ec2", region=HOME, account=ACCOUNT)
        owned = [{"Name": "tag:goldenami.dev/owner", "Values": [f"stepped/{self.namespace}/web"]}]
        found = ec2.describe_images(Owners=["self"], IncludeDisabled=True, Filters=owned)["Images"]
        return {
            tags_of(image)["goldenami.dev/version"]: {
                row["UserId"]
                for row in ec2.describe_image_attribute(ImageId=image["ImageId"], Attribute="launchPermission")["LaunchPermissions"]
            }
            for image in found
            if image["State"] == "available"
        }


@pytest.fixture(scope="module")
def ground(programs: Programs) -> Iterator[tuple[ControlPlane, LocalAws, Sessions]]:
    with (
        ControlPlane.start(programs=programs) as plane,
        LocalAws.start(in_process=True, clock_scale=0) as aws,
        pytest.MonkeyPatch.context() as patch,
    ):
        plane.run_kubectl("apply", "--server-side", "-f", CRDS)
        plane.run_kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", CRDS)
        for name, value in aws.environment(ACCOUNT).items():
            patch.setenv(name, value)
        yield plane, aws, Sessions(clock=lambda: lab.current().clock.now())


@pytest.fixture
def place(ground: tuple[ControlPlane, LocalAws, Sessions]) -> Iterator[Place]:
    place = Place(*ground)
    yield place
    place.operator.stop()


def test_a_golden_image_is_told_and_nothing_goes_until_it_is_corrected(place: Place) -> None:
    place.declare("1.0.0", sharing={"accounts": [PARTNER]})
    place.settle()
    before = place.shared()

    place.store(GOLDEN_IMAGE, "web", {"interval": "sometimes", "sharing": {"accounts": []}})
    place.operator.settle()

    obj = place.get(GOLDEN_IMAGE, "web")
    assert obj["status"]["observedGeneration"] == obj["metadata"]["generation"]
    for condition, status in (("Ready", "False"), ("Stalled", "True"), ("SourceReady", "False")):
        assert place.condition(GOLDEN_IMAGE, "web", condition)[:2] == (status, "InvalidSpec")
    assert 'spec.interval: "sometimes" is refused' in place.condition(GOLDEN_IMAGE, "web", "Ready")[2]
    assert place.shared() == before
    # What else was said is still about the spec that it was said of.
    about = {row["type"]: row["observedGeneration"] for row in obj["status"]["conditions"]}
    assert about["ReplicasReady"] < about["Ready"] == obj["metadata"]["generation"]

    place.edit(GOLDEN_IMAGE, "web", {"spec": {"interval": None}})
    place.settle()
    assert place.shared() == {"1.0.0": set()}


def test_one_version_is_told_left_alone_and_in_nobodys_way(place: Place) -> None:
    place.declare("1.0.0", sharing={"accounts": [PARTNER]}, publish={"configMap": {"name": "ids"}})
    place.settle()
    place.declare(
        "1.1.0", sharing={"accounts": [PARTNER]}, channels=[{"name": "stable", "version": "1.0.0"}], publish={"configMap": {"name": "ids"}}
    )
    place.settle()
    named = place.kubernetes.config_map(place.namespace, "ids")

    place.store(IMAGE_VERSION, "web-1.0.0", {"interval": "sometimes"})
    place.edit(GOLDEN_IMAGE, "web", {"spec": {"sharing": {"accounts": []}}})
    place.operator.settle()

    assert place.condition(IMAGE_VERSION, "web-1.0.0", "Stalled")[:2] == ("True", "InvalidSpec")
    status, reason, message = place.condition(GOLDEN_IMAGE, "web", "SourceReady")
    assert (status, reason) == ("False", "InvalidSpec")
    assert "ImageVersion web-1.0.0 does not fit its definition" in message
    assert place.shared() == {"1.0.0": {PARTNER}, "1.1.0": set()}
    stored = place.kubernetes.config_map(place.namespace, "ids")
    assert named is not None
    assert stored is not None
    assert stored["data"] == named["data"]
    assert place.get(IMAGE_VERSION, "web-1.0.0")["spec"]["interval"] == "sometimes"

    place.edit(IMAGE_VERSION, "web-1.0.0", {"spec": {"interval": None}})
    place.settle()
    assert place.shared() == {"1.0.0": set(), "1.1.0": set()}


def test_the_declared_version_stops_only_itself(place: Place) -> None:
    place.declare("1.0.0", sharing={"accounts": [PARTNER]})
    place.settle()
    place.declare("1.1.0", sharing={"accounts": [PARTNER]})
    place.settle()

    place.store(IMAGE_VERSION, "web-1.1.0", {"interval": "sometimes"})
    place.edit(GOLDEN_IMAGE, "web", {"spec": {"sharing": {"accounts": []}}})
    place.operator.settle()

    assert place.condition(GOLDEN_IMAGE, "web", "Stalled")[:2] == ("True", "InvalidSpec")
    assert place.shared() == {"1.0.0": set(), "1.1.0": {PARTNER}}


def test_a_deleted_family_waits_for_the_version_that_cannot_be_read(place: Place) -> None:
    place.declare("1.0.0", deletionPolicy="Delete")
    place.settle()
    place.store(IMAGE_VERSION, "web-1.0.0", {"interval": "sometimes"})

    place.kubernetes.call("DELETE", path_of(GOLDEN_IMAGE, place.namespace, "web"))
    place.operator.settle()

    assert place.condition(GOLDEN_IMAGE, "web", "Stalled")[:2] == ("True", "InvalidSpec")
    assert set(place.shared()) == {"1.0.0"}
    place.edit(IMAGE_VERSION, "web-1.0.0", {"spec": {"interval": None}})
    place.operator.settle()
    assert place.operator.objects() == []
    assert place.shared() == {}


def test_a_share_list_changes_nobodys_access(place: Place) -> None:
    place.make(SHARE_LIST, "partners", {"accounts": [PARTNER]})
    place.declare("1.0.0", sharing={"shareListRefs": [{"name": "partners"}]})
    place.settle()

    place.store(SHARE_LIST, "partners", {"accounts": ["nobody"]})
    place.operator.settle()

    status, reason, message = place.condition(GOLDEN_IMAGE, "web", "SharingReady")
    assert (status, reason) == ("False", "DependencyNotReady")
    assert "ShareList partners does not fit its definition" in message
    assert "nobody's access changes" in message
    assert place.shared() == {"1.0.0": {PARTNER}}


def test_a_retention_policy_retires_nothing(place: Place) -> None:
    place.make(RETENTION_POLICY, "standard", {"keepLast": 5})
    for version in ("1.0.0", "1.1.0"):
        place.declare(version, retentionPolicyRef={"name": "standard"})
        place.settle()

    place.store(RETENTION_POLICY, "standard", {"keepLast": 1, "keepFor": "soon"})
    place.operator.pass_time(100 * 86_400)
    place.operator.settle()

    status, reason, message = place.condition(GOLDEN_IMAGE, "web", "RetentionReady")
    assert (status, reason) == ("False", "DependencyNotReady")
    assert "RetentionPolicy standard does not fit its definition" in message
    assert set(place.shared()) == {"1.0.0", "1.1.0"}


def test_an_account_is_told_by_itself_and_by_those_who_name_it(place: Place) -> None:
    place.declare("1.0.0")
    place.settle()

    place.store(AWS_ACCOUNT, place.account_name, {"roleArn": "goldenami"})
    place.look(AWS_ACCOUNT, place.account_name)
    place.operator.settle()

    assert place.condition(AWS_ACCOUNT, place.account_name, "Stalled")[:2] == ("True", "InvalidSpec")
    assert "spec.roleArn" in place.condition(AWS_ACCOUNT, place.account_name, "Ready")[2]
    for kind, name in ((GOLDEN_IMAGE, "web"), (IMAGE_VERSION, "web-1.0.0")):
        status, reason, message = place.condition(kind, name, "AccountsReady")
        assert (status, reason) == ("False", "DependencyNotReady")
        assert place.account_name in message
        assert "roleArn" not in message
    assert set(place.shared()) == {"1.0.0"}
    assert FINALIZER in place.get(GOLDEN_IMAGE, "web")["metadata"]["finalizers"]
