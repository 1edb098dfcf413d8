"""Status as tools read it: each row of the kstatus table on real objects, and what holds for every version of every object."""

from __future__ import annotations

import itertools

from goldenami.api.kinds import KINDS
from goldenami.api.reasons import Reason
from goldenami.kube.client import APPLY_PATCH, path_of
from support.kstatus import kstatus
from support.operator import AWAY, Body, World, eventually
from support.questions import declared, wait_noted
from support.watching import witness

GOLDEN_IMAGE = KINDS[0]


def conditions(obj: Body) -> dict[str, Body]:
    return {row["type"]: row for row in obj.get("status", {}).get("conditions", [])}


def summary(obj: Body) -> dict[str, str]:
    """Ready, Reconciling and Stalled as they are told, `-` where they are absent."""
    rows = conditions(obj)
    return {kind: rows[kind]["status"] if kind in rows else "-" for kind in ("Ready", "Reconciling", "Stalled")}


def test_from_the_first_moment_to_done_it_is_in_progress_and_then_current(world: World) -> None:
    manifest = declared(world)
    with witness(world) as seen, witness(world, "ImageVersion") as children:
        path = path_of(GOLDEN_IMAGE, world.namespace, "web")
        created = world.kubernetes.call("PATCH", path, query={"fieldManager": "kubectl"}, body=manifest, content_type=APPLY_PATCH)
        world.plane.run_kubectl("wait", "--for=condition=Ready", "--timeout=40s", "-n", world.namespace, "gi/web", "iv/web-1.0.0")
        world.ready()

    assert created["status"] == {"observedGeneration": -1}
    assert kstatus(created) == "InProgress"
    for versions in (seen.of(), children.of("web-1.0.0")):
        judged = [kstatus(version) for version in versions]
        assert judged[0] == "InProgress"
        assert judged[-1] == "Current"
        assert sorted(judged, key=["InProgress", "Current"].index) == judged  # never Current too early
        working = [version for version in versions if conditions(version) and kstatus(version) == "InProgress"]
        assert working
        assert all(summary(version) == {"Ready": "Unknown", "Reconciling": "True", "Stalled": "-"} for version in working)
        assert summary(versions[-1]) == {"Ready": "True", "Reconciling": "-", "Stalled": "-"}
        assert conditions(versions[-1])["Ready"]["reason"] == "Succeeded"


def test_a_fault_that_passes_is_retried_in_progress_and_heals_by_itself(world: World) -> None:
    fault = world.aws.lab.add_fault("refuse", operation="CopyImage", account=world.account, region=AWAY, code="InternalError", times=1000)
    try:
        world.apply(declared(world))
        eventually(lambda: conditions(world.get("goldenimage", "web") or {}).get("Ready", {}).get("status") == "False", "told")
        obj = world.get("goldenimage", "web")
        assert obj is not None
        assert summary(obj) == {"Ready": "False", "Reconciling": "True", "Stalled": "-"}
        assert conditions(obj)["Reconciling"]["reason"] == "ProgressingWithRetry"
        assert AWAY in conditions(obj)["Ready"]["message"]
        assert kstatus(obj) == "InProgress"
    finally:
        world.aws.lab.remove_fault(fault)

    assert kstatus(world.ready()) == "Current"


def test_waiting_for_a_reference_is_in_progress(world: World) -> None:
    world.apply(declared(world, sharing={"shareListRefs": [{"name": "partners"}]}))
    world.reason("DependencyNotReady")
    obj = world.get("goldenimage", "web")
    assert obj is not None
    assert summary(obj) == {"Ready": "False", "Reconciling": "True", "Stalled": "-"}
    assert conditions(obj)["Reconciling"]["reason"] == "DependencyNotReady"
    assert kstatus(obj) == "InProgress"


def test_what_only_a_person_can_mend_is_failed_and_mending_it_makes_it_current(world: World) -> None:
    lost = "ami-0123456789abcdef0"
    world.apply(declared(world, source={"image": {"id": lost}}))
    condition = world.reason("SourceNotFound")
    assert lost in condition["message"]
    obj = world.get("goldenimage", "web")
    assert obj is not None
    assert summary(obj) == {"Ready": "False", "Reconciling": "-", "Stalled": "True"}
    assert conditions(obj)["Stalled"]["reason"] == "SourceNotFound"
    assert kstatus(obj) == "Failed"

    world.apply(declared(world, version="1.0.1"))
    world.delete("imageversion", "web-1.0.0")
    assert kstatus(world.ready()) == "Current"


def test_a_suspended_object_keeps_its_last_value_and_is_current(world: World) -> None:
    world.apply(declared(world))
    before = conditions(world.ready())["Ready"]
    world.patch("goldenimage", "web", {"spec": {"suspend": True}})
    obj = wait_noted(world)
    assert obj["spec"]["suspend"] is True
    after = conditions(obj)["Ready"]
    assert after == {**before, "observedGeneration": obj["metadata"]["generation"]}
    assert summary(obj) == {"Ready": "True", "Reconciling": "-", "Stalled": "-"}
    assert kstatus(obj) == "Current"


def test_one_that_is_deleted_is_terminating_and_says_what_it_waits_for(world: World) -> None:
    world.apply(declared(world, deletionPolicy="Delete"))
    world.ready()
    image = world.image(AWAY)["ImageId"]
    user = world.ec2(AWAY).run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"][0]["InstanceId"]
    world.delete("goldenimage", "web")
    world.reason("InUse")
    obj = world.get("goldenimage", "web")
    assert obj is not None
    assert kstatus(obj) == "Terminating"
    assert image in conditions(obj)["Ready"]["message"]
    world.ec2(AWAY).terminate_instances(InstanceIds=[user])


def test_in_every_version_of_every_object_generations_reasons_and_transition_times_hold(world: World) -> None:
    manifest = declared(world, sharing={"shareListRefs": [{"name": "partners"}]}, aliases=[{"parameter": "/golden/{image}/{channel}"}])
    with witness(world) as images, witness(world, "ImageVersion") as versions:
        world.apply(manifest)
        world.reason("DependencyNotReady")
        world.apply(world.share_list("partners", world.partner))
        world.ready()
        world.patch("goldenimage", "web", {"spec": {"suspend": True, "tags": {"team": "a"}}})
        wait_noted(world)
        world.patch("goldenimage", "web", {"spec": {"suspend": False, "tags": {"team": "b"}}})
        world.ready()
        world.ready("web-1.0.0", "imageversion")

    assert {row["reason"] for obj in images.of() for row in conditions(obj).values()} >= {"DependencyNotReady", "Succeeded"}
    for history in (images.of(), versions.of("web-1.0.0")):
        for obj in history:
            check_conditions(obj)
        for before, after in itertools.pairwise(history):
            check_transition(before, after)
        assert history[-1]["status"]["observedGeneration"] == history[-1]["metadata"]["generation"]
        assert {row["observedGeneration"] for row in conditions(history[-1]).values()} == {history[-1]["metadata"]["generation"]}


REASONS = {str(reason) for reason in Reason}


def check_conditions(obj: Body) -> None:
    """What holds for one object at any time."""
    status = obj.get("status", {})
    assert status["observedGeneration"] <= obj["metadata"]["generation"]
    for row in status.get("conditions", []):
        assert row["reason"] in REASONS, row
        assert row["message"], row
        assert row["observedGeneration"] <= status["observedGeneration"], row
    assert all(conditions(obj)[kind]["status"] == "True" for kind in ("Reconciling", "Stalled") if kind in conditions(obj))


def check_transition(before: Body, after: Body) -> None:
    """lastTransitionTime moves only, and always, with the status."""
    was, now = conditions(before), conditions(after)
    for kind in was.keys() & now.keys():
        if was[kind]["status"] == now[kind]["status"]:
            assert was[kind]["lastTransitionTime"] == now[kind]["lastTransitionTime"], (was[kind], now[kind])
