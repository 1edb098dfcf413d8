"""A witness: every version of an object that the API server tells, in order, from a watch of its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import kubernetes.client
import urllib3.exceptions

from goldenami.api.kinds import KINDS
from goldenami.kube.client import Body, path_of
from support.operator import World
from support.waiting import identity


class Witness:
    """What was seen of the objects of one kind in one namespace; `versions` grows while the witness watches."""

    def __init__(self) -> None:
        self.versions: list[Body] = []
        self.watching = threading.Event()

    def of(self, name: str = "web") -> list[Body]:
        """The versions of one object, oldest first."""
        return [obj for obj in list(self.versions) if obj["metadata"]["name"] == name]

    def follow(self, response: Any) -> None:
        """Takes in one line of the stream after another until it ends."""
        rest = b""
        self.watching.set()
        while part := response.read1(65536):
            *lines, rest = (rest + part).split(b"\n")
            self.versions += [json.loads(line)["object"] for line in lines if line]


@contextmanager
def witness(world: World, kind: str = "GoldenImage") -> Iterator[Witness]:
    """Watches from now on; what exists already is seen as it is."""
    seen = Witness()
    served = next(each for each in KINDS if each.kind == kind)
    configuration = world.kubernetes.configuration
    query = urlencode({"watch": "true", "timeoutSeconds": 300})
    client = kubernetes.client.ApiClient(configuration).rest_client
    url = f"{configuration.host}{path_of(served, world.namespace)}?{query}"
    patience = urllib3.Timeout(connect=5, read=400)
    response = client.pool_manager.request("GET", url, headers=identity(configuration), preload_content=False, timeout=patience)
    thread = threading.Thread(target=_follow, args=(seen, response), daemon=True)
    thread.start()
    assert seen.watching.wait(10)
    try:
        yield seen
    finally:
        response.shutdown() if hasattr(response, "shutdown") else response.close()
        thread.join(5)


def _follow(seen: Witness, response: Any) -> None:
    try:
        seen.follow(response)
    except (urllib3.exceptions.HTTPError, OSError, ValueError):
        return  # the test has seen enough
