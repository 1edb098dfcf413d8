"""The page of defaults: complete, as the models say, and as it is in docs/."""

from pathlib import Path

import pytest

from goldenami.api import defaults
from goldenami.api.crds import DEFINITIONS, Definition, resource_schema
from support.schemas import fields_of

PAGE = Path(__file__).resolve().parents[3] / "docs" / "defaults.md"

each_kind = pytest.mark.parametrize("definition", [pytest.param(definition, id=definition.kind.kind) for definition in DEFINITIONS])


@each_kind
def test_every_default_of_a_spec_is_listed_stored_or_said(definition: Definition) -> None:
    fields = [(path.removeprefix("."), node) for path, node in fields_of(resource_schema(definition.model)) if path.startswith(".spec.")]
    stored = {path for path, node in fields if "default" in node}
    said = {path for path, node in fields if "absent" in node.get("description", "").lower()}
    rows = defaults.rows_of(definition)
    assert {row.path for row in rows if row.stored} == stored
    assert {row.path for row in rows if not row.stored} == said - stored
    assert all(row.meaning for row in rows)


def test_the_page_is_up_to_date() -> None:
    assert defaults.check(PAGE) == []


def test_a_page_that_differs_or_is_missing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "defaults.md"
    assert defaults.check(path) == [f"{path} is missing"]
    defaults.write(path)
    assert defaults.check(path) == []
    path.write_text(path.read_text() + "7d, perhaps\n")
    assert defaults.check(path) == [f"{path} differs from the models"]
