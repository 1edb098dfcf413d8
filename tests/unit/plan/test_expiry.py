"""When an image expires, by the tags ExpirationDate and DeleteOn."""

from datetime import UTC, datetime

import pytest

from goldenami.plan import expiry
from goldenami.plan.expiry import Expiry

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("2027-01-01T00:00:00Z", NEW_YEAR, id="a time in UTC"),
        pytest.param("2027-01-01t00:00:00z", NEW_YEAR, id="in lower case, which RFC 3339 admits"),
        pytest.param("2027-01-01 00:00:00Z", NEW_YEAR, id="with a space, which it admits, too"),
        pytest.param("2027-01-01T02:00:00+02:00", NEW_YEAR, id="a time with an offset"),
        pytest.param("2026-12-31T19:00:00-05:00", NEW_YEAR, id="west of Greenwich"),
        pytest.param("2027-01-01T00:00:00.999Z", NEW_YEAR, id="fractions of a second are dropped"),
        pytest.param(" 2027-01-01T00:00:00Z ", NEW_YEAR, id="blanks around it do not matter"),
        pytest.param("2026-12-31", datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC), id="a date is the end of that day in UTC"),
        pytest.param("2028-02-29", datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC), id="a leap day"),
        pytest.param("2027-02-29", None, id="a day that does not exist"),
        pytest.param("2027-13-01", None, id="a month that does not exist"),
        pytest.param("2027-01-01T25:00:00Z", None, id="an hour that does not exist"),
        pytest.param("2027-01-01T00:00:00", None, id="a time without an offset could be anywhere"),
        pytest.param("0001-01-01T00:00:00+14:00", None, id="a time before all time"),
        pytest.param("31.12.2026", None, id="a date as some write it"),
        pytest.param("12/31/2026", None, id="a date as others write it"),
        pytest.param("20261231", None, id="a date without dashes"),
        pytest.param("1798761600", None, id="epoch seconds"),
        pytest.param("30d", None, id="a duration"),
        pytest.param("never", None, id="a word"),
        pytest.param("", None, id="nothing"),
    ],
)
def test_what_a_value_says(value: str, expected: datetime | None) -> None:
    assert expiry.parse(value) == expected


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        pytest.param([], Expiry(), id="no image never expires"),
        pytest.param([{}], Expiry(), id="no tag: never"),
        pytest.param([{"DeleteOn": "2027-01-01T00:00:00Z"}], Expiry(NEW_YEAR), id="DeleteOn"),
        pytest.param([{"ExpirationDate": "2027-01-01T00:00:00Z"}], Expiry(NEW_YEAR), id="ExpirationDate"),
        pytest.param([{"ExpirationDate": "2026-01-01", "DeleteOn": "2027-01-01T00:00:00Z"}], Expiry(NEW_YEAR), id="of two tags the later"),
        pytest.param([{"DeleteOn": "2026-01-01"}, {"DeleteOn": "2027-01-01T00:00:00Z"}], Expiry(NEW_YEAR), id="of two images the later"),
        pytest.param([{"DeleteOn": "2027-01-01"}, {}], Expiry(), id="an image that never expires keeps the version"),
        pytest.param([{"DeleteOn": "soon"}], Expiry(None, ("DeleteOn=soon",)), id="nonsense is ignored, and said"),
        pytest.param(
            [{"DeleteOn": "soon", "ExpirationDate": "2027-01-01T00:00:00Z"}],
            Expiry(NEW_YEAR, ("DeleteOn=soon",)),
            id="nonsense beside a time",
        ),
        pytest.param([{"expirationdate": "2027-01-01"}], Expiry(), id="tags of another case are other tags"),
    ],
)
def test_what_the_tags_of_a_version_say(images: list[dict[str, str]], expected: Expiry) -> None:
    assert expiry.of_version(images) == expected


def test_a_time_is_written_as_kubernetes_takes_it() -> None:
    assert expiry.text(NEW_YEAR) == "2027-01-01T00:00:00Z"
