"""The ConfigMap of `spec.publish`: which image each channel names in each region, for whoever reads Kubernetes rather than SSM.

A key is `<channel>.<region>` and its value an AMI id, so that every reader of ConfigMaps can pick one without parsing anything. One that
exists and is not this GoldenImage's is never overwritten.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from goldenami.api.conditions import ConcernResult, ConditionType
from goldenami.api.golden_image import GoldenImage
from goldenami.api.kinds import API_VERSION, GROUP
from goldenami.api.reasons import Reason
from goldenami.controllers.world import World
from goldenami.kube.client import Body
from goldenami.kube.errors import KubeForbidden, KubeInvalid
from goldenami.plan.channels import Decision

LABEL = f"{GROUP}/golden-image"
NAMESAKE_LOOK_SECONDS = 5.0
"""What a deleted GoldenImage of the same name has left is collected by Kubernetes within seconds."""


@dataclass(frozen=True)
class Kept:
    """The ConfigMap that is kept, if any, and what keeps it from being as declared."""

    name: str = ""
    problem: ConcernResult | None = None
    next_look_seconds: float | None = None


def keep(world: World, obj: Body, declared: GoldenImage, decisions: Iterable[Decision], *, mutable: bool) -> Kept:
    """Writes it where it differs; takes away the one that was kept under another name."""
    wanted = declared.spec.publish.config_map.name if declared.spec.publish and declared.spec.publish.config_map else ""
    before = declared.status.config_map or ""
    if not mutable or not (wanted or before):
        return Kept(before)
    try:
        if before and before != wanted:
            _remove(world, declared, before)
        return _write(world, obj, declared, wanted, data(decisions)) if wanted else Kept()
    except (KubeForbidden, KubeInvalid) as error:
        return Kept(before, _result(Reason.INVALID_SPEC, f"ConfigMap {wanted or before} is refused: {error.message}"))


def data(decisions: Iterable[Decision]) -> dict[str, str]:
    """What it holds."""
    return {
        f"{decision.channel.name}.{region}": named.image_id
        for decision in decisions
        for region, named in sorted(decision.standing.images.items())
    }


def _write(world: World, obj: Body, declared: GoldenImage, name: str, wanted: dict[str, str]) -> Kept:
    stored = world.kubernetes.config_map(declared.namespace, name)
    if stored is not None and not _is_ours(stored, declared):
        return _not_ours(stored, declared, name)
    if stored is None or stored.get("data", {}) != wanted or stored["metadata"].get("labels", {}).get(LABEL) != declared.name:
        # One that somebody makes at this very moment is not taken over by force.
        world.kubernetes.apply_config_map(_body(obj, declared, name, wanted), force=stored is not None)
    return Kept(name)


def _remove(world: World, declared: GoldenImage, name: str) -> None:
    stored = world.kubernetes.config_map(declared.namespace, name)
    if stored is not None and _is_ours(stored, declared):
        world.kubernetes.delete_config_map(declared.namespace, name, stored["metadata"]["uid"])


def _is_ours(stored: Body, declared: GoldenImage) -> bool:
    return any(owner["uid"] == declared.metadata.uid for owner in stored["metadata"].get("ownerReferences", []))


def _not_ours(stored: Body, declared: GoldenImage, name: str) -> Kept:
    """Of a namesake that is gone: Kubernetes collects it. Of anybody else: a person decides."""
    owners = stored["metadata"].get("ownerReferences", [])
    if any((owner["kind"], owner["name"]) == (declared.kind, declared.name) for owner in owners):
        told = f"ConfigMap {name} belongs to an earlier GoldenImage {declared.name} and is about to go"
        return Kept(problem=_result(Reason.CHANNEL_PENDING, told), next_look_seconds=NAMESAKE_LOOK_SECONDS)
    told = f"ConfigMap {name} exists and is not this GoldenImage's; name another in spec.publish.configMap, or delete it if nobody needs it"
    return Kept(problem=_result(Reason.CONFLICT, told))


def _result(reason: Reason, message: str) -> ConcernResult:
    return ConcernResult(ConditionType.CHANNELS_READY, reason, message)


def _body(obj: Body, declared: GoldenImage, name: str, wanted: dict[str, str]) -> Body:
    owner = {"apiVersion": API_VERSION, "kind": declared.kind, "name": declared.name, "uid": declared.metadata.uid, "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {
            "name": name,
            "namespace": obj["metadata"]["namespace"],
            "labels": {LABEL: declared.name},
            "ownerReferences": [owner],
        },
        "data": wanted,
    }
