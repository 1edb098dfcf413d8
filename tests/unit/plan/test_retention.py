"""Retention: which versions go, how many at once, and at which stage each is."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldenami.api.fields import Stage
from goldenami.plan.retention import DAY_SECONDS, TURN_SECONDS, Member, Policy, Verdict, decide, merged, per_run

NOW = 1_800_000_000.0
PASS = 600.0
LAST_TWO = Policy(keep_last=2)


def made(version: str, *, days: float = 100, **facts: Any) -> Member:
    return replace(Member(version, made_at=NOW - days * DAY_SECONDS), **facts)


def stages(*members: Member, policy: Policy | None = LAST_TWO, now: float = NOW) -> dict[str, Stage | None]:
    return {verdict.version: verdict.stage for verdict in decide(members, policy, now, PASS)}


def family(*versions: str, **facts: Any) -> tuple[Member, ...]:
    return tuple(made(version, **facts) for version in versions)


EVERYTHING = Policy(keep_last=1, most_per_run=100)


@pytest.mark.parametrize(
    ("policy", "members", "going"),
    [
        pytest.param(None, family("1.0.0", "2.0.0"), [], id="without a policy everything is kept"),
        pytest.param(Policy(deprecate_after_seconds=1), family("1.0.0", "2.0.0"), [], id="without a limit nothing goes"),
        pytest.param(LAST_TWO, family("1.0.0", "2.0.0"), [], id="as many as are kept are kept"),
        pytest.param(LAST_TWO, family("1.0.0", "2.0.0", "3.0.0"), ["1.0.0"], id="beyond the last ones a version goes"),
        pytest.param(LAST_TWO, family("10.0.0", "9.0.0", "2.0.0"), ["2.0.0"], id="versions are ordered as SemVer, not as words"),
        pytest.param(LAST_TWO, family("2.0.0-rc.1", "2.0.0", "1.0.0"), ["1.0.0"], id="a pre-release counts as a version"),
        pytest.param(
            LAST_TWO,
            (*family("1.0.0", "2.0.0"), made("3.0.0", whole=False)),
            [],
            id="a version that has no image yet, or not everywhere, pushes none out",
        ),
        pytest.param(
            replace(LAST_TWO, most_per_run=9),
            (*family("1.0.0", "2.0.0", "3.0.0"), made("1.5.0", whole=False), made("9.0.0", whole=False, held="it is declared")),
            ["1.0.0", "1.5.0"],
            id="one that is not whole goes like any other",
        ),
        pytest.param(
            LAST_TWO,
            (*family("1.0.0", "2.0.0"), made("3.0.0", expires_at=NOW - 1)),
            ["3.0.0"],
            id="nor does one that has expired",
        ),
        pytest.param(
            LAST_TWO,
            (*family("1.0.0", "2.0.0"), made("3.0.0", expires_at=NOW - 1, held="it is declared")),
            ["1.0.0"],
            id="unless it stays all the same",
        ),
        pytest.param(
            replace(LAST_TWO, keep_for_seconds=200 * DAY_SECONDS),
            family("1.0.0", "2.0.0", "3.0.0"),
            [],
            id="all limits have to agree: it is too young",
        ),
        pytest.param(
            Policy(keep_for_seconds=50 * DAY_SECONDS),
            (made("1.0.0"), made("2.0.0", days=10)),
            ["1.0.0"],
            id="what is older than keepFor goes",
        ),
        pytest.param(Policy(keep_for_seconds=1), (Member("1.0.0"),), [], id="what is not known to be old stays"),
        pytest.param(
            replace(LAST_TWO, keep_if_launched_within_seconds=30 * DAY_SECONDS),
            (made("1.0.0", last_launched=NOW - 10 * DAY_SECONDS), *family("2.0.0", "3.0.0")),
            [],
            id="what was launched a while ago stays",
        ),
        pytest.param(
            replace(LAST_TWO, keep_if_launched_within_seconds=5 * DAY_SECONDS),
            (made("1.0.0", last_launched=NOW - 10 * DAY_SECONDS), *family("2.0.0", "3.0.0")),
            ["1.0.0"],
            id="what was launched before that goes",
        ),
        pytest.param(
            Policy(keep_if_launched_within_seconds=1),
            (made("1.0.0", days=1.9),),
            [],
            id="never launched says nothing within two days",
        ),
        pytest.param(
            Policy(keep_if_launched_within_seconds=1), (made("1.0.0", days=2.1),), ["1.0.0"], id="after two days never launched is meant"
        ),
        pytest.param(
            LAST_TWO, (made("1.0.0", held="channel stable names it"), *family("2.0.0", "3.0.0")), [], id="what a channel names stays"
        ),
        pytest.param(
            None,
            (made("1.0.0", expires_at=NOW - 1), made("2.0.0")),
            ["1.0.0"],
            id="what has expired goes without any policy",
        ),
        pytest.param(
            Policy(keep_last=5), (made("1.0.0", expires_at=NOW - 1),), ["1.0.0"], id="what has expired goes whatever the limits keep"
        ),
        pytest.param(LAST_TWO, (made("1.0.0", expires_at=NOW + 1),), [], id="what expires later is kept until then"),
        pytest.param(LAST_TWO, (made("1.0.0", expires_at=NOW - 1, held="it is declared"),), [], id="a declared version does not expire"),
        pytest.param(
            EVERYTHING,
            family("1.0.0", "1.1.0", "1.2.0", "2.0.0"),
            ["1.0.0", "1.1.0", "1.2.0"],
            id="as many as a pass admits go at once",
        ),
        pytest.param(
            replace(EVERYTHING, most_per_run=2),
            family("1.2.0", "1.0.0", "1.1.0", "2.0.0"),
            ["1.0.0", "1.1.0"],
            id="the oldest go first",
        ),
        pytest.param(
            replace(EVERYTHING, most_per_run=1),
            (made("1.0.0+b", days=10), made("1.0.0+a", days=20), made("2.0.0")),
            ["1.0.0+a"],
            id="of equal versions the one made first goes first",
        ),
    ],
)
def test_what_goes(policy: Policy | None, members: tuple[Member, ...], going: list[str]) -> None:
    assert sorted(version for version, stage in stages(*members, policy=policy).items() if stage == "Disabled") == going


@pytest.mark.parametrize(
    ("share", "most", "size", "count"),
    [
        pytest.param(None, None, 40, 4, id="a tenth unless something is said"),
        pytest.param(None, None, 3, 1, id="and at least one"),
        pytest.param(0.5, None, 5, 2, id="a share is rounded down"),
        pytest.param(None, 7, 3, 7, id="a number is that number"),
    ],
)
def test_how_many_go_in_a_pass(share: float | None, most: int | None, size: int, count: int) -> None:
    assert per_run(Policy(share_per_run=share, most_per_run=most), size) == count


ONE_BY_ONE = replace(EVERYTHING, most_per_run=1)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param({"stage": "Disabled"}, None, id="while one is being disabled no other begins"),
        pytest.param({"stage": "Disabled", "disabled_since": NOW - PASS + 1}, None, id="nor before the pass is over"),
        pytest.param({"stage": "Disabled", "disabled_since": NOW - PASS}, "Disabled", id="in the next pass the next one begins"),
        pytest.param({"stage": "Retired", "gone": True}, "Disabled", id="one that has long been gone holds up no other"),
        pytest.param({"stage": "Retired", "gone": True, "disabled_since": NOW - PASS + 1}, None, id="one that went in this pass does"),
        pytest.param(
            {"stage": "Retired", "kept": True, "partly_gone": True}, "Disabled", id="nor does one that is used when others of it are gone"
        ),
    ],
)
def test_passes(first: dict[str, Any], second: Stage | None) -> None:
    found = stages(made("1.0.0", **first), *family("1.1.0", "2.0.0"), policy=ONE_BY_ONE)
    assert found["1.0.0"] in ("Disabled", "Retired")
    assert (found["1.1.0"], found["2.0.0"]) == (second, None)


ASKED: dict[str, Any] = {"stage": "Disabled", "kept": True}
CALLED_BACK: dict[str, Any] = {"stage": "Deprecated", "tried_at": NOW - 1}
LONG_AGO = NOW - TURN_SECONDS


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param([ASKED], ["Disabled"], id="one that is in use keeps its turn while nobody else waits"),
        pytest.param([ASKED, {}], ["Deprecated", None], id="one that is in use holds up no other, and is called back first"),
        pytest.param(
            [{**CALLED_BACK, "settled": False}, {}], ["Deprecated", None], id="until it has heard of that it may go, and no other does"
        ),
        pytest.param([CALLED_BACK, {}], ["Deprecated", "Disabled"], id="then the next has its turn"),
        pytest.param([CALLED_BACK, ASKED], ["Deprecated", "Disabled"], id="who left its turn does not ask for it again at once"),
        pytest.param([{**CALLED_BACK, "tried_at": LONG_AGO}, ASKED], ["Deprecated", "Deprecated"], id="but by and by"),
        pytest.param(
            [{**CALLED_BACK, "tried_at": LONG_AGO}, {**CALLED_BACK, "tried_at": LONG_AGO - 1}],
            ["Deprecated", "Disabled"],
            id="and who waits longest has the next one",
        ),
        pytest.param([{**CALLED_BACK, "tried_at": LONG_AGO}, {}], ["Deprecated", "Disabled"], id="after those that had none yet"),
        pytest.param([ASKED, ASKED], ["Deprecated", "Disabled"], id="more than have room, as after an edit, leave it to the others"),
        pytest.param([{"stage": "Disabled"}, ASKED], ["Disabled", "Deprecated"], id="what nobody can tell yet keeps its turn"),
    ],
)
def test_turns(members: list[dict[str, Any]], expected: list[Stage | None]) -> None:
    found = stages(*(made(f"1.{number}.0", **facts) for number, facts in enumerate(members)), made("2.0.0"), policy=ONE_BY_ONE)
    assert [found[f"1.{number}.0"] for number in range(len(members))] == expected


def test_what_went_in_this_pass_counts_when_not_even_its_object_is_left() -> None:
    waiting = family("1.0.0", "1.1.0", "2.0.0")
    assert [verdict.stage for verdict in decide(waiting, ONE_BY_ONE, NOW, PASS, spent=1)] == [None, None, None]
    assert [verdict.stage for verdict in decide(waiting, ONE_BY_ONE, NOW, PASS)] == ["Disabled", None, None]


def test_who_leaves_its_turn_is_known_by_when() -> None:
    first, second, _ = decide((made("1.0.0", **ASKED), *family("1.1.0", "2.0.0")), ONE_BY_ONE, NOW, PASS)
    assert (first.tried_at, second.tried_at) == (NOW, 0.0)
    first, second, _ = decide((made("1.0.0", **CALLED_BACK), *family("1.1.0", "2.0.0")), ONE_BY_ONE, NOW, PASS)
    assert (first.tried_at, second.tried_at) == (NOW - 1, 0.0)


WEEK = 7 * DAY_SECONDS


@pytest.mark.parametrize(
    ("facts", "stage"),
    [
        pytest.param({"stage": "Disabled", "disabled_since": NOW - WEEK + 1}, "Disabled", id="a disabled version waits out its time"),
        pytest.param({"stage": "Disabled", "disabled_since": NOW - WEEK}, "Retired", id="then it is retired"),
        pytest.param({"stage": "Disabled", "disabled_since": 0.0}, "Disabled", id="not before all of its images are disabled"),
        pytest.param({"stage": "Retired", "disabled_since": 0.0}, "Retired", id="what has begun to go goes on"),
        pytest.param({"stage": "Disabled", "gone": True}, "Retired", id="where nothing is left there is nothing to wait for"),
        pytest.param({"stage": "Disabled", "disabled_since": NOW - WEEK, "held": "a"}, "Active", id="what is wanted again comes back"),
        pytest.param({"stage": "Retired", "disabled_since": NOW - WEEK, "held": "a"}, "Active", id="even at the last moment"),
        pytest.param({"stage": "Deprecated", "held": "a"}, None, id="a deprecation is the channels' business"),
    ],
)
def test_stages(facts: dict[str, Any], stage: Stage | None) -> None:
    assert stages(made("1.0.0", **facts), *family("2.0.0", "3.0.0"))["1.0.0"] == stage


@pytest.mark.parametrize(
    ("facts", "stage"),
    [
        pytest.param({"noted": True}, "Retired", id="it is gone at once where that is declared"),
        pytest.param({"noted": False}, "Disabled", id="not before it is written down that it counts for this pass"),
        pytest.param({"noted": False, "disabled_since": NOW - PASS}, "Retired", id="which it does not any more when that is over"),
    ],
)
def test_without_a_wait(facts: dict[str, Any], stage: Stage) -> None:
    policy = replace(ONE_BY_ONE, disable_for_seconds=0.0)
    member = made("1.0.0", **{"stage": "Disabled", "disabled_since": NOW - 1, **facts})
    assert stages(member, made("2.0.0"), policy=policy)["1.0.0"] == stage


@pytest.mark.parametrize(
    ("member", "stage"),
    [
        pytest.param(made("1.0.0", days=31), "Deprecated", id="what is old is deprecated"),
        pytest.param(made("1.0.0", days=29), None, id="what is not is left"),
        pytest.param(made("1.0.0", days=31, held="it is declared"), None, id="what is declared or named is not"),
        pytest.param(Member("1.0.0"), None, id="nor what is not known to be old"),
        pytest.param(
            made("1.0.0", days=29, stage="Deprecated", deprecated=True), "Active", id="one that is no longer too old is given back"
        ),
        pytest.param(
            made("1.0.0", days=29, stage="Deprecated", deprecated=True, held="channel stable names it"),
            "Active",
            id="so is one that is named",
        ),
        pytest.param(made("1.0.0", days=29, stage="Deprecated"), None, id="what a rollback deprecated is the channels' business"),
        pytest.param(made("1.0.0", days=29, stage="Active", restored=False), "Active", id="it is given back until that has been done"),
        pytest.param(made("1.0.0", days=29, stage="Active"), None, id="and then left alone"),
    ],
)
def test_deprecation(member: Member, stage: Stage | None) -> None:
    assert stages(member, policy=Policy(keep_last=9, deprecate_after_seconds=30 * DAY_SECONDS))["1.0.0"] == stage


@pytest.mark.parametrize(
    ("policy", "facts", "stage"),
    [
        pytest.param(Policy(keep_for_seconds=1), {"stage": "Retired"}, "Retired", id="deregistered everywhere, and not yet told so"),
        pytest.param(Policy(keep_for_seconds=1), {"stage": "Disabled", "gone": True}, "Retired", id="deregistered by somebody else"),
        pytest.param(Policy(keep_last=9), {"stage": "Retired", "gone": True}, "Retired", id="a policy that would have kept it"),
        pytest.param(None, {"stage": "Retired", "gone": True}, "Retired", id="no policy any more"),
        pytest.param(LAST_TWO, {"stage": "Retired", "gone": True, "held": "a"}, "Active", id="a channel that names it has it made anew"),
    ],
)
def test_what_is_gone_is_not_made_anew_to_be_kept(policy: Policy | None, facts: dict[str, Any], stage: Stage) -> None:
    """Without an image nothing tells its age, and what is not known to be old is kept."""
    assert stages(Member("1.0.0", **facts), policy=policy)["1.0.0"] == stage


def test_a_policy_that_is_taken_back_gives_everything_back() -> None:
    """For as long as it takes: an image that cannot be enabled today is not deprecated for good."""
    going = made("1.0.0", stage="Disabled", disabled_since=NOW - 5)
    assert stages(going, policy=None)["1.0.0"] == "Active"
    assert stages(replace(going, stage="Active", restored=False), policy=None)["1.0.0"] == "Active"
    assert stages(replace(going, stage="Active", disabled_since=0.0), policy=None)["1.0.0"] is None


def test_a_candidate_that_was_deprecated_on_its_way_stays_so_while_it_waits() -> None:
    found = stages(*family("1.0.0", "2.0.0"), made("1.1.0", stage="Deprecated", deprecated=True), policy=ONE_BY_ONE)
    assert found == {"1.0.0": "Disabled", "1.1.0": "Deprecated", "2.0.0": None}


@pytest.mark.parametrize(
    ("channels", "retention", "together"),
    [
        pytest.param(None, None, None, id="nobody says anything"),
        pytest.param("Active", None, "Active", id="a channel names it"),
        pytest.param("Deprecated", None, "Deprecated", id="a rollback left it"),
        pytest.param(None, "Deprecated", "Deprecated", id="it is old"),
        pytest.param("Deprecated", "Active", "Deprecated", id="it comes back, and a rollback left it"),
        pytest.param("Deprecated", "Disabled", "Disabled", id="it goes"),
        pytest.param(None, "Active", "Active", id="it comes back"),
    ],
)
def test_channels_and_retention_together(channels: Stage | None, retention: Stage | None, together: Stage | None) -> None:
    assert merged(channels, retention) == together


# --- for any family ---

times = st.floats(min_value=0, max_value=NOW)
members = st.builds(
    Member,
    version=st.builds("{}.{}.0".format, st.integers(0, 3), st.integers(0, 9)),
    made_at=times,
    last_launched=times,
    stage=st.sampled_from([None, "Active", "Deprecated", "Disabled", "Retired"]),
    disabled_since=times,
    held=st.sampled_from(["", "", "it is declared"]),
    expires_at=st.none() | times,
    kept=st.booleans(),
    settled=st.booleans(),
    whole=st.booleans(),
    deprecated=st.booleans(),
    restored=st.booleans(),
    tried_at=times,
)
families = st.lists(members, max_size=12, unique_by=lambda member: member.version).map(tuple)
policies = st.none() | st.builds(
    Policy,
    keep_last=st.none() | st.integers(1, 5),
    keep_for_seconds=st.none() | times,
    keep_if_launched_within_seconds=st.none() | times,
    deprecate_after_seconds=st.none() | times,
    most_per_run=st.none() | st.integers(1, 3),
)


@given(families, policies)
def test_what_is_held_never_goes_and_only_what_was_disabled_is_retired(all_of_them: tuple[Member, ...], policy: Policy | None) -> None:
    by_version = {member.version: member for member in all_of_them}
    for verdict in decide(all_of_them, policy, NOW, PASS):
        member = by_version[verdict.version]
        assert not (member.held and verdict.stage in ("Deprecated", "Disabled", "Retired"))
        assert verdict.stage != "Retired" or member.stage == "Retired" or member.disabled_since > 0


@given(families, policies)
def test_no_more_begin_than_a_pass_admits(all_of_them: tuple[Member, ...], policy: Policy | None) -> None:
    before = {member.version: member.stage for member in all_of_them}
    going = {"Disabled", "Retired"}
    begun = [v for v in decide(all_of_them, policy, NOW, PASS) if v.stage in going and before[v.version] not in going]
    assert len(begun) <= per_run(policy, len(all_of_them))


@given(families, policies)
def test_the_order_of_listing_does_not_matter(all_of_them: tuple[Member, ...], policy: Policy | None) -> None:
    def said(verdicts: tuple[Verdict, ...]) -> dict[str, Verdict]:
        return {verdict.version: verdict for verdict in verdicts}

    assert said(decide(all_of_them, policy, NOW, PASS)) == said(decide(reversed(all_of_them), policy, NOW, PASS))
