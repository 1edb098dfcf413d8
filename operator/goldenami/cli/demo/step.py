"""One step of the demo's story: what somebody types, and when it has come to its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from goldenami.cli.demo.errors import DemoError
from goldenami.cli.demo.picture import Picture
from goldenami.local.kubernetes import KubectlError

Outcome = Callable[[Picture], str | None]


@dataclass(frozen=True)
class Step:
    """`outcome` says in a few words how AWS and Kubernetes are then, or None while they are not."""

    sentence: str
    command: str
    act: Callable[[], Any]
    outcome: Outcome
    waiting: str = "the operator notices and repairs it"
    done: str = "repaired"
    """The word before how long it took."""


def perform(step: Step) -> None:
    """Does it. Raises DemoError where AWS or the API server refuses that, as when somebody at a terminal was faster."""
    try:
        step.act()
    except (ClientError, KubectlError) as error:
        raise DemoError(f"{step.command}\nwas refused: {error}") from error
