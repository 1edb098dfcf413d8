"""What Kubernetes may answer, as types: given once at the border, so that nobody else reads status codes.

No I/O. Each error carries `reason` (one CamelCase word, Kubernetes' own where it has one) and `message` (for people, without request
ids or times).
"""

# ruff: noqa: N818 -- the family is called KubeError; its members are named after the answer, as Kubernetes' own reasons are

import http
import json
from typing import Any, ClassVar


class KubeError(Exception):
    """Kubernetes refused or failed a request, in a way none of the subclasses names."""

    fallback_reason: ClassVar[str] = "KubernetesError"

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class KubeNotFound(KubeError):
    """The object, or the kind itself, does not exist."""

    fallback_reason = "NotFound"


class KubeConflict(KubeError):
    """Somebody else changed the object since it was read (or it already exists): read again."""

    fallback_reason = "Conflict"


class KubeForbidden(KubeError):
    """RBAC or admission says no, or the credentials are not accepted: somebody must change a role."""

    fallback_reason = "Forbidden"


class KubeInvalid(KubeError):
    """The API server read the body and refuses it: schema, CEL or a malformed patch. Repeating it is useless."""

    fallback_reason = "Invalid"


class KubeUnavailable(KubeError):
    """No answer, an overloaded server or its fault (connection, timeout, 429, 5xx): expected to pass on its own."""

    fallback_reason = "Unavailable"


BY_STATUS: dict[int, type[KubeError]] = {
    http.HTTPStatus.BAD_REQUEST: KubeInvalid,
    http.HTTPStatus.UNAUTHORIZED: KubeForbidden,
    http.HTTPStatus.FORBIDDEN: KubeForbidden,
    http.HTTPStatus.NOT_FOUND: KubeNotFound,
    http.HTTPStatus.CONFLICT: KubeConflict,
    # A list continued after its snapshot expired, or a watch from a forgotten version.
    http.HTTPStatus.GONE: KubeConflict,
    http.HTTPStatus.REQUEST_ENTITY_TOO_LARGE: KubeInvalid,
    http.HTTPStatus.UNSUPPORTED_MEDIA_TYPE: KubeInvalid,
    http.HTTPStatus.UNPROCESSABLE_ENTITY: KubeInvalid,
    http.HTTPStatus.TOO_MANY_REQUESTS: KubeUnavailable,
}

UNAUTHORIZED = (
    "the Kubernetes API server does not accept our credentials: renew the user, token or credential plugin that KUBECONFIG names, or, in a "
    "cluster, let the pod have its service account's token"
)


def error_from_answer(status: int, body: bytes) -> KubeError:
    """The typed error for a refused request; reason and message are those of the `Status` object in the body, where there is one."""
    kind = BY_STATUS.get(status, KubeUnavailable if status >= http.HTTPStatus.INTERNAL_SERVER_ERROR else KubeError)
    answer = _status_object(body)
    if status == http.HTTPStatus.UNAUTHORIZED:
        # Kubernetes says the one word "Unauthorized", whatever is wrong.
        return kind("Unauthorized", UNAUTHORIZED)
    reason = answer.get("reason") or kind.fallback_reason
    message = answer.get("message") or f"the Kubernetes API server answered {status} without saying why"
    return kind(str(reason), str(message))


def _status_object(body: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
