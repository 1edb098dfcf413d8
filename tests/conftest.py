"""What all tests share: fixtures live in `support`, one module per thing they provide; here are the options of a run."""

import pytest

pytest_plugins = ["support.aws", "support.ec2", "support.kubernetes", "support.operator", "support.scenes"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--sweep",
        choices=["all", "rotating"],
        default="rotating",
        help="the crash sweep kills the operator at all points, or (the default) at a third of them that changes from run to run",
    )


LONGEST_FIRST = ("test_crash_sweep", "test_at_rest", "test_process", "test_demo", "test_controlplane")
"""Files that take minutes. Begun last, one of them would run alone while the other workers are idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def turn(item: pytest.Item) -> int:
        name = item.path.stem
        return LONGEST_FIRST.index(name) if name in LONGEST_FIRST else len(LONGEST_FIRST) + ("e2e" not in item.path.parts)

    items.sort(key=turn)
