"""The process: how it ends while work is pending, who goes on, what a lost API server costs, and what it says when it cannot work."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from goldenami.controllers.operator import Exit
from goldenami.kube.lease import LeaseTiming
from goldenami.local.aws import LocalAws
from goldenami.local.kubernetes import ControlPlane, Programs
from support.launcher import launcher
from support.operator import AWAY, FAR, HOME, Body, OperatorProcess, World, eventually
from support.process import environment, running
from support.questions import declared, mutations, newest_call
from support.serving import serve_kinds

COPY_SECONDS = 4.0
REGIONS = (HOME, AWAY, FAR)


@pytest.fixture(scope="module")
def slow_aws() -> Iterator[LocalAws]:
    """Copies take long enough to end a process in the middle of them."""
    with LocalAws.start() as aws:
        aws.lab.settings(copy_seconds=COPY_SECONDS, copy_spread=1.0, image_seconds=0.2, usage_report_seconds=0.2)
        yield aws


@pytest.fixture(scope="module")
def own_plane(programs: Programs) -> Iterator[ControlPlane]:
    """Without the operator that other tests share: it would serve these namespaces, too."""
    with ControlPlane.start(programs=programs) as plane:
        serve_kinds(plane)
        yield plane


@pytest.fixture
def site(own_plane: ControlPlane, slow_aws: LocalAws, new_account: Callable[[], str]) -> World:
    """A namespace whose operators the test runs itself."""
    namespace = f"test-{uuid.uuid4().hex[:10]}"
    own_plane.run_kubectl("create", "namespace", namespace)
    return World(own_plane, slow_aws, namespace, new_account(), new_account(), installation="process")


def launched(world: World, folder: Path, name: str, **more: str) -> Any:
    """An operator of that name, for this namespace only and with its Lease there."""
    surroundings = environment(
        world.plane.kubeconfig, world.aws, world.account, POD_NAME=name, **{"POD_NAMESPACE": world.namespace, **more}
    )
    return running(folder / f"{name}.log", surroundings, "--installation", world.installation, "--namespace", world.namespace)


def said(process: OperatorProcess, words: str) -> bool:
    return words in process.log.read_text()


def active(process: OperatorProcess) -> bool:
    return said(process, "the Lease is ours")


def lease(world: World) -> str:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{world.namespace}/leases/goldenami-operator"
    return str(world.kubernetes.call("GET", path)["spec"]["holderIdentity"])


def everywhere(world: World) -> Body:
    return declared(
        world,
        replicas=[{"region": region} for region in REGIONS],
        sharing={"accounts": [world.partner]},
        aliases=[{"parameter": "/golden/{image}/{channel}"}],
    )


def whole_and_single(world: World) -> None:
    """One image in each region, shared and published; and no call that made one twice."""
    for region in REGIONS:
        image = world.image(region)
        assert world.shared_with(image["ImageId"], region) == {world.partner}
        assert world.parameter("/golden/web/current", region) == image["ImageId"]
    assert mutations(world).count("ec2.CopyImage") >= len(REGIONS)


def copying(world: World) -> bool:
    return all(any(row["State"] == "pending" for row in world.images(region)) for region in REGIONS)


def test_ended_by_sigterm_while_copies_are_pending_another_goes_on_at_once(site: World, tmp_path: Path) -> None:
    with launched(site, tmp_path, "first") as first, launched(site, tmp_path, "second") as second:
        eventually(lambda: active(first) or active(second), "one is active", told=first.tail)
        if active(second):
            first, second = second, first
        eventually(lambda: said(second, "standing by"), "the other stands by", told=second.tail)
        site.tail = second.tail
        site.apply(everywhere(site))
        eventually(lambda: copying(site), "copies run", told=first.tail)

        told_at = time.monotonic()
        assert first.stop() == Exit.DONE, first.tail()
        eventually(lambda: active(second), "the other takes over", told=second.tail)
        # Handed over: it did not have to run out. How fast is measured by `python -m bench failover`.
        assert time.monotonic() - told_at < LeaseTiming().duration
        assert lease(site) == second.environment["POD_NAME"]

        site.ready()
        whole_and_single(site)
        assert mutations(site).count("ec2.CopyImage") == len(REGIONS)


def test_after_sigterm_no_new_change_begins(site: World, tmp_path: Path) -> None:
    """Every change takes half a second, so that there is always one running and others wait."""
    site.aws.lab.add_fault("slow", account=site.account, writes_only=True, seconds=0.5)
    with launched(site, tmp_path, "only") as process:
        site.tail = process.tail
        first = site.seed(name="one")
        site.apply(*(declared(site, f"web-{number}", source={"image": {"id": first}}) for number in range(12)))
        eventually(lambda: len(mutations(site)) >= 4, "changes run", told=process.tail)
        told_at = site.aws.lab.now()
        assert process.stop() == Exit.DONE, process.tail()
        begun = [call for call in site.aws.lab.audit_calls(account=site.account, mutating=True) if call.at > told_at + 0.2]
        assert [call.name for call in begun] == []
        assert len(mutations(site)) < 24  # there was more to do


def test_killed_while_copies_are_pending_another_finishes_them_within_twenty_seconds(site: World, tmp_path: Path) -> None:
    with launched(site, tmp_path, "first") as first:
        eventually(lambda: active(first), "it is active", told=first.tail)
        with launched(site, tmp_path, "second") as second:
            eventually(lambda: said(second, "standing by"), "the other stands by", told=second.tail)
            site.tail = second.tail
            site.apply(everywhere(site))
            eventually(lambda: copying(site), "copies run", told=first.tail)
            first.kill()
            killed_at = time.monotonic()
            eventually(lambda: active(second), "the other takes over", told=second.tail)
            assert time.monotonic() - killed_at < 20.0
            site.ready()
            whole_and_single(site)
            assert mutations(site).count("ec2.CopyImage") == len(REGIONS)


def test_two_that_are_active_at_once_do_no_harm(site: World, tmp_path: Path) -> None:
    """As when a Lease is lost unnoticed: here each holds one of its own, in another namespace."""
    elsewhere = f"{site.namespace}-b"
    site.plane.run_kubectl("create", "namespace", elsewhere)
    with launched(site, tmp_path, "first") as first, launched(site, tmp_path, "second", POD_NAMESPACE=elsewhere) as second:
        site.tail = first.tail
        eventually(lambda: active(first) and active(second), "both are active", told=second.tail)
        site.apply({**everywhere(site), "metadata": {"name": "web"}})
        site.ready()
        whole_and_single(site)
        site.patch("goldenimage", "web", {"spec": {"tags": {"team": "a"}, "deletionPolicy": "Delete"}})
        site.ready()
        site.delete("goldenimage", "web")
        site.gone()
        assert {region: site.images(region) for region in REGIONS} == {region: [] for region in REGIONS}
        left = [row["SnapshotId"] for row in site.ec2(AWAY).describe_snapshots(OwnerIds=["self"])["Snapshots"]]
        assert left == []


def test_an_api_server_that_is_away_for_a_while_is_waited_for_and_one_away_for_long_ends_the_process_until_it_is_started_again(
    programs: Programs, slow_aws: LocalAws, new_account: Callable[[], str], tmp_path: Path
) -> None:
    with ControlPlane.start(programs=programs) as plane:
        site = World(plane, slow_aws, "default", new_account(), new_account(), installation="process")
        with launched(site, tmp_path, "only") as process:
            site.tail = process.tail
            # It has been started before the kinds exist: that is no reason to end.
            eventually(lambda: said(process, "install the CustomResourceDefinitions"), "it says what is missing", told=process.tail)
            serve_kinds(plane)
            site.apply(everywhere(site))
            eventually(lambda: copying(site), "copies run", told=process.tail)

            plane.stop_apiserver()
            eventually(lambda: said(process, "cannot be reached"), "it notices", told=process.tail)
            plane.start_apiserver()
            site.ready()
            whole_and_single(site)

            plane.stop_apiserver()
            assert process.process is not None
            assert process.process.wait(30) == Exit.LEASE_LOST, process.tail()
            process.start()
            eventually(lambda: process.tail().count("waiting: the Kubernetes API server cannot be reached"), "it waits", told=process.tail)
            since = newest_call(site)
            plane.start_apiserver()
            site.patch("goldenimage", "web", {"spec": {"tags": {"team": "a"}}})
            site.ready()
            assert set(mutations(site, since)) == {"ec2.CreateTags"}


def test_without_credentials_for_aws_the_object_says_so(site: World, tmp_path: Path) -> None:
    bare = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    with launched(site, tmp_path, "bare", **bare) as process:
        site.tail = process.tail
        site.apply(declared(site))
        condition = site.reason("CredentialsInvalid", condition="AccountsReady")
        assert condition["status"] == "False"
        assert re.search(r"role|credentials|AWS_PROFILE|service account", condition["message"])
        assert "traceback" not in process.log.read_text()


@pytest.mark.parametrize("region", ["us-nowhere-9", "not a region"])
def test_a_wrong_default_region_is_told_in_a_condition_or_does_not_matter(site: World, tmp_path: Path, region: str) -> None:
    with launched(site, tmp_path, "lost", AWS_DEFAULT_REGION=region, AWS_REGION=region) as process:
        site.tail = process.tail
        site.apply(declared(site))

        def told() -> Body | None:
            found = site.condition("goldenimage", "web")
            return found if found.get("status") in ("True", "False") else None

        condition = eventually(told, "a condition", told=site.told)
        assert condition["status"] == "True" or region in condition["message"], condition
        assert "traceback" not in process.log.read_text()


# What is refused at the start -------------------------------------------------------------------------------------------------------------


def refused(tmp_path: Path, *arguments: str, **more: str) -> tuple[int, str]:
    """The exit code and what was printed."""
    surroundings = {**os.environ, "COLUMNS": "300", "KUBECONFIG": str(unreachable(tmp_path)), **more}
    printed = tmp_path / "printed"
    process = launcher().launch("goldenami", ("operator", *arguments), surroundings, printed)
    return process.wait(30), printed.read_text()


def unreachable(tmp_path: Path) -> Path:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
    path = tmp_path / "kubeconfig"
    path.write_text(
        f"""{{apiVersion: v1, kind: Config, current-context: x, clusters: [{{name: x, cluster: {{server: "http://127.0.0.1:{port}"}}}}],
            users: [{{name: x, user: {{}}}}], contexts: [{{name: x, context: {{cluster: x, user: x}}}}]}}"""
    )
    return path


@pytest.mark.parametrize(
    ("arguments", "more", "words"),
    [
        pytest.param((), {"KUBECONFIG": "/nonexistent"}, ("/nonexistent", "set KUBECONFIG"), id="a kubeconfig that is not there"),
        pytest.param((), {"KUBECONFIG": os.devnull}, (os.devnull, "set KUBECONFIG"), id="a kubeconfig that is empty"),
        pytest.param((), {"KUBECONFIG": __file__}, ("test_process.py", "set KUBECONFIG"), id="a kubeconfig that is none"),
        pytest.param(("--interval", "soon"), {}, ("--interval", "'soon'", "10m"), id="an interval that is no duration"),
        pytest.param(("--interval", "0s"), {}, ("--interval", "too short"), id="an interval of nothing"),
        pytest.param(("--log-format", "xml"), {}, ("--log-format", "json", "text"), id="an unknown log format"),
        pytest.param((), {"GOLDENAMI_WORKERS": "many"}, ("--workers", "GOLDENAMI_WORKERS"), id="a variable that is no number"),
        pytest.param(("--installation", "a/b"), {}, ("--installation", "slashes"), id="an installation with a slash"),
    ],
)
def test_what_cannot_work_is_refused_in_a_line_that_says_what_to_do(
    tmp_path: Path, arguments: tuple[str, ...], more: dict[str, str], words: tuple[str, ...]
) -> None:
    code, printed = refused(tmp_path, *arguments, **more)
    assert code in (1, 2)
    assert "Traceback" not in printed
    (line,) = [line for line in printed.splitlines() if words[0] in line and "--help" not in line]
    assert [word for word in words if word not in line] == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("[]", id="a list"),
        pytest.param("5", id="a number"),
        pytest.param("{clusters: 5}", id="clusters that are a number"),
        pytest.param("{clusters: [5], contexts: [5], users: [5], current-context: x}", id="entries that are numbers"),
    ],
)
def test_a_kubeconfig_that_is_yaml_of_another_kind_is_refused_by_its_name(tmp_path: Path, content: str) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(content)
    code, printed = refused(tmp_path, KUBECONFIG=str(path))
    assert code == 1
    assert printed.count("\n") == 1
    assert f"KUBECONFIG={path}: it is not a kubeconfig" in printed


def test_a_port_that_is_taken_is_refused_by_its_number(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as server:
        port = str(server.getsockname()[1])
        code, printed = refused(tmp_path, "--metrics-port", port)
    assert code == 1
    assert printed.count("\n") == 1
    assert port in printed
    assert "--metrics-port" in printed


def test_an_api_server_that_does_not_answer_is_waited_for_said_once_and_told_by_the_probe(tmp_path: Path, fast_aws: LocalAws) -> None:
    kubeconfig = unreachable(tmp_path)
    address = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    surroundings = environment(kubeconfig, fast_aws, "111111111111", POD_NAME="waiting")
    with running(tmp_path / "log", surroundings, metrics_port=0) as process:
        eventually(lambda: said(process, "cannot be reached"), "it says so", told=process.tail)
        port = int(next(line for line in process.lines() if "on port" in line["message"])["message"].rpartition(" ")[2])
        assert answer(port, "/readyz") == 503
        assert answer(port, "/healthz") == 200
        assert [line["message"] for line in process.lines() if line["level"] == "warning"] == [
            f"waiting: the Kubernetes API server cannot be reached at {address} (connection refused). It is tried again; if it should be "
            "there, check the address and the certificate authority in KUBECONFIG"
        ]
        assert process.stop(seconds=10) == Exit.DONE


def answer(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_the_help_names_every_option_and_its_variable() -> None:
    command = [sys.executable, "-m", "goldenami", "operator", "--help"]
    printed = subprocess.run(command, env={**os.environ, "COLUMNS": "200"}, capture_output=True, text=True, check=True).stdout
    for option in ("installation", "namespace", "interval", "workers", "metrics-port", "log-format"):
        assert f"--{option}" in printed
        assert f"GOLDENAMI_{option.upper().replace('-', '_')}" in printed
    for word in ("KUBECONFIG", "AWS_ENDPOINT_URL"):
        assert word in printed
