"""Fixtures: two real control planes for all tests of all workers, one of them served by an operator, and a namespace for each test.

A test that stops, pauses or wipes a control plane starts its own (`ControlPlane.start()`, 3 s), so that the others keep theirs.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldenami.local.kubernetes import ControlPlane, Lookup, Programs
from support.keeper import Said, kept
from support.operator import administrator
from support.serving import serve_kinds


@pytest.fixture(scope="session")
def programs(pytestconfig: pytest.Config) -> Programs:
    """The programs of a control plane; where they have to be built first, that can be watched although tests are silent."""
    lookup = Lookup()
    if lookup.ready():
        return lookup.find()
    with pytestconfig.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        return lookup.find()


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all workers of a run."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder


@pytest.fixture(scope="session")
def control_plane(programs: Programs, run_folder: Path) -> Iterator[ControlPlane]:
    """Shared by the whole run, with our kinds. Make nothing cluster-wide in it, not even for a moment: operators of other tests see it."""
    with kept("bare", run_folder) as said:
        yield ControlPlane.attach(Path(said["plane"]), programs=programs)


@pytest.fixture(scope="session")
def served(programs: Programs, run_folder: Path) -> Iterator[Said]:
    """Shared by the whole run: a plane all of whose namespaces one operator serves, and what its keeper says of them."""
    with kept("served", run_folder) as said:
        yield said


@pytest.fixture(scope="session")
def served_plane(served: Said, programs: Programs) -> ControlPlane:
    """That plane, with our kinds: no other operator serves anything in it."""
    return ControlPlane.attach(Path(served["plane"]), programs=programs)


@pytest.fixture
def own_plane(programs: Programs) -> Iterator[ControlPlane]:
    """One with our kinds and a namespace `images`, for one test: nobody else serves it or writes to it, and it may be wiped or stopped."""
    with ControlPlane.start(programs=programs) as plane:
        serve_kinds(plane)
        plane.run_kubectl("create", "namespace", "images")
        yield plane


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A fresh one. Its deletion is asked for, not waited for: Kubernetes takes five seconds over one, and no name is used twice."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    kubernetes = administrator(control_plane.kubeconfig)  # kubectl costs a tenth of a second of processor time for each question
    kubernetes.call("POST", "/api/v1/namespaces", body={"metadata": {"name": name}})
    yield name
    kubernetes.call("DELETE", f"/api/v1/namespaces/{name}")
