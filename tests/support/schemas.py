"""Walks an OpenAPI schema of one of our kinds. Values only."""

from collections.abc import Iterator
from typing import Any

Node = dict[str, Any]

_STANDARD = {"apiVersion", "kind", "metadata"}


def nodes_of(schema: Node, path: str = "") -> Iterator[tuple[str, Node]]:
    """Every node below a resource's `spec` and `status`, with its path: `.spec.replicas[].region`, `.spec.tags{}`."""
    for name, child in schema.get("properties", {}).items():
        if path or name not in _STANDARD:
            yield from _with_children(child, f"{path}.{name}")


def fields_of(schema: Node) -> Iterator[tuple[str, Node]]:
    """The named ones among them: neither list items nor map values."""
    return ((path, node) for path, node in nodes_of(schema) if not path.endswith(("[]", "{}")))


def _with_children(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    yield path, node
    yield from nodes_of(node, path)
    if "items" in node:
        yield from _with_children(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from _with_children(node["additionalProperties"], f"{path}{{}}")
