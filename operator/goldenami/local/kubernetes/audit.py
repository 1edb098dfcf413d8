"""What was asked of the API server, as its own audit log says it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

# One line per finished request. The API server's calls to itself and the health probes are no one's doing, so they are not in it.
POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- {level: None, users: ["system:apiserver"]}
- {level: None, nonResourceURLs: ["/healthz*", "/livez*", "/readyz*"]}
- {level: Metadata}
"""
WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


class AuditEntry(TypedDict):
    """One finished request for a resource.

    `group` is "" for the core API; `name`, `namespace` and `subresource` are "" where there is none; `code` is the HTTP status.
    `received` and `time` say when it came and when it was answered (microseconds, UTC): a write may be seen, and what follows from it be
    asked and answered, before the writer has its own answer.
    """

    verb: str
    user: str
    userAgent: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    requestURI: str
    received: str
    time: str


def is_write(entry: AuditEntry) -> bool:
    """Whether it asks to change something that is kept (a review of permissions is created, but kept nowhere)."""
    return entry["verb"] in WRITES and entry["group"] not in {"authorization.k8s.io", "authentication.k8s.io"}


def has_marker(path: Path, marker: str) -> bool:
    """Whether a request with that text in its URL has been logged."""
    with path.open(encoding="utf-8") as lines:
        return any(marker in line for line in lines)


def entries(path: Path, about: str = "") -> Iterator[AuditEntry]:
    """The requests for resources in that log, oldest first. With `about`, those only in whose line this text is."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):  # still being written
                return
            if about not in line:
                continue
            event = json.loads(line)
            reference = event.get("objectRef")
            if reference is not None:
                yield AuditEntry(
                    verb=event["verb"],
                    user=event["user"].get("username", ""),
                    userAgent=event.get("userAgent", ""),
                    group=reference.get("apiGroup", ""),
                    resource=reference.get("resource", ""),
                    subresource=reference.get("subresource", ""),
                    namespace=reference.get("namespace", ""),
                    name=reference.get("name", ""),
                    code=event.get("responseStatus", {}).get("code", 0),
                    requestURI=event["requestURI"],
                    received=event["requestReceivedTimestamp"],
                    time=event["stageTimestamp"],
                )
