"""The local control plane, with real processes: what it offers, and that nothing of it stays behind."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from goldenami.local.kubernetes import ControlPlane, ControlPlaneError, KubectlError, Programs, is_write

DEADLINE_SECONDS = 60.0
WIDGETS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.test}
spec:
  group: example.test
  names: {kind: Widget, plural: widgets, singular: widget}
  scope: Namespaced
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
"""
OWNER = "system:serviceaccount:goldenami:goldenami"

needs_controller_manager = pytest.mark.usefixtures("controller_manager")


@pytest.fixture(scope="session")
def controller_manager(control_plane: ControlPlane) -> None:
    if not control_plane.collects_garbage:
        pytest.skip("KUBEBUILDER_ASSETS has no kube-controller-manager, so nothing collects garbage here")


@pytest.fixture(scope="module")
def own_plane(programs: Programs) -> Iterator[ControlPlane]:
    """For the tests that break it; each leaves it working."""
    with ControlPlane.start(programs=programs) as plane:
        yield plane


def until(condition: Callable[[], bool], what: str) -> None:
    """Returns once a real process has done it; polls, because it tells nobody."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"not within {DEADLINE_SECONDS:.0f} s: {what}"
        time.sleep(0.02)


def config_map(name: str, owner: dict[str, str] | None = None) -> str:
    owners = [] if owner is None else [{"apiVersion": "v1", "kind": "ConfigMap", **owner}]
    return json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": owners}})


# What it offers


def test_the_version_is_a_releases_own(control_plane: ControlPlane) -> None:
    version = json.loads(control_plane.run_kubectl("version", "-o", "json"))
    assert version["serverVersion"]["gitVersion"] == version["clientVersion"]["gitVersion"]
    assert version["serverVersion"]["minor"] == "36"


def test_a_kubectl_error_is_what_kubectl_said(control_plane: ControlPlane, namespace: str) -> None:
    with pytest.raises(KubectlError, match='configmaps "absent" not found'):
        control_plane.run_kubectl("get", "configmap", "absent", "-n", namespace)


def test_an_identity_without_a_role_is_refused_until_it_has_one(control_plane: ControlPlane, namespace: str) -> None:
    kubeconfig = control_plane.kubeconfig_for("jane")
    with pytest.raises(KubectlError, match='User "jane" cannot list resource "configmaps"'):
        control_plane.run_kubectl("get", "configmaps", "-n", namespace, kubeconfig=kubeconfig)
    control_plane.run_kubectl("create", "rolebinding", "jane", "--clusterrole=view", "--user=jane", "-n", namespace)
    until(
        lambda: control_plane.run_kubectl("auth", "can-i", "list", "configmaps", "-n", namespace, "--as=jane").strip() == "yes",
        "the role binding has effect",
    )
    control_plane.run_kubectl("get", "configmaps", "-n", namespace, kubeconfig=kubeconfig)


@pytest.mark.parametrize(
    ("user", "groups", "expected"),
    [
        pytest.param("jane", None, ["system:authenticated"], id="a person is in no group but the authenticated"),
        pytest.param("jane", ["team", "on-call"], ["on-call", "system:authenticated", "team"], id="groups are those named"),
        pytest.param(
            OWNER,
            None,
            ["system:authenticated", "system:serviceaccounts", "system:serviceaccounts:goldenami"],
            id="a service account is in the groups Kubernetes gives it",
        ),
    ],
)
def test_identities(control_plane: ControlPlane, user: str, groups: list[str] | None, expected: list[str]) -> None:
    answer = control_plane.run_kubectl("auth", "whoami", "-o", "json", kubeconfig=control_plane.kubeconfig_for(user, groups))
    who = json.loads(answer)["status"]["userInfo"]
    assert (who["username"], sorted(who["groups"])) == (user, expected)


def test_an_identity_too_long_for_a_certificate_is_refused(control_plane: ControlPlane) -> None:
    with pytest.raises(ControlPlaneError, match="1 to 64 characters"):
        control_plane.kubeconfig_for("x" * 65)


def test_kubeconfigs_are_for_their_owner_only(control_plane: ControlPlane) -> None:
    for path in (control_plane.kubeconfig, control_plane.kubeconfig_for("jane")):
        assert path.stat().st_mode & 0o077 == 0


@needs_controller_manager
def test_the_children_of_a_deleted_owner_are_collected(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.run_kubectl("apply", "-n", namespace, "-f", "-", stdin=config_map("owner"))
    uid = control_plane.run_kubectl("get", "configmap", "owner", "-n", namespace, "-o", "jsonpath={.metadata.uid}")
    control_plane.run_kubectl("apply", "-n", namespace, "-f", "-", stdin=config_map("child", {"name": "owner", "uid": uid}))
    control_plane.run_kubectl("delete", "configmap", "owner", "-n", namespace)
    control_plane.run_kubectl("wait", "--for=delete", "configmap/child", "-n", namespace, "--timeout=60s")


@needs_controller_manager
def test_the_children_of_a_custom_owner_are_collected(own_plane: ControlPlane) -> None:
    own_plane.run_kubectl("apply", "-f", "-", stdin=WIDGETS)
    own_plane.run_kubectl("wait", "--for=condition=Established", "crd/widgets.example.test", "--timeout=60s")
    own_plane.restart_controller_manager()
    own_plane.run_kubectl(
        "apply", "-f", "-", stdin=json.dumps({"apiVersion": "example.test/v1", "kind": "Widget", "metadata": {"name": "owner"}})
    )
    uid = own_plane.run_kubectl("get", "widget", "owner", "-o", "jsonpath={.metadata.uid}")
    owner = {"apiVersion": "example.test/v1", "kind": "Widget", "name": "owner", "uid": uid}
    own_plane.run_kubectl("apply", "-f", "-", stdin=config_map("child", owner))
    own_plane.run_kubectl("delete", "widget", "owner")
    own_plane.run_kubectl("wait", "--for=delete", "configmap/child", "--timeout=15s")


@needs_controller_manager
def test_a_namespace_has_its_service_account_and_can_be_deleted(control_plane: ControlPlane) -> None:
    control_plane.run_kubectl("create", "namespace", "short-lived")
    control_plane.run_kubectl("wait", "--for=create", "serviceaccount/default", "-n", "short-lived", "--timeout=60s")
    control_plane.run_kubectl("delete", "namespace", "short-lived", "--timeout=60s")
    assert "short-lived" not in control_plane.run_kubectl("get", "namespaces", "-o", "name")


def test_the_audit_tells_who_wrote_what(control_plane: ControlPlane, namespace: str) -> None:
    control_plane.run_kubectl("create", "configmap", "audited", "-n", namespace)
    control_plane.run_kubectl("get", "configmap", "audited", "-n", namespace)
    found = [entry for entry in control_plane.audit() if (entry["namespace"], entry["resource"]) == (namespace, "configmaps")]
    by_admin = [entry for entry in found if entry["user"] == "admin"]
    assert [(entry["verb"], entry["code"], is_write(entry)) for entry in by_admin] == [("create", 201, True), ("get", 200, False)]
    assert by_admin[1]["name"] == "audited"
    assert all(entry["userAgent"].startswith("kubectl/") for entry in by_admin)


# Instances beside each other


def test_two_at_once_share_nothing(own_plane: ControlPlane, control_plane: ControlPlane, namespace: str) -> None:
    assert own_plane.url != control_plane.url
    assert namespace not in own_plane.run_kubectl("get", "namespaces", "-o", "name")
    with pytest.raises(KubectlError, match="certificate signed by unknown authority"):
        own_plane.run_kubectl("--server", control_plane.url, "get", "namespaces")


def test_several_start_at_the_same_moment(programs: Programs) -> None:
    urls: list[str] = []

    def start() -> None:
        with ControlPlane.start(programs=programs) as plane:
            urls.append(plane.url)

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(urls) == 3


def test_one_that_another_process_started_can_be_asked_and_not_stopped(own_plane: ControlPlane, programs: Programs) -> None:
    attached = ControlPlane.attach(own_plane.folder, programs=programs)
    attached.run_kubectl("create", "namespace", "attached")
    assert attached.kubeconfig_for("jane") == own_plane.kubeconfig_for("jane")
    assert "jim" in attached.run_kubectl("auth", "whoami", kubeconfig=attached.kubeconfig_for("jim"))
    assert [entry["verb"] for entry in attached.audit() if entry["name"] == "attached"][:1] == ["create"]
    for change in (attached.stop_apiserver, attached.pause_apiserver, attached.restart_controller_manager, attached.wipe):
        with pytest.raises(ControlPlaneError, match="another process has started this control plane"):
            change()
    assert own_plane.failure() is None


# Outages


def test_objects_survive_an_outage_of_the_apiserver(own_plane: ControlPlane) -> None:
    own_plane.run_kubectl("create", "namespace", "survivor")
    own_plane.stop_apiserver()
    with pytest.raises(KubectlError, match="refused"):
        own_plane.run_kubectl("get", "namespaces")
    own_plane.start_apiserver()
    assert "survivor" in own_plane.run_kubectl("get", "namespaces", "-o", "name")


def test_nobody_takes_the_port_of_a_stopped_apiserver(own_plane: ControlPlane) -> None:
    own_plane.stop_apiserver()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", int(own_plane.url.rpartition(":")[2])))
    own_plane.start_apiserver()


def test_a_paused_apiserver_answers_only_when_resumed(own_plane: ControlPlane) -> None:
    own_plane.pause_apiserver()
    try:
        # Where a request gets stuck, and so what kubectl calls it, depends on how far the connection had come.
        with pytest.raises(KubectlError, match=r"(?i)timeout|deadline exceeded"):
            own_plane.run_kubectl("get", "namespaces", "--request-timeout=1s")
    finally:
        own_plane.resume_apiserver()
    own_plane.run_kubectl("get", "namespaces")


def test_wiping_forgets_all_objects_and_keeps_the_kubeconfigs(own_plane: ControlPlane) -> None:
    jane = own_plane.kubeconfig_for("jane", ["system:masters"])
    own_plane.run_kubectl("create", "namespace", "forgotten")
    own_plane.wipe()
    for kubeconfig in (own_plane.kubeconfig, jane):
        assert "forgotten" not in own_plane.run_kubectl("get", "namespaces", "-o", "name", kubeconfig=kubeconfig)


# Failures are explained


@pytest.fixture
def broken(programs: Programs, tmp_path: Path) -> Programs:
    """With a kube-apiserver that ends at once."""
    folder = tmp_path / "broken"
    folder.mkdir()
    apiserver = folder / "kube-apiserver"
    apiserver.write_text("#!/bin/sh\necho the reason >&2\nexit 3\n")
    apiserver.chmod(0o755)
    return dataclasses.replace(programs, kube_apiserver=apiserver)


def test_a_program_that_ends_is_named_with_its_log(broken: Programs) -> None:
    said = r"(?s)kube-apiserver has ended \(exit code 3\).*the reason"
    with pytest.raises(ControlPlaneError, match=said), ControlPlane.start(programs=broken):
        pass


def test_a_directory_keeps_the_files_and_serves_the_next_one(programs: Programs, broken: Programs, tmp_path: Path) -> None:
    folder = tmp_path / "plane"
    with pytest.raises(ControlPlaneError), ControlPlane.start(folder, programs=broken):
        pass
    assert "the reason" in (folder / "logs" / "kube-apiserver.log").read_text()
    with ControlPlane.start(folder, programs=dataclasses.replace(programs, kube_controller_manager=None)) as plane:
        assert plane.kubeconfig == folder / "kubeconfig"
        assert not plane.collects_garbage
        plane.run_kubectl("get", "namespaces")
        with pytest.raises(ControlPlaneError, match="in use by another control plane"), ControlPlane.start(folder, programs=programs):
            pass
    assert "the reason" not in (folder / "logs" / "kube-apiserver.log").read_text()


def test_a_directory_of_something_else_is_left_alone(programs: Programs, tmp_path: Path) -> None:
    (tmp_path / "etcd").write_text("mine")
    with pytest.raises(ControlPlaneError, match="not empty"), ControlPlane.start(tmp_path, programs=programs):
        pass
    assert (tmp_path / "etcd").read_text() == "mine"


# Nothing stays behind

linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")

PROLOGUE = """
import os, sys, tempfile, threading
from contextlib import contextmanager
from pathlib import Path
from goldenami.local.kubernetes import ControlPlane, serve
from goldenami.local.kubernetes.processes import Processes

def wait():
    print("up", flush=True)
    sys.stdin.readline()

@contextmanager
def sleeper():
    folder = Path(tempfile.mkdtemp())
    with Processes(remove_folder=folder) as programs:
        programs.start("sleep", ["sleep", "1000"], cwd=folder, log=folder / "log")
        yield programs
"""


class Parent:
    """A Python process that starts a control plane, with a folder of its own for temporary files."""

    def __init__(self, folder: Path, body: str) -> None:
        self.folder = folder
        environment = {**os.environ, "TMPDIR": str(folder), "PYTHONPATH": os.pathsep.join(sys.path)}
        argv = [sys.executable, "-c", PROLOGUE + textwrap.dedent(body)]
        # In a process group of its own, as a shell starts a command: Ctrl-C goes to all of a group.
        self.process = subprocess.Popen(argv, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0)

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip()

    def go_on(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("go on\n")
        self.process.stdin.flush()

    def running(self) -> dict[int, str]:
        """The programs, which work in that folder, and their supervisor, which was told of it: command lines by process id."""
        entries = [entry for entry in Path("/proc").iterdir() if entry.name.isdigit()]
        return {int(entry.name): command for entry in entries if (command := self._command(entry)) is not None}

    def left_nothing(self) -> bool:
        return not self.running() and not any(self.folder.iterdir())

    def _command(self, entry: Path) -> str | None:
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            return command if str(self.folder) in command or str(self.folder) in os.readlink(entry / "cwd") else None
        except (FileNotFoundError, ProcessLookupError, PermissionError):  # it has ended, or is another user's
            return None


@pytest.fixture
def parent(tmp_path: Path, programs: Programs) -> Iterator[Callable[[str], Parent]]:
    started: list[Parent] = []

    def start(body: str) -> Parent:
        started.append(Parent(tmp_path, body))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.communicate()


def end(one: Parent, number: signal.Signals | None) -> None:
    """Lets it go on to its own end, or sends it a signal; Ctrl-C as a terminal does, to the whole group."""
    if number is None:
        one.go_on()
    elif number is signal.SIGINT:
        os.killpg(one.process.pid, number)
    else:
        one.process.send_signal(number)


@linux_only
@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGTERM, id="the parent is asked to end"),
        pytest.param(signal.SIGINT, id="Ctrl-C"),
        pytest.param(signal.SIGKILL, id="the parent is killed"),
    ],
)
def test_nothing_stays_behind(parent: Callable[[str], Parent], number: signal.Signals) -> None:
    one = parent("with ControlPlane.start(): wait()")
    assert one.line() == "up"
    assert {"etcd", "kube-apiserver"} <= {Path(command.split()[0]).name for command in one.running().values()}
    end(one, number)
    until(one.left_nothing, "everything is gone")


@linux_only
@pytest.mark.parametrize(
    ("body", "number"),
    [
        pytest.param("wait()", signal.SIGKILL, id="the parent is killed"),
        pytest.param("programs.pause('sleep'); wait()", signal.SIGKILL, id="the parent is killed while a program is paused"),
        pytest.param(
            "os.fork() and print('up', flush=True); sys.stdin.readline(); os._exit(0)",
            signal.SIGKILL,
            id="the parent is killed while a fork of it lives on",
        ),
        pytest.param("wait(); raise RuntimeError('a test failed')", None, id="an exception"),
        pytest.param("wait(); sys.exit(3)", None, id="an exit"),
        pytest.param("wait(); os._exit(4)", None, id="an end without any cleaning up"),
    ],
)
def test_programs_end_with_their_parent(parent: Callable[[str], Parent], body: str, number: signal.Signals | None) -> None:
    one = parent(f"with sleeper() as programs: {body}")
    assert one.line() == "up"
    assert "sleep" in {Path(command.split()[0]).name for command in one.running().values()}
    end(one, number)
    until(one.left_nothing, "everything is gone")


@linux_only
def test_nothing_stays_behind_of_one_that_was_still_starting(parent: Callable[[str], Parent]) -> None:
    one = parent("with ControlPlane.start(): wait()")
    until(lambda: any(one.folder.glob("*/etcd/data")), "etcd has started")
    one.process.kill()
    until(one.left_nothing, "everything is gone")


@linux_only
def test_no_program_outlives_its_supervisor(parent: Callable[[str], Parent]) -> None:
    one = parent("with sleeper(): wait()")
    one.line()
    for pid, command in one.running().items():
        if "supervisor.py" in command:
            os.kill(pid, signal.SIGKILL)
    until(lambda: not one.running(), "the programs are gone")


@linux_only
def test_a_control_plane_outlives_the_thread_that_started_it(parent: Callable[[str], Parent]) -> None:
    one = parent(
        """
        context = ControlPlane.start()
        planes = []
        thread = threading.Thread(target=lambda: planes.append(context.__enter__()))
        thread.start()
        thread.join()
        planes[0].run_kubectl("get", "namespaces")
        wait()
        """
    )
    assert one.line() == "up"


@linux_only
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, id="Ctrl-C"), pytest.param(signal.SIGTERM, id="asked to end")])
def test_serving_ends_cleanly(parent: Callable[[str], Parent], programs: Programs, number: signal.Signals) -> None:
    one = parent("serve()")
    kubeconfig = one.line().removeprefix("export KUBECONFIG=")
    subprocess.run([programs.kubectl, "--kubeconfig", kubeconfig, "get", "namespaces"], check=True, capture_output=True)
    one.process.send_signal(number)
    assert one.process.wait(DEADLINE_SECONDS) == 0
    assert one.left_nothing()


@linux_only
def test_serving_ends_when_a_program_does(parent: Callable[[str], Parent]) -> None:
    one = parent("serve()")
    one.line()
    etcd = next(pid for pid, command in one.running().items() if Path(command.split()[0]).name == "etcd")
    os.kill(etcd, signal.SIGKILL)
    assert one.process.wait(DEADLINE_SECONDS) != 0
    until(one.left_nothing, "everything is gone")
