"""The operator as a process, and a world to run it in: a namespace, AWS accounts of its own, and questions to ask about both.

Nothing is patched: the process is `goldenami operator`, the API server and etcd are real, and AWS is the local one.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import kubernetes.client
import kubernetes.config
import pytest

from goldenami.api.kinds import AWS_ACCOUNT, GOLDEN_IMAGE, IMAGE_VERSION, KINDS, RETENTION_POLICY, SHARE_LIST, Kind
from goldenami.kube.client import APPLY_PATCH, MERGE_PATCH, Kubernetes, path_of
from goldenami.kube.errors import KubeConflict, KubeNotFound
from goldenami.local.aws import LocalAws
from goldenami.local.kubernetes import ControlPlane
from support.launcher import Launched, launcher
from support.waiting import until

T = TypeVar("T")
Body = dict[str, Any]

HOME, AWAY, FAR = "us-east-1", "eu-west-1", "ap-southeast-2"
PATIENCE_SECONDS = 40.0
"""A deadline, not an expectation: what is waited for takes a second or two on an idle machine."""

RESYNC = "10s"


def eventually(
    question: Callable[[], T | None],
    what: str,
    *,
    seconds: float = PATIENCE_SECONDS,
    told: Callable[[], str] = str,
    pause_seconds: float = 0.2,
) -> T:
    """Asks until the answer is neither None nor False; fails the test, with the state as it is then, after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not happen within {seconds:.0f} s\n{told()}")
        time.sleep(pause_seconds)


@dataclass
class OperatorLog:
    """What a `goldenami operator` has written."""

    log: Path

    def lines(self) -> list[Body]:
        """The JSON log so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def tail(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-25:]) if self.log.exists() else "(no log)"


@dataclass
class SharedOperator(OperatorLog):
    """One that another process keeps."""

    pid: int

    @property
    def running(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


@dataclass
class OperatorProcess(OperatorLog):
    """One `goldenami operator`."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    process: Launched | None = None

    def start(self) -> OperatorProcess:
        self.process = launcher().launch("goldenami", ("operator", *self.arguments), self.environment, self.log)
        return self

    def kill(self) -> None:
        """kill -9, and gone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self, *, seconds: float = 30.0) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(seconds)

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None


def command_of(
    plane: ControlPlane,
    aws: LocalAws,
    *,
    account: str,
    namespace: str = "",
    installation: str = "tests",
    interval: str = RESYNC,
    workers: int = 8,
) -> tuple[tuple[str, ...], dict[str, str]]:
    """What follows `goldenami` on the command line, and the environment."""
    environment = {
        **os.environ,
        **aws.environment(account),
        "KUBECONFIG": str(plane.kubeconfig),
        "POD_NAME": f"operator-{account}",
        **({"POD_NAMESPACE": namespace} if namespace else {}),
    }
    only = ("--namespace", namespace) if namespace else ()
    settings = ("--installation", installation, "--interval", interval, "--metrics-port", "0", "--workers", str(workers))
    return ("operator", *settings, *only), environment


@contextmanager
def operator(
    plane: ControlPlane,
    aws: LocalAws,
    folder: Path,
    *,
    account: str,
    namespace: str = "",
    installation: str = "tests",
    interval: str = RESYNC,
) -> Iterator[OperatorProcess]:
    """A running operator, stopped at the end. With a namespace it serves only that one, and holds a Lease there."""
    arguments, environment = command_of(plane, aws, account=account, namespace=namespace, installation=installation, interval=interval)
    process = OperatorProcess(folder / "operator.log", arguments[1:], environment).start()
    try:
        yield process
    finally:
        if process.running:
            try:
                process.stop()
            except subprocess.TimeoutExpired:
                process.kill()


@cache
def administrator(kubeconfig: Path) -> Kubernetes:
    """One client for each plane: its certificates are read once."""
    configuration = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
    return Kubernetes(configuration)


@dataclass
class World:
    """One test's corner: a namespace, an AWS account that the operator works in, and another that images are shared with."""

    plane: ControlPlane
    aws: LocalAws
    namespace: str
    account: str
    partner: str
    account_ref: str = ""
    installation: str = "tests"
    tail: Callable[[], str] = field(default=lambda: "")

    # Kubernetes

    @property
    def kubernetes(self) -> Kubernetes:
        """The API server, as its administrator: a client, because kubectl costs a tenth of a second of both cores for each question."""
        return administrator(self.plane.kubeconfig)

    def apply(self, *objects: Body) -> None:
        """As `kubectl apply --server-side`."""
        for obj in objects:
            path = path_of(_kind(obj["kind"]), self.namespace, obj["metadata"]["name"])
            self.kubernetes.call("PATCH", path, query={"fieldManager": "kubectl", "force": "true"}, body=obj, content_type=APPLY_PATCH)

    def create_namespace(self) -> None:
        self.kubernetes.call("POST", "/api/v1/namespaces", body={"metadata": {"name": self.namespace}})

    def delete_all(self) -> None:
        """All that the operator looks after. The namespace stays: its end costs a quarter of a second of processor time."""
        for kind in (GOLDEN_IMAGE, IMAGE_VERSION, SHARE_LIST, RETENTION_POLICY):
            self.kubernetes.call("DELETE", path_of(kind, self.namespace))

    def vanish(self) -> None:
        """Without regard to what is in AWS: what is left of a test would be looked at every ten seconds until the last one has ended."""
        for kind in (GOLDEN_IMAGE, IMAGE_VERSION):
            for obj in self.kubernetes.list(kind, self.namespace):
                with suppress(KubeConflict):  # the operator has just written to it, and may go on
                    self.kubernetes.remove_finalizer(kind, obj)
        with suppress(KubeNotFound):
            self.kubernetes.call("DELETE", path_of(AWS_ACCOUNT, "", self.account_ref))

    def delete(self, kind: str, name: str) -> None:
        self.kubernetes.call("DELETE", path_of(_kind(kind), self.namespace, name))

    def get(self, kind: str, name: str) -> Body | None:
        return self.kubernetes.get(_kind(kind), self.namespace, name)

    def patch(self, kind: str, name: str, change: Body) -> None:
        path = path_of(_kind(kind), self.namespace, name)
        self.kubernetes.call("PATCH", path, query={"fieldManager": "kubectl"}, body=change, content_type=MERGE_PATCH)

    def golden_image(self, name: str = "web", **spec: Any) -> Body:
        """A GoldenImage in two regions; `spec` replaces or adds fields."""
        base: Body = {"version": "1.0.0", "region": HOME, "replicas": [{"region": HOME}, {"region": AWAY}], **spec}
        if self.account_ref:
            base["accountRef"] = {"name": self.account_ref}
        return {"apiVersion": "goldenami.dev/v1alpha1", "kind": "GoldenImage", "metadata": {"name": name}, "spec": base}

    def share_list(self, name: str, *accounts: str) -> Body:
        return {
            "apiVersion": "goldenami.dev/v1alpha1",
            "kind": "ShareList",
            "metadata": {"name": name},
            "spec": {"accounts": list(accounts)},
        }

    def condition(self, kind: str, name: str, condition: str = "Ready") -> Body:
        """The condition, or an empty dict; only one about the current generation counts."""
        return _condition(self.get(kind, name), condition)

    def ready(self, name: str = "web", kind: str = "goldenimage", *, seconds: float = PATIENCE_SECONDS) -> Body:
        """Waits until it is Ready for its current generation, and returns it."""
        return self.until(
            lambda obj: obj if _condition(obj, "Ready").get("status") == "True" else None,
            f"{kind} {name} Ready",
            name,
            kind,
            seconds=seconds,
        )

    def reason(self, reason: str, name: str = "web", *, condition: str = "Ready", kind: str = "goldenimage") -> Body:
        """Waits until the condition has this reason, and returns the condition."""
        return self.until(
            lambda obj: found if (found := _condition(obj, condition)).get("reason") == reason else None,
            f"{condition} of {kind} {name} with reason {reason}",
            name,
            kind,
        )

    def gone(self, name: str = "web", kind: str = "goldenimage") -> None:
        self.until(lambda obj: obj is None, f"{kind} {name} gone", name, kind)

    def until(
        self,
        question: Callable[[Body | None], T | None],
        what: str,
        name: str = "web",
        kind: str = "goldenimage",
        *,
        seconds: float = PATIENCE_SECONDS,
    ) -> T:
        """Waits until what the object says, or that there is none, is the answer; fails the test after `seconds`."""
        answer = until(self.kubernetes, _kind(kind), self.namespace, name, question, seconds=seconds)
        if answer is None:
            raise AssertionError(f"{what} did not happen within {seconds:.0f} s\n{self.told()}")
        return answer

    def told(self) -> str:
        """What a person would look at when something does not happen."""
        objects = self.plane.run_kubectl("get", "gi,iv", "-n", self.namespace, "-o", "yaml")
        return f"{objects}\n--- operator ---\n{self.tail()}"

    # AWS

    def ec2(self, region: str = HOME, account: str = "") -> Any:
        return self.aws.client("ec2", region=region, account=account or self.account)

    def ssm(self, region: str = HOME) -> Any:
        return self.aws.client("ssm", region=region, account=self.account)

    def seed(self, kind: str = "image", region: str = HOME, account: str = "", **traits: Any) -> str:
        """The id of something that has been there before."""
        return str(self.aws.lab.seed_one(kind, account or self.account, region, **traits)[f"{kind}_id"])

    def images(self, region: str = HOME) -> list[Body]:
        """Every image of the account there that carries our owner tag, disabled ones included."""
        tagged = [{"Name": "tag-key", "Values": ["goldenami.dev/owner"]}]
        return list(self.ec2(region).describe_images(Owners=["self"], IncludeDisabled=True, Filters=tagged)["Images"])

    def image(self, region: str = HOME) -> Body:
        """The one image of ours there."""
        images = self.images(region)
        assert len(images) == 1, images
        return images[0]

    def shared_with(self, image_id: str, region: str = HOME) -> set[str]:
        answer = self.ec2(region).describe_image_attribute(ImageId=image_id, Attribute="launchPermission")
        return {next(iter(row.values())) for row in answer["LaunchPermissions"]}

    def snapshot_shared_with(self, snapshot_id: str, region: str = HOME) -> set[str]:
        answer = self.ec2(region).describe_snapshot_attribute(SnapshotId=snapshot_id, Attribute="createVolumePermission")
        return {next(iter(row.values())) for row in answer["CreateVolumePermissions"]}

    def parameter(self, name: str, region: str = HOME) -> str | None:
        answer = self.ssm(region).get_parameters(Names=[name])["Parameters"]
        return str(answer[0]["Value"]) if answer else None


def _condition(obj: Body | None, condition: str) -> Body:
    """Of the current generation, or an empty dict."""
    rows = (obj or {}).get("status", {}).get("conditions", [])
    return next(
        (row for row in rows if obj and row["type"] == condition and row["observedGeneration"] == obj["metadata"]["generation"]), {}
    )


def _kind(name: str) -> Kind:
    """By its CamelCase name, singular or plural."""
    return next(kind for kind in KINDS if name.lower() in (kind.singular, kind.plural))


def snapshots_of(image: Body) -> list[str]:
    return [row["Ebs"]["SnapshotId"] for row in image["BlockDeviceMappings"] if "SnapshotId" in row.get("Ebs", {})]


def tags_of(resource: Body) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in resource.get("Tags", [])}


@pytest.fixture(scope="session")
def fast_aws() -> Iterator[LocalAws]:
    """A local AWS whose clock is the operator's, and whose copies and reports take a fraction of a second."""
    with LocalAws.start() as aws:
        aws.lab.settings(copy_seconds=0.3, copy_spread=1.2, image_seconds=0.2, usage_report_seconds=0.2)
        yield aws


@pytest.fixture(scope="session")
def shared_operator(served: Mapping[str, str]) -> SharedOperator:
    """One for all tests, of all workers, that neither stop nor watch the process; each works through an AWSAccount of its own."""
    return SharedOperator(Path(served["log"]), int(served["pid"]))


@pytest.fixture
def world(
    served_plane: ControlPlane, fast_aws: LocalAws, shared_operator: SharedOperator, new_account: Callable[[], str]
) -> Iterator[World]:
    """A corner of the shared operator's world."""
    account, partner = new_account(), new_account()
    namespace, name = f"test-{uuid.uuid4().hex[:10]}", f"account-{uuid.uuid4().hex[:8]}"
    found = World(served_plane, fast_aws, namespace, account, partner, account_ref=name, tail=shared_operator.tail)
    found.create_namespace()
    found.apply(aws_account(name, account, fast_aws))
    yield found
    if not shared_operator.running:
        raise AssertionError(f"the operator ended:\n{shared_operator.tail()}")
    found.delete_all()
    _ended.append(found)
    for ended in _ended[:-LINGERING]:
        ended.vanish()
    del _ended[:-LINGERING]


LINGERING = 2
"""Worlds that have some time to end as they should, with their AWSAccount, without which nothing could be released any more."""
_ended: list[World] = []


def aws_account(name: str, account: str, aws: LocalAws) -> Body:
    """That account of that local AWS, whichever one the operator itself is told of."""
    role = f"arn:aws:iam::{account}:role/goldenami"
    return {
        "apiVersion": "goldenami.dev/v1alpha1",
        "kind": "AWSAccount",
        "metadata": {"name": name},
        "spec": {"accountId": account, "roleArn": role, "endpointUrl": aws.endpoint_url, "namespaces": {}},
    }
