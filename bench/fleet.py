"""Many images at rest: memory and processor, time from an edit to AWS, restart, failover.

The images are put into the local AWS as an operator would have left them, because EC2 lets nobody copy more than one a second; the operator
under measurement finds them by their tags, compares everything, and has nothing to do.
"""

import itertools
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

from bench.stage import (
    HOME,
    REGIONS,
    Corner,
    Operator,
    Row,
    Stage,
    TooLongError,
    cpu_seconds,
    median,
    quantile,
    rss_mib,
    show,
    wait_for,
)

from goldenami.api.kinds import GOLDEN_IMAGE
from goldenami.kube.client import MERGE_PATCH, path_of
from goldenami.plan.identity import OWNER, Owner, identity_tags

EDITS = 50
EDIT_PAUSE_SECONDS = 0.3
SMALL, LARGE, FEW = 50, 200, REGIONS[:3]
RESYNC_SECONDS, SCALE_RESYNC_SECONDS = 12, 180
TARGET_REPLICAS, TARGET_INTERVAL_SECONDS = 10_000, 600


@dataclass
class Fleet:
    """Images of one corner that exist in AWS; `ids` by name and region."""

    corner: Corner
    regions: Sequence[str]
    source: str = ""
    ids: dict[tuple[str, str], str] = field(default_factory=dict)
    rss: dict[int, float] = field(default_factory=dict)
    """MiB of the operator that found them, by their number."""
    resync_seconds: float = 0.0
    """Processor time of a resync of all."""

    @property
    def names(self) -> list[str]:
        return sorted({name for name, _ in self.ids})

    def grow(self, count: int) -> None:
        """Sows images up to this number, then declares them."""
        names = [f"web-{number}" for number in range(len(self.names), count)]
        lab = self.corner.stage.aws.lab
        self.source = self.source or str(lab.seed_one("image", self.corner.account, HOME, name="base")["image_id"])
        lab.settings(throttling=False)
        with ThreadPoolExecutor(4) as pool:
            for name, region, image_id in pool.map(self._sow, *zip(*itertools.product(names, self.regions), strict=True)):
                self.ids[name, region] = image_id
        lab.settings(throttling=True)
        for name in names:
            self.corner.apply(self.corner.golden_image(name, self.source, self.regions))

    def _sow(self, name: str, region: str) -> tuple[str, str, str]:
        corner = self.corner
        owner = Owner(corner.installation, corner.namespace, name)
        tags = {"Name": f"{name}-1.0.0", "team": "platform", **identity_tags(owner, "1.0.0", f"image/{HOME}/{self.source}")}
        image_id = corner.stage.aws.lab.seed_one(
            "image",
            corner.account,
            region,
            name=f"{name}-1.0.0",
            description=f"{name} 1.0.0, kept by goldenami",
            tags=tags,
            snapshot_tags=tags,
            users=corner.partners,
            snapshot_users=corner.partners,
        )["image_id"]
        corner.client("ssm", region).put_parameter(
            Name=f"/golden/{name}/current",
            Value=image_id,
            Type="String",
            DataType="aws:ec2:image",
            Tags=[{"Key": OWNER, "Value": str(owner)}],
        )
        return name, region, image_id

    def wait_ready(self, seconds: float = 180) -> None:
        wait_for(lambda: self.corner.ready_count() == len(self.names), "all images Ready", seconds=seconds, pause=0.5)

    def edit(self, name: str, value: str) -> float:
        """Changes a tag that EC2 has to be told of. The time, in epoch seconds, at which the API server was asked."""
        began = time.time()
        path = path_of(GOLDEN_IMAGE, self.corner.namespace, name)
        body = {"spec": {"tags": {"team": value}}}
        self.corner.stage.kubernetes.call("PATCH", path, query={"fieldManager": "kubectl"}, body=body, content_type=MERGE_PATCH)
        return began

    def told(self, since: int) -> dict[str, float]:
        """When EC2 was first told of new tags, in epoch seconds, by the images' ids."""
        lab = self.corner.stage.aws.lab
        ahead = lab.now() - time.time()
        found: dict[str, float] = {}
        for call in lab.audit_calls(account=self.corner.account, operation="ec2.CreateTags", since=since):
            named = str(call.arguments)
            for image_id in (image_id for image_id in self.ids.values() if image_id in named):
                found.setdefault(image_id, call.at - ahead)
        return found

    def first_told(self, name: str, since: int) -> float | None:
        """When the first region of this image was told; None while none was."""
        told = self.told(since)
        return min((told[image_id] for region in self.regions if (image_id := self.ids[name, region]) in told), default=None)


@cache
def _shared(stage: Stage) -> Fleet:
    """200 images in 3 regions, found once, for all parts that need many at rest; with what was measured on the way."""
    fleet = Fleet(stage.corner(), FEW)
    with fleet.corner.operator(interval=f"{RESYNC_SECONDS}s") as operator:
        wait_for(lambda: operator.serves_metrics, "the operator serving")
        fleet.rss[0] = rss_mib(operator.pid)
        for count in (SMALL, LARGE):
            fleet.grow(count)
            fleet.wait_ready()
            # A resync of all: memory that only the beginning took is given back, or used again.
            time.sleep(1.2 * RESYNC_SECONDS)
            fleet.rss[count] = rss_mib(operator.pid)
        fleet.resync_seconds = _processor(operator)
    return fleet


@contextmanager
def _resting(fleet: Fleet, interval: str = "10m") -> Iterator[Operator]:
    """An operator that knows them all and has nothing left to do."""
    with fleet.corner.operator(interval=interval) as operator:
        _all_known(fleet, operator)
        yield operator


def _all_known(fleet: Fleet, operator: Operator) -> None:
    looks = 2 * len(fleet.names)  # a GoldenImage and its ImageVersion each

    def known() -> bool:
        page = operator.metrics()
        return page.sum("controller_runtime_reconcile_total") >= looks and page.idle

    # A page about thousands of objects is work for the operator, too.
    wait_for(known, "everything looked at", seconds=180, pause=1.0)


# --- memory and processor ---


def memory(stage: Stage) -> None:
    """At 50 × 3 and 200 × 3 replicas, and what that says of 10,000."""
    fleet = _shared(stage)
    empty, few, many, spent = fleet.rss[0], fleet.rss[SMALL], fleet.rss[LARGE], fleet.resync_seconds
    more = (LARGE - SMALL) * len(FEW)
    each = (many - few) / more
    replicas = LARGE * len(FEW)
    show(
        "Memory and processor of the operator at rest",
        [
            Row("RSS, nothing declared", f"{empty:.0f} MiB"),
            Row(f"RSS, {SMALL} × {len(FEW)}", f"{few:.0f} MiB"),
            Row(f"RSS, {LARGE} × {len(FEW)}", f"{many:.0f} MiB"),
            Row.at_most(
                f"RSS at {TARGET_REPLICAS} replicas, {each * 1024:.0f} KiB each, extrapolated",
                many + each * (TARGET_REPLICAS - replicas),
                300,
                " MiB",
            ),
            Row("processor of one resync of all", f"{spent:.2f} s"),
            Row.at_most(
                f"processor at {TARGET_REPLICAS} replicas every {TARGET_INTERVAL_SECONDS} s, extrapolated",
                100 * spent / replicas * TARGET_REPLICAS / TARGET_INTERVAL_SECONDS,
                2,
                " % of a core",
            ),
        ],
    )


def scale(stage: Stage, images: int = 1000, regions: Sequence[str] = REGIONS) -> None:
    """The ten thousand replicas of the targets themselves: a quarter of an hour, so only when asked for."""
    fleet = Fleet(stage.corner(), regions)
    with fleet.corner.operator() as operator:
        began = time.monotonic()
        fleet.grow(images)
        sown = time.monotonic() - began
        fleet.wait_ready(seconds=1500)
        ready = time.monotonic() - began - sown
        high = rss_mib(operator.pid)
    seconds, operator = _restarted(fleet, interval=f"{SCALE_RESYNC_SECONDS}s")
    try:
        known = rss_mib(operator.pid)
        before = cpu_seconds(operator.pid)
        # As long as the longest that one of them waits for its next look: each is looked at again, once.
        time.sleep(1.1 * SCALE_RESYNC_SECONDS)
        spent = cpu_seconds(operator.pid) - before
        later = rss_mib(operator.pid)
    finally:
        operator.end()
    show(
        f"{images} images × {len(regions)} regions",
        [
            Row("sown and declared in", f"{sown:.0f} s"),
            Row("all Ready after", f"{ready:.0f} s"),
            Row("RSS after finding them", f"{high:.0f} MiB"),
            Row.at_most("restart to all known", seconds, 30, " s"),
            Row("RSS after a restart", f"{known:.0f} MiB"),
            Row.at_most("RSS at rest, a resync later", later, 300, " MiB"),
            Row("processor of one resync of all", f"{spent:.1f} s"),
            Row.at_most(
                f"processor at rest, one every {TARGET_INTERVAL_SECONDS} s", 100 * spent / TARGET_INTERVAL_SECONDS, 2, " % of a core"
            ),
        ],
    )


def _processor(operator: Operator) -> float:
    """Processor seconds of a resync of everything."""
    before = cpu_seconds(operator.pid)
    time.sleep(2 * RESYNC_SECONDS)
    return (cpu_seconds(operator.pid) - before) / 2


# --- from an edit to AWS ---


def edits(stage: Stage) -> None:
    """Seconds from the edit of one GoldenImage to the first call to AWS that carries it, while the others rest."""
    fleet = _shared(stage)
    names = fleet.names[:EDITS]
    value = f"edit-{time.time():.0f}"
    with _resting(fleet):
        since = fleet.corner.newest_call()
        edited = {}
        for name in names:
            edited[name] = fleet.edit(name, value)
            time.sleep(EDIT_PAUSE_SECONDS)
        delays = [wait_for(lambda name=name: fleet.first_told(name, since), f"{name} in AWS") - at for name, at in edited.items()]  # type: ignore[misc]  # bound per name
    show(
        f"From an edit to the first call that carries it to AWS, {EDITS} edits, one every {EDIT_PAUSE_SECONDS} s, "
        f"of {len(fleet.names)} images × {len(fleet.regions)} regions",
        [
            Row.at_most("p50", median(delays), 0.5, " s"),
            Row.at_most("p99", quantile(delays, 0.99), 2, " s"),
        ],
    )


# --- restart ---


def restart(stage: Stage) -> None:
    """From starting the process to the last object's first look."""
    fleet = _shared(stage)
    seconds, operator = _restarted(fleet)
    operator.end()
    show(
        f"Restart, {len(fleet.names)} images × {len(fleet.regions)} regions",
        [Row.at_most("from starting the process to everything looked at", seconds, 30, " s")],
    )


def _restarted(fleet: Fleet, interval: str = "10m") -> tuple[float, Operator]:
    began = time.time()
    operator = fleet.corner.start(interval=interval)
    _all_known(fleet, operator)
    return _last_first_look(fleet, began) - began, operator


def _last_first_look(fleet: Fleet, since: float) -> float:
    """When the last object was first read by its name, in epoch seconds: each look begins with that."""
    first: dict[tuple[str, str], float] = {}
    for entry in fleet.corner.stage.plane.audit():
        at = datetime.fromisoformat(entry["time"]).timestamp()
        if entry["verb"] == "get" and entry["namespace"] == fleet.corner.namespace and at >= since:
            first.setdefault((entry["resource"], entry["name"]), at)
    looked = [at for (resource, _), at in first.items() if resource in ("goldenimages", "imageversions")]
    if len(looked) < 2 * len(fleet.names):
        raise TooLongError(f"{len(looked)} of {2 * len(fleet.names)} objects were looked at")
    return max(looked)


# --- failover ---


def failover(stage: Stage) -> None:
    """From the end of the active process to the first call of the other one that carries an edit made at that moment."""
    fleet = _shared(stage)
    first, second = fleet.corner.start(name="first"), fleet.corner.start(name="second")
    standing = [first, second]
    try:
        killed = _after_the_end_of(fleet, standing, f"killed-{time.time():.0f}", kill=True)
        standing.append(fleet.corner.start(name="third"))
        ended = _after_the_end_of(fleet, standing, f"ended-{time.time():.0f}", kill=False)
    finally:
        for operator in standing:
            if operator.process.poll() is None:
                operator.end()
    show(
        f"Failover, {len(fleet.names)} images × {len(fleet.regions)} regions",
        [
            Row.at_most("kill -9 to the standby's first call for an edit", killed, 20, " s"),
            Row.at_most("SIGTERM to the standby's first call for an edit", ended, 3, " s"),
        ],
    )


def _after_the_end_of(fleet: Fleet, standing: list[Operator], value: str, *, kill: bool) -> float:
    """Seconds. One that is active, knows everything and ends; one that waits."""
    active = wait_for(lambda: next((operator for operator in standing if operator.active), None), "one active")
    _all_known(fleet, active)
    (other,) = (operator for operator in standing if operator is not active)
    wait_for(lambda: other.serves_metrics, "the other one waiting")
    since = fleet.corner.newest_call()
    standing.remove(active)
    began = time.time()
    (active.process.kill if kill else active.process.terminate)()
    # An edit that the ending process could still take up would not show the other one's.
    active.process.wait(40)
    name = fleet.names[0]
    fleet.edit(name, value)
    return wait_for(lambda: fleet.first_told(name, since), "the edit in AWS") - began
