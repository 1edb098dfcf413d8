"""`goldenami demo`: the whole way from a manifest to AMIs, on this machine, with a real operator and a real Kubernetes API server.

Here are its beginning and its end: where the manifests are, what a signal means, and which exit code says what.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console

from goldenami.cli.demo import past
from goldenami.cli.demo.errors import DemoError, NotSoError
from goldenami.cli.demo.screen import Screen, screen_for
from goldenami.cli.demo.services import Services, forget_own_aws_settings, started
from goldenami.cli.demo.story import Story
from goldenami.kube.errors import KubeError
from goldenami.local.aws.client import LabError
from goldenami.local.aws.local import StartError
from goldenami.local.kubernetes import ControlPlaneError, find_programs

ROOT = Path(__file__).resolve().parents[4]
"""The checkout."""
COPY_SECONDS = 8.0
"""The fastest copy; the slowest takes half as much again."""
FAILED = 1
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CLEANING_SECONDS = 20.0
"""A second Ctrl-C within this time after the first does not interrupt the cleaning up."""


class EndedError(BaseException):
    """A signal asked the demo to end. No Exception, so that nothing on the way takes it for a failure."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number


def run(examples: Path | None = None, *, copy_seconds: float = COPY_SECONDS) -> int:
    """The exit code: 0 when the story came to its good end. Call it in the main thread, as signals arrive there."""
    screen = screen_for(Console(highlight=False))
    with _signals_end_it():
        try:
            return _told(screen, examples, copy_seconds)
        except EndedError as ended:
            return ended.exit_code
        except (DemoError, ControlPlaneError, StartError, LabError, KubeError) as error:
            print(f"goldenami demo: {error}", file=sys.stderr)  # noqa: T201 -- as it is: rich would wrap what people copy
            return FAILED


def _told(screen: Screen, examples: Path | None, copy_seconds: float) -> int:
    manifests = _existing(examples or ROOT / "examples")
    crds = _existing(ROOT / "crds")
    forget_own_aws_settings()
    screen.say(("goldenami demo", "bold"), ": a manifest becomes AMIs in every region, shared, published, and kept so")
    programs = find_programs()  # before anything is drawn: a download or a build has a progress bar of its own
    with screen.live():
        screen.waiting("starting Kubernetes, AWS and the operator")
        with started(programs, crds, copy_seconds=copy_seconds) as services:
            try:
                _introduce(screen, services)
                code = _to_the_end(Story(services, screen, manifests, str(examples or "examples/")))
            finally:
                screen.waiting("ending everything")
    screen.say(("✓ ", "bold green"), "everything has ended, and nothing is left behind")
    return code


def _existing(folder: Path) -> Path:
    if not folder.exists():
        raise DemoError(f"{folder} does not exist: the demo is run from a checkout of goldenami's sources")
    return folder


def _introduce(screen: Screen, services: Services) -> None:
    done = ("✓ ", "bold green")
    screen.say(done, ("Kubernetes  ", "bold"), f"{services.plane.url}, the real API server, with goldenami's CRDs")
    screen.say(done, ("AWS         ", "bold"), f"{services.aws.endpoint_url}, a local one: 2 accounts, each with an AMI and an instance")
    # Said, because nobody could have made it in a demo: nothing younger than two days is ever retired.
    screen.say(
        "  ", ("            ", "bold"), f"and {past.FAMILY} {past.VERSION}, put there as if it had been made {past.AGE_DAYS} days ago"
    )
    screen.say(done, ("operator    ", "bold"), "goldenami operator, as it would run in a cluster")


def _to_the_end(story: Story) -> int:
    """Somebody who watches can look around when the story is over, even when it came to a bad end; their Ctrl-C is the regular end."""
    code = 0
    try:
        story.tell()
    except NotSoError as error:
        if not story.screen.stays:
            raise
        story.screen.say((str(error), "red"))
        code = FAILED
    if story.screen.stays:
        try:
            story.play_on()
        except EndedError:
            return code
    return code


@contextmanager
def _signals_end_it() -> Iterator[None]:
    first_at: float | None = None

    def end(number: int, _frame: FrameType | None) -> None:
        nonlocal first_at
        if first_at is None or time.monotonic() - first_at > CLEANING_SECONDS:
            first_at = time.monotonic()
            raise EndedError(number)

    # What whoever started us had ignored, as nohup does, stays so.
    before = {number: signal.getsignal(number) for number in SIGNALS}
    ours = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
    try:
        for number in ours:
            signal.signal(number, end)
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
