"""What the engine sees and whom it wakes, on a real API server: edits, references, outages, errors in streams, missed deletions."""

from __future__ import annotations

import gc
import getpass
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import kopf
import pytest

from cluster.manifests import aws_account, golden_image, image_version, share_list
from goldenami.api.kinds import AWS_ACCOUNT, GOLDEN_IMAGE, GROUP, IMAGE_VERSION, KINDS, RECONCILE_REQUESTED, VERSION, Key
from goldenami.kube.client import MERGE_PATCH, Body, Kubernetes, path_of
from goldenami.kube.connection import load_configuration
from goldenami.kube.intake import make_registry
from goldenami.kube.kopf_settings import login
from goldenami.kube.seen import How
from goldenami.kube.status import write_status
from goldenami.local.kubernetes import ControlPlane, Programs
from support.engine import QUICK, Engine, running_engine
from support.faulty_proxy import FaultyProxy, faulty_proxy
from support.operator import eventually

CRDS = Path(__file__).resolve().parents[2] / "crds"
HEALED_SECONDS = 5.0
"""The promise for waiters of something that appears late."""
OUTAGE_POLLS = 50
"""Questions, a tenth of a second apart, that an API server which is away leaves without an answer."""


@pytest.fixture(scope="module")
def plane(programs: Programs) -> Iterator[ControlPlane]:
    """One of our own: it is stopped and started again."""
    with ControlPlane.start(programs=programs, audit=False) as plane:
        plane.run_kubectl("apply", "--server-side", "-f", CRDS)
        plane.run_kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", CRDS)
        yield plane


@pytest.fixture(scope="module")
def admin(plane: ControlPlane) -> Kubernetes:
    """Past the engine and past the proxy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", str(plane.kubeconfig))
        return Kubernetes(load_configuration())


@pytest.fixture
def place(admin: Kubernetes) -> Iterator[str]:
    """A namespace of the test's own; afterwards nothing is left in it, so that the next test's engine has nothing to look at."""
    name = f"engine-{uuid.uuid4().hex[:8]}"
    admin.call("POST", "/api/v1/namespaces", body={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    for kind in KINDS:
        admin.call("DELETE", path_of(kind, name))
    admin.call("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def engine(plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    with running_engine(plane.kubeconfig, monkeypatch) as engine:
        yield engine


class Stage:
    """Objects in one namespace, and what the engine does about them."""

    def __init__(self, engine: Engine, namespace: str) -> None:
        self.engine = engine
        self.namespace = namespace

    def key(self, kind: str, name: str) -> Key:
        return Key(kind, "" if kind == AWS_ACCOUNT.kind else self.namespace, name)

    def apply(self, manifest: Body) -> Key:
        kind = next(kind for kind in KINDS if kind.kind == manifest["kind"])
        metadata = {**manifest["metadata"], **({"namespace": self.namespace} if kind.namespaced else {})}
        self.engine.kubernetes.apply(kind, {**manifest, "metadata": metadata})
        return self.key(kind.kind, metadata["name"])

    def present(self, manifest: Body) -> Key:
        """Applied, and noticed, and looked at if that is what becomes of its kind."""
        key = self.apply(manifest)
        eventually(lambda: self.engine.knows(key), f"{key} is seen")
        if key.kind in (GOLDEN_IMAGE.kind, IMAGE_VERSION.kind):
            eventually(lambda: self.engine.looks[key] > 0, f"{key} is looked at")
        return key

    def delete(self, key: Key) -> None:
        kind = next(kind for kind in KINDS if kind.kind == key.kind)
        obj = self.engine.kubernetes.get(kind, key.namespace, key.name)
        assert obj is not None
        self.engine.kubernetes.delete(kind, key.namespace, key.name, obj["metadata"]["uid"])

    def looks_after(self, act: Any, *expected: Key, seconds: float = 20.0) -> Counter[Key]:
        """The looks an act led to: waits for the expected ones, then for a later object to be through, so that unexpected ones show."""
        before = self.engine.looks.copy()
        act()
        eventually(lambda: all(self.engine.looks[key] > before[key] for key in expected), f"looks at {expected}", seconds=seconds)
        marker = self.present(golden_image(name=f"marker-{time.monotonic_ns()}"))
        return Counter({key: count for key, count in (self.engine.looks - before).items() if key != marker})


@pytest.fixture
def stage(engine: Engine, place: str) -> Stage:
    return Stage(engine, place)


def test_a_user_without_a_name_sees_objects_as_everybody_does(plane: ControlPlane, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The pod runs as a number that is in no list of users; kopf asks for its name, unless it is told one."""

    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found: 65532")

    monkeypatch.setattr(getpass, "getuser", nameless)
    with running_engine(plane.kubeconfig, monkeypatch) as engine:
        Stage(engine, place).present(golden_image())


def test_the_kopf_registry_holds_event_handlers_and_a_login_only() -> None:
    registry = make_registry(lambda _seen: None, KINDS, watch_namespaces=True)
    silent = (registry._indexing, registry._spawning, registry._changing, registry._webhooks)
    assert [handlers.get_all_handlers() for handlers in silent] == [[], [], [], []]
    assert len(registry._watching.get_all_handlers()) == len(KINDS) + 1
    assert [handler.fn for handler in registry._activities.get_all_handlers()] == [login]
    assert registry is not kopf.get_default_registry()


def test_created_edited_and_deleted_objects_are_looked_at_and_a_deleted_one_is_forgotten(stage: Stage) -> None:
    key = stage.present(golden_image())
    assert stage.looks_after(lambda: stage.apply(golden_image(suspend=True)), key) == {key: 1}
    assert stage.looks_after(lambda: stage.delete(key), key) == {key: 1}
    assert not stage.engine.looked_after(key)


def test_what_was_received_of_an_object_is_kept_by_nobody(stage: Stage) -> None:
    """Its caretaker lives as long as it does, and had the whole object in its context: with thousands of them, tens of KiB each."""
    stage.present(golden_image(name="earlier"))
    obj = stage.engine.kubernetes.get(GOLDEN_IMAGE, stage.namespace, stage.present(golden_image()).name)
    assert obj is not None
    uid = obj.pop("metadata")["uid"]
    # A list, and a watch, keep the last object that they brought: here the others.
    stage.present(golden_image(name="later"))
    eventually(lambda: not _received(uid), "the object is let go of")
    assert stage.engine.looked_after(stage.key(GOLDEN_IMAGE.kind, "web"))


def _received(uid: str) -> list[Body]:
    gc.collect()  # kopf's views of an object know each other
    found = (obj for obj in gc.get_objects() if type(obj) is dict and isinstance(obj.get("metadata"), dict))
    return [obj for obj in found if obj["metadata"].get("uid") == uid]


def test_an_objects_own_status_wakes_nobody(stage: Stage) -> None:
    key = stage.present(golden_image())

    def write() -> None:
        obj = stage.engine.kubernetes.get(GOLDEN_IMAGE, key.namespace, key.name)
        assert obj is not None
        assert write_status(stage.engine.kubernetes, GOLDEN_IMAGE, obj, {"observedGeneration": 1})

    assert stage.looks_after(write) == {}


def test_a_new_value_of_the_annotation_asks_for_one_look(stage: Stage) -> None:
    key = stage.present(golden_image())

    def request(value: str) -> None:
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{key.namespace}/goldenimages/{key.name}"
        body = {"metadata": {"annotations": {RECONCILE_REQUESTED: value}}}
        stage.engine.kubernetes.call("PATCH", path, body=body, content_type=MERGE_PATCH)

    assert stage.looks_after(lambda: request("1"), key) == {key: 1}
    assert stage.looks_after(lambda: request("1")) == {}


def test_an_edited_share_list_wakes_exactly_its_users(stage: Stage) -> None:
    stage.present(share_list())
    user = stage.present(golden_image(name="user", sharing={"shareListRefs": [{"name": "partners"}]}))
    stage.present(golden_image(name="stranger", sharing={"shareListRefs": [{"name": "others"}]}))
    edit = share_list(accounts=["111122223333", "444455556666"])
    assert stage.looks_after(lambda: stage.apply(edit), user) == {user: 1}
    assert stage.looks_after(lambda: stage.delete(stage.key("ShareList", "partners")), user) == {user: 1}


def test_a_share_list_that_appears_late_heals_its_waiters_in_time(stage: Stage) -> None:
    user = stage.present(golden_image(name="user", sharing={"shareListRefs": [{"name": "partners"}]}))
    assert stage.looks_after(lambda: stage.apply(share_list()), user, seconds=HEALED_SECONDS) == {user: 1}


def test_an_account_wakes_the_images_and_versions_that_name_it(stage: Stage) -> None:
    image = stage.present(golden_image(name="user", accountRef={"name": "build"}))
    version = stage.present(image_version(name="user-1", accountRef={"name": "build"}, goldenImage="nobody"))
    stage.present(golden_image(name="stranger"))
    stage.present(golden_image(name="neighbour", accountRef={"name": "another"}))
    users = {image: 1, version: 1}
    assert stage.looks_after(lambda: stage.apply(aws_account()), image, version, seconds=HEALED_SECONDS) == users
    edit = aws_account(roleArn="arn:aws:iam::111122223333:role/golden")
    assert stage.looks_after(lambda: stage.apply(edit), image, version) == users


def test_a_label_of_a_namespace_wakes_those_in_it_that_name_an_account(stage: Stage, admin: Kubernetes) -> None:
    image = stage.present(golden_image(name="user", accountRef={"name": "build"}))
    stage.present(golden_image(name="stranger"))
    label = {"metadata": {"labels": {"team": "web"}}}
    path = f"/api/v1/namespaces/{stage.namespace}"
    assert stage.looks_after(lambda: admin.call("PATCH", path, body=label, content_type=MERGE_PATCH), image) == {image: 1}


def test_whatever_happens_to_a_version_wakes_its_image_and_not_the_version_itself(stage: Stage) -> None:
    parent = stage.present(golden_image(name="web"))
    child = stage.present(image_version(name="web-1", goldenImage="web"))
    eventually(lambda: stage.engine.looks[parent] >= 2, "the new version wakes its image")

    def write() -> None:
        obj = stage.engine.kubernetes.get(IMAGE_VERSION, child.namespace, child.name)
        assert obj is not None
        assert write_status(stage.engine.kubernetes, IMAGE_VERSION, obj, {"observedGeneration": 1})

    assert stage.looks_after(write, parent) == {parent: 1}
    assert stage.looks_after(lambda: stage.delete(child), parent, child) == {parent: 1, child: 1}


def test_only_the_namespaces_asked_for_are_served(plane: ControlPlane, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_engine(plane.kubeconfig, monkeypatch, namespaces=(place,)) as engine:
        elsewhere = Stage(engine, "default")
        other = elsewhere.apply(golden_image(name="elsewhere"))
        Stage(engine, place).present(golden_image())
        assert not engine.knows(other)
        elsewhere.delete(other)


def test_rights_on_our_kinds_alone_suffice(plane: ControlPlane, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = ["--verb=*", "--resource=*.goldenami.dev"]
    plane.run_kubectl("create", "clusterrole", place, *everything)
    plane.run_kubectl("create", "clusterrolebinding", place, f"--clusterrole={place}", "--user=operator")
    with running_engine(plane.kubeconfig_for("operator", ["system:authenticated"]), monkeypatch) as engine:
        stage = Stage(engine, place)
        key = stage.present(golden_image())
        assert stage.looks_after(lambda: stage.apply(golden_image(suspend=True)), key) == {key: 1}
        assert not any(seen.key.kind == "Namespace" for seen in engine.sightings)
        assert engine.restarts == 0


def test_an_api_server_that_was_away_is_followed_again(plane: ControlPlane, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with running_engine(plane.kubeconfig, monkeypatch) as engine:
        stage = Stage(engine, place)
        key = stage.present(golden_image())
        plane.stop_apiserver()
        plane.start_apiserver()
        assert stage.looks_after(lambda: stage.apply(golden_image(suspend=True)), key, seconds=60)[key] >= 1
        assert engine.gave_up == []


# Through a proxy that breaks things -----------------------------------------------------------------------------------------------------


@pytest.fixture
def proxy(plane: ControlPlane, tmp_path: Path) -> Iterator[FaultyProxy]:
    with faulty_proxy(plane.kubeconfig, tmp_path) as proxy:
        yield proxy


@pytest.fixture
def shaky(proxy: FaultyProxy, place: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    with running_engine(proxy.kubeconfig, monkeypatch) as engine:
        yield Stage(engine, place)


def test_after_a_410_in_the_stream_the_list_begins_anew_and_wakes_nobody_without_need(shaky: Stage, proxy: FaultyProxy) -> None:
    key = shaky.present(golden_image())
    eventually(lambda: bool(proxy.watches("goldenimages")), "a watch runs")

    def fail() -> None:
        assert proxy.fail_streams("goldenimages", 410) > 0

    assert shaky.looks_after(fail) == {}
    assert shaky.engine.restarts == 0
    assert shaky.looks_after(lambda: shaky.apply(golden_image(suspend=True)), key) == {key: 1}


def test_an_error_in_the_stream_ends_kopf_and_the_intake_starts_it_again(shaky: Stage, proxy: FaultyProxy) -> None:
    key = shaky.present(golden_image())
    eventually(lambda: bool(proxy.watches("goldenimages")), "a watch runs")
    assert proxy.fail_streams("goldenimages", 500) > 0
    eventually(lambda: shaky.engine.restarts == 1, "a restart")
    assert shaky.looks_after(lambda: shaky.apply(golden_image(suspend=True)), key) == {key: 1}
    assert shaky.engine.gave_up == []


def test_an_overloaded_api_server_is_waited_for(shaky: Stage, proxy: FaultyProxy) -> None:
    key = shaky.present(golden_image())
    proxy.refuse("goldenimages?", 429, {"Retry-After": "1"})
    proxy.fail_streams("goldenimages", 410)
    eventually(lambda: bool(proxy.refused), "a refused request")
    proxy.allow("goldenimages?")
    assert shaky.looks_after(lambda: shaky.apply(golden_image(suspend=True)), key) == {key: 1}


def test_an_edit_made_while_nobody_watched_is_noticed_afterwards(shaky: Stage, proxy: FaultyProxy) -> None:
    key = shaky.present(golden_image())

    def edit_unwatched() -> None:
        proxy.refuse("goldenimages?", 503)
        proxy.fail_streams("goldenimages", 410)
        shaky.apply(golden_image(suspend=True))
        proxy.allow("goldenimages?")

    assert shaky.looks_after(edit_unwatched, key) == {key: 1}


def test_a_deletion_made_while_nobody_watched_is_found_by_the_sweep(shaky: Stage, proxy: FaultyProxy) -> None:
    partners = shaky.present(share_list())
    user = shaky.present(golden_image(name="user", sharing={"shareListRefs": [{"name": "partners"}]}))
    proxy.refuse("sharelists?", 503)
    proxy.fail_streams("sharelists", 410)
    shaky.delete(partners)
    proxy.allow("sharelists?")
    eventually(lambda: bool(proxy.watches("sharelists")), "a new watch")
    # kopf has listed anew, and says nothing of what is no longer there.
    assert shaky.engine.knows(partners)

    assert shaky.looks_after(shaky.engine.sweep, user) == {user: 1}
    assert not shaky.engine.knows(partners)
    assert shaky.engine.sweep() == []


def test_what_the_watch_never_showed_is_found_by_the_sweep(shaky: Stage) -> None:
    shaky.engine.deaf_to = frozenset({How.ADDED.value})
    key = shaky.apply(golden_image())
    eventually(lambda: any(seen.key == key for seen in shaky.engine.sightings), "the watch sees what the engine is deaf to")
    shaky.engine.sweep()
    eventually(lambda: shaky.engine.looks[key] == 1, "the sweep makes it known")


def test_an_outage_that_outlasts_every_failure_the_intake_puts_up_with_is_waited_for(
    proxy: FaultyProxy, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_engine(proxy.kubeconfig, monkeypatch, endurance=replace(QUICK, failures=2)) as engine:
        stage = Stage(engine, place)
        key = stage.present(golden_image())
        eventually(lambda: bool(proxy.watches("goldenimages")), "a watch runs")
        proxy.refuse("/", 503)
        assert proxy.fail_streams("goldenimages", 500) > 0
        eventually(lambda: engine.restarts == 1, "the first of two failures")
        # The pauses between two failures are a tenth of a second: this is as long as a hundred minutes are for the real numbers.
        began = len(proxy.refused)
        eventually(lambda: len(proxy.refused) > began + OUTAGE_POLLS, "an outage that is long")
        proxy.allow("/")
        assert stage.looks_after(lambda: stage.apply(golden_image(suspend=True)), key, seconds=60)[key] >= 1
        assert (engine.restarts, engine.gave_up) == (1, [])


def test_an_intake_that_fails_again_and_again_gives_up(proxy: FaultyProxy, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # kopf takes 5 s to end once a watch of its failed.
    with running_engine(proxy.kubeconfig, monkeypatch, endurance=replace(QUICK, failures=2)) as engine:
        Stage(engine, place).present(golden_image())
        proxy.refuse("goldenimages?", 400)
        proxy.fail_streams("goldenimages", 410)
        eventually(lambda: bool(engine.gave_up), "it gives up")
        assert engine.restarts == 1
