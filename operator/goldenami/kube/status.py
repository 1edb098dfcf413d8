"""Status writes: only what differs from what is stored, by one server-side apply to `/status`.

The comparison is pure. Whoever owns the status passes all of it; what is left out is removed.
"""

from collections.abc import Mapping
from typing import Any

from goldenami.api.kinds import Kind
from goldenami.kube.client import Body, Kubernetes


def write_status(kubernetes: Kubernetes, kind: Kind, obj: Body, status: Mapping[str, Any]) -> bool:
    """Make the stored status of `obj` (as just read) this one; False, and no request, when it already is.

    KubeNotFound when the object is gone, KubeConflict when its name belongs to a new incarnation.
    """
    wanted = without_absent(status)
    if wanted == without_absent(obj.get("status", {})):
        return False
    kubernetes.apply_status(kind, {"metadata": _identity(obj), "status": wanted})
    return True


def _identity(obj: Body) -> Body:
    # The uid makes the API server refuse a write meant for an object that was deleted and created again under the same name.
    return {field: obj["metadata"][field] for field in ("name", "namespace", "uid") if field in obj["metadata"]}


def without_absent(value: Any) -> Any:
    """The value without null members, which Kubernetes drops on the way in: {"a": None} is stored, and read back, as {}."""
    if isinstance(value, Mapping):
        return {name: without_absent(member) for name, member in value.items() if member is not None}
    if isinstance(value, list | tuple):
        return [without_absent(item) for item in value]
    return value
