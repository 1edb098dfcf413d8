"""Durations as Go writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldenami.api.duration import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        pytest.param("10m", 600, id="minutes"),
        pytest.param("1h30m", 5400, id="hours and minutes"),
        pytest.param("1.5s", 1.5, id="a fraction"),
        pytest.param("250ms", 0.25, id="milliseconds are not minutes"),
        pytest.param("0s", 0, id="nothing"),
        pytest.param("90d", 7_776_000, id="days, which Go does not know"),
        pytest.param("1w2d", 777_600, id="weeks and days"),
        pytest.param("90m", 5400, id="more minutes than an hour has"),
    ],
)
def test_it_is_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "m", "10 m", "1y", "-5m", "10m ", "10m\n", "1,5h", "١m"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration: write 30s, 10m or 1h30m"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        pytest.param(600, "10m", id="whole minutes"),
        pytest.param(5400, "1h30m", id="hours and minutes"),
        pytest.param(3600, "1h", id="a whole hour"),
        pytest.param(1.5, "1.5s", id="a fraction"),
        pytest.param(0.007, "0.007s", id="less than a second"),
        pytest.param(0, "0s", id="nothing"),
        pytest.param(3605, "1h5s", id="no minutes"),
    ],
)
def test_it_is_written_short(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=0, max_value=10**9))
def test_what_is_written_is_read_back(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)
