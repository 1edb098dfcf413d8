"""First convergence beside a hand-written script, and the resync at rest: calls by operation, and seconds (design §10)."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bench.by_hand import Wanted, converge
from bench.stage import HOME, REGIONS, Corner, Row, Stage, compact, kubernetes_writes, show, side_by_side, wait_for

from goldenami.local.aws.client import AuditedCall

LATENCY_SECONDS = 0.02
COPY_SECONDS = 6.0
HAND_POLL_SECONDS = 1.0
"""As often as the operator looks at a copy that is younger than ten seconds."""
LISTINGS = ("ec2.DescribeImages", "ec2.DescribeSnapshots")

REST_IMAGES, REST_REGIONS = 50, REGIONS[:3]
SETTLING_INTERVALS = 12
REST_INTERVAL_SECONDS = 8
RESYNCS = 3
AUDIT = (
    "ec2.DescribeImageAttribute", "ec2.DescribeImportImageTasks", "ec2.DescribeImportSnapshotTasks", "ec2.DescribeSnapshotAttribute",
    "kms.ListGrants",
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One side's way to the end state. `polls`: listings of a region after its copy was asked for; `calls`: everything else."""

    calls: Counter[str]
    polls: Counter[str]
    seconds: float


def first_convergence(stage: Stage, count: int) -> None:
    """One image into so many regions, both sides against the same AWS, one after the other."""
    stage.aws.lab.settings(copy_seconds=COPY_SECONDS, copy_spread=1.0, latency_seconds=LATENCY_SECONDS)
    try:
        regions = REGIONS[:count]
        hand = _by_hand(stage.corner(), regions)
        first, following = _by_operator(stage.corner(), regions)
    finally:
        stage.aws.lab.settings(copy_seconds=0.3, latency_seconds=0.0)
    copy, call = f"a copy takes {COPY_SECONDS:g} s", f"a call {LATENCY_SECONDS * 1000:g} ms"
    title = f"First convergence, 1 image in {count} regions, 2 accounts, 1 alias; {copy}, {call}"
    columns = {"by hand": hand.calls, "operator": first.calls, "its next image": following.calls}
    side_by_side(f"{title}: calls, without polls", columns)
    polls = {"by hand": hand.polls, "operator": first.polls, "its next image": following.polls}
    side_by_side(f"Polls of the copies, each side every {HAND_POLL_SECONDS:g} s", polls)
    show(
        title,
        [
            Row("by hand, seconds", f"{hand.seconds:.2f} s"),
            *_compared("first image", first, hand),
            *_compared("next image", following, hand),
        ],
    )


def _compared(what: str, run: Run, hand: Run) -> list[Row]:
    both, by_hand = run.calls.total() + run.polls.total(), hand.calls.total() + hand.polls.total()
    return [
        Row.at_most(f"{what}, seconds", run.seconds, COPY_SECONDS + 2, " s"),
        Row.at_most(f"{what}, calls without polls / by hand", run.calls.total() / hand.calls.total(), 1.3),
        Row.at_most(f"{what}, polls / by hand", run.polls.total() / hand.polls.total(), 1.3),
        Row.at_most(f"{what}, all calls / by hand", both / by_hand, 1.3),
    ]


def _by_hand(corner: Corner, regions: Sequence[str]) -> Run:
    source = corner.stage.aws.lab.seed_one("image", corner.account, HOME, name="base")["image_id"]
    tags = {"team": "platform", "Name": "web-1.0.0"}
    wanted = Wanted("web-1.0.0", source, HOME, regions, corner.partners, "/golden/web/current", tags)
    began = time.monotonic()
    converge(corner.client, wanted, poll_seconds=HAND_POLL_SECONDS)
    return _run(corner, time.monotonic() - began, since=0)


def _by_operator(corner: Corner, regions: Sequence[str]) -> tuple[Run, Run]:
    """The first image of a process that has called AWS for nothing yet, and one declared after it."""
    with corner.operator():
        corner.quiet(0.5)
        return _one_more(corner, "web", regions), _one_more(corner, "app", regions)


def _one_more(corner: Corner, name: str, regions: Sequence[str]) -> Run:
    source = corner.stage.aws.lab.seed_one("image", corner.account, HOME, name=f"base of {name}")["image_id"]
    since = corner.newest_call()
    began = time.monotonic()
    corner.apply(corner.golden_image(name, source, regions))
    wait_for(lambda: corner.is_ready(name), f"{name} Ready")
    seconds = time.monotonic() - began
    # What still follows belongs to it, too.
    corner.quiet()
    return _run(corner, seconds, since=since)


def _run(corner: Corner, seconds: float, *, since: int) -> Run:
    copied: set[str] = set()
    calls: Counter[str] = Counter()
    polls: Counter[str] = Counter()
    for call in corner.calls(since):
        (polls if call.region in copied and call.name in LISTINGS else calls)[call.name] += 1
        if call.name == "ec2.CopyImage":
            copied.add(call.region)
    return Run(calls, polls, seconds)


# --- at rest ---


def at_rest(stage: Stage) -> None:
    """What a converged set costs: reads by region and resync, and writes anywhere."""
    corner = stage.corner()
    source = stage.aws.lab.seed_one("image", corner.account, HOME, name="base")["image_id"]
    with corner.operator(interval=f"{REST_INTERVAL_SECONDS}s"):
        for number in range(REST_IMAGES):
            corner.apply(corner.golden_image(f"web-{number}", source, REST_REGIONS))
        wait_for(lambda: corner.ready_count() == REST_IMAGES, "all images Ready", seconds=180, pause=0.5)
        # The listings after a change, the sizes they tell, and the events about becoming ready belong to what was before.
        _settle(stage, corner)
        since, written = corner.newest_call(), kubernetes_writes(stage.plane, corner.namespace)
        time.sleep(RESYNCS * REST_INTERVAL_SECONDS)
        calls = corner.calls(since)
        writes = kubernetes_writes(stage.plane, corner.namespace) - written
    _show_rest(calls, writes)


def _settle(stage: Stage, corner: Corner) -> None:
    """Until an interval has passed without a write to Kubernetes."""
    seen = None
    for _ in range(SETTLING_INTERVALS):
        written = kubernetes_writes(stage.plane, corner.namespace)
        if written == seen:
            return
        seen = written
        time.sleep(REST_INTERVAL_SECONDS)


def _show_rest(calls: Sequence[AuditedCall], writes: Counter[str]) -> None:
    audit = Counter(call.region for call in calls if call.name in AUDIT)
    reads = Counter(call.region for call in calls if not call.mutating and call.service != "sts" and call.name not in AUDIT)
    by_region = {region: Counter(call.name for call in calls if call.region == region) for region in REST_REGIONS}
    listed = {region: counts["ec2.DescribeImages"] for region, counts in by_region.items()}
    # Resyncs come within ±10 % of the interval, and the first of a crowd lists for all: a little more than a round an interval.
    rounds = {region: reads[region] / max(1, listed[region]) for region in REST_REGIONS}
    title = f"At rest, {REST_IMAGES} images × {len(REST_REGIONS)} regions, {RESYNCS} resyncs of {REST_INTERVAL_SECONDS} s"
    side_by_side(f"{title}: calls", by_region)
    changes = Counter(call.name for call in calls if call.mutating)
    show(
        title,
        [
            Row.at_most("reads per round of listings and region (the most of any region)", max(rounds.values(), default=0.0), 3),
            Row("reads per interval and region", f"{max(reads.values(), default=0) / RESYNCS:.2f}"),
            Row("permissions audited, calls per resync and region", f"{max(audit.values(), default=0) / RESYNCS:.1f}", "budget 10"),
            Row("AWS writes", str(changes.total()), "0", not changes),
            Row("Kubernetes writes but the Lease", f"{writes.total()} {compact(writes) if writes else ''}".strip(), "0", not writes),
        ],
    )
