"""The operator's reconcilers in the test's own process, on a clock that stands still: what takes it months takes the test a second.

Everything is real but the time and the process: the reconcilers, both doors, the API server, the local AWS over HTTP. A process that
dies is a `Life` that ends at one of its writes; the next one remembers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from goldenami.api.kinds import AWS_ACCOUNT, FINALIZER, GOLDEN_IMAGE, IMAGE_VERSION, KINDS, Key
from goldenami.api.reasons import EventReason
from goldenami.aws.calls import Calls
from goldenami.aws.effects import Effects
from goldenami.aws.inventory import Inventory
from goldenami.aws.lanes import Lanes
from goldenami.aws.pacing import Limit, Pacer
from goldenami.aws.sessions import Sessions
from goldenami.controllers.accounts import Accounts
from goldenami.controllers.aws_account import AWSAccounts
from goldenami.controllers.caretaker import Outcome
from goldenami.controllers.dependents import Dependents
from goldenami.controllers.golden_image import GoldenImages
from goldenami.controllers.image_version import ImageVersions
from goldenami.controllers.world import World
from goldenami.kube.client import APPLY_PATCH, MERGE_PATCH, Body, Kubernetes, key_of, path_of
from goldenami.kube.errors import KubeError, KubeInvalid
from goldenami.kube.events import Events
from goldenami.local.aws import LocalAws, lab
from goldenami.plan.values import Place

T = TypeVar("T")

INSTALLATION = "stepped"
INTERVAL_SECONDS = 600.0
CALL_SECONDS = 0.01
"""What a call takes: nothing happens at the very moment at which something else was read."""
LOOK_SECONDS = 0.1
ROUNDS = 120
QUIET_ROUNDS = 6
"""Rounds in which nothing changes although somebody wants to look again, until that is called rest: work that a day will bring on."""
READS = ("Describe", "Get", "List")
AT_ONCE = Limit(1e9, 1e9)


class Killed(BaseException):
    """The process is no more. No Exception: nothing in the operator may survive it."""


@dataclass
class Life:
    """One process: the writes that it made, and the one at which it dies."""

    dies_at: int = 0
    """The number of a write, from 1; 0: never."""
    after: bool = False
    """It dies when the write has taken effect, and before it knows; otherwise right before it."""
    writes: int = 0
    done: int = 0
    """Writes that were answered well."""
    dead: bool = False

    def call(self, make: Callable[[], T], *, write: bool) -> T:
        """Makes a call, if the process lives to see it."""
        if self.dead:
            raise Killed
        lab.current().clock.advance(CALL_SECONDS)
        if not write:
            return make()
        self.writes += 1
        last = self.writes == self.dies_at
        if last and not self.after:
            self._die()
        try:
            answer = make()
        finally:
            if last:
                self._die()
        self.done += 1
        return answer

    def _die(self) -> None:
        self.dead = True
        raise Killed


class MortalCalls(Calls):
    """The door to AWS of a process that may die."""

    def __init__(self, sessions: Sessions, life: Life) -> None:
        super().__init__(sessions, Pacer(limits=lambda _: AT_ONCE), clock=_now, monotonic=_now)
        self._life = life

    def ec2(self, place: Place, operation: str, ask: Callable[[Any], T], *, about: str = "") -> T:
        return super().ec2(place, operation, self._mortal(operation, ask), about=about)

    def ssm(self, place: Place, operation: str, ask: Callable[[Any], T], *, about: str = "") -> T:
        return super().ssm(place, operation, self._mortal(operation, ask), about=about)

    def kms(self, place: Place, operation: str, ask: Callable[[Any], T], *, about: str = "") -> T:
        return super().kms(place, operation, self._mortal(operation, ask), about=about)

    def autoscaling(self, place: Place, operation: str, ask: Callable[[Any], T], *, about: str = "") -> T:
        return super().autoscaling(place, operation, self._mortal(operation, ask), about=about)

    def imagebuilder(self, place: Place, operation: str, ask: Callable[[Any], T], *, about: str = "") -> T:
        return super().imagebuilder(place, operation, self._mortal(operation, ask), about=about)

    def _mortal(self, operation: str, ask: Callable[[Any], T]) -> Callable[[Any], T]:
        write = not operation.startswith(READS)
        return lambda client: self._life.call(lambda: ask(client), write=write)


class MortalKubernetes(Kubernetes):
    """The door to Kubernetes of a process that may die."""

    def __init__(self, other: Kubernetes, life: Life) -> None:
        super().__init__(other.configuration)
        self._api = other._api  # its connections outlive the process
        self._life = life

    def call(self, method: str, path: str, **how: Any) -> Body:
        try:
            return self._life.call(lambda: super(MortalKubernetes, self).call(method, path, **how), write=method != "GET")
        except KubeInvalid as error:
            # The operator would write what it can of it.
            raise AssertionError(f"it wrote what its own definitions refuse: {error.message}") from error


class Unwritten(Events):
    """Events that are kept for the test's message instead of being written."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def record(self, obj: Body, reason: EventReason, message: str) -> None:
        self.told.append(f"{obj['kind']} {obj['metadata']['name']}: {reason}: {message}")


@dataclass
class Stepped:
    """The operator of one namespace."""

    kubernetes: Kubernetes
    """The administrator's."""
    aws: LocalAws
    sessions: Sessions
    namespace: str
    looked: Callable[[Key], None] = lambda _: None
    """Is told of every look right after it, whatever became of it."""
    events: Unwritten = field(default_factory=Unwritten)
    failures: dict[Key, int] = field(default_factory=dict)
    died: int = 0
    faults: list[Body] = field(default_factory=list)
    """Faults of the local AWS (`goldenami.local.aws.faults`) that strike the operator's calls, and nobody else's; each once."""

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A new process: it knows what AWS and Kubernetes know."""
        self.life = Life()
        # One thread, so that the same run makes the same calls in the same order.
        self._lanes = Lanes(workers=1)
        calls, kubernetes = MortalCalls(self.sessions, self.life), MortalKubernetes(self.kubernetes, self.life)
        inventory = Inventory(calls, clock=_now, lanes=self._lanes)
        world = World(
            kubernetes=kubernetes,
            events=self.events,
            accounts=Accounts(kubernetes, self.sessions, seen=lambda _: None),
            inventory=inventory,
            effects=Effects(calls, inventory, lanes=self._lanes),
            installation=INSTALLATION,
            dependents=Dependents(kubernetes, (self.namespace,), _now),
            interval_seconds=INTERVAL_SECONDS,
            now=_now,
        )
        self.reconcilers: Mapping[str, Callable[[Key], Outcome]] = {
            GOLDEN_IMAGE.kind: GoldenImages(world),
            IMAGE_VERSION.kind: ImageVersions(world),
            AWS_ACCOUNT.kind: AWSAccounts(world),
        }

    def stop(self) -> None:
        self.life.dead = True
        self._lanes.close()

    def die_at(self, write: int, *, after: bool) -> None:
        """At the n-th write from now on."""
        self.life.dies_at, self.life.after = self.life.writes + write, after

    def pass_time(self, seconds: float) -> None:
        self.aws.lab.advance(seconds)

    @staticmethod
    def now() -> float:
        return _now()

    # Looks

    def objects(self) -> list[Body]:
        """The GoldenImages, then the ImageVersions."""
        return [obj for kind in (GOLDEN_IMAGE, IMAGE_VERSION) for obj in self.kubernetes.list(kind, self.namespace)]

    def look(self, key: Key) -> Outcome:
        """One look at one object; a process that dies in it is followed by another."""
        lab.current().clock.advance(LOOK_SECONDS)
        try:
            with self._faulty():
                outcome = self.reconcilers[key.kind](key)
        except KubeError as error:
            self.events.told.append(f"{key}: {error.message}")
            outcome = Outcome(failed=True)
        except Killed:
            self.stop()
            self.start()
            self.died += 1
            outcome = Outcome(failed=True)
        self.looked(key)
        return outcome

    @contextmanager
    def _faulty(self) -> Iterator[None]:
        """With the faults in force that did not strike yet; how often each was missed counts on."""
        if not self.faults:
            yield
            return
        ids = [self.aws.lab.add_fault(**fault) for fault in self.faults]
        try:
            yield
        finally:
            counted = {row["id"]: row for row in self.aws.lab.faults()}
            self.aws.lab.clear_faults()
            rows = zip(self.faults, (counted[number] for number in ids), strict=True)
            self.faults = [{**fault, "nth": fault["nth"] - row["matched"]} for fault, row in rows if not row["struck"]]

    def settle(self, *, versions_first: bool = False) -> None:
        """Looks at everything until nothing changes any more, and lets the time pass that somebody asks for meanwhile.

        Rest is also what would go on only by and by. Fails where it never comes.
        """
        order = -1 if versions_first else 1
        quiet = 0
        for _ in range(ROUNDS):
            before = (self.died, self.life.done)
            outcomes = {key: self.look(key) for key in [key_of(obj) for obj in self.objects()][::order]}
            changed = (self.died, self.life.done) != before
            quiet = 0 if changed else quiet + 1
            pauses = [pause for key, outcome in outcomes.items() if (pause := self._pause(key, outcome)) is not None]
            if quiet and (not pauses or quiet >= QUIET_ROUNDS):
                return
            if pauses:
                self.pass_time(min(pauses))
        raise AssertionError("it never comes to rest:\n" + "\n".join(self.events.told[-20:]))

    def _pause(self, key: Key, outcome: Outcome) -> float | None:
        """As a caretaker's: the look that is asked for, or a pause that doubles from failure to failure."""
        self.failures[key] = self.failures.get(key, 0) + 1 if outcome.failed else 0
        pauses = [outcome.next_look_seconds, min(300.0, 2.0 ** (self.failures[key] - 1)) if outcome.failed else None]
        return min((pause for pause in pauses if pause is not None), default=None)

    # The other hands

    def apply(self, obj: Body) -> Body:
        kind = next(kind for kind in KINDS if kind.kind == obj["kind"])
        path = path_of(kind, self.namespace, obj["metadata"]["name"])
        how: dict[str, Any] = {"query": {"fieldManager": "kubectl", "force": "true"}, "content_type": APPLY_PATCH}
        return self.kubernetes.call("PATCH", path, body=obj, **how)

    def forget_objects(self) -> None:
        """The cluster's memory is lost: the objects go, and AWS stays as it is."""
        for obj in self.objects():
            kind = GOLDEN_IMAGE if obj["kind"] == GOLDEN_IMAGE.kind else IMAGE_VERSION
            path = path_of(kind, self.namespace, obj["metadata"]["name"])
            if FINALIZER in obj["metadata"].get("finalizers", []):
                self.kubernetes.call("PATCH", path, body={"metadata": {"finalizers": None}}, content_type=MERGE_PATCH)
            self.kubernetes.delete(kind, self.namespace, obj["metadata"]["name"], obj["metadata"]["uid"])


def _now() -> float:
    return lab.current().clock.now()
