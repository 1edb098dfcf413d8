"""The door to Kubernetes: reads and writes of plain dictionaries, with typed errors and a time limit on every request.

Synchronous and thread-safe: one `Kubernetes` serves all workers of the process. It knows paths and patch types; it decides nothing.
"""

import copy
import json
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import kubernetes.client
import urllib3.exceptions

from goldenami import __version__
from goldenami.api.kinds import API_VERSION, FIELD_MANAGER, FINALIZER, GROUP, VERSION, Key, Kind
from goldenami.kube.connection import ONCE, load_configuration
from goldenami.kube.errors import KubeForbidden, KubeNotFound, KubeUnavailable, error_from_answer
from goldenami.kube.unreachable import why

Body = dict[str, Any]
"""A Kubernetes object as JSON has it."""

Bodies = list[Body]

JSON = "application/json"
APPLY_PATCH = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

CONNECT_TIMEOUT_SECONDS = 5.0
READ_TIMEOUT_SECONDS = 20.0
"""Below the 30 s grace period of a pod, so that a request in flight at SIGTERM ends by itself."""

PAGE_SIZE = 500
"""Objects per page of a list, as client-go asks for."""


class RequestObserver(Protocol):
    """Told of every answered request; `code` is the HTTP status as text, or `<error>` without an answer."""

    def __call__(self, *, method: str, host: str, code: str, seconds: float) -> None: ...


@dataclass(frozen=True)
class Request:
    """One call to the API server. `path` starts with a slash; `query` values are quoted here."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any = None
    content_type: str = JSON
    accept: str = JSON
    timeout_seconds: float = READ_TIMEOUT_SECONDS


class Kubernetes:
    """One API server. Every method may raise a KubeError; `KubeUnavailable` is worth repeating, the others say what must change."""

    def __init__(self, configuration: kubernetes.client.Configuration | None = None, *, observer: RequestObserver | None = None) -> None:
        self.configuration = configuration if configuration is not None else load_configuration()
        self._api = kubernetes.client.ApiClient(self.configuration)
        self._observer = observer
        # The library's token refresh is not made for threads: it reads a file and swaps a dictionary entry.
        self._authorization_lock = threading.Lock()

    def asking_once(self) -> "Kubernetes":
        """The same server, as the same user, over a connection of its own, and no request is tried a second time."""
        configuration = copy.deepcopy(self.configuration)
        configuration.retries, configuration.connection_pool_maxsize = ONCE, 1
        return Kubernetes(configuration, observer=self._observer)

    def close(self) -> None:
        """Give the pooled connections back."""
        self._api.rest_client.close()

    # Our kinds ---------------------------------------------------------------------------------------------------------------------------

    def get(self, kind: Kind, namespace: str, name: str) -> Body | None:
        """The object as stored now, or None where there is none."""
        try:
            return self.call("GET", path_of(kind, namespace, name))
        except KubeNotFound:
            return None

    def list(self, kind: Kind, namespace: str | None = None, label_selector: str | None = None) -> Bodies:
        """All objects of the kind, of one namespace or (None) of all; read in pages, one consistent snapshot."""
        query = {"labelSelector": label_selector} if label_selector else {}
        items = self._pages(path_of(kind, namespace or ""), query)
        # The items of a list lack kind and version; whoever gets one shall not need to know.
        return [{"apiVersion": API_VERSION, "kind": kind.kind, **item} for item in items]

    def list_metadata(self, kind: Kind, namespace: str | None = None) -> Bodies:
        """The metadata of all objects of the kind: what the sweep needs, at a fraction of the bytes."""
        return list(self._pages(path_of(kind, namespace or ""), {}, accept=METADATA_LIST))

    def apply(self, kind: Kind, body: Body) -> Body:
        """Server-side apply as our field manager, taking over fields others hold; creates the object when it is missing."""
        return self._apply(kind, body, subresource="")

    def apply_status(self, kind: Kind, body: Body) -> Body:
        """Server-side apply to `/status`: what we applied before and is absent now is removed. KubeNotFound when the object is gone."""
        return self._apply(kind, body, subresource="status")

    def _apply(self, kind: Kind, body: Body, *, subresource: str) -> Body:
        metadata = body["metadata"]
        full = {**body, "apiVersion": API_VERSION, "kind": kind.kind}
        path = path_of(kind, metadata.get("namespace", ""), metadata["name"], subresource)
        return self.call("PATCH", path, query={"fieldManager": FIELD_MANAGER, "force": "true"}, body=full, content_type=APPLY_PATCH)

    def add_finalizer(self, kind: Kind, obj: Body) -> Body:
        """The object with our finalizer; no write if it is there. KubeConflict if the object changed since it was read."""
        present = obj["metadata"].get("finalizers", [])
        return obj if FINALIZER in present else self._set_finalizers(kind, obj, [*present, FINALIZER])

    def remove_finalizer(self, kind: Kind, obj: Body) -> Body | None:
        """The object without our finalizer, or None when it is gone; no write if the finalizer is not there."""
        present = obj["metadata"].get("finalizers", [])
        if FINALIZER not in present:
            return obj
        try:
            return self._set_finalizers(kind, obj, [name for name in present if name != FINALIZER])
        except KubeNotFound:
            return None

    def _set_finalizers(self, kind: Kind, obj: Body, finalizers: Sequence[str]) -> Body:
        # A merge patch that names the resourceVersion is refused with 409 when the object moved on; a JSON patch with a failed `test`
        # is refused with 422, which could as well be a schema error.
        metadata = obj["metadata"]
        changes = {"resourceVersion": metadata["resourceVersion"], "uid": metadata["uid"], "finalizers": finalizers}
        path = path_of(kind, metadata.get("namespace", ""), metadata["name"])
        return self.call("PATCH", path, query={"fieldManager": FIELD_MANAGER}, body={"metadata": changes}, content_type=MERGE_PATCH)

    def delete(self, kind: Kind, namespace: str, name: str, uid: str) -> None:
        """Delete exactly this incarnation; done if there is none. KubeConflict when the name now belongs to another one."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}, "propagationPolicy": "Background"}
        try:
            self.call("DELETE", path_of(kind, namespace, name), body=options)
        except KubeNotFound:
            return

    # Others' kinds -----------------------------------------------------------------------------------------------------------------------

    def namespace_labels(self, name: str) -> tuple[str, dict[str, str]]:
        """The resourceVersion and the labels of a namespace; KubeNotFound when there is none."""
        metadata = self.call("GET", f"/api/v1/namespaces/{quote(name)}")["metadata"]
        return metadata["resourceVersion"], dict(metadata.get("labels", {}))

    def config_map(self, namespace: str, name: str) -> Body | None:
        """The ConfigMap as stored now, or None where there is none."""
        try:
            return self.call("GET", _config_map_path(namespace, name))
        except KubeNotFound:
            return None

    def apply_config_map(self, body: Body, *, force: bool) -> Body:
        """Server-side apply as our field manager; creates it when it is missing. Without `force` KubeConflict for fields others hold."""
        path = _config_map_path(body["metadata"]["namespace"], body["metadata"]["name"])
        return self.call(
            "PATCH", path, query={"fieldManager": FIELD_MANAGER, "force": str(force).lower()}, body=body, content_type=APPLY_PATCH
        )

    def delete_config_map(self, namespace: str, name: str, uid: str) -> None:
        """Delete exactly this incarnation; done if there is none."""
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}}
        try:
            self.call("DELETE", _config_map_path(namespace, name), body=options)
        except KubeNotFound:
            return

    def served_plurals(self) -> frozenset[str]:
        """The plurals the API server serves in our group and version: it lists a custom resource once its definition is Established.

        Discovery is open to everybody who is authenticated, reading CustomResourceDefinitions is not.
        """
        try:
            answer = self.call("GET", f"/apis/{GROUP}/{VERSION}")
        except KubeNotFound:
            return frozenset()
        return frozenset(resource["name"] for resource in answer.get("resources", []) if "/" not in resource["name"])

    def may_list(self, path: str) -> bool:
        """Whether this identity may list the collection at `path` (asked by doing it, for one object)."""
        try:
            self.call("GET", path, query={"limit": "1"})
        except (KubeNotFound, KubeForbidden):
            return False
        return True

    # The wire ----------------------------------------------------------------------------------------------------------------------------

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        timeout_seconds: float = READ_TIMEOUT_SECONDS,
    ) -> Body:
        """One request, for the modules of this package that know their own paths (events, leases)."""
        return self._send(Request(method, path, dict(query or {}), body, content_type, accept, timeout_seconds))

    def _pages(self, path: str, query: Mapping[str, str], *, accept: str = JSON) -> Iterator[Body]:
        token = ""
        while True:
            page_query = {**query, "limit": str(PAGE_SIZE), **({"continue": token} if token else {})}
            page = self.call("GET", path, query=page_query, accept=accept)
            yield from page.get("items") or ()  # an empty metadata list has null
            token = page.get("metadata", {}).get("continue") or ""
            if not token:
                return

    def _send(self, request: Request) -> Body:
        started = time.monotonic()
        code = "<error>"
        try:
            status, body = self._exchange(request)
            code = str(status)
        finally:
            if self._observer is not None:
                self._observer(method=request.method, host=self.configuration.host, code=code, seconds=time.monotonic() - started)
        if status >= 300:
            raise error_from_answer(status, body)
        return _parsed(body)

    def _exchange(self, request: Request) -> tuple[int, bytes]:
        url = self.configuration.host + request.path + (f"?{urlencode(request.query)}" if request.query else "")
        try:
            response = self._api.rest_client.request(  # type: ignore[no-untyped-call]  # the library's transport has no annotations
                request.method,
                url,
                headers=self._headers(request),
                body=request.body,
                _request_timeout=(min(CONNECT_TIMEOUT_SECONDS, request.timeout_seconds), request.timeout_seconds),
            )
            return response.status, response.read()
        except (urllib3.exceptions.HTTPError, kubernetes.client.ApiException, OSError) as error:
            message = f"the Kubernetes API server cannot be reached at {self.configuration.host} ({why(error)})"
            raise KubeUnavailable("Unavailable", message) from error

    def _headers(self, request: Request) -> dict[str, str]:
        headers = {"Accept": request.accept, "User-Agent": f"goldenami/{__version__}"}
        if request.body is not None:
            headers["Content-Type"] = request.content_type
        with self._authorization_lock:
            self._api.update_params_for_auth(headers, [], ["BearerToken"], request.path, request.method, request.body)
        return headers


def path_of(kind: Kind, namespace: str, name: str = "", subresource: str = "") -> str:
    """The path of a collection (no name), an object or its subresource; an empty namespace means all, or a cluster-scoped kind."""
    parts = ["/apis", GROUP, VERSION]
    if kind.namespaced and namespace:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(kind.plural)
    parts += [quote(part, safe="") for part in (name, subresource) if part]
    return "/".join(parts)


def _config_map_path(namespace: str, name: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/configmaps/{quote(name, safe='')}"


def key_of(obj: Body) -> Key:
    """The key of an object that carries its kind."""
    metadata = obj["metadata"]
    return Key(obj["kind"], metadata.get("namespace", ""), metadata["name"])


def _parsed(body: bytes) -> Body:
    try:
        answer = json.loads(body) if body else {}
    except ValueError as error:
        raise KubeUnavailable("Unavailable", "the Kubernetes API server's answer is not JSON: is there a proxy in between?") from error
    if not isinstance(answer, dict):
        raise KubeUnavailable("Unavailable", "the Kubernetes API server's answer is not an object: is there a proxy in between?")
    return answer
