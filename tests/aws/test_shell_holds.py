"""Calls held right before or right after their effect: what a crash test stands on."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError

from goldenami.local.aws import LocalAws
from goldenami.local.aws.client import LabError

WAIT_SECONDS = 10.0


@pytest.fixture
def caller() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def put(aws: LocalAws, name: str = "/a") -> Any:
    return aws.client("ssm").put_parameter(Name=name, Value="1", Type="String")


def exists(aws: LocalAws, name: str = "/a") -> bool:
    return not aws.client("ssm").get_parameters(Names=[name])["InvalidParameters"]


def held_put(aws: LocalAws, caller: ThreadPoolExecutor, when: str) -> tuple["Future[Any]", int]:
    aws.lab.add_fault("hold", operation="PutParameter", when=when)
    future = caller.submit(put, aws)
    (held,) = aws.lab.held(wait_seconds=WAIT_SECONDS)
    assert (held.when, held.call.name, held.call.outcome) == (when, "ssm.PutParameter", "held")
    return future, held.id


@pytest.mark.parametrize(
    ("when", "verdict", "effect_while_held", "effect_at_last", "answered"),
    [
        pytest.param("before", "release", False, True, True, id="held before and released: as if nothing had been"),
        pytest.param("before", "drop", False, False, False, id="held before and dropped: no effect"),
        pytest.param("after", "release", True, True, True, id="held after and released: as if nothing had been"),
        pytest.param("after", "drop", True, True, False, id="held after and dropped: done, and the answer lost"),
    ],
)
def test_a_held_call(
    lab_aws: LocalAws, caller: ThreadPoolExecutor, when: str, verdict: str, effect_while_held: bool, effect_at_last: bool, answered: bool
) -> None:
    future, held_id = held_put(lab_aws, caller, when)
    assert exists(lab_aws) == effect_while_held
    getattr(lab_aws.lab, verdict)(held_id)
    error = future.exception(WAIT_SECONDS)
    assert error is None if answered else isinstance(error, ConnectionClosedError)
    assert exists(lab_aws) == effect_at_last
    (call,) = lab_aws.lab.audit_calls(operation="PutParameter")
    assert (call.outcome, call.effect) == ("answered" if answered else "lost" if effect_at_last else "dropped", effect_at_last)
    assert lab_aws.lab.held() == []


def test_other_calls_go_on_while_one_is_held(lab_aws: LocalAws, caller: ThreadPoolExecutor) -> None:
    _, held_id = held_put(lab_aws, caller, "before")
    assert put(lab_aws, "/other")["Version"] == 1
    lab_aws.lab.drop(held_id)


def test_the_nth_write_of_a_run_can_be_held(lab_aws: LocalAws, caller: ThreadPoolExecutor) -> None:
    lab_aws.lab.add_fault("hold", writes_only=True, nth=2)
    put(lab_aws, "/first")
    exists(lab_aws)
    future = caller.submit(put, lab_aws, "/second")
    (held,) = lab_aws.lab.held(wait_seconds=WAIT_SECONDS)
    assert held.call.arguments["Name"] == "/second"
    lab_aws.lab.release(held.id)
    assert future.result(WAIT_SECONDS)["Version"] == 1


def test_deciding_about_a_call_that_is_not_held_is_refused(lab_aws: LocalAws) -> None:
    with pytest.raises(LabError, match="no call 7 is held"):
        lab_aws.lab.release(7)


def test_a_stopping_server_drops_what_it_holds(caller: ThreadPoolExecutor) -> None:
    with LocalAws.start(in_process=True, clock_scale=0) as aws:
        future, _ = held_put(aws, caller, "before")
    assert future.exception(WAIT_SECONDS) is not None
