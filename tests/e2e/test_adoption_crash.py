"""Adoption, whatever happens to the operator and to the cluster: it ends in the same state, and what AWS knows is enough to begin anew."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from goldenami.kube.errors import KubeNotFound
from goldenami.local.aws import LocalAws
from goldenami.local.kubernetes import ControlPlane
from support.operator import AWAY, HOME, Body, OperatorProcess, World, eventually, snapshots_of, tags_of
from support.process import environment, running
from support.questions import mutations, newest_call

VERSIONS = ("1.0.0", "1.1.0")


@pytest.fixture
def site(control_plane: ControlPlane, fast_aws: LocalAws, new_account: Callable[[], str]) -> World:
    world = World(control_plane, fast_aws, f"test-{uuid.uuid4().hex[:10]}", new_account(), new_account(), installation="crash")
    world.create_namespace()
    return world


@contextmanager
def operator(world: World, folder: Path, name: str) -> Iterator[OperatorProcess]:
    surroundings = environment(world.plane.kubeconfig, world.aws, world.account, POD_NAME=name, POD_NAMESPACE=world.namespace)
    with running(folder / f"{name}.log", surroundings, "--installation", "crash", "--namespace", world.namespace) as process:
        world.tail = process.tail
        yield process


def seeded(world: World) -> dict[tuple[str, str], str]:
    return {
        (version, region): world.seed(region=region, name=f"web-{version}", tags={"family": "web", "DeleteOn": "2099-12-31"})
        for version in VERSIONS
        for region in (HOME, AWAY)
    }


def manifest(world: World, ids: dict[tuple[str, str], str], **spec: Any) -> Body:
    """The newest version is declared, by its image at home; the others are found."""
    return world.golden_image(
        version="1.1.0",
        source={"image": {"id": ids["1.1.0", HOME], "adopt": True}},
        adopt={"byName": {"pattern": "web-(?P<version>.+)", "tags": {"family": "web"}}},
        **spec,
    )


def ours(world: World) -> dict[tuple[str, str], str]:
    return {
        (tags_of(image)["goldenami.dev/version"], region): image["ImageId"] for region in (HOME, AWAY) for image in world.images(region)
    }


def untagged_snapshots(world: World) -> list[str]:
    found = []
    for region in (HOME, AWAY):
        names = [part for image in world.images(region) for part in snapshots_of(image)]
        parts = world.ec2(region).describe_snapshots(SnapshotIds=names)["Snapshots"] if names else []
        found += [part["SnapshotId"] for part in parts if "goldenami.dev/owner" not in tags_of(part)]
    return found


def rendered(world: World) -> dict[str, Body]:
    objects = (world.get("imageversion", f"web-{version}") for version in VERSIONS)
    return {obj["metadata"]["name"]: obj["spec"] for obj in objects if obj}


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("number", [1, 2])
def test_killed_at_a_tag_call_the_next_operator_finishes_without_a_copy(site: World, tmp_path: Path, number: int, when: str) -> None:
    ids = seeded(site)
    fault = site.aws.lab.add_fault(
        "hold", operation="CreateTags", account=site.account, region=AWAY, nth=number, when=when, writes_only=True
    )
    try:
        with operator(site, tmp_path, "first") as first:
            site.apply(manifest(site, ids))
            held = eventually(
                lambda: [each for each in site.aws.lab.held(wait_seconds=0.2) if each.call.account == site.account],
                "a call held",
                told=site.told,
            )
            first.kill()
            for each in held:
                site.aws.lab.drop(each.id)
    finally:
        site.aws.lab.remove_fault(fault)

    with operator(site, tmp_path, "second"):
        site.ready()
        assert ours(site) == ids
        assert untagged_snapshots(site) == []
        assert set(mutations(site)) <= {"ec2.CreateTags", "ec2.ModifyImageAttribute"}  # tags, and the description of the source


def test_a_snapshot_whose_tag_did_not_arrive_gets_it_at_the_next_look(site: World, tmp_path: Path) -> None:
    ids = seeded(site)
    with operator(site, tmp_path, "only"):
        site.apply(manifest(site, ids))
        site.ready()
        (part,) = snapshots_of(site.ec2().describe_images(ImageIds=[ids["1.0.0", HOME]])["Images"][0])
        site.ec2().delete_tags(Resources=[part], Tags=[{"Key": "goldenami.dev/owner"}])
        eventually(lambda: untagged_snapshots(site) == [], "the tag put back", told=site.told)


def test_a_rebuilt_cluster_finds_the_family_by_its_tags_and_writes_nothing_to_aws(site: World, tmp_path: Path) -> None:
    ids = seeded(site)
    obj = manifest(site, ids)
    with operator(site, tmp_path, "first"):
        site.apply(obj)
        site.ready()
        before = rendered(site)
    assert {name: spec["expiresAt"] for name, spec in before.items()} == {
        "web-1.0.0": "2099-12-31T23:59:59Z",
        "web-1.1.0": "2099-12-31T23:59:59Z",
    }
    since = newest_call(site)
    lose_everything(site)

    with operator(site, tmp_path, "second"):
        # What was adopted is found by its tags, whether the manifest still says how it came to be adopted or not.
        obj["spec"].pop("adopt")
        site.apply(obj)
        site.ready()
        assert rendered(site) == before
        assert ours(site) == ids
        assert mutations(site, since) == []


def lose_everything(world: World) -> None:
    """As if etcd were new: no object, and no controller to say goodbye."""
    for kind, names in (("goldenimage", ["web"]), ("imageversion", [f"web-{version}" for version in VERSIONS])):
        for name in names:
            # An ImageVersion goes with its GoldenImage, and may be gone by now.
            with suppress(KubeNotFound):
                world.patch(kind, name, {"metadata": {"finalizers": None}})
                world.delete(kind, name)
    eventually(lambda: not rendered(world) and world.get("goldenimage", "web") is None, "an empty cluster")
