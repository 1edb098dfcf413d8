"""What the intake saw of an object: the few values the engine decides by, free of kopf and of the object's bulk. Pure."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from goldenami.api.kinds import RECONCILE_REQUESTED, Key

NAMESPACE = "Namespace"
"""Kind of the keys of core namespaces: their labels decide who may use an AWSAccount."""


class How(enum.Enum):
    """How an object came into sight."""

    LISTED = "listed"
    """By a list: at the start, and again whenever a watch has to begin anew."""
    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Signature:
    """What has to differ for an object to deserve a look; a status write changes none of it."""

    uid: str
    generation: int
    deletion_timestamp: str | None = None
    reconcile_requested: str | None = None
    labels: tuple[tuple[str, str], ...] = ()
    """Of namespaces only: a label on one of our own objects asks for nothing."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One sighting. `spec` is a view into the received object: take what is needed and let go."""

    key: Key
    how: How
    signature: Signature
    resource_version: str = ""
    ready: bool = False
    """Ready=True for the current generation: at a start the others go first."""
    spec: Mapping[str, Any] = field(default_factory=dict)


HOW_BY_EVENT_TYPE = {None: How.LISTED, "ADDED": How.ADDED, "MODIFIED": How.MODIFIED, "DELETED": How.DELETED}


def seen_object(kind: str, how: How, obj: Mapping[str, Any]) -> Seen:
    """The sighting of an object as the API server sent it."""
    metadata = obj["metadata"]
    return Seen(
        key=Key(kind, metadata.get("namespace", ""), metadata["name"]),
        how=how,
        signature=_signature(kind, metadata),
        resource_version=metadata.get("resourceVersion", ""),
        ready=_ready(obj),
        spec=obj.get("spec") or {},
    )


def deleted(key: Key, uid: str) -> Seen:
    """The sighting of a deletion that nobody reported."""
    return Seen(key, How.DELETED, Signature(uid, 0))


def _signature(kind: str, metadata: Mapping[str, Any]) -> Signature:
    return Signature(
        uid=metadata["uid"],
        generation=metadata.get("generation", 0),
        deletion_timestamp=metadata.get("deletionTimestamp"),
        reconcile_requested=(metadata.get("annotations") or {}).get(RECONCILE_REQUESTED),
        labels=tuple(sorted((metadata.get("labels") or {}).items())) if kind == NAMESPACE else (),
    )


def _ready(obj: Mapping[str, Any]) -> bool:
    status = obj.get("status") or {}
    current = status.get("observedGeneration") == obj["metadata"].get("generation")
    conditions = status.get("conditions") or []
    return current and any(condition.get("type") == "Ready" and condition.get("status") == "True" for condition in conditions)
