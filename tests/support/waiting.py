"""Waiting for what one object says: by a watch, since asking ten times a second costs both servers more than most of what is waited for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import TypeVar
from urllib.parse import urlencode

import urllib3
from kubernetes.client import ApiClient, Configuration

from goldenami.api.kinds import Kind
from goldenami.kube.client import Body, Kubernetes, path_of

T = TypeVar("T")


def until(
    kubernetes: Kubernetes,
    kind: Kind,
    namespace: str,
    name: str,
    question: Callable[[Body | None], T | None],
    *,
    seconds: float,
) -> T | None:
    """The first answer that is neither None nor False, asked of the object as it is (None: there is none) and of each of its versions from
    then on; None where there was no such answer in time."""
    deadline = time.monotonic() + seconds
    path, only = path_of(kind, namespace), {"fieldSelector": f"metadata.name={name}"}
    listed = kubernetes.call("GET", path, query=only)
    answer = question(next(iter(listed["items"]), None))
    if answer is not None and answer is not False:
        return answer
    query = {**only, "watch": "true", "resourceVersion": listed["metadata"]["resourceVersion"], "timeoutSeconds": str(int(seconds) + 1)}
    for obj in _versions(kubernetes, f"{path}?{urlencode(query)}", deadline):
        answer = question(obj)
        if answer is not None and answer is not False:
            return answer
    return None


def _versions(kubernetes: Kubernetes, target: str, deadline: float) -> Iterator[Body | None]:
    """What the watch tells until the deadline."""
    timeout = urllib3.Timeout(connect=5, read=max(0.1, deadline - time.monotonic()))
    url, headers = kubernetes.configuration.host + target, identity(kubernetes.configuration)
    response = _pool(kubernetes).request("GET", url, headers=headers, preload_content=False, timeout=timeout)
    try:
        rest = b""
        while time.monotonic() < deadline and (part := response.read1(65536)):
            *lines, rest = (rest + part).split(b"\n")
            for line in filter(None, lines):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise AssertionError(f"the watch was ended: {event['object']}")
                yield None if event["type"] == "DELETED" else event["object"]
    except urllib3.exceptions.ReadTimeoutError:
        return
    finally:
        response.close()


def identity(configuration: Configuration) -> dict[str, str]:
    """The header that says who asks, where a request is made past the client."""
    return {"Authorization": str(configuration.get_api_key_with_prefix("BearerToken"))}


_pools: dict[Kubernetes, urllib3.PoolManager] = {}


def _pool(kubernetes: Kubernetes) -> urllib3.PoolManager:
    """Connections that are given back unread, so not those of the client itself."""
    if kubernetes not in _pools:
        _pools[kubernetes] = ApiClient(kubernetes.configuration).rest_client.pool_manager
    return _pools[kubernetes]
