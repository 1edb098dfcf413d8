"""Our client's promises on a real API server: typed errors, apply, status only when different, finalizers, metadata lists, events."""

from __future__ import annotations

import contextlib
import datetime
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.manifests import aws_account, golden_image, share_list
from goldenami.api.kinds import FINALIZER, GOLDEN_IMAGE, KINDS, SHARE_LIST
from goldenami.api.reasons import EventReason
from goldenami.kube.client import Body, Kubernetes
from goldenami.kube.connection import load_configuration
from goldenami.kube.errors import KubeConflict, KubeForbidden, KubeInvalid, KubeNotFound, KubeUnavailable
from goldenami.kube.events import BURST, Events
from goldenami.kube.status import write_status, write_what_fits
from goldenami.local.kubernetes import ControlPlane
from support.operator import eventually


def client_for(kubeconfig: Path, monkeypatch: pytest.MonkeyPatch) -> Kubernetes:
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    return Kubernetes(load_configuration())


@pytest.fixture
def kubernetes(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> Kubernetes:
    return client_for(control_plane.kubeconfig, monkeypatch)


def within(namespace: str, manifest: Body) -> Body:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}


def test_what_is_applied_is_read_back(kubernetes: Kubernetes, namespace: str) -> None:
    assert kubernetes.get(GOLDEN_IMAGE, namespace, "web") is None
    kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image()))
    stored = kubernetes.get(GOLDEN_IMAGE, namespace, "web")
    assert stored is not None
    assert stored["spec"]["version"] == "1.4.2"


def test_applying_the_same_again_and_again_changes_nothing_from_the_second_time_on(kubernetes: Kubernetes, namespace: str) -> None:
    # The second time the status default of the definition is stored along.
    _first, second, third = (kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image())) for _ in range(3))
    assert second == third


def test_a_field_that_is_applied_no_longer_is_removed(kubernetes: Kubernetes, namespace: str) -> None:
    kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image(tags={"team": "web"})))
    assert "tags" not in kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image()))["spec"]


def test_lists_carry_kind_and_version_and_cover_one_namespace_or_all(kubernetes: Kubernetes, namespace: str) -> None:
    for name in ("a", "b"):
        kubernetes.apply(SHARE_LIST, within(namespace, share_list(name=name)))
    assert [(item["kind"], item["metadata"]["name"]) for item in kubernetes.list(SHARE_LIST, namespace)] == [
        ("ShareList", "a"),
        ("ShareList", "b"),
    ]
    assert {item["metadata"]["namespace"] for item in kubernetes.list(SHARE_LIST)} >= {namespace}


def test_lists_are_read_in_pages(kubernetes: Kubernetes, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("goldenami.kube.client.PAGE_SIZE", 2)
    names = [f"list-{number}" for number in range(5)]
    for name in names:
        kubernetes.apply(SHARE_LIST, within(namespace, share_list(name=name)))
    assert [item["metadata"]["name"] for item in kubernetes.list(SHARE_LIST, namespace)] == names
    metadata = kubernetes.list_metadata(SHARE_LIST, namespace)
    assert [item["metadata"]["name"] for item in metadata] == names
    assert all("spec" not in item for item in metadata)


def test_a_label_selector_selects(kubernetes: Kubernetes, namespace: str) -> None:
    labelled = within(namespace, share_list(name="a"))
    labelled["metadata"]["labels"] = {"team": "web"}
    kubernetes.apply(SHARE_LIST, labelled)
    kubernetes.apply(SHARE_LIST, within(namespace, share_list(name="b")))
    assert [item["metadata"]["name"] for item in kubernetes.list(SHARE_LIST, namespace, "team=web")] == ["a"]


def test_a_refused_body_is_invalid_and_says_why(kubernetes: Kubernetes, namespace: str) -> None:
    with pytest.raises(KubeInvalid, match="version"):
        kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image(version="not semver")))


def test_without_rights_it_is_forbidden(control_plane: ControlPlane, namespace: str, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = client_for(control_plane.kubeconfig_for("nobody", []), monkeypatch)
    with pytest.raises(KubeForbidden, match="cannot list"):
        nobody.list(GOLDEN_IMAGE, namespace)
    assert not nobody.may_list("/api/v1/namespaces")


def test_a_server_that_is_not_there_is_unavailable(kubernetes: Kubernetes) -> None:
    kubernetes.configuration.host = "https://127.0.0.1:1"
    with pytest.raises(KubeUnavailable, match="cannot be reached"):
        kubernetes.list(GOLDEN_IMAGE)


@pytest.fixture
def hung_up_on() -> Iterator[tuple[str, list[object]]]:
    """A server that hangs up on whoever connects, and who did."""
    callers: list[object] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, caller = server.accept()
                    callers.append(caller)
                    connection.close()

        threading.Thread(target=hang_up, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", callers
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("patient", "tries"),
    [pytest.param(True, 2, id="a read is tried again"), pytest.param(False, 1, id="what has to be over in time is not")],
)
def test_how_often_a_read_is_tried(kubernetes: Kubernetes, hung_up_on: tuple[str, list[object]], patient: bool, tries: int) -> None:
    kubernetes.configuration.host, callers = hung_up_on
    asking = kubernetes if patient else kubernetes.asking_once()
    with pytest.raises(KubeUnavailable):
        asking.list(GOLDEN_IMAGE)
    assert len(callers) == tries


def test_no_kubeconfig_is_said_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    with pytest.raises(KubeForbidden, match="set KUBECONFIG"):
        load_configuration()


def test_discovery_tells_which_kinds_are_served(kubernetes: Kubernetes) -> None:
    assert kubernetes.served_plurals() == {kind.plural for kind in KINDS}


def test_labels_of_a_namespace(kubernetes: Kubernetes, namespace: str) -> None:
    assert kubernetes.namespace_labels(namespace)[1]["kubernetes.io/metadata.name"] == namespace
    with pytest.raises(KubeNotFound):
        kubernetes.namespace_labels("absent")


def test_a_deletion_spares_the_next_incarnation(kubernetes: Kubernetes, namespace: str) -> None:
    first = kubernetes.apply(SHARE_LIST, within(namespace, share_list()))
    kubernetes.delete(SHARE_LIST, namespace, "partners", first["metadata"]["uid"])
    kubernetes.delete(SHARE_LIST, namespace, "partners", first["metadata"]["uid"])
    second = kubernetes.apply(SHARE_LIST, within(namespace, share_list()))
    with pytest.raises(KubeConflict):
        kubernetes.delete(SHARE_LIST, namespace, "partners", first["metadata"]["uid"])
    stored = kubernetes.get(SHARE_LIST, namespace, "partners")
    assert stored is not None
    assert stored["metadata"]["uid"] == second["metadata"]["uid"]


# Finalizers ------------------------------------------------------------------------------------------------------------------------------


def test_a_finalizer_is_set_once_and_removed_once(kubernetes: Kubernetes, namespace: str) -> None:
    obj = kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image()))
    held = kubernetes.add_finalizer(GOLDEN_IMAGE, obj)
    assert held["metadata"]["finalizers"] == [FINALIZER]
    assert kubernetes.add_finalizer(GOLDEN_IMAGE, held) is held
    free = kubernetes.remove_finalizer(GOLDEN_IMAGE, held)
    assert free is not None
    assert "finalizers" not in free["metadata"]
    assert kubernetes.remove_finalizer(GOLDEN_IMAGE, free) is free


def test_other_finalizers_stay(kubernetes: Kubernetes, namespace: str) -> None:
    manifest = within(namespace, golden_image())
    manifest["metadata"]["finalizers"] = ["example.com/theirs"]
    obj = kubernetes.apply(GOLDEN_IMAGE, manifest)
    held = kubernetes.add_finalizer(GOLDEN_IMAGE, obj)
    assert held["metadata"]["finalizers"] == ["example.com/theirs", FINALIZER]
    free = kubernetes.remove_finalizer(GOLDEN_IMAGE, held)
    assert free is not None
    assert free["metadata"]["finalizers"] == ["example.com/theirs"]


def test_a_finalizer_is_not_set_on_what_changed_meanwhile(kubernetes: Kubernetes, namespace: str) -> None:
    stale = kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image()))
    kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image(suspend=True)))
    with pytest.raises(KubeConflict):
        kubernetes.add_finalizer(GOLDEN_IMAGE, stale)


def test_the_last_finalizer_lets_a_deleted_object_go_and_doing_it_again_is_no_error(kubernetes: Kubernetes, namespace: str) -> None:
    obj = kubernetes.add_finalizer(GOLDEN_IMAGE, kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image())))
    kubernetes.delete(GOLDEN_IMAGE, namespace, "web", obj["metadata"]["uid"])
    leaving = kubernetes.get(GOLDEN_IMAGE, namespace, "web")
    assert leaving is not None
    assert "deletionTimestamp" in leaving["metadata"]
    kubernetes.remove_finalizer(GOLDEN_IMAGE, leaving)
    assert kubernetes.get(GOLDEN_IMAGE, namespace, "web") is None
    assert kubernetes.remove_finalizer(GOLDEN_IMAGE, leaving) is None


def test_an_applied_manifest_without_finalizers_does_not_take_ours_away(kubernetes: Kubernetes, namespace: str) -> None:
    kubernetes.add_finalizer(GOLDEN_IMAGE, kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image())))
    assert kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image(suspend=True)))["metadata"]["finalizers"] == [FINALIZER]


# Status ----------------------------------------------------------------------------------------------------------------------------------


def ready(status: str, message: str = "all is as declared") -> Body:
    condition = {"type": "Ready", "status": status, "reason": "Succeeded", "message": message, "observedGeneration": 1}
    return {**condition, "lastTransitionTime": "2026-01-01T00:00:00Z"}


def stored(kubernetes: Kubernetes, namespace: str) -> Body:
    obj = kubernetes.get(GOLDEN_IMAGE, namespace, "web")
    assert obj is not None
    return obj


def test_a_status_is_written_once_and_then_left_alone(kubernetes: Kubernetes, namespace: str) -> None:
    obj = kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image()))
    status = {"observedGeneration": 1, "conditions": [ready("True")], "version": None}
    assert write_status(kubernetes, GOLDEN_IMAGE, obj, status)
    written = stored(kubernetes, namespace)
    assert not write_status(kubernetes, GOLDEN_IMAGE, written, status)
    assert stored(kubernetes, namespace)["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"]
    assert written["metadata"]["generation"] == 1


def test_of_a_status_that_is_refused_the_conditions_are_written_and_the_rest_stays(
    kubernetes: Kubernetes, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    obj = kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image()))
    write_what_fits(kubernetes, GOLDEN_IMAGE, obj, {"observedGeneration": 1, "conditions": [ready("True")], "versions": 2})
    refused = {"observedGeneration": 2, "conditions": [ready("False", "not all is well")], "versions": -1}

    assert write_what_fits(kubernetes, GOLDEN_IMAGE, stored(kubernetes, namespace), refused)
    assert not write_what_fits(kubernetes, GOLDEN_IMAGE, stored(kubernetes, namespace), refused)

    status = stored(kubernetes, namespace)["status"]
    assert (status["observedGeneration"], status["versions"]) == (1, 2)
    assert [condition["message"] for condition in status["conditions"]] == ["not all is well"]
    assert "status.versions" in caplog.text


def test_a_condition_left_out_is_removed(kubernetes: Kubernetes, namespace: str) -> None:
    obj = kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image()))
    stalled = {**ready("True"), "type": "Stalled"}
    write_status(kubernetes, GOLDEN_IMAGE, obj, {"observedGeneration": 1, "conditions": [ready("False"), stalled]})
    write_status(kubernetes, GOLDEN_IMAGE, stored(kubernetes, namespace), {"observedGeneration": 1, "conditions": [ready("True")]})
    assert [condition["type"] for condition in stored(kubernetes, namespace)["status"]["conditions"]] == ["Ready"]


def test_a_status_for_what_is_gone_is_not_found_and_creates_nothing(kubernetes: Kubernetes, namespace: str) -> None:
    first = kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image()))
    kubernetes.delete(GOLDEN_IMAGE, namespace, "web", first["metadata"]["uid"])
    with pytest.raises(KubeNotFound):
        write_status(kubernetes, GOLDEN_IMAGE, first, {"observedGeneration": 1})
    assert kubernetes.get(GOLDEN_IMAGE, namespace, "web") is None


# Events ----------------------------------------------------------------------------------------------------------------------------------


def events_about(kubernetes: Kubernetes, namespace: str, uid: str) -> list[dict[str, Any]]:
    answer = kubernetes.call("GET", f"/api/v1/namespaces/{namespace}/events", query={"fieldSelector": f"involvedObject.uid={uid}"})
    return list(answer["items"])


def test_repeats_are_counted_on_one_event_and_others_get_their_own(kubernetes: Kubernetes, namespace: str) -> None:
    obj = kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image()))
    events = Events(kubernetes, instance="test")
    for _ in range(5):
        events.record(obj, EventReason.COPY_FAILED, "eu-west-1: the copy of ami-1 failed")
    events.record(obj, EventReason.READY, "all is as declared")
    events.close(20)
    told = {event["reason"]: event for event in events_about(kubernetes, namespace, obj["metadata"]["uid"])}
    assert {reason: (event["type"], event["count"]) for reason, event in told.items()} == {
        "CopyFailed": ("Warning", 5),
        "Ready": ("Normal", 1),
    }
    assert told["Ready"]["involvedObject"]["name"] == "web"


def test_kubectl_describe_shows_the_count(control_plane: ControlPlane, kubernetes: Kubernetes, namespace: str) -> None:
    obj = kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image()))
    events = Events(kubernetes, instance="test")
    for _ in range(3):
        events.record(obj, EventReason.COPY_FAILED, "eu-west-1: the copy of ami-1 failed")
    events.close(20)
    shown = control_plane.run_kubectl("describe", "goldenimage", "web", "-n", namespace)
    assert "(x3 over" in shown
    assert "goldenami" in shown


def test_one_object_cannot_flood_and_is_heard_of_something_else_all_the_same(kubernetes: Kubernetes, namespace: str) -> None:
    obj = kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image()))
    events = Events(kubernetes, instance="test")
    for number in range(BURST * 2):
        events.record(obj, EventReason.COPY_STARTED, f"copy number {number}")
    events.record(obj, EventReason.READY, "all is as declared")
    events.close(30)
    told = Counter(event["reason"] for event in events_about(kubernetes, namespace, obj["metadata"]["uid"]))
    assert told == {"CopyStarted": BURST, "Ready": 1}


def test_events_of_cluster_scoped_objects_are_in_the_default_namespace(kubernetes: Kubernetes, namespace: str) -> None:
    account = {**aws_account(name=f"account-of-{namespace}"), "apiVersion": "goldenami.dev/v1alpha1"}
    account["metadata"] = {**account["metadata"], "uid": namespace}
    events = Events(kubernetes, instance="test")
    events.record(account, EventReason.READY, "the account answers")
    events.close(20)
    assert [event["reason"] for event in events_about(kubernetes, "default", namespace)] == ["Ready"]


def test_an_expired_event_is_told_anew(kubernetes: Kubernetes, namespace: str) -> None:
    obj = kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image()))
    events = Events(kubernetes, instance="test")
    uid = obj["metadata"]["uid"]
    events.record(obj, EventReason.READY, "all is as declared")
    first = eventually(lambda: events_about(kubernetes, namespace, uid) or None, "an event")[0]
    kubernetes.call("DELETE", f"/api/v1/namespaces/{namespace}/events/{first['metadata']['name']}")
    events.record(obj, EventReason.READY, "all is as declared")
    events.close(20)
    (second,) = events_about(kubernetes, namespace, uid)
    assert second["count"] == 1
    assert datetime.datetime.fromisoformat(second["lastTimestamp"]) >= datetime.datetime.fromisoformat(first["lastTimestamp"])


def test_an_event_while_the_server_is_away_is_lost_and_the_next_arrives(
    kubernetes: Kubernetes, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    obj = kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image()))
    there, kubernetes.configuration.host = kubernetes.configuration.host, "https://127.0.0.1:1"
    events = Events(kubernetes, instance="test")
    events.record(obj, EventReason.READY, "all is as declared")
    eventually(lambda: "an event could not be recorded" in caplog.text, "told in the log")
    kubernetes.configuration.host = there
    events.record(obj, EventReason.NOT_READY, "a copy failed")
    events.close(20)
    assert [event["reason"] for event in events_about(kubernetes, namespace, obj["metadata"]["uid"])] == ["NotReady"]


def test_an_event_that_is_a_bug_is_told_in_the_log_and_the_next_arrives(
    kubernetes: Kubernetes, namespace: str, caplog: pytest.LogCaptureFixture
) -> None:
    obj = kubernetes.apply(GOLDEN_IMAGE, within(namespace, golden_image()))
    no_json = {**obj, "metadata": {**obj["metadata"], "resourceVersion": object()}}
    events = Events(kubernetes, instance="test")
    events.record(no_json, EventReason.READY, "all is as declared")
    events.record(obj, EventReason.NOT_READY, "a copy failed")
    events.close(20)
    assert [event["reason"] for event in events_about(kubernetes, namespace, obj["metadata"]["uid"])] == ["NotReady"]
    assert "an event could not be recorded" in caplog.text
