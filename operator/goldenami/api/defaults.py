"""The table of what holds where a manifest says nothing, generated from the models as the CRDs are.

Two sorts: defaults that the API server stores with the object, and what absence means, as the field's own description says it.
Touches the one file it is given.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldenami.api.crds import DEFINITIONS, Definition, resource_schema
from goldenami.api.fields import JsonSchema
from goldenami.api.kinds import IMAGE_VERSION

INTRODUCTION = """\
<!-- Generated from goldenami.api by `make crds`: edit the models, not this file. -->
# Defaults

What holds where a manifest says nothing. Where it is *stored*, the API server writes it into the object, and `kubectl get -o yaml` shows
it; otherwise the field stays absent, and this is what absence means. ImageVersions are not listed: the operator renders them complete. The
operator's own settings, and their defaults, are in `goldenami operator --help`.
"""
SAID = (re.compile(r"[Aa]bsent: (.+?)(?:[.;] [A-Z{]|\.?$)"), re.compile(r"(\w+), which is what absent means"))


@dataclass(frozen=True)
class Row:
    """One field that may be left out."""

    path: str
    meaning: str
    stored: bool


def render() -> str:
    """The page in Markdown."""
    parts = [INTRODUCTION]
    for definition in DEFINITIONS:
        rows = rows_of(definition)
        if definition.kind != IMAGE_VERSION and rows:
            lines = [f"| `{row.path}` | {row.meaning} |{' yes' if row.stored else ''} |" for row in rows]
            parts.append("\n".join([f"## {definition.kind.kind}", "| field | where it is absent | stored |", "|---|---|---|", *lines, ""]))
    return "\n".join(parts)


def write(path: Path) -> Path:
    """Writes the page, and returns where."""
    path.write_text(render(), encoding="utf-8", newline="\n")
    return path


def check(path: Path) -> list[str]:
    """What differs from what `write` would write, in a sentence; empty when nothing does."""
    if not path.exists():
        return [f"{path} is missing"]
    return [] if path.read_bytes() == render().encode() else [f"{path} differs from the models"]


def rows_of(definition: Definition) -> list[Row]:
    """The fields of the spec that have one, in the order in which the models declare them."""
    spec = resource_schema(definition.model)["properties"]["spec"]
    return [row for path, node in _fields(spec, "spec") if (row := _row(path, node)) is not None]


def _row(path: str, node: JsonSchema) -> Row | None:
    if "default" in node:
        return Row(path, f"`{_as_written(node['default'])}`", stored=True)
    for pattern in SAID:
        if said := pattern.search(node.get("description", "")):
            return Row(path, said[1], stored=False)
    return None


def _as_written(default: Any) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def _fields(node: JsonSchema, path: str) -> Iterator[tuple[str, JsonSchema]]:
    for name, child in node.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from _fields(child, f"{path}.{name}")
        yield from _fields(child.get("items", {}), f"{path}.{name}[]")
