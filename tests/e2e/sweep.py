"""One run of a story that can be killed at one write, and the states it comes to, with every id replaced by what it names.

The stories themselves are in `e2e.stories`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from botocore.exceptions import ClientError

from goldenami.api.kinds import GOLDEN_IMAGE, IMAGE_VERSION
from goldenami.local.aws import LocalAws
from goldenami.local.kubernetes import ControlPlane
from support.kubeproxy import Gate, proxy
from support.launcher import Launcher
from support.operator import AWAY, FAR, HOME, World, eventually, snapshots_of, tags_of

State = dict[str, Any]
When = Literal["before", "after"]
REGIONS = (HOME, AWAY, FAR)
OWNER, RELEASED = "goldenami.dev/owner", "goldenami.dev/released"
PARTNERS = ("811111111111", "822222222222", "833333333333")
PATIENCE_SECONDS = 90.0
UNASKED = 5
"""After this many pauses the state is asked for although nothing was written that could have changed an object."""


@dataclass(frozen=True, order=True)
class Point:
    """A write of the run and a side of it: `ec2.CopyImage eu-west-1 #1`, or `edited: PATCH imageversions/web-1.0.0/status #2`."""

    write: str
    when: When

    @property
    def in_aws(self) -> bool:
        return self.write.split(" ")[0].count(".") == 1

    def __str__(self) -> str:
        return f"{self.when} {self.write}"


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
    killed: int = 0
    pid: int = 0
    swept_from: int | None = None
    """The number of the last write to AWS before the first act that is swept."""

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

    def play(self, story: Story) -> dict[str, State]:
        """The state after each act."""
        states: dict[str, State] = {}
        for act in story.acts:
            if act.swept and self.swept_from is None:
                self.swept_from = self._newest_call()
            states[act.name] = self._play(act, None)
        return states

    def play_to(self, story: Story, expected: Mapping[str, State]) -> None:
        """The same, where each state is waited for; fails with the difference."""
        for act in story.acts:
            self._play(act, expected[act.name])

    def _play(self, act: Act, expected: State | None) -> State:
        self.gate.act = act.name
        act.do(self)
        return self._reached(act, expected)

    def _newest_call(self) -> int:
        return max(call.sequence for call in self.stage.aws.lab.audit_calls(account=self.world.account, mutating=True))

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
            objects = self._objects()
            # AWS takes a dozen calls to describe: it is asked only when the objects say that the work is done.
            if objects != (expected or states[-1])["objects"]:
                states.append({"aws": {}, "objects": objects})
                return None
            states.append(self.state())
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

    # The state

    source: str = ""
    keys: dict[str, str] = field(default_factory=dict)
    named: dict[str, str] = field(default_factory=dict)
    """What to call an image, by its id."""

    def state(self) -> State:
        """Everything the run made, with ids replaced by names, and nothing that depends on when it was made."""
        try:
            aws = {region: self._region(region) for region in REGIONS}
            return {"aws": aws, "objects": self._objects(), "id map": self._id_map()}
        except ClientError as error:
            # Something that was listed went away before it was asked about: no state of rest.
            return {"aws": {}, "objects": {"in motion": error.response["Error"]["Code"]}}

    def _region(self, region: str) -> State:
        ec2 = self.world.ec2(region)
        own = ec2.describe_images(Owners=["self"], IncludeDisabled=True)["Images"]
        images = [image for image in own if image["ImageId"] != self.source]
        parts = {row["SnapshotId"]: row for row in ec2.describe_snapshots(OwnerIds=["self"])["Snapshots"]}
        self.named |= {image["ImageId"]: f"image of {image.get('Name')}" for image in images}
        backed = {part for image in own for part in snapshots_of(image)}
        return {
            "images": [self._image(image, parts, region) for image in images],
            "snapshots without an image": sorted(tags_of(row).get("Name", "") for name, row in parts.items() if name not in backed),
            "parameters": self._parameters(region),
            "grants": self._grants(region),
        }

    def _image(self, image: State, parts: dict[str, State], region: str) -> State:
        return {
            "name": image.get("Name"),
            "description": _without_ids(image.get("Description", "")),
            "state": image["State"],
            "deprecated": bool(image.get("DeprecationTime")),
            "tags": self._tags(image),
            "shared with": sorted(self.world.shared_with(image["ImageId"], region)),
            "snapshots": [
                {
                    "encrypted": parts[part]["Encrypted"],
                    "key": self._key(parts[part].get("KmsKeyId"), region),
                    "description": _without_ids(parts[part]["Description"]),
                    "tags": self._tags(parts[part]),
                    "shared with": sorted(self.world.snapshot_shared_with(part, region)),
                }
                for part in snapshots_of(image)
            ],
        }

    def _tags(self, resource: State, named: str = "Tags") -> dict[str, str]:
        """Those that name an owner say `ours` where it is this run's."""
        tags = {tag["Key"]: tag["Value"].replace(f"sweep/{self.world.namespace}/web", "ours") for tag in resource.get(named, [])}
        return tags | ({"goldenami.dev/source": "source"} if "goldenami.dev/source" in tags else {})

    def _key(self, arn: str | None, region: str) -> str:
        return "" if arn is None else "golden" if arn == self.keys.get(region) else "another"

    def _parameters(self, region: str) -> State:
        ssm = self.world.ssm(region)
        rows = {row["Name"]: row for row in ssm.describe_parameters()["Parameters"]}
        values = ssm.get_parameters(Names=list(rows))["Parameters"] if rows else []
        return {row["Name"]: self._parameter(row, rows[row["Name"]], ssm) for row in values}

    def _parameter(self, row: State, described: State, ssm: Any) -> State:
        tags = self._tags(ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=row["Name"]), "TagList")
        return {
            "value": self.named.get(row["Value"], row["Value"]),
            "type": [row["Type"], row["DataType"]],
            "description": described.get("Description"),
            "tags": tags,
        }

    def _id_map(self) -> State:
        found = self.world.kubernetes.config_map(self.world.namespace, "web") or {}
        return {key: self.named.get(image_id, image_id) for key, image_id in found.get("data", {}).items()}

    def _grants(self, region: str) -> list[str]:
        """Of every key of the account there."""
        kms = self.world.aws.client("kms", region=region, account=self.world.account)
        keys = [row["KeyArn"] for row in kms.list_keys()["Keys"]]
        grants = [(key, row) for key in keys for row in kms.list_grants(KeyId=key)["Grants"]]
        return sorted(f"{self._key(key, region)}: {row['GranteePrincipal']} {','.join(sorted(row['Operations']))}" for key, row in grants)

    def _objects(self) -> State:
        listed = [row for kind in (GOLDEN_IMAGE, IMAGE_VERSION) for row in self.world.kubernetes.list(kind, self.world.namespace)]
        return {f"{row['kind']} {row['metadata']['name']}": _told(row) for row in listed}


def _without_ids(text: str) -> str:
    """EC2's own words about a copied snapshot name its time as well."""
    return re.sub(r"(?<=created on )[\d,]+", "", re.sub(r"\b(ami|snap)-[0-9a-f]+", r"\1", text))


def _told(row: State) -> State:
    status = row.get("status", {})
    return {
        "spec": {name: value for name, value in row["spec"].items() if name != "source"},
        "finalizers": row["metadata"].get("finalizers", []),
        "observed": status.get("observedGeneration") == row["metadata"]["generation"],
        "conditions": {each["type"]: [each["status"], each["reason"]] for each in status.get("conditions", [])},
        "replicas": [
            {name: each.get(name) for name in ("region", "state", "shared", "attempt", "encrypted")} for each in status.get("replicas", [])
        ],
        "channels": [[each["name"], each["version"], each.get("previousVersion")] for each in status.get("channels", [])],
        "aliases": [[each["parameter"], each["region"]] for each in status.get("aliases", [])],
    }


@contextmanager
def run(stage: Stage, name: str, account: str) -> Iterator[Run]:
    """A run that has started; its operator is killed at the end."""
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
        started = Run(stage, world, folder, gate, environment)
        started.source = world.seed(name="base")
        kms = stage.aws.client("kms", region=AWAY, account=account)
        started.keys = {AWAY: kms.create_key()["KeyMetadata"]["Arn"]}
        kms.create_alias(AliasName="alias/golden", TargetKeyId=started.keys[AWAY])
        try:
            started.start()
            yield started
        finally:
            gate.let_go.set()
            started.kill()


def writes_of(undisturbed: Run, story: Story) -> list[Point]:
    """Both sides of every write that an undisturbed run made in the acts that are swept, in AWS and in Kubernetes."""
    assert undisturbed.swept_from is not None
    counts: Counter[str] = Counter()
    named: list[str] = []
    for call in undisturbed.stage.aws.lab.audit_calls(account=undisturbed.world.account, mutating=True):
        name = f"{call.name} {call.region}"
        counts[name] += 1
        # Some are the test's own.
        if call.sequence > undisturbed.swept_from and call.name not in {"kms.CreateKey", "kms.CreateAlias", "sts.AssumeRole"}:
            named.append(f"{name} #{counts[name]}")
    acts = tuple(f"{act.name}: " for act in story.acts if act.swept)
    writes = (*named, *(write for write in undisturbed.gate.seen if write.startswith(acts)))
    return [Point(write, when) for write in writes for when in ("before", "after")]


def killed_at(stage: Stage, story: Story, point: Point, name: str, account: str, expected: Mapping[str, State]) -> bool:
    """Plays the story, kills the operator at the point, starts it again, and compares every state; whether the point was reached."""
    fault = _order(stage, point, account)
    with run(stage, name, account) as started:
        if not point.in_aws:
            started.gate.stop_at(point.write, point.when)
        over = threading.Event()
        watcher = threading.Thread(target=_kill_when_held, args=(started, point, over))
        watcher.start()
        try:
            started.play_to(story, expected)
        finally:
            over.set()
            watcher.join()
            if fault:
                stage.aws.lab.remove_fault(fault)
        return started.killed == 1


def _order(stage: Stage, point: Point, account: str) -> int:
    if not point.in_aws:
        return 0
    operation, region, occurrence = point.write.split(" ")
    return stage.aws.lab.add_fault(
        "hold", operation=operation, region=region, account=account, nth=int(occurrence[1:]), when=point.when, writes_only=True
    )


def _kill_when_held(started: Run, point: Point, over: threading.Event) -> None:
    while not over.is_set():
        if point.in_aws:
            held = [each for each in started.stage.aws.lab.held(wait_seconds=0.5) if each.call.account == started.world.account]
        else:
            held = []
            if not started.gate.struck.wait(0.2):
                continue
        if point.in_aws and not held:
            time.sleep(0.02)  # somebody else's call is held
            continue
        started.kill()
        for each in held:
            started.stage.aws.lab.drop(each.id)
        started.gate.let_go.set()
        started.killed += 1
        started.start()
        return
