"""The generated schemas, node by node: bounded, described, structural, free of defaults where those do harm."""

import re
from pathlib import Path

import pytest

from goldenami.api import crds
from goldenami.api.crds import DEFINITIONS, Definition
from goldenami.api.fields import VALIDATIONS
from support.schemas import Node, fields_of, nodes_of

CHECKED_IN = Path(__file__).resolve().parents[3] / "crds"

each_kind = pytest.mark.parametrize("definition", [pytest.param(definition, id=definition.kind.kind) for definition in DEFINITIONS])


def _schema(definition: Definition) -> Node:
    return crds.resource_schema(definition.model)


def _bounded(node: Node) -> bool:
    if node.get("x-kubernetes-int-or-string"):
        return "maxLength" in node and "type" not in node
    match node.get("type"):
        case "string":
            return "maxLength" in node or "enum" in node
        case "integer":
            return "minimum" in node
        case "array":
            return "maxItems" in node
        case "object":
            return "properties" in node or "maxProperties" in node
        case "boolean":
            return True
        case _:
            return False


@each_kind
def test_every_node_has_a_type_and_a_bound(definition: Definition) -> None:
    assert [path for path, node in nodes_of(_schema(definition)) if not _bounded(node)] == []


@each_kind
def test_every_field_is_described_in_sentences(definition: Definition) -> None:
    fields = list(fields_of(_schema(definition)))
    assert fields
    assert [path for path, node in fields if not re.fullmatch(r"[A-Za-z0-9].*\.", node.get("description", ""))] == []


@each_kind
def test_no_default_is_inside_a_list_item(definition: Definition) -> None:
    assert [path for path, node in nodes_of(_schema(definition)) if "[]" in path and "default" in node] == []


@each_kind
def test_every_list_says_how_it_merges(definition: Definition) -> None:
    lists = [(path, node) for path, node in nodes_of(_schema(definition)) if node.get("type") == "array"]
    assert [path for path, node in lists if "x-kubernetes-list-type" not in node] == []


@each_kind
def test_the_keys_of_a_list_map_are_required_in_its_items(definition: Definition) -> None:
    maps = [(path, node) for path, node in nodes_of(_schema(definition)) if node.get("x-kubernetes-list-type") == "map"]
    assert [path for path, node in maps if not set(node["x-kubernetes-list-map-keys"]) <= set(node["items"]["required"])] == []


@each_kind
def test_every_pattern_of_the_spec_comes_with_a_sentence(definition: Definition) -> None:
    patterned = [(path, node) for path, node in nodes_of(_schema(definition)) if "pattern" in node and path.startswith(".spec")]
    assert [path for path, node in patterned if not any(rule["rule"].startswith("self.matches(") for rule in node[VALIDATIONS])] == []


@each_kind
def test_no_rule_and_no_pattern_stands_in_an_answer(definition: Definition) -> None:
    rules = [rule for _, node in [("", _schema(definition)), *nodes_of(_schema(definition))] for rule in node.get(VALIDATIONS, [])]
    assert rules
    assert [rule["message"] for rule in rules if re.search(r"self\.|\^|\[0-9|\n", rule["message"])] == []


@each_kind
def test_no_rule_and_no_default_is_in_the_status(definition: Definition) -> None:
    status = [(path, node) for path, node in nodes_of(_schema(definition)) if path.startswith(".status.")]
    assert [path for path, node in status if "default" in node or VALIDATIONS in node] == []


@each_kind
def test_conditions_are_the_standard_ones(definition: Definition) -> None:
    conditions = dict(nodes_of(_schema(definition))).get(".status.conditions")
    if conditions is not None:
        assert set(conditions["items"]["properties"]) == {
            *("type", "status", "reason", "message", "observedGeneration", "lastTransitionTime")
        }
        assert set(conditions["items"]["required"]) == set(conditions["items"]["properties"])
        assert conditions["x-kubernetes-list-map-keys"] == ["type"]


def test_a_default_inside_a_list_item_stops_the_generator() -> None:
    from typing import Annotated

    from pydantic import Field

    from goldenami.api.meta import Model, Resource

    class Item(Model):
        colour: str = "red"

    class Spec(Model):
        items: Annotated[tuple[Item, ...], Field(max_length=2)] = ()

    class Thing(Resource):
        """A thing."""

        spec: Spec

    with pytest.raises(ValueError, match=r"spec\.items\[\]\.colour has a default inside a list item"):
        crds.resource_schema(Thing)


def test_the_checked_in_files_are_the_generated_ones() -> None:
    assert crds.check(CHECKED_IN) == []


def test_writing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    first = {path: path.read_bytes() for path in crds.write(tmp_path)}
    assert {path: path.read_bytes() for path in crds.write(tmp_path)} == first
    assert len(first) == len(DEFINITIONS)
    assert all(text.startswith(b"# Generated from goldenami.api") for text in first.values())


def test_differences_are_named_and_writing_removes_them(tmp_path: Path) -> None:
    directory = tmp_path / "crds"
    assert len(crds.check(directory)) == len(DEFINITIONS)
    changed, removed, *_ = crds.write(directory)
    changed.write_text("other", encoding="utf-8")
    removed.unlink()
    stale = directory / "goldenami.dev_formerkinds.yaml"
    stale.write_text("old", encoding="utf-8")
    (directory / "kustomization.yaml").write_text("not ours", encoding="utf-8")
    assert crds.check(directory) == [f"{changed} differs from the models", f"{removed} is missing", f"{stale} belongs to no kind"]
    crds.write(directory)
    assert crds.check(directory) == []
    assert not stale.exists()
    assert (directory / "kustomization.yaml").exists()


def test_names_of_the_kinds_do_not_join_all() -> None:
    names = [crds.custom_resource_definition(definition)["spec"]["names"] for definition in DEFINITIONS]
    assert {name["kind"]: name["shortNames"] for name in names} == {
        "AWSAccount": ["awsa"],
        "GoldenImage": ["gi"],
        "ImageVersion": ["iv"],
        "RetentionPolicy": ["rp"],
        "ShareList": ["sl"],
    }
    assert all(name["categories"] == ["goldenami"] for name in names)
