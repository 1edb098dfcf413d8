"""The ledger: a listing and our own writes become one truth, whatever order they come in."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldenami.aws.ledger import LINGER_SECONDS, LOST_SECONDS, SETTLE_SECONDS, Ledger
from goldenami.plan.identity import OWNER, RELEASED, VERSION


@dataclass(frozen=True)
class Thing:
    state: str
    tags: Mapping[str, str]
    launched: int = field(default=0, compare=False)


def owned(state: str = "available", owner: str = "i/n/web", version: str = "1.0.0") -> Thing:
    return Thing(state, {OWNER: owner, VERSION: version})


def empty() -> Ledger[Thing]:
    return Ledger(lambda thing: replace(thing, state="lost"))


def states(ledger: Ledger[Thing]) -> dict[str, str]:
    return {name: thing.state for name, thing in ledger.values.items()}


def test_the_first_listing_is_no_change() -> None:
    ledger = empty()
    assert ledger.merge({"a": owned()}, 0.0) == []
    assert states(ledger) == {"a": "available"}


def test_later_listings_tell_what_appeared_changed_and_went() -> None:
    ledger = empty()
    ledger.merge({"a": owned(), "b": owned(), "c": owned()}, 0.0)
    changes = ledger.merge({"a": owned(), "b": owned("disabled"), "d": owned()}, 1.0)
    told = {(old.state if old else None, new.state if new else None) for old, new in changes}
    assert told == {("available", "disabled"), ("available", None), (None, "available")}
    assert ledger.vanished == {"c"}


def test_what_is_equal_stays_the_same_object() -> None:
    ledger = empty()
    ledger.merge({"a": owned()}, 0.0)
    before = ledger.values["a"]
    ledger.merge({"a": owned()}, 1.0)
    assert ledger.values["a"] is before


def test_what_a_comparison_leaves_out_is_no_change_to_tell_and_is_known_all_the_same() -> None:
    """When an image was launched last is evidence, and was known as it had been listed first."""
    ledger = empty()
    ledger.merge({"a": owned()}, 0.0)
    assert ledger.merge({"a": replace(owned(), launched=1)}, 1.0) == []
    assert ledger.values["a"].launched == 1
    assert ledger.merge_some("a", {"a": replace(owned(), launched=2)}, 2.0) == []
    assert ledger.values["a"].launched == 2


def test_a_created_id_stays_pending_until_it_is_listed_and_is_lost_after_ten_minutes() -> None:
    ledger = empty()
    ledger.created("a", owned("pending"), at=0.0)
    ledger.merge({}, 1.0)
    assert states(ledger) == {"a": "pending"}
    ledger.merge({}, LOST_SECONDS - 1)
    assert states(ledger) == {"a": "pending"}
    ledger.merge({}, LOST_SECONDS)
    assert states(ledger) == {"a": "lost"}
    ledger.merge({"a": owned()}, LOST_SECONDS + 1)
    assert states(ledger) == {"a": "available"}
    ledger.merge({}, LOST_SECONDS + 2)
    assert states(ledger) == {}


def test_the_same_answer_to_a_repeated_call_starts_no_new_wait() -> None:
    ledger = empty()
    ledger.created("a", owned("pending"), at=0.0)
    ledger.created("a", owned("pending"), at=LOST_SECONDS - 1)
    ledger.merge({}, LOST_SECONDS)
    assert states(ledger) == {"a": "lost"}


def test_a_listing_that_began_before_a_write_does_not_undo_it() -> None:
    ledger = empty()
    ledger.merge({"a": owned(), "b": owned()}, 0.0)
    ledger.changed("a", lambda thing: replace(thing, state="disabled"), at=10.0)
    ledger.gone("b", at=10.0)
    ledger.created("c", owned("pending"), at=10.0)
    ledger.merge({"a": owned(), "b": owned()}, 9.0)
    assert states(ledger) == {"a": "disabled", "c": "pending"}


def test_a_change_is_settled_after_a_while_and_then_the_listing_is_right() -> None:
    ledger = empty()
    ledger.merge({"a": owned()}, 0.0)
    ledger.changed("a", lambda thing: replace(thing, state="disabled"), at=10.0)
    ledger.merge({"a": owned()}, 10.0 + SETTLE_SECONDS)
    assert states(ledger) == {"a": "disabled"}
    ledger.merge({"a": owned()}, 10.1 + SETTLE_SECONDS)
    assert states(ledger) == {"a": "available"}


def test_a_removed_id_that_lingers_is_not_there_and_one_that_stays_is() -> None:
    ledger = empty()
    ledger.merge({"a": owned()}, 0.0)
    ledger.gone("a", at=10.0)
    ledger.merge({"a": owned()}, 10.0 + LINGER_SECONDS)
    assert states(ledger) == {}
    ledger.merge({"a": owned()}, 10.1 + LINGER_SECONDS)
    assert states(ledger) == {"a": "available"}


def test_a_change_to_a_created_id_outlives_its_settling() -> None:
    ledger = empty()
    ledger.created("a", owned("pending"), at=0.0)
    ledger.changed("a", lambda thing: replace(thing, tags={**thing.tags, "team": "x"}), at=1.0)
    ledger.merge({}, 100.0)
    assert ledger.values["a"].tags["team"] == "x"


def test_a_change_to_an_unknown_id_is_nothing() -> None:
    ledger = empty()
    ledger.changed("a", lambda thing: replace(thing, state="disabled"), at=0.0)
    assert states(ledger) == {}


def test_what_is_read_by_its_id_counts_and_the_others_stay() -> None:
    ledger = empty()
    ledger.merge({"a": owned(), "b": owned(), "c": owned()}, 0.0)
    changes = ledger.merge_some(["a", "b", "x"], {"a": owned("disabled")}, 1.0)
    assert [(old and old.state, new and new.state) for old, new in changes] == [("available", "disabled"), ("available", None)]
    assert (states(ledger), ledger.vanished) == ({"a": "disabled", "c": "available"}, {"b"})
    assert dict(ledger.of("i/n/web")) == ledger.values


@pytest.mark.parametrize(
    ("read_at", "state"),
    [
        pytest.param(9.0, "available", id="a reading that began before the listing tells nothing new"),
        pytest.param(11.0, "disabled", id="one that began after it does"),
    ],
)
def test_the_newer_of_a_listing_and_a_reading_counts_whichever_comes_in_first(read_at: float, state: str) -> None:
    for reading_first in (True, False):
        ledger = empty()
        ledger.merge({"a": owned("pending")}, 0.0)
        if reading_first:
            ledger.merge_some(["a"], {"a": owned("disabled")}, read_at)
        ledger.merge({"a": owned()}, 10.0)
        if not reading_first:
            ledger.merge_some(["a"], {"a": owned("disabled")}, read_at)
        assert states(ledger) == {"a": state}
    ledger.merge({"a": owned()}, 20.0)
    assert states(ledger) == {"a": "available"}


def test_a_reading_that_is_older_than_the_last_one_tells_nothing() -> None:
    ledger = empty()
    ledger.merge({"a": owned()}, 0.0)
    ledger.merge_some(["a"], {"a": owned("disabled")}, 2.0)
    assert ledger.merge_some(["a"], {"a": owned()}, 1.0) == []
    assert states(ledger) == {"a": "disabled"}


def test_a_reading_does_not_undo_our_own_writes_and_ends_no_wait_for_a_listing() -> None:
    ledger = empty()
    ledger.merge({"a": owned(), "b": owned()}, 0.0)
    ledger.changed("a", lambda thing: replace(thing, state="disabled"), at=10.0)
    ledger.gone("b", at=10.0)
    ledger.created("c", owned("pending"), at=10.0)
    ledger.merge_some("abc", {"a": owned(), "b": owned()}, 11.0)
    assert states(ledger) == {"a": "disabled", "c": "pending"}
    # EC2 knows it by its id, and lists it later.
    ledger.merge_some("c", {"c": owned()}, 12.0)
    ledger.merge({"a": owned("disabled"), "b": owned()}, 13.0)
    assert states(ledger) == {"a": "disabled", "c": "pending"}


@pytest.mark.parametrize(
    ("owner", "version", "names"),
    [
        pytest.param("i/n/web", "1.0.0", {"a"}, id="one version"),
        pytest.param("i/n/web", None, {"a", "b"}, id="all versions of an owner"),
        pytest.param("i/n/db", None, {"c"}, id="what an owner released is still found under it"),
        pytest.param("i/n/other", None, set(), id="nobody's"),
    ],
)
def test_things_are_found_by_owner_and_version(owner: str, version: str | None, names: set[str]) -> None:
    ledger = empty()
    ledger.merge({"a": owned(), "b": owned(version="2.0.0"), "c": Thing("available", {RELEASED: "i/n/db", VERSION: "1.0.0"})}, 0.0)
    assert {name for name, _ in ledger.of(owner, version)} == names


names = st.sampled_from("abc")
steps = st.lists(
    st.one_of(
        st.tuples(st.just("created"), names),
        st.tuples(st.just("changed"), names),
        st.tuples(st.just("gone"), names),
        st.tuples(st.just("merge"), st.sets(names)),
        st.tuples(st.just("merge some"), st.sets(names)),
    ),
    max_size=30,
)


@given(steps, st.floats(min_value=0.1, max_value=200.0))
def test_the_index_says_what_the_values_say(done: list[tuple[str, object]], pace: float) -> None:
    ledger, now = empty(), 0.0
    for kind, what in done:
        now += pace
        if kind == "merge":
            assert isinstance(what, set)
            ledger.merge({name: owned() for name in what}, now - pace / 2)
        elif kind == "merge some":
            assert isinstance(what, set)
            ledger.merge_some("ab", {name: owned(version="3.0.0") for name in what}, now - pace / 2)
        elif kind == "created":
            ledger.created(str(what), owned("pending"), now)
        elif kind == "changed":
            ledger.changed(str(what), lambda thing: replace(thing, tags={**thing.tags, VERSION: "2.0.0"}), now)
        else:
            ledger.gone(str(what), now)
        assert dict(ledger.of("i/n/web")) == ledger.values


@given(st.sets(names), st.sets(names))
def test_when_all_is_quiet_the_listing_is_the_truth(before: set[str], listed: set[str]) -> None:
    ledger = empty()
    ledger.merge({name: owned() for name in before}, 0.0)
    for name in before:
        ledger.changed(name, lambda thing: replace(thing, state="disabled"), 1.0)
    for name in listed:
        ledger.gone(name, 2.0)
    ledger.merge({name: owned() for name in listed}, 1000.0)
    assert states(ledger) == dict.fromkeys(listed, "available")
