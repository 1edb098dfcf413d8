"""The operator as a process: who is active, how it ends, what its probes, metrics and logs say."""

from __future__ import annotations

import http.client
import json
import os
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cluster.manifests import golden_image
from goldenami.api.kinds import GOLDEN_IMAGE
from goldenami.controllers.operator import Exit
from goldenami.kube.client import MERGE_PATCH, Body, Kubernetes
from goldenami.kube.connection import load_configuration
from goldenami.kube.errors import KubeNotFound
from goldenami.local.kubernetes import ControlPlane, Programs
from support.launcher import Launched, launcher
from support.operator import eventually

ROOT = Path(__file__).resolve().parents[2]
FAILOVER_SECONDS = 20.0
HANDOVER_SECONDS = 3.0


@dataclass
class Process:
    """One operator process and what can be asked of it from outside."""

    folder: Path
    kubeconfig: Path
    settings: dict[str, Any]
    process: Launched = field(init=False)

    def start(self) -> Process:
        self.folder.mkdir()
        (self.folder / "settings.json").write_text(json.dumps(self.settings))
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        self.process = launcher().launch("support.engine_main", (str(self.folder),), environment, self.folder / "log")
        return self

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log().splitlines()]

    def said(self, words: str) -> bool:
        return words in self.log()

    @property
    def active(self) -> bool:
        return self.said("the Lease is ours")

    def become_active(self) -> Process:
        eventually(lambda: self.active, "it becomes active", told=self.log)
        return self

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """The exit code, and the seconds it took."""
        started = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(40)
        return code, time.monotonic() - started

    def get(self, path: str) -> tuple[int, str]:
        port = next(line for line in self.lines() if "on port" in line["message"])["message"].rpartition(" ")[2]
        connection = http.client.HTTPConnection("127.0.0.1", int(port), timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@dataclass
class Site:
    """A namespace, with the Lease in it, and processes that compete for it."""

    kubernetes: Kubernetes
    namespace: str
    folder: Path
    kubeconfig: Path
    processes: list[Process] = field(default_factory=list)

    def process(self, identity: str, **changes: Any) -> Process:
        settings = {
            "installation": "test",
            "namespaces": [self.namespace],
            "metrics_port": 0,
            "metrics_host": "127.0.0.1",
            "lease_namespace": self.namespace,
            "identity": identity,
        }
        process = Process(self.folder / f"{identity}-{len(self.processes)}", self.kubeconfig, {**settings, **changes})
        self.processes.append(process)
        return process.start()

    @property
    def lease_path(self) -> str:
        return f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases/goldenami-operator"

    def lease(self) -> Body:
        return dict(self.kubernetes.call("GET", self.lease_path)["spec"])

    def apply(self, manifest: Body) -> Body:
        return self.kubernetes.apply(GOLDEN_IMAGE, {**manifest, "metadata": {**manifest["metadata"], "namespace": self.namespace}})

    def looked_at(self, name: str) -> bool:
        obj = self.kubernetes.get(GOLDEN_IMAGE, self.namespace, name)
        return obj is not None and obj.get("status", {}).get("observedGeneration") == obj["metadata"]["generation"]


@pytest.fixture
def site(control_plane: ControlPlane, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    site = Site(Kubernetes(load_configuration()), namespace, tmp_path, control_plane.kubeconfig)
    yield site
    for process in site.processes:
        if process.process.poll() is None:
            process.process.kill()
            process.process.wait()
    for obj in site.kubernetes.list(GOLDEN_IMAGE, namespace):
        site.kubernetes.delete(GOLDEN_IMAGE, namespace, obj["metadata"]["name"], obj["metadata"]["uid"])


def seconds_until(question: Callable[[], bool], what: str, told: Callable[[], str]) -> float:
    started = time.monotonic()
    eventually(question, what, told=told)
    return time.monotonic() - started


def test_at_rest_a_sigterm_ends_it_in_order_and_releases_the_lease(site: Site) -> None:
    process = site.process("one").become_active()
    site.apply(golden_image())
    eventually(lambda: site.looked_at("web"), "a look", told=process.log)
    code, seconds = process.end()
    assert (code, site.lease()["holderIdentity"]) == (Exit.DONE, ""), process.log()
    assert seconds < HANDOVER_SECONDS


def test_a_standby_is_ready_takes_no_part_and_takes_over_at_once_when_the_active_one_ends(site: Site) -> None:
    active = site.process("active").become_active()
    standby = site.process("standby")
    eventually(lambda: standby.said("standing by: active holds the Lease"), "it stands by", told=standby.log)
    assert standby.get("/readyz") == (200, "ok\n")
    assert 'leader_election_master_status{name="goldenami-operator"} 0.0' in standby.get("/metrics")[1]
    site.apply(golden_image())
    eventually(lambda: site.looked_at("web"), "a look", told=active.log)
    assert not any("result" in line for line in standby.lines())

    active.process.terminate()
    seconds = seconds_until(lambda: standby.active, "it takes over", standby.log)
    assert seconds < HANDOVER_SECONDS
    assert site.lease()["leaseTransitions"] == 1
    site.apply(golden_image(suspend=True))
    eventually(lambda: site.looked_at("web"), "a look by the new one", told=standby.log)


def test_a_standby_takes_over_from_a_killed_process_within_twenty_seconds(site: Site) -> None:
    active = site.process("active").become_active()
    standby = site.process("standby")
    eventually(lambda: standby.said("standing by"), "it stands by", told=standby.log)
    site.apply(golden_image())
    eventually(lambda: site.looked_at("web"), "a look", told=active.log)
    active.process.kill()
    active.process.wait()
    site.apply(golden_image(suspend=True))
    seconds = seconds_until(lambda: site.looked_at("web"), "a look by the new one", standby.log)
    assert seconds < FAILOVER_SECONDS


def test_a_container_that_restarts_takes_its_own_lease_back_at_once(site: Site) -> None:
    first = site.process("pod").become_active()
    first.process.kill()
    first.process.wait()
    again = site.process("pod")
    assert seconds_until(lambda: again.active, "it is active again", again.log) < 10


def test_a_lost_lease_ends_the_process_at_once(site: Site) -> None:
    process = site.process("one").become_active()
    site.kubernetes.call("PATCH", site.lease_path, body={"spec": {"holderIdentity": "thief"}}, content_type=MERGE_PATCH)
    assert process.process.wait(20) == Exit.LEASE_LOST
    assert process.said("thief holds it now")
    assert site.lease()["holderIdentity"] == "thief"


def test_after_a_sigterm_a_running_look_finishes_and_no_other_begins(site: Site) -> None:
    process = site.process("one").become_active()
    site.apply(golden_image(name="slow"))
    eventually((process.folder / "looking").exists, "a slow look", told=process.log)
    process.process.terminate()
    eventually(lambda: process.said("beginning nothing new"), "it is told", told=process.log)
    assert process.get("/readyz")[0] == 503
    site.apply(golden_image(name="late"))
    (process.folder / "release").touch()
    assert process.process.wait(20) == Exit.DONE, process.log()
    assert site.looked_at("slow")
    assert not site.looked_at("late")
    assert site.lease()["holderIdentity"] == ""


def test_when_the_grace_period_is_over_it_ends_without_handing_the_lease_over(site: Site) -> None:
    process = site.process("one", grace_seconds=0.5).become_active()
    site.apply(golden_image(name="slow"))
    eventually((process.folder / "looking").exists, "a slow look", told=process.log)
    code, seconds = process.end()
    assert (code, site.lease()["holderIdentity"]) == (Exit.GRACE_EXCEEDED, "one"), process.log()
    assert seconds < HANDOVER_SECONDS


def test_a_process_that_cannot_begin_its_work_never_takes_the_lease(site: Site) -> None:
    process = site.process("one", installation="broken")
    assert process.process.wait(20) == 1
    assert process.said("no reconciler today")
    with pytest.raises(KubeNotFound):
        site.lease()


def test_a_second_signal_ends_it_at_once(site: Site) -> None:
    process = site.process("one").become_active()
    site.apply(golden_image(name="slow"))
    eventually((process.folder / "looking").exists, "a slow look", told=process.log)
    process.process.terminate()
    eventually(lambda: process.said("beginning nothing new"), "it is told", told=process.log)
    code, seconds = process.end(signal.SIGINT)
    assert code == 128 + signal.SIGINT
    assert seconds < 1


def test_a_standby_ends_at_once(site: Site) -> None:
    site.process("active").become_active()
    standby = site.process("standby")
    eventually(lambda: standby.said("standing by"), "it stands by", told=standby.log)
    code, seconds = standby.end()
    assert code == Exit.DONE, standby.log()
    assert seconds < HANDOVER_SECONDS


def test_every_line_of_the_log_is_json_and_every_look_has_one_that_names_its_object(site: Site) -> None:
    process = site.process("one").become_active()
    uid = site.apply(golden_image())["metadata"]["uid"]
    eventually(lambda: site.looked_at("web"), "a look", told=process.log)
    site.kubernetes.delete(GOLDEN_IMAGE, site.namespace, "web", uid)
    eventually(lambda: process.said('"result": "gone"'), "it is forgotten", told=process.log)
    process.end()
    looks = [line for line in process.lines() if "result" in line]
    assert [line["result"] for line in looks] == ["success", "gone"]
    first = looks[0]
    assert (first["kind"], first["namespace"], first["name"], first["generation"]) == ("GoldenImage", site.namespace, "web", 1)
    assert first["reconcileID"] != looks[1]["reconcileID"]
    assert first["duration"] >= 0


def test_a_bug_in_the_looks_at_one_object_is_told_by_an_event_without_its_words_and_others_are_looked_at(site: Site) -> None:
    process = site.process("one").become_active()
    uid = site.apply(golden_image(name="fatal"))["metadata"]["uid"]

    def told() -> list[Body]:
        found = site.kubernetes.call("GET", f"/api/v1/namespaces/{site.namespace}/events")["items"]
        return [event for event in found if event["involvedObject"].get("uid") == uid]

    eventually(lambda: any(event["count"] > 1 for event in told()), "it is told, and counted when it happens again", told=process.log)
    (event,) = told()
    assert (event["type"], event["reason"]) == ("Warning", "LookFailed")
    assert "ZeroDivisionError" in event["message"]
    assert "the words of a bug" not in event["message"]
    assert process.said("the words of a bug")
    site.apply(golden_image())
    eventually(lambda: site.looked_at("web"), "another one is looked at", told=process.log)


def test_metrics_have_the_usual_names_and_what_is_said_of_an_object_ends_with_it(site: Site) -> None:
    process = site.process("one").become_active()
    uid = site.apply(golden_image())["metadata"]["uid"]
    series = f'goldenami_condition{{kind="GoldenImage",name="web",namespace="{site.namespace}",status="True",type="Ready"}} 1.0'
    eventually(lambda: series in process.get("/metrics")[1], "the condition shows", told=lambda: process.get("/metrics")[1])
    page = process.get("/metrics")[1]
    for name in (
        'controller_runtime_reconcile_total{controller="goldenimage",result="success"} 1.0',
        'controller_runtime_active_workers{controller="goldenimage"} 0.0',
        'workqueue_depth{name="goldenimage"} 0.0',
        'workqueue_adds_total{name="goldenimage"} 1.0',
        'workqueue_unfinished_work_seconds{name="goldenimage"} 0.0',
        'leader_election_master_status{name="goldenami-operator"} 1.0',
        'rest_client_requests_total{code="200",',
    ):
        assert name in page
    site.kubernetes.delete(GOLDEN_IMAGE, site.namespace, "web", uid)
    eventually(lambda: series not in process.get("/metrics")[1], "the condition vanishes", told=process.log)
    assert process.get("/healthz") == (200, "ok\n")
    assert process.get("/elsewhere")[0] == 404


def test_the_sweep_runs_by_itself_and_finds_nothing_when_nothing_was_missed(site: Site) -> None:
    process = site.process("one", sweep_seconds=0.3).become_active()
    site.apply(golden_image())
    eventually(lambda: site.looked_at("web"), "a look", told=process.log)
    # A sweep that listed it before the watch told of it has found something, and may be going on.
    settled = swept(process) + 1
    eventually(lambda: swept(process) >= settled, "another sweep", told=process.log)
    before = corrections(process)
    eventually(lambda: swept(process) >= settled + 3, "three sweeps", told=process.log)
    assert corrections(process) == before


def swept(process: Process) -> float:
    """How many sweeps there were."""
    told = [line for line in process.get("/metrics")[1].splitlines() if line.startswith('goldenami_sweeps_total{result="success"}')]
    return sum(float(line.rpartition(" ")[2]) for line in told)


def corrections(process: Process) -> list[str]:
    """What sweeps have found."""
    return [line for line in process.get("/metrics")[1].splitlines() if line.startswith("goldenami_sweep_corrections_total{")]


def test_it_is_not_ready_before_the_kinds_are_served_and_starts_by_itself_when_they_are(programs: Programs, tmp_path: Path) -> None:
    with ControlPlane.start(programs=programs, audit=False) as plane, pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(plane.kubeconfig))
        site = Site(Kubernetes(load_configuration()), "default", tmp_path, plane.kubeconfig)
        process = site.process(f"early-{uuid.uuid4().hex[:4]}")
        try:
            eventually(lambda: process.said("install the CustomResourceDefinitions"), "it says what is missing", told=process.log)
            assert process.get("/readyz")[0] == 503
            plane.run_kubectl("apply", "--server-side", "-f", ROOT / "crds")
            process.become_active()
            assert process.get("/readyz") == (200, "ok\n")
            site.apply(golden_image())
            eventually(lambda: site.looked_at("web"), "a look", told=process.log)
        finally:
            process.end()
