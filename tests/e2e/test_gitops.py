"""GitOps: applied again, by either way of applying, a manifest changes nothing; the operator writes nothing that a manifest says."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from support.operator import AWAY, HOME, Body, World
from support.questions import declared


def manifest(world: World) -> str:
    """With something in every list, and a label and an annotation of its author's."""
    body = declared(
        world,
        replicas=[{"region": HOME}, {"region": AWAY}],
        sharing={"accounts": [world.partner], "shareListRefs": [{"name": "partners"}]},
        tags={"team": "platform"},
        aliases=[{"parameter": "/golden/{image}/{channel}"}],
    )
    body["metadata"] |= {"namespace": world.namespace, "labels": {"app": "web"}, "annotations": {"author": "platform"}}
    partners = world.share_list("partners", "777777777777")
    partners["metadata"]["namespace"] = world.namespace
    return yaml.safe_dump_all([partners, body])


@pytest.mark.parametrize(
    "way", [("--server-side", "--field-manager=argocd-controller"), ("--server-side=false",)], ids=["by the server", "by the client"]
)
def test_applied_twice_and_reconciled_there_is_no_difference(world: World, way: tuple[str, ...]) -> None:
    text = manifest(world)
    world.plane.run_kubectl("apply", *way, "-f", "-", stdin=text)
    first = world.ready()
    world.ready("web-1.0.0", "imageversion")

    again = world.plane.run_kubectl("apply", *way, "-f", "-", "-o", "json", stdin=text)
    world.plane.run_kubectl("diff", *way, "-f", "-", stdin=text)  # fails where there is a difference

    applied: Body = next(obj for obj in json.loads(again)["items"] if obj["kind"] == "GoldenImage")
    assert applied["metadata"]["generation"] == first["metadata"]["generation"] == 1
    assert applied["spec"] == first["spec"]


def test_the_operator_writes_nothing_of_a_golden_image_but_its_finalizer_and_its_status(world: World) -> None:
    world.plane.run_kubectl("apply", "--server-side", "-f", "-", stdin=manifest(world))
    world.ready()
    obj = json.loads(world.plane.run_kubectl("get", "gi", "web", "-n", world.namespace, "-o", "json", "--show-managed-fields"))
    ours = [row for row in obj["metadata"]["managedFields"] if row["manager"].startswith("goldenami")]
    owned = {
        f"{top}.{below}" if top == "f:metadata" else top
        for row in ours
        for top, fields in row["fieldsV1"].items()
        for below in (keys(fields) or [""])
    }
    assert owned == {"f:metadata.f:finalizers", "f:status"}
    assert obj["metadata"]["labels"] == {"app": "web"}
    assert obj["metadata"]["annotations"] == {"author": "platform"}


def keys(fields: Any) -> list[str]:
    return sorted(fields) if isinstance(fields, dict) else []
