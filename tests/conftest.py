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
