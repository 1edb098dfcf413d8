"""Fixtures: one real control plane for all tests, a namespace for each, and our CRDs in it.

A test that stops, pauses or wipes a control plane starts its own (`ControlPlane.start()`, 3 s), so that the others keep theirs.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from goldenami.local.kubernetes import ControlPlane, Lookup, Programs

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
def control_plane(programs: Programs) -> Iterator[ControlPlane]:
    """Shared by the whole run: leave nothing cluster-wide behind in it."""
    with ControlPlane.start(programs=programs) as plane:
        yield plane


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


@pytest.fixture(scope="session")
def apply_crds(control_plane: ControlPlane) -> None:
    """The kinds of `crds/`, served by the shared control plane."""
    serve_kinds(control_plane)


def serve_kinds(plane: ControlPlane) -> None:
    """Returns once objects of `crds/` can be made."""
    plane.run_kubectl("apply", "--server-side", "-f", CRDS)
    plane.run_kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", CRDS)
    plane.restart_controller_manager()  # else our kinds' children are collected only after up to 30 s


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A fresh one. Its deletion is asked for, not waited for: Kubernetes takes five seconds over one, and no name is used twice."""
    name = f"test-{uuid.uuid4().hex[:10]}"
    control_plane.run_kubectl("create", "namespace", name)
    yield name
    control_plane.run_kubectl("delete", "namespace", name, "--wait=false")
