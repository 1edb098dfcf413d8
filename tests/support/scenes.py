"""What the end-to-end tests of AWS have in common: a world that a whole module shares, and questions about one image family in it."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from goldenami.api.kinds import RECONCILE_REQUESTED
from goldenami.local.aws import LocalAws
from goldenami.local.aws.client import AuditedCall
from goldenami.local.kubernetes import ControlPlane
from support.aws import account_numbers
from support.operator import AWAY, HOME, Body, SharedOperator, World, aws_account, eventually, tags_of

MAKING = ("CopyImage", "CreateImage", "RegisterImage")
_numbers = account_numbers(600_000_000_001)
_names = itertools.count(1)


@pytest.fixture(scope="module")
def corner(served_plane: ControlPlane, fast_aws: LocalAws, shared_operator: SharedOperator) -> Iterator[World]:
    """One world for all tests of a module that each look at a family of their own: `name` gives them one."""
    namespace, name = f"corner-{uuid.uuid4().hex[:10]}", f"corner-{uuid.uuid4().hex[:8]}"
    account, partner = fresh_account(), fresh_account()
    world = World(served_plane, fast_aws, namespace, account, partner, account_ref=name, tail=shared_operator.tail)
    world.create_namespace()
    world.apply(aws_account(name, account, fast_aws))
    yield world
    world.delete_all()
    world.vanish()


@pytest.fixture
def name() -> str:
    """A name that no other GoldenImage of this run has."""
    return f"image-{next(_names)}"


def fresh_account() -> str:
    return str(next(_numbers))


def declared(world: World, name: str = "web", *, regions: tuple[str, ...] = (HOME, AWAY), **spec: Any) -> Body:
    """A GoldenImage made from an image of the account, unless `source` says otherwise."""
    source = spec.pop("source", None) or {"image": {"id": world.seed()}}
    replicas = spec.pop("replicas", None) or [{"region": region} for region in regions]
    return world.golden_image(name, source=source, replicas=replicas, **spec)


def images_of(world: World, name: str = "web", region: str = HOME) -> list[Body]:
    """The images in the world's account that this family owns, disabled and failed ones included."""
    owner = owner_tag(world, name)
    return [image for image in world.images(region) if tags_of(image)["goldenami.dev/owner"] == owner]


def image_of(world: World, name: str = "web", region: str = HOME) -> Body:
    """The one image of the family there."""
    (image,) = images_of(world, name, region)
    return image


def owner_tag(world: World, name: str = "web") -> str:
    return f"{world.installation}/{world.namespace}/{name}"


def look_again(world: World, name: str = "web") -> Body:
    """Asks for a look at everything, waits until it is over, and returns the GoldenImage."""
    request = uuid.uuid4().hex
    world.patch("goldenimage", name, {"metadata": {"annotations": {RECONCILE_REQUESTED: request}}})

    def handled() -> Body | None:
        obj = world.get("goldenimage", name)
        return obj if obj and obj.get("status", {}).get("lastHandledReconcile") == request else None

    return eventually(handled, f"{name} looked at as asked", told=world.told)


def until(world: World, question: Callable[[], Any], what: str) -> Any:
    """Asks until the answer is true, or not empty."""
    return eventually(lambda: question() or None, what, told=world.told)


def calls_since(world: World, since: int, **filters: Any) -> list[AuditedCall]:
    """What the world's account was asked after the call of that number."""
    return [call for call in world.aws.lab.audit_calls(account=world.account, since=since, **filters) if call.sequence > since]


def newest_call(world: World) -> int:
    return max((call.sequence for call in world.aws.lab.audit_calls()), default=0)


def made(world: World, name: str) -> list[str]:
    """Calls that made, or tried to make, an image of this family."""
    calls = world.aws.lab.audit_calls(account=world.account, mutating=True)
    return [call.name for call in calls if call.operation in MAKING and str(call.arguments.get("Name", "")).startswith(f"{name}-")]


def new_key(world: World, region: str = HOME, account: str = "", **arguments: Any) -> str:
    """The ARN of a new KMS key."""
    return str(kms(world, region, account).create_key(**arguments)["KeyMetadata"]["Arn"])


def kms(world: World, region: str = HOME, account: str = "") -> Any:
    return world.aws.client("kms", region=region, account=account or world.account)


def iv(name: str = "web", version: str = "1.0.0") -> str:
    """Name of the ImageVersion."""
    return f"{name}-{version}"


def replica(world: World, region: str, name: str = "web", version: str = "1.0.0") -> Mapping[str, Any]:
    """The region's row in the ImageVersion's status; empty while there is none."""
    obj = world.get("imageversion", iv(name, version)) or {}
    return next((row for row in obj.get("status", {}).get("replicas", []) if row["region"] == region), {})


def events_of(world: World, name: str, kind: str = "ImageVersion") -> list[tuple[str, str]]:
    """Reason and message of each event about an object."""
    found = world.kubernetes.call("GET", f"/api/v1/namespaces/{world.namespace}/events")["items"]
    found += world.kubernetes.call("GET", f"/apis/events.k8s.io/v1/namespaces/{world.namespace}/events")["items"]
    told = []
    for event in found:
        about = event.get("involvedObject") or event.get("regarding") or {}
        if (about.get("kind"), about.get("name")) == (kind, name):
            told.append((event["reason"], event.get("message") or event.get("note") or ""))
    return told


@contextmanager
def changed_settings(aws: LocalAws, **changes: Any) -> Iterator[None]:
    """The local AWS set otherwise for a moment. What is made meanwhile keeps what was drawn for it."""
    before = aws.lab.settings()
    aws.lab.settings(**changes)
    try:
        yield
    finally:
        aws.lab.settings(**{name: before[name] for name in changes})
