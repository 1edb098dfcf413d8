"""Fixtures: one real control plane for all tests of all workers, a namespace for each, and our CRDs in it.

A test that stops, pauses or wipes a control plane starts its own (`ControlPlane.start()`, 3 s), so that the others keep theirs.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from goldenami.local.kubernetes import ControlPlane, Lookup, Programs
from support.operator import administrator

CRDS = Path(__file__).resolve().parents[2] / "crds"


@pytest.fixture(scope="session")
def programs(pytestconfig: pytest.Config) -> Programs:
    """The programs of a control plane; where they have to be built first, that can be watched although tests are silent."""
    lookup = Lookup()
    if lookup.ready():
        return lookup.find()
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        return lookup.find()


@pytest.fixture(scope="session")
def control_plane(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Shared by the whole run, with our kinds. Make nothing cluster-wide in it, not even for a moment: operators of other tests see it."""
    folder = tmp_path_factory.getbasetemp()
    with _of_all_workers(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder, programs) as plane:
        yield plane


@contextmanager
def _of_all_workers(folder: Path, programs: Programs) -> Iterator[ControlPlane]:
    """Started by the worker that needs it first, which stops it once no other uses it: a start costs four seconds of processor time, and
    one that does nothing another each minute. The kernel lets go of a worker's locks, however it ends."""
    with ExitStack() as owned, (folder / "control-plane-users").open("a+", encoding="utf-8") as users:
        with (folder / "control-plane-starts").open("a", encoding="utf-8") as starts:
            fcntl.flock(starts, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)  # an owner that is about to stop its own is waited for
            users.seek(0)
            place = users.read()
            if place:
                plane = ControlPlane.attach(Path(place), programs=programs)
            else:
                plane = owned.enter_context(ControlPlane.start(programs=programs))
                serve_kinds(plane)
                users.write(str(plane.folder))
                users.flush()
        yield plane
        if place:
            fcntl.flock(users, fcntl.LOCK_UN)  # said, since a fork of this process may hold the file open
        else:
            fcntl.flock(users, fcntl.LOCK_EX)
            users.truncate(0)
            owned.close()


@pytest.fixture(scope="session")
def served_plane(programs: Programs) -> Iterator[ControlPlane]:
    """Another one, with our kinds: all of its namespaces are served by the shared operator, and by no other."""
    with ControlPlane.start(programs=programs) as plane:
        serve_kinds(plane)
        yield plane


@pytest.fixture
def own_plane(programs: Programs) -> Iterator[ControlPlane]:
    """One with our kinds and a namespace `images`, for one test: nobody else serves it or writes to it, and it may be wiped or stopped."""
    with ControlPlane.start(programs=programs) as plane:
        serve_kinds(plane)
        plane.run_kubectl("create", "namespace", "images")
        yield plane


def serve_kinds(plane: ControlPlane) -> None:
    """Returns once objects of `crds/` can be made."""
    plane.run_kubectl("apply", "--server-side", "-f", CRDS)
    plane.run_kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", CRDS)
    plane.restart_controller_manager()  # else our kinds' children are collected only after up to 30 s


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A fresh one. Its deletion is asked for, not waited for: Kubernetes takes five seconds over one, and no name is used twice."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    kubernetes = administrator(control_plane.kubeconfig)  # kubectl costs a tenth of a second of processor time for each question
    kubernetes.call("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    yield name
    kubernetes.call("DELETE", f"/api/v1/namespaces/{name}")
