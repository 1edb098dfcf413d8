"""Who a parameter belongs to, told from which questions listed it."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldenami.aws import attribution


def owners(count: int) -> list[str]:
    return sorted(f"main/images/app-{number}" for number in range(count))


def listed(asked: Sequence[str], tags: Mapping[str, str]) -> list[str]:
    """As DescribeParameters would, by the values of the owner's tag."""
    return [name for name, owner in tags.items() if owner in asked]


def read(everybody: Sequence[str], *moments: Mapping[str, str]) -> dict[str, str]:
    """One moment for the first listing and one for each question; the last goes on."""
    at = iter([*moments, *[moments[-1]] * 100])
    first = next(at)
    batch_of = {name: number for number, batch in enumerate(attribution.batches(everybody)) for name in listed(batch, first)}
    return attribution.spelled(everybody, batch_of, [listed(asked, next(at)) for asked in attribution.questions(everybody)])


@given(st.integers(1, 400), st.data())
def test_each_parameter_finds_its_owner(count: int, data: st.DataObject) -> None:
    everybody = owners(count)
    tags = data.draw(st.dictionaries(st.text("abc", min_size=1, max_size=4), st.sampled_from(everybody), max_size=30))
    assert read(everybody, tags) == tags


@given(st.integers(2, 120), st.data())
def test_one_that_comes_or_goes_between_two_questions_is_nobody_s(count: int, data: st.DataObject) -> None:
    """Half a word would be another owner's, who would then take it out of use."""
    everybody = owners(count)
    owner = data.draw(st.sampled_from(everybody))
    there, moments = {"/golden/x": owner}, 1 + len(attribution.questions(everybody))
    before = data.draw(st.integers(1, moments))
    assert set(read(everybody, *[there] * before, {}).values()) <= {owner}
    assert set(read(everybody, there, *[{}] * (before - 1), there).values()) <= {owner}


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        pytest.param(1, 0, id="one owner needs no question"),
        pytest.param(2, 2, id="two are asked for alone"),
        pytest.param(50, 8, id="fifty take eight calls"),
        pytest.param(300, 27, id="three hundred take twenty-seven"),
        pytest.param(1000, 82, id="a thousand take eighty-two"),
    ],
)
def test_what_it_costs(count: int, expected: int) -> None:
    assert attribution.calls(owners(count)) == expected


def test_no_filter_has_more_values_than_the_api_takes() -> None:
    everybody = owners(333)
    assert {len(batch) for asked in attribution.questions(everybody) for batch in attribution.batches(asked)} <= set(range(1, 51))
