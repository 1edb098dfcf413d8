"""What counts as the same status."""

from typing import Any

import pytest

from goldenami.kube.status import without_absent


@pytest.mark.parametrize(
    ("status", "stored"),
    [
        pytest.param({"a": None, "b": 1}, {"b": 1}, id="an absent member is not stored"),
        pytest.param({"a": {"b": None}}, {"a": {}}, id="also inside another"),
        pytest.param({"a": [{"b": None, "c": 0}]}, {"a": [{"c": 0}]}, id="also inside a list"),
        pytest.param({"a": ("x", "y")}, {"a": ["x", "y"]}, id="a tuple is a list"),
        pytest.param({"a": [], "b": {}, "c": "", "d": 0, "e": False}, {"a": [], "b": {}, "c": "", "d": 0, "e": False}, id="empty stays"),
    ],
)
def test_absent_members_are_dropped_as_kubernetes_drops_them(status: dict[str, Any], stored: dict[str, Any]) -> None:
    assert without_absent(status) == stored
