"""The operator as it is deployed: the image of the Dockerfile, by deploy/kustomize, in a cluster that has nodes.

Needs such a cluster, so it runs only where these are set (CONTRIBUTING.md):
- GOLDENAMI_CLUSTER_KUBECONFIG: an administrator's kubeconfig of a cluster that holds nothing of ours; what is made is removed at the end;
- GOLDENAMI_CLUSTER_IMAGE: the operator's image, there without pulling it or to be pulled;
- GOLDENAMI_CLUSTER_HOST: this machine's address as pods reach it, where the local AWS listens.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from goldenami.local.aws import LocalAws
from goldenami.local.kubernetes import Programs
from support.operator import eventually
from support.serving import CRDS

Body = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = ("GOLDENAMI_CLUSTER_KUBECONFIG", "GOLDENAMI_CLUSTER_IMAGE", "GOLDENAMI_CLUSTER_HOST")
KUBECONFIG, IMAGE, HOST = (os.environ.get(name, "") for name in SETTINGS)
ABSENT = [name for name in SETTINGS if not os.environ.get(name)]
SYSTEM, IMAGES, OWN = "goldenami-system", "images", "golden-images"
ACCOUNT, PARTNER = "111111111111", "222222222222"
REGIONS = ("us-east-1", "eu-west-1", "ap-southeast-2")
FAILOVER_SECONDS = 20.0
PATIENCE_SECONDS = 180.0

pytestmark = pytest.mark.skipif(bool(ABSENT), reason=f"needs a cluster with nodes, and an image in it: set {', '.join(ABSENT)}")


@dataclass(frozen=True)
class Cluster:
    """kubectl, and what is asked of it again and again."""

    program: Path
    aws: LocalAws

    def kubectl(self, *words: str | Path, stdin: str | None = None) -> str:
        command = [str(word) for word in (self.program, *words)]
        surroundings = {**os.environ, "KUBECONFIG": KUBECONFIG}
        done = subprocess.run(command, env=surroundings, input=stdin, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS)
        assert done.returncode == 0, f"{' '.join(command)}\n{done.stderr}"
        return done.stdout

    def objects(self, *words: str) -> list[Body]:
        found = json.loads(self.kubectl("get", *words, "-o", "json"))
        return list(found["items"]) if "items" in found else [found]

    def pods(self, namespace: str = SYSTEM) -> dict[str, Body]:
        """The operator's, without those that are going."""
        found = self.objects("pods", "-n", namespace, "-l", "app.kubernetes.io/name=goldenami")
        return {pod["metadata"]["name"]: pod for pod in found if "deletionTimestamp" not in pod["metadata"]}

    def active(self, namespace: str = SYSTEM) -> str:
        """The pod that holds the Lease; empty where none of the present ones does."""
        (lease,) = self.objects("lease", "goldenami-operator", "-n", namespace)
        holder = str(lease["spec"].get("holderIdentity") or "")
        return holder if holder in self.pods(namespace) else ""

    def asked(self, pod: str, path: str) -> str:
        """A page of the pod's own port, by way of the API server."""
        return self.kubectl("get", "--raw", f"/api/v1/namespaces/{SYSTEM}/pods/{pod}:8080/proxy{path}")

    def told(self, namespace: str = SYSTEM) -> str:
        return self.kubectl("logs", "-n", namespace, "-l", "app.kubernetes.io/name=goldenami", "--prefix", "--tail=200")

    def rolled_out(self, namespace: str) -> None:
        self.kubectl("rollout", "status", "-n", namespace, "deployment/goldenami", f"--timeout={PATIENCE_SECONDS:.0f}s")

    def ready(self, namespace: str, name: str) -> None:
        self.kubectl("wait", "-n", namespace, f"goldenimage/{name}", "--for=condition=Ready", f"--timeout={PATIENCE_SECONDS / 2:.0f}s")

    def parameter(self, name: str, region: str) -> str:
        return str(self.aws.client("ssm", region, ACCOUNT).get_parameter(Name=name)["Parameter"]["Value"])


@pytest.fixture(scope="module")
def cluster(programs: Programs) -> Iterator[Cluster]:
    """Without our kinds before and after; the local AWS holds what the examples name."""
    with LocalAws.start(address=HOST) as aws:
        aws.lab.settings(copy_seconds=2.0, copy_spread=1.2, image_seconds=0.2)
        aws.lab.seed()
        cluster = Cluster(programs.kubectl, aws)
        cluster.kubectl("apply", "--server-side", "-f", CRDS)
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", CRDS)
        try:
            yield cluster
        finally:
            cluster.kubectl("delete", "--ignore-not-found", "-f", CRDS)


def overlay(folder: Path, of: str, aws: LocalAws, *, namespace: str = "") -> Path:
    """As deploy/README.md says: where the image is, and which AWS it works in. `deploy` is copied, as kustomize takes no absolute paths."""
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    name, _, tag = IMAGE.rpartition(":")
    settings = [{"name": key, "value": value} for key, value in aws.environment(ACCOUNT).items()]
    container = {"name": "operator", "env": settings}
    change = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "goldenami", "namespace": namespace or SYSTEM},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
    written = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"deploy/kustomize/{of}"],
        "images": [{"name": "goldenami", "newName": name, "newTag": tag}],
        "patches": [{"patch": yaml.safe_dump(change)}],
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(written))
    return folder


# First, while no other operator serves the whole cluster.
def test_in_one_namespace_a_role_is_enough(cluster: Cluster, tmp_path: Path) -> None:
    folder = overlay(tmp_path, "namespaced", cluster.aws, namespace=OWN)
    cluster.kubectl("create", "namespace", OWN)
    try:
        cluster.kubectl("apply", "--server-side", "-k", folder)
        cluster.rolled_out(OWN)
        source = cluster.aws.lab.seed_one("image", ACCOUNT, REGIONS[0], name="base-own")["image_id"]
        spec = {"version": "1.0.0", "source": {"image": {"id": source}}, "region": REGIONS[0], "replicas": [{"region": REGIONS[1]}]}
        image = {"apiVersion": "goldenami.dev/v1alpha1", "kind": "GoldenImage", "metadata": {"name": "own"}, "spec": spec}
        cluster.kubectl("apply", "-n", OWN, "-f", "-", stdin=json.dumps(image))
        cluster.ready(OWN, "own")
        assert "orbidden" not in cluster.told(OWN)
        cluster.kubectl("delete", "goldenimage", "own", "-n", OWN)
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "-k", folder)
        cluster.kubectl("delete", "namespace", OWN)


@pytest.fixture(scope="module")
def deployed(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The base, for the whole cluster, and examples/quickstart.yaml, Ready."""
    folder = overlay(tmp_path_factory.mktemp("base"), "base", cluster.aws)
    quickstart = ROOT / "examples" / "quickstart.yaml"
    cluster.kubectl("apply", "--server-side", "-k", folder)
    try:
        cluster.rolled_out(SYSTEM)
        cluster.kubectl("apply", "-f", quickstart)
        cluster.ready(IMAGES, "web")
        yield cluster
        cluster.kubectl("delete", "-f", quickstart)
    finally:
        cluster.kubectl("delete", "--ignore-not-found", "-k", folder)


def test_two_replicas_run_under_the_restricted_pod_security_with_a_root_that_cannot_be_written(deployed: Cluster) -> None:
    pods = deployed.pods()
    assert len(pods) == 2
    (namespace,) = deployed.objects("namespace", SYSTEM)
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for name, pod in pods.items():
        (container,) = pod["spec"]["containers"]
        (status,) = pod["status"]["containerStatuses"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert (status["ready"], status["restartCount"]) == (True, 0)
        write = "open('/opt/goldenami/x', 'w')"
        tried = "import errno, os\ntry: " + write + "\nexcept OSError as error: print(os.getuid(), errno.errorcode[error.errno])"
        assert deployed.kubectl("exec", "-n", SYSTEM, name, "--", "python", "-c", tried) == "65532 EROFS\n"


def test_the_quickstart_is_published_in_every_region(deployed: Cluster) -> None:
    for region in REGIONS:
        image = deployed.parameter("/golden/web/current", region)
        (found,) = deployed.aws.client("ec2", region, ACCOUNT).describe_images(ImageIds=[image])["Images"]
        assert found["State"] == "available"
        assert {tag["Key"]: tag["Value"] for tag in found["Tags"]}["goldenami.dev/owner"] == f"default/{IMAGES}/web"


def test_probes_and_metrics_answer_in_both_and_one_is_active(deployed: Cluster) -> None:
    active = deployed.active()
    for name in deployed.pods():
        assert [deployed.asked(name, path) for path in ("/healthz", "/readyz")] == ["ok\n", "ok\n"]
        leads = 1.0 if name == active else 0.0
        assert f'leader_election_master_status{{name="goldenami-operator"}} {leads}' in deployed.asked(name, "/metrics")


@pytest.mark.parametrize(
    ("options", "version"),
    [
        pytest.param((), "1.4.3", id="by kubectl delete pod"),
        pytest.param(("--grace-period=0", "--force"), "1.4.4", id="without any grace"),
    ],
)
def test_when_the_active_pod_is_deleted_the_other_goes_on_with_what_it_left(
    deployed: Cluster, options: tuple[str, ...], version: str
) -> None:
    before = deployed.parameter("/golden/web/current", REGIONS[1])
    active = deployed.active()
    newer = deployed.aws.lab.seed_one("image", ACCOUNT, REGIONS[0], name=f"base-{version}")["image_id"]
    change = {"spec": {"version": version, "source": {"image": {"id": newer}}}}
    deployed.kubectl("patch", "goldenimage", "web", "-n", IMAGES, "--type=merge", "-p", json.dumps(change))
    killed_at = time.monotonic()
    deployed.kubectl("delete", "pod", active, "-n", SYSTEM, "--wait=false", *options)

    eventually(lambda: deployed.active() not in ("", active), "another is active", seconds=FAILOVER_SECONDS + 5, told=deployed.told)
    assert time.monotonic() - killed_at < FAILOVER_SECONDS

    deployed.ready(IMAGES, "web")
    eventually(lambda: deployed.parameter("/golden/web/current", REGIONS[1]) != before, "the new version published", told=deployed.told)
    versions = [each["spec"]["version"] for each in deployed.objects("imageversions", "-n", IMAGES)]
    assert versions.count(version) == 1
    deployed.rolled_out(SYSTEM)
    for region in REGIONS:
        named = deployed.aws.client("ec2", region, ACCOUNT).describe_images(
            Owners=["self"], Filters=[{"Name": "name", "Values": [f"web-{version}"]}]
        )
        assert len(named["Images"]) == 1


def test_the_log_is_json_without_a_traceback(deployed: Cluster) -> None:
    lines = [line.partition("] ")[2] for line in deployed.told().splitlines()]
    assert lines
    assert [line for line in lines if not line.startswith("{") or "traceback" in line.lower()] == []
    assert [line for line in map(json.loads, lines) if line["level"] == "error"] == []
