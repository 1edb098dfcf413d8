"""Fixtures of the local AWS, for every test that talks to AWS.

`local_aws` is one subprocess for the whole session: tests share it, so each takes account ids of its own from `new_account`.
`lab_aws` is empty, in this process, and its clock stands still until the test moves it.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.client import ClientCreator
from botocore.exceptions import ClientError

from goldenami.local.aws import LocalAws

CLOCK_SCALE = 60.0  # a copy of twenty seconds takes a third of one


def account_numbers(first: int) -> Iterator[int]:
    """From there on, and none that another worker of the run takes: one operator looks after the accounts of all of them."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return itertools.count(first + 1_000_000 * int(worker))


_numbers = account_numbers(300_000_000_001)

NewAccount = Callable[[], str]

# A client's class depends on its service alone, and botocore makes one for every client: with accounts of its own for each test that was a
# third of what the tests computed.
_MAKES_CLASSES = "_create_client_class"
_class_of = vars(ClientCreator)[_MAKES_CLASSES]
_classes: dict[str, type] = {}


def _shared_class(creator: Any, service_name: str, service_model: Any) -> type:
    # Models that are cut down have classes of their own (goldenami.aws.models).
    key = f"{service_name} {len(service_model.operation_names)}"
    if key not in _classes:
        _classes[key] = _class_of(creator, service_name, service_model)
    return _classes[key]


setattr(ClientCreator, _MAKES_CLASSES, _shared_class)


@pytest.fixture(scope="session")
def local_aws() -> Iterator[LocalAws]:
    """A local AWS in a process of its own, with a clock that runs sixty times as fast."""
    with LocalAws.start(clock_scale=CLOCK_SCALE) as aws:
        yield aws


@pytest.fixture
def lab_aws() -> Iterator[LocalAws]:
    """An empty local AWS in this process; time passes only by `lab_aws.lab.advance`."""
    with LocalAws.start(in_process=True, clock_scale=0) as aws:
        yield aws


@pytest.fixture
def new_account() -> NewAccount:
    """Makes account ids that no other test of this session has."""
    return lambda: str(next(_numbers))


@pytest.fixture
def account(new_account: NewAccount) -> str:
    return new_account()


def error_of(call: Callable[..., Any], **arguments: Any) -> tuple[str, int]:
    """The error code and HTTP status a boto3 call is refused with; fails the test where it is not refused."""
    try:
        answer = call(**arguments)
    except ClientError as error:
        return str(error.response["Error"]["Code"]), int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    raise AssertionError(f"the call was not refused; it answered {answer}")
