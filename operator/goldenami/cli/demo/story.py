"""The demo's story, read top to bottom: apply, watch, break, see it repaired, promote, roll back, retire, play on."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from goldenami.cli.demo import drift, versions
from goldenami.cli.demo.errors import NotSoError
from goldenami.cli.demo.picture import Picture
from goldenami.cli.demo.screen import Screen
from goldenami.cli.demo.services import HOME_ACCOUNT, Services
from goldenami.cli.demo.step import Step, perform

READY_SECONDS = 180.0
STEP_SECONDS = 120.0
HOPELESS_SECONDS = 4.0
"""How long everything that is not ready must have been waiting for a person before that is believed."""
LOOK_SECONDS = 0.3

COMMAND, DONE, TITLE = "cyan", "bold green", "bold"


@dataclass
class Story:
    """Told once, on one screen, over services that run."""

    services: Services
    screen: Screen
    manifests: Path
    shown_as: str
    """How a person would name the manifests in a command."""
    picture: Picture = field(default_factory=Picture)

    def tell(self) -> None:
        """Raises NotSoError where it does not come to its good end, and DemoError where it cannot go on at all."""
        self._apply()
        self._play(drift.breakages(self.services.aws, self.picture))
        self._play(versions.steps(self.services.aws, self.services.plane.run_kubectl, lambda: self.picture))

    def play_on(self) -> None:
        """What to type next, and the table, for as long as nobody ends it. Raises DemoError when something that must run ends."""
        path = self.services.write_environment()
        for line in _commands(path, self.services.log, self.picture):
            self.screen.say(*line)
        self._until(lambda _: None, "Ctrl-C ends everything and leaves nothing behind", seconds=float("inf"))

    # --- the parts ---

    def _apply(self) -> None:
        self.screen.say()
        self.screen.say(("$ ", "dim"), (f"kubectl apply -f {self.shown_as}", COMMAND))
        began = time.monotonic()
        self.services.apply(self.manifests)
        self._until(lambda picture: _summary(picture) if picture.ready else None, "the operator makes AWS match", seconds=READY_SECONDS)
        self.screen.say((f"✓ {_summary(self.picture)}", DONE), f", {time.monotonic() - began:.0f} s after kubectl apply.")

    def _play(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self.screen.say()
            self.screen.say((step.sentence, TITLE))
            self.screen.say(("$ ", "dim"), (step.command, COMMAND))
            began = time.monotonic()
            perform(step)
            told = self._until(step.outcome, step.waiting, seconds=STEP_SECONDS)
            self.screen.say((f"✓ {step.done} after {time.monotonic() - began:.1f} s", DONE), f": {told}.")

    def _until(self, question: Callable[[Picture], str | None], what: str, *, seconds: float) -> str:
        """Shows how things are until the question has an answer; NotSoError, with what the conditions say, when it gets none in time."""
        self.screen.waiting(what)
        deadline, hopeful_at = time.monotonic() + seconds, time.monotonic()
        while True:
            self.services.check()
            self.picture = self.services.look() or self.picture
            self.screen.show(self.picture)
            if (answer := question(self.picture)) is not None:
                self.screen.waiting("")
                return answer
            now = time.monotonic()
            if not self.picture.hopeless:
                hopeful_at = now
            if now > deadline:
                raise NotSoError(f"this was not so after {seconds:.0f} s: {what}\n{self._reasons()}")
            if now - hopeful_at > HOPELESS_SECONDS and deadline < float("inf"):
                raise NotSoError(f"the operator cannot go on by itself:\n{self._reasons()}")
            time.sleep(LOOK_SECONDS)

    def _reasons(self) -> str:
        told = [f"  {each.kind} {each.name}: {each.message} ({each.reason})" for each in self.picture.objects if not each.ready]
        log = [] if self.screen.stays else ["The end of the operator's log:", self.services.log_tail()]
        return "\n".join([*told, *log])


def _summary(picture: Picture) -> str:
    images = sum(each.kind == "GoldenImage" for each in picture.objects)
    regions, accounts = {each.region for each in picture.replicas}, {each.account_id for each in picture.replicas}
    where = f"{_count(len(regions), 'region')} of {_count(len(accounts), 'account')}"
    return f"{_count(images, 'golden image')} Ready: {_count(len(picture.replicas), 'AMI')} in {where}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _commands(environment: Path, log: Path, picture: Picture) -> list[tuple[str | tuple[str, str], ...]]:
    typed = [(f"source {environment}", ""), ("kubectl get gi,iv -A", ""), *_commands_about(picture), (f"tail -f {log}", "")]
    lines: list[tuple[str | tuple[str, str], ...]] = [(), (("Your turn, in another terminal:", TITLE),)]
    return [*lines, *((("  ", ""), (command, COMMAND), (f"  # {note}" if note else "", "dim")) for command, note in typed)]


def _commands_about(picture: Picture) -> Iterator[tuple[str, str]]:
    """On one image that the AWS variables of the environment file lead to, best one with everything; and a note to each."""
    candidates = sorted((each for each in picture.replicas if each.account_id == HOME_ACCOUNT), key=lambda each: not each.alias)
    for example in candidates[:1]:
        note = "break it again" if shutil.which("aws") else "needs the AWS CLI"
        yield f"kubectl describe gi {example.image} -n {example.namespace}", ""
        yield f"kubectl edit gi {example.image} -n {example.namespace}", "add a region, or an account to share with"
        yield f"aws ec2 describe-images --owners self --region {example.region} --query 'Images[].[ImageId,Name]'", ""
        if example.image_id:
            yield f"aws ec2 deregister-image --region {example.region} --image-id {example.image_id}", note
