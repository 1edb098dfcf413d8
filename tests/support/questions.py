"""Questions that tests of the operator ask again and again: of AWS's audit, of the operator's log, of an object's status."""

from __future__ import annotations

from typing import Any

from support.operator import Body, OperatorLog, World, eventually


def declared(world: World, name: str = "web", **spec: Any) -> Body:
    """A GoldenImage in two regions with a source of its own."""
    source = spec.pop("source", None) or {"image": {"id": world.seed(name="base")}}
    return world.golden_image(name, source=source, **spec)


def newest_call(world: World) -> int:
    """The sequence number of the account's last call."""
    return max((call.sequence for call in world.aws.lab.audit_calls(account=world.account)), default=0)


def calls(world: World, since: int = 0, **filters: Any) -> list[str]:
    """The account's calls after `since`, as `ec2.CopyImage`; not those to STS, which are the AWSAccount's own business."""
    asked = world.aws.lab.audit_calls(account=world.account, since=since, **filters)
    return [call.name for call in asked if call.sequence > since and call.service != "sts"]


def mutations(world: World, since: int = 0) -> list[str]:
    """Those of them that mean to change something."""
    return calls(world, since, mutating=True)


def looks(process: OperatorLog, world: World, kind: str = "GoldenImage", name: str = "web") -> int:
    """How many looks at an object the operator has logged."""
    about = {"kind": kind, "namespace": world.namespace, "name": name}
    return sum("result" in line and about.items() <= line.items() for line in process.lines())


def noted(world: World, kind: str = "goldenimage", name: str = "web") -> Body | None:
    """The object, once its status is about its present generation."""
    obj = world.get(kind, name)
    return obj if obj and obj.get("status", {}).get("observedGeneration") == obj["metadata"]["generation"] else None


def wait_noted(world: World, kind: str = "goldenimage", name: str = "web") -> Body:
    """Waits for that."""
    return eventually(lambda: noted(world, kind, name), f"{kind} {name} noted", told=world.told)


def fence(world: World, name: str = "fence") -> None:
    """Returns when the operator has dealt with a later event of GoldenImages: whatever came before has been seen by then."""
    world.apply(world.golden_image(name, source={"image": {"id": "ami-0123456789abcdef0"}}, suspend=True))
    wait_noted(world, name=name)
