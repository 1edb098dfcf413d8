"""The summary, row by row as kstatus reads it, and times that move only with the status."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldenami.api.conditions import ConcernResult, Condition, ConditionType, cut, find, is_true, summarize, suspended, timestamp_of
from goldenami.api.fields import MESSAGE_LENGTH
from goldenami.api.reasons import Outcome, Reason

NOW = datetime(2026, 11, 21, 5, 26, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)

SOURCE = ConcernResult(ConditionType.SOURCE_READY, Reason.SUCCEEDED, "ami-1 is available")
COPYING = ConcernResult(ConditionType.REPLICAS_READY, Reason.COPYING, "copying to eu-west-1, eu-west-3")
THROTTLED = ConcernResult(ConditionType.REPLICAS_READY, Reason.THROTTLED, "eu-west-1: calls are slowed down")
RETRY = ConcernResult(ConditionType.REPLICAS_READY, Reason.PROGRESSING_WITH_RETRY, "eu-west-1: the call failed")
MISSING = ConcernResult(ConditionType.SHARING_READY, Reason.DEPENDENCY_NOT_READY, "ShareList partners does not exist")
PWR, DNR = "ProgressingWithRetry", "DependencyNotReady"
DENIED = ConcernResult(ConditionType.ALIASES_READY, Reason.ACCESS_DENIED, "us-east-1: allow ssm:PutParameter")


def _states(conditions: tuple[Condition, ...]) -> dict[str, tuple[str, str]]:
    return {condition.type: (condition.status, condition.reason) for condition in conditions}


def _kstatus(conditions: tuple[Condition, ...]) -> str:
    """The order of checks of cli-utils' pkg/kstatus/status for an object whose observedGeneration is current."""
    if not conditions:
        return "Current"
    if is_true(conditions, "Reconciling"):
        return "InProgress"
    if is_true(conditions, "Stalled"):
        return "Failed"
    return "Current" if is_true(conditions, "Ready") else "InProgress"


@pytest.mark.parametrize(
    ("results", "ready", "reconciling", "stalled", "kstatus"),
    [
        pytest.param([], ("Unknown", "Progressing"), "Progressing", None, "InProgress", id="nothing looked at yet"),
        pytest.param([SOURCE, COPYING], ("Unknown", "Copying"), "Progressing", None, "InProgress", id="work is running"),
        pytest.param([SOURCE, RETRY], ("False", PWR), PWR, None, "InProgress", id="a fault that passes"),
        pytest.param([SOURCE, THROTTLED], ("False", "Throttled"), PWR, None, "InProgress", id="throttled"),
        pytest.param([SOURCE, MISSING], ("False", DNR), DNR, None, "InProgress", id="waiting for a reference"),
        pytest.param([SOURCE, DENIED], ("False", "AccessDenied"), None, "AccessDenied", "Failed", id="a person must act"),
        pytest.param([SOURCE], ("True", "Succeeded"), None, None, "Current", id="done"),
        pytest.param(
            [COPYING, RETRY, MISSING, DENIED], ("False", "AccessDenied"), None, "AccessDenied", "Failed", id="a person comes first"
        ),
        pytest.param([COPYING, MISSING], ("False", DNR), DNR, None, "InProgress", id="waiting before running"),
        pytest.param([MISSING, RETRY], ("False", PWR), PWR, None, "InProgress", id="a fault before waiting"),
    ],
)
def test_the_summary_reads_as_kstatus_expects(
    results: list[ConcernResult], ready: tuple[str, str], reconciling: str | None, stalled: str | None, kstatus: str
) -> None:
    conditions = summarize(results, 3, (), NOW)
    states = _states(conditions)
    assert states["Ready"] == ready
    assert states.get("Reconciling") == (("True", reconciling) if reconciling else None)
    assert states.get("Stalled") == (("True", stalled) if stalled else None)
    assert _kstatus(conditions) == kstatus
    assert {condition.observed_generation for condition in conditions} == {3}
    assert [condition.type for condition in conditions][-len(results) or len(conditions) :] == [result.type for result in results]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        pytest.param(Outcome.DONE, "True", id="done is True"),
        pytest.param(Outcome.PROGRESSING, "Unknown", id="work under way is Unknown"),
        pytest.param(Outcome.RETRYING, "False", id="a retry is False"),
        pytest.param(Outcome.WAITING, "False", id="waiting is False"),
        pytest.param(Outcome.STALLED, "False", id="stalled is False"),
    ],
)
def test_a_concerns_condition_follows_its_outcome(outcome: Outcome, status: str) -> None:
    result = ConcernResult(ConditionType.SOURCE_READY, Reason.AWS_ERROR, "eu-west-1: Whatever", outcome)
    condition = find(summarize([result], 1, (), NOW), "SourceReady")
    assert condition is not None
    assert (condition.status, condition.reason) == (status, "AWSError")


def test_what_was_said_of_an_earlier_generation_stays_said_of_it() -> None:
    before = ConcernResult(ConditionType.REPLICAS_READY, Reason.SUCCEEDED, "2/2 regions available", generation=2)
    found = summarize([MISSING, before], 3, (), NOW)
    assert {condition.type: condition.observed_generation for condition in found} == {
        "Ready": 3,
        "Reconciling": 3,
        "SharingReady": 3,
        "ReplicasReady": 2,
    }


def test_the_message_of_ready_names_every_culprit_once() -> None:
    twice = [DENIED, ConcernResult(ConditionType.SHARING_READY, Reason.PUBLIC_BLOCKED, "eu-west-1: blocked"), SOURCE]
    assert summarize(twice, 1, (), NOW)[0].message == "us-east-1: allow ssm:PutParameter; eu-west-1: blocked"
    same = [SOURCE, ConcernResult(ConditionType.REPLICAS_READY, Reason.SUCCEEDED, SOURCE.message)]
    assert summarize(same, 1, (), NOW)[0].message == SOURCE.message


def test_done_has_a_message_of_its_own() -> None:
    assert summarize([SOURCE], 1, (), NOW, done="1.4.2 in 8 regions")[0].message == "1.4.2 in 8 regions"
    assert summarize([SOURCE, COPYING], 1, (), NOW, done="1.4.2 in 8 regions")[0].message == COPYING.message


def test_a_summary_of_the_same_is_the_same() -> None:
    first = summarize([SOURCE, COPYING], 1, (), NOW)
    assert summarize([SOURCE, COPYING], 1, first, LATER) == first


@pytest.mark.parametrize(
    ("epoch_seconds", "told"),
    [
        pytest.param(1_700_000_000.9, "2023-11-14T22:13:20Z", id="whole seconds"),
        pytest.param(-31_000_000_000.0, "0987-08-25T16:53:20Z", id="four digits, as RFC 3339 has them"),
        pytest.param(1.7e9 + 9_999_999 * 604_800, "9999-12-31T23:59:59Z", id="what no calendar has is the end of it"),
        pytest.param(1e80, "9999-12-31T23:59:59Z", id="what no clock has, too"),
    ],
)
def test_a_moment_is_told_as_kubernetes_reads_it(epoch_seconds: float, told: str) -> None:
    assert timestamp_of(epoch_seconds) == told


def test_a_message_is_cut_to_its_bound() -> None:
    long = ConcernResult(ConditionType.SOURCE_READY, Reason.INVALID_SOURCE, "m" * (MESSAGE_LENGTH + 1))
    messages = [condition.message for condition in summarize([long], 1, (), NOW)]
    assert {len(message) for message in messages} == {MESSAGE_LENGTH}
    assert all(message.endswith("…") for message in messages)
    assert cut("short") == "short"


_RESULTS = st.lists(
    st.builds(ConcernResult, st.sampled_from(list(ConditionType)[3:]), st.sampled_from(Reason), st.text(max_size=20)),
    max_size=5,
    unique_by=lambda result: result.type,
)


@given(st.lists(_RESULTS, min_size=1, max_size=8))
def test_a_transition_time_moves_exactly_when_the_status_does(history: list[list[ConcernResult]]) -> None:
    before: tuple[Condition, ...] = ()
    for step, results in enumerate(history):
        now = NOW + timedelta(minutes=step)
        after = summarize(results, step + 1, before, now)
        for condition in after:
            last = find(before, condition.type)
            unchanged = last is not None and last.status == condition.status
            expected = last.last_transition_time if unchanged and last is not None else now.strftime("%Y-%m-%dT%H:%M:%SZ")
            assert condition.last_transition_time == expected
        before = after


@given(_RESULTS)
def test_every_summary_is_sound(results: list[ConcernResult]) -> None:
    conditions = summarize(results, 1, (), NOW)
    states = _states(conditions)
    assert len(states) == len(conditions)
    assert not {"Reconciling", "Stalled"} <= states.keys()
    assert (states["Ready"][0] == "True") == ({"Reconciling", "Stalled"}.isdisjoint(states))
    assert all(states[name][0] == "True" for name in ("Reconciling", "Stalled") if name in states)
    assert {condition.reason for condition in conditions} <= set(Reason)
    assert conditions == tuple(Condition.from_object(condition.to_object()) for condition in conditions)


@pytest.mark.parametrize(
    ("results", "ready"),
    [
        pytest.param([SOURCE], ("True", "Succeeded"), id="a ready object stays ready"),
        pytest.param([DENIED], ("False", "AccessDenied"), id="a stalled object is not ready, and not stalled any more"),
        pytest.param([COPYING], ("Unknown", "Copying"), id="an object at work is not reconciling any more"),
    ],
)
def test_suspending_keeps_the_last_values(results: list[ConcernResult], ready: tuple[str, str]) -> None:
    before = summarize(results, 1, (), NOW)
    after = suspended(2, before, LATER)
    assert _states(after) == {name: state for name, state in _states(before).items() if name not in ("Reconciling", "Stalled")}
    assert _states(after)["Ready"] == ready
    assert {condition.observed_generation for condition in after} == {2}
    assert {condition.last_transition_time for condition in after} == {"2026-11-21T05:26:00Z"}
    assert suspended(2, after, LATER) == after


def test_an_object_suspended_from_birth_does_not_read_as_current() -> None:
    conditions = suspended(1, (), NOW)
    assert _states(conditions) == {"Ready": ("Unknown", "Suspended")}
    assert _kstatus(conditions) == "InProgress"
