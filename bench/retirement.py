"""A family whose old versions all go at once: calls by operation while they are disabled, and while they are deregistered.

The images are sown as an operator would have left them 100 days ago. The reads that ask who uses an image are counted apart: every image
is asked about in both stages, right before what is done to it. What it tells of itself then (whose it is, whether it is protected, when it
was launched last) is one of those sources, and DescribeImages with image ids tells it; without them it lists a place, which is work. Both
are printed, and the limit is held against the calls with the former and without; and so is the number of all calls together.
"""

import itertools
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.stage import HOME, REGIONS, Corner, Row, Stage, show, side_by_side, wait_for

from goldenami.api.kinds import GOLDEN_IMAGE, IMAGE_VERSION
from goldenami.kube.client import MERGE_PATCH, Body, path_of
from goldenami.local.aws.client import AuditedCall
from goldenami.plan.identity import OWNER, Owner, identity_tags

OLD = 100
"""Versions that go."""
AGE_SECONDS = 100 * 86_400.0
NAME = "app"
NEWEST = "2.0.0"
OTHER_READS = frozenset({
    "ec2.DescribeImageAttribute", "ec2.DescribeImages", "ec2.DescribeImportImageTasks", "ec2.DescribeImportSnapshotTasks",
    "ec2.DescribeRegions", "ec2.DescribeSnapshotAttribute", "ec2.DescribeSnapshots",
    "ec2.ListImagesInRecycleBin", "kms.ListGrants", "ssm.GetParameters", "sts.GetCallerIdentity",
})  # fmt: skip
"""Reads that belong to the work itself: listings, grants, imports, who we are. All others ask who uses an image."""
REPORTS = frozenset({"ec2.CreateImageUsageReport", "ec2.DeleteImageUsageReport"})
"""Writes that do: EC2 makes a report of the use in other accounts on demand."""
BY_ID = "ec2.DescribeImages by id"


@dataclass(frozen=True)
class Sweep:
    """One stage of all images. `evidence`: reads that ask for users; `calls`: everything else, with the reads of images by their ids."""

    calls: Counter[str]
    evidence: Counter[str]
    seconds: float

    @property
    def by_id(self) -> int:
        return self.calls[BY_ID]

    @property
    def total(self) -> int:
        return self.calls.total() + self.evidence.total()


def retirement(stage: Stage, count: int) -> None:
    """100 versions in so many regions, first disabled, then deregistered with their snapshots."""
    corner, regions = stage.corner(), REGIONS[:count]
    base = _sow(corner, regions)
    with corner.operator() as operator:
        corner.apply(corner.golden_image(NAME, base, regions, version=NEWEST))
        wait_for(lambda: corner.is_ready(NAME) and len(_versions(corner)) == OLD + 1, "the family Ready", seconds=240, pause=0.5)
        wait_for(lambda: operator.metrics().idle, "rest")
        corner.quiet()
        disabled = _swept(corner, "1h", lambda: _reasons(corner)["Disabled"] == OLD)
        removed = _swept(corner, "0s", lambda: len(_versions(corner)) == 1)
    _told(count, disabled, removed, _left(corner, regions))


def _sow(corner: Corner, regions: Sequence[str]) -> str:
    """The base image that every version was made from."""
    lab = corner.stage.aws.lab
    lab.settings(throttling=False)
    base = str(lab.seed_one("image", corner.account, HOME, name="base", age_seconds=AGE_SECONDS)["image_id"])
    owner = Owner(corner.installation, corner.namespace, NAME)

    def sow(version: str, region: str) -> None:
        tags = {"Name": f"{NAME}-{version}", "team": "platform", **identity_tags(owner, version, f"image/{HOME}/{base}")}
        told = {"name": f"{NAME}-{version}", "description": f"{NAME} {version}, kept by goldenami", "age_seconds": AGE_SECONDS}
        shared = {"users": corner.partners, "snapshot_users": corner.partners}
        lab.seed_one("image", corner.account, region, tags=tags, snapshot_tags=tags, **told, **shared)

    versions = [*(f"1.{number}.0" for number in range(OLD)), NEWEST]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(sow, *zip(*itertools.product(versions, regions), strict=True)))
    lab.settings(throttling=True)
    return base


# --- one stage of all ---


def _swept(corner: Corner, disable_for: str, over: Callable[[], bool]) -> Sweep:
    """The policy from now on, until that is so and AWS is not called any more."""
    since, began = corner.newest_call(), time.monotonic()
    body = {"spec": {"retention": {"keepLast": 1, "maxPerRun": "100%", "retire": {"disableFor": disable_for}}}}
    path = path_of(GOLDEN_IMAGE, corner.namespace, NAME)
    corner.stage.kubernetes.call("PATCH", path, query={"fieldManager": "kubectl"}, body=body, content_type=MERGE_PATCH)
    wait_for(over, f"the sweep with disableFor {disable_for}", seconds=400, pause=1.0)
    seconds = time.monotonic() - began
    corner.quiet(5)
    calls, evidence = Counter[str](), Counter[str]()
    for call in corner.calls(since):
        (evidence if _asks_for_users(call) else calls)[BY_ID if _is_by_id(call) else call.name] += 1
    return Sweep(calls, evidence, seconds)


def _asks_for_users(call: AuditedCall) -> bool:
    return call.name in REPORTS or (not call.mutating and call.name not in OTHER_READS)


def _is_by_id(call: AuditedCall) -> bool:
    named = any(each["Name"] == "image-id" for each in call.arguments.get("Filters", ()))
    return call.name == "ec2.DescribeImages" and (named or bool(call.arguments.get("ImageIds")))


def _versions(corner: Corner) -> list[Body]:
    return corner.stage.kubernetes.list(IMAGE_VERSION, corner.namespace)


def _reasons(corner: Corner) -> Counter[str]:
    """Of the condition RetentionReady."""
    rows = [row for version in _versions(corner) for row in version.get("status", {}).get("conditions", ())]
    return Counter(row["reason"] for row in rows if row["type"] == "RetentionReady")


def _left(corner: Corner, regions: Sequence[str]) -> Counter[str]:
    """What AWS still holds of the family, asked when everything has been counted."""
    ours = [{"Name": "tag-key", "Values": [OWNER]}]
    left = Counter[str]()
    for region in regions:
        ec2 = corner.client("ec2", region)
        left["images"] += len(ec2.describe_images(Owners=["self"], Filters=ours, IncludeDisabled=True)["Images"])
        left["snapshots"] += len(ec2.describe_snapshots(OwnerIds=["self"], Filters=ours)["Snapshots"])
    return left


def _told(count: int, disabled: Sweep, removed: Sweep, left: Counter[str]) -> None:
    images = OLD * count
    title = f"Retirement, {OLD} versions in {count} regions, {images} images"
    side_by_side(f"{title}: calls without evidence", {"disabled": disabled.calls, "deregistered": removed.calls})
    side_by_side("Evidence, read before each of both", {"disabled": disabled.evidence, "deregistered": removed.evidence})
    show(
        title,
        [
            Row("disabling, calls per image", f"{disabled.calls.total() / images:.2f}"),
            Row("disabling, without reads of images by their ids", f"{(disabled.calls.total() - disabled.by_id) / images:.2f}"),
            Row("disabling, evidence per image", f"{disabled.evidence.total() / images:.2f}"),
            Row("disabling, everything per image", f"{disabled.total / images:.2f}"),
            Row("disabling, seconds", f"{disabled.seconds:.0f} s"),
            Row.at_most("removal, calls per image", removed.calls.total() / images, 1.2),
            Row.at_most("removal, without reads of images by their ids", (removed.calls.total() - removed.by_id) / images, 1.2),
            Row("removal, evidence per image", f"{removed.evidence.total() / images:.2f}"),
            Row("removal, everything per image", f"{removed.total / images:.2f}"),
            Row("removal, seconds", f"{removed.seconds:.0f} s"),
            Row("images and snapshots left", f"{left['images']} and {left['snapshots']}", f"{count} each", set(left.values()) == {count}),
        ],
    )
