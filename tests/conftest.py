"""What all tests share: fixtures live in `support`, one module per thing they provide; here are the options of a run."""

import gc
import signal

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes tells of the machine and of what else runs on it, not of the code: a busy one failed tests at random.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

# A run in the background of a script is started with SIGINT ignored, and hands that down to every process it starts, Ctrl-C tests included.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["support.aws", "support.ec2", "support.operator", "support.kubernetes", "support.scenes"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sweep",
        default="rotating",
        help="the crash sweep kills the operator at `all` points, at every n-th from the k-th on (`k/n`), or, the default, "
        "at a `rotating` part of them that changes from day to day",
    )


LONGEST_FIRST = ("test_crash_sweep", "test_at_rest", "test_process", "test_demo", "test_controlplane")
"""Files that take minutes. Begun last, one of them would run alone while the other workers are idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    stems = {stem: place for place, stem in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: stems.get(item.path.stem, len(stems)))


def pytest_collection_finish() -> None:
    """A fifth of what tests of AWS computed was the garbage collector's, which went through all of botocore and moto again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(5_000, 20, 20)
