"""Status writes: only what differs from what is stored, by one server-side apply to `/status`.

The comparison is pure. Whoever owns the status passes all of it; what is left out is removed.
"""

import logging
from collections.abc import Mapping
from typing import Any

from goldenami.api.kinds import Kind
from goldenami.kube.client import Body, Kubernetes
from goldenami.kube.errors import KubeInvalid

LOG = logging.getLogger(__name__)


def write_status(kubernetes: Kubernetes, kind: Kind, obj: Body, status: Mapping[str, Any]) -> bool:
    """Make the stored status of `obj` (as just read) this one; False, and no request, when it already is.

    KubeNotFound when the object is gone. The API server ignores a uid in an apply to `/status` (tried on 1.36), so a namesake created
    since the read gets this status until its own first look, which its creation asks for.
    """
    wanted = without_absent(status)
    if wanted == without_absent(obj.get("status", {})):
        return False
    kubernetes.apply_status(kind, {"metadata": _address(obj), "status": wanted})
    return True


def write_what_fits(kubernetes: Kubernetes, kind: Kind, obj: Body, status: Mapping[str, Any]) -> bool:
    """As `write_status`; where the API server refuses it, the conditions at least, beside all else that is stored.

    `observedGeneration` then stays as well, because what else is said is about that one: whoever goes by the rest waits.
    """
    try:
        return write_status(kubernetes, kind, obj, status)
    except KubeInvalid as error:
        LOG.error("a status is refused, and only its conditions are written: %s", error.message, extra={"reason": error.reason})
        return write_status(kubernetes, kind, obj, {**obj.get("status", {}), "conditions": status["conditions"]})


def without_absent(value: Any) -> Any:
    """The value without null members, which Kubernetes drops on the way in: {"a": None} is stored, and read back, as {}."""
    if isinstance(value, Mapping):
        return {name: without_absent(member) for name, member in value.items() if member is not None}
    if isinstance(value, list | tuple):
        return [without_absent(item) for item in value]
    return value


def _address(obj: Body) -> Body:
    return {field: obj["metadata"][field] for field in ("name", "namespace") if field in obj["metadata"]}
