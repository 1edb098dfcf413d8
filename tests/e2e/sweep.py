"""One run of a story that is killed at writes of its acts, and the states it comes to.

The stories themselves are in `e2e.stories`, and what a state says is in `e2e.states`.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from e2e.states import Eyes, State
from goldenami.local.aws import LocalAws
from goldenami.local.aws.client import HeldCall
from goldenami.local.kubernetes import ControlPlane
from support.kubeproxy import Gate, proxy
from support.launcher import Launcher
from support.operator import AWAY, World, eventually

When = Literal["before", "after"]
PARTNERS = ("811111111111", "822222222222", "833333333333")
PATIENCE_SECONDS = 90.0
UNASKED = 5
"""After this many pauses the state is asked for although nothing was written that could have changed an object."""
OWN_CALLS = ("kms.CreateKey", "kms.CreateAlias", "sts.AssumeRole")
"""Writes that are the test's, or change nothing."""


@dataclass(frozen=True, order=True)
class Point:
    """A write of an act and a side of it: `ec2.CopyImage eu-west-1 #1`, or `PATCH imageversions/web-1.0.0/status #2`.

    Occurrences are counted by act: how often something was written before depends on where the operator was killed then, and on timing.
    """

    act: str
    write: str
    when: When

    @property
    def in_aws(self) -> bool:
        return self.write.split(" ")[0].count(".") == 1

    def __str__(self) -> str:
        return f"{self.when} {self.act}: {self.write}"


@dataclass(frozen=True)
class Act:
    """What a person does, and when all that follows from it is over."""

    name: str
    do: Callable[[Run], None]
    over: Callable[[Run, State], bool]
    """Asked of the undisturbed run. The state has to be over, and no longer to change."""
    swept: bool = True
    """False: only the way to the acts that are."""


@dataclass(frozen=True)
class Story:
    """Acts in their order. Those that are not swept come first."""

    name: str
    acts: tuple[Act, ...]
    check: Callable[[Mapping[str, State]], None]
    """Fails unless the states are what the acts are about: otherwise the sweep would compare nothing."""
    days: int = 9
    """How many a rotating sweep takes for all of its points."""


@dataclass
class Stage:
    """What every run shares."""

    plane: ControlPlane
    aws: LocalAws
    launcher: Launcher
    folder: Path


@dataclass
class Run:
    """One run in its own namespace, account and installation."""

    stage: Stage
    world: World
    folder: Path
    gate: Gate
    environment: dict[str, str]
    eyes: Eyes
    points: Mapping[str, Point] = field(default_factory=dict)
    """Where the operator is killed, by act."""
    reached: list[Point] = field(default_factory=list)
    began: dict[str, int] = field(default_factory=dict)
    """Of the undisturbed run: the number of the last write to AWS before each act."""
    pid: int = 0

    @property
    def log(self) -> Path:
        return self.folder / "operator.log"

    def start(self) -> None:
        arguments = (
            "--installation",
            "sweep",
            "--namespace",
            self.world.namespace,
            "--interval",
            "5s",
            "--metrics-port",
            "-1",
            "--workers",
            "4",
        )
        self.pid = self.stage.launcher.start(arguments, self.environment, self.log)

    def kill(self) -> None:
        try:
            os.kill(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        # Gone when the pid is: the launcher lets the kernel reap.
        deadline = time.monotonic() + 10
        while Path(f"/proc/{self.pid}").exists() and time.monotonic() < deadline:
            time.sleep(0.005)

    def play(self, story: Story, expected: Mapping[str, State] | None = None) -> dict[str, State]:
        """The state after each act. An expected one is waited for; fails with the difference."""
        return {act.name: self._play(act, expected[act.name] if expected else None) for act in story.acts}

    def _play(self, act: Act, expected: State | None) -> State:
        self.gate.act = act.name
        if expected is None:
            self.began[act.name] = max(call.sequence for call in self.stage.aws.lab.audit_calls(account=self.world.account, mutating=True))
        point = self.points.get(act.name)
        with _kills(self, point) if point else nullcontext():
            act.do(self)
            return self._reached(act, expected)

    def _reached(self, act: Act, expected: State | None) -> State:
        """The state at rest: as expected, or for the undisturbed run when it is over, and no longer changes."""
        states: list[State] = [{"aws": {}, "objects": {}}]
        passed, rounds = -1, 0

        def there() -> State | None:
            nonlocal passed, rounds
            rounds += 1
            if passed == self.gate.passed and rounds % UNASKED:
                # Objects change by writes that pass the gate; what changes without one is seen a little later.
                return None
            passed = self.gate.passed
            del states[:-1]
            objects = self.eyes.objects()
            # AWS takes a dozen calls to describe: it is asked only when the objects say that the work is done.
            if objects != (expected or states[-1])["objects"]:
                states.append({"aws": {}, "objects": objects})
                return None
            states.append(self.eyes.state())
            if expected is not None:
                return states[-1] if states[-1] == expected else None
            return states[-1] if states[-1] == states[-2] and act.over(self, states[-1]) else None

        # Three runs ask at the same time, and each question keeps the servers busy: more often would slow down what is waited for.
        return eventually(
            there,
            f"the state {act.name}",
            seconds=PATIENCE_SECONDS,
            told=lambda: self._difference(expected, states[-1]),
            pause_seconds=0.4,
        )

    def _difference(self, expected: State | None, found: State) -> str:
        left, right = (json.dumps(each, indent=1, sort_keys=True).splitlines() for each in (expected, found))
        lines = [f"- {line}" for line in left if line not in right] + [f"+ {line}" for line in right if line not in left]
        return "\n".join([*lines, "--- operator ---", *self.log.read_text().splitlines()[-25:]])


@contextmanager
def run(stage: Stage, name: str, account: str, points: Mapping[str, Point] | None = None) -> Iterator[Run]:
    """A run that has started; its operator is killed at the points, and at the end."""
    world = World(stage.plane, stage.aws, name, account, PARTNERS[0], installation="sweep")
    world.create_namespace()
    folder = stage.folder / name
    folder.mkdir()
    with proxy(stage.plane.kubeconfig, name, folder) as (kubeconfig, gate):
        environment = {
            **os.environ,
            **stage.aws.environment(account),
            "KUBECONFIG": str(kubeconfig),
            "POD_NAMESPACE": name,
            "POD_NAME": name,
        }
        kms = stage.aws.client("kms", region=AWAY, account=account)
        eyes = Eyes(world, world.seed(name="base"), {AWAY: kms.create_key()["KeyMetadata"]["Arn"]})
        kms.create_alias(AliasName="alias/golden", TargetKeyId=eyes.keys[AWAY])
        started = Run(stage, world, folder, gate, environment, eyes, points or {})
        try:
            started.start()
            yield started
        finally:
            gate.give_way()
            started.kill()


def writes_of(undisturbed: Run, story: Story) -> dict[str, list[Point]]:
    """Both sides of every write that an undisturbed run made in each of the acts that are swept, in AWS and in Kubernetes."""
    calls = undisturbed.stage.aws.lab.audit_calls(account=undisturbed.world.account, mutating=True)
    points: dict[str, list[Point]] = {}
    for act, following in zip(story.acts, [*story.acts[1:], None], strict=True):
        if not act.swept:
            continue
        began, over = undisturbed.began[act.name], undisturbed.began[following.name] if following else calls[-1].sequence
        counts: Counter[str] = Counter()
        writes: list[str] = []
        for call in calls:
            if began < call.sequence <= over and call.name not in OWN_CALLS:
                name = f"{call.name} {call.region}"
                counts[name] += 1
                writes.append(f"{name} #{counts[name]}")
        writes += undisturbed.gate.seen.get(act.name, [])
        points[act.name] = [Point(act.name, write, when) for write in writes for when in ("before", "after")]
    return points


@contextmanager
def _kills(run: Run, point: Point) -> Iterator[None]:
    """Meanwhile the operator is killed when it comes to the point, and started again."""
    lab, over = run.stage.aws.lab, threading.Event()
    fault = 0
    if point.in_aws:
        operation, region, occurrence = point.write.split(" ")
        fault = lab.add_fault(
            "hold",
            operation=operation,
            region=region,
            account=run.world.account,
            nth=int(occurrence[1:]),
            when=point.when,
            writes_only=True,
        )
    else:
        run.gate.stop_at(point.act, point.write, point.when)
    watcher = threading.Thread(target=_kill_when_held, args=(run, point, over))
    watcher.start()
    try:
        yield
    finally:
        if fault:
            lab.remove_fault(fault)
        over.set()
        watcher.join()


def _kill_when_held(run: Run, point: Point, over: threading.Event) -> None:
    last = False
    while not last:
        # What was held before the act was over is still there to be seen.
        last = over.is_set()
        held = _held(run) if point.in_aws else []
        if not (held or (not point.in_aws and run.gate.struck.wait(0.2))):
            continue
        run.kill()
        for each in held:
            run.stage.aws.lab.drop(each.id)
        run.gate.give_way()
        run.reached.append(point)
        run.start()
        return


def _held(run: Run) -> list[HeldCall]:
    held = run.stage.aws.lab.held(wait_seconds=0.5)
    own = [each for each in held if each.call.account == run.world.account]
    if held and not own:
        time.sleep(0.02)  # somebody else's call is held
    return own
