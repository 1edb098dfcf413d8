"""At rest: a converged set costs AWS and Kubernetes next to nothing, and a rebuilt cluster costs AWS no write at all."""

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from goldenami.api.kinds import GOLDEN_IMAGE, IMAGE_VERSION
from goldenami.controllers.reconcilers import AUDIT_CALLS, audit_seconds
from goldenami.local.aws import LocalAws
from goldenami.local.aws.client import AuditedCall
from goldenami.local.kubernetes import ControlPlane
from goldenami.local.kubernetes.audit import is_write
from support.operator import AWAY, FAR, HOME, Body, World, eventually, operator
from support.serving import CRDS

IMAGES = 50
REGIONS = (HOME, AWAY, FAR)
INTERVAL_SECONDS = 10
RESYNCS = 3
AUDITED = frozenset(
    {"DescribeImageAttribute", "DescribeSnapshotAttribute", "ListGrants", "DescribeImportImageTasks", "DescribeImportSnapshotTasks"}
)
OTHERS = ("kubectl/", "kube-controller-manager/")
"""User agents that are not the operator's. It has two, its own client's and that of kopf, and whatever a library may bring."""


def kubernetes_writes(plane: ControlPlane) -> Counter[str]:
    """Writes of the operator so far, but for its Lease, as `verb resource/subresource`."""
    writes = [entry for entry in plane.audit() if is_write(entry) and not entry["userAgent"].startswith(OTHERS)]
    named = (f"{entry['verb']} {entry['resource']}/{entry.get('subresource') or ''}" for entry in writes if entry["resource"] != "leases")
    return Counter(named)


def test_fifty_images_in_three_regions_at_rest_write_nothing_and_read_only_the_shared_listings(
    own_plane: ControlPlane, fast_aws: LocalAws, new_account: Callable[[], str], tmp_path: Path
) -> None:
    world = World(own_plane, fast_aws, "images", new_account(), new_account(), installation="rest")
    base = world.seed(name="base")
    replicas = [{"region": region} for region in REGIONS]
    sharing, aliases = {"accounts": [world.partner]}, [{"parameter": "/golden/{image}/{channel}"}]
    manifests = [
        world.golden_image(f"web-{number}", source={"image": {"id": base}}, replicas=replicas, sharing=sharing, aliases=aliases)
        for number in range(IMAGES)
    ]
    settings: Body = {"account": world.account, "installation": world.installation, "interval": f"{INTERVAL_SECONDS}s"}
    with operator(own_plane, fast_aws, tmp_path, **settings) as process:
        world.tail = process.tail
        world.apply(*manifests)
        eventually(lambda: all_ready(world), "all images Ready", seconds=180, told=world.told, pause_seconds=1)
        eventually(lambda: all_sized(world), "the first resync listed what was copied", seconds=180, told=world.told, pause_seconds=1)
        settle(own_plane)
        since, written = newest_call(world), kubernetes_writes(own_plane)
        assert written["patch imageversions/status"] >= IMAGES  # the audit does see the operator

        time.sleep(RESYNCS * INTERVAL_SECONDS)  # the span that is measured, not a wait for something

        calls = [call for call in fast_aws.lab.audit_calls(account=world.account, since=since) if call.sequence > since]
        assert [call.name for call in calls if call.mutating] == []
        assert kubernetes_writes(own_plane) - written == Counter()
        assert process.running, process.tail()
        told = Counter((call.region, call.name) for call in calls)
        audited = Counter(call.region for call in calls if call.operation in AUDITED)
        listings = Counter(call.region for call in whole_rounds(calls) if call.service != "sts" and call.operation not in AUDITED)
        rounds = Counter(call.region for call in calls if call.operation == "DescribeImages")
        # Fifty objects at ±10 % of the interval: the span cuts off one round at most, and at most one more begins than it holds intervals.
        assert {region: rounds[region] for region in REGIONS if not RESYNCS - 1 <= rounds[region] <= RESYNCS + 1} == {}, told
        assert {region: listings[region] for region in REGIONS if not 0 < listings[region] <= 3 * (rounds[region] - 1)} == {}, told
        # The budget of design §10: a round of the audit a minute, or an interval where that is shorter; the span may cut into one more.
        audits = math.ceil(RESYNCS * INTERVAL_SECONDS / audit_seconds(INTERVAL_SECONDS)) + 1
        assert {region: audited[region] for region in REGIONS if not 0 < audited[region] <= AUDIT_CALLS * audits} == {}, told


def test_a_rebuilt_cluster_finds_everything_and_writes_nothing_to_aws(
    own_plane: ControlPlane, fast_aws: LocalAws, new_account: Callable[[], str], tmp_path: Path
) -> None:
    world = World(own_plane, fast_aws, "images", new_account(), new_account(), installation="rebuilt")
    first, second = world.seed(name="base-1"), world.seed(name="base-2")
    shared: Body = {
        "sharing": {"accounts": [world.partner]},
        "aliases": [{"parameter": "/golden/{image}/{channel}"}],
        "tags": {"team": "platform"},
        "notes": "OpenSSL 3.0.15 (CVE-2026-1), kernel 6.1",
    }
    with operator(own_plane, fast_aws, tmp_path, account=world.account, installation=world.installation) as process:
        world.tail = process.tail
        world.apply(world.golden_image(source={"image": {"id": first}}, **shared))
        world.ready()
        newer = world.golden_image(version="1.1.0", source={"image": {"id": second}}, **shared)
        world.apply(newer)
        world.ready()
    since = newest_call(world)

    own_plane.wipe()
    own_plane.run_kubectl("apply", "--server-side", "-f", CRDS)
    own_plane.run_kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", CRDS)
    own_plane.run_kubectl("create", "namespace", "images")
    with operator(own_plane, fast_aws, tmp_path, account=world.account, installation=world.installation) as process:
        world.tail = process.tail
        # The template was edited meanwhile, as for versions to come: those that there are keep their names.
        world.apply({**newer, "spec": {**newer["spec"], "nameTemplate": "golden-{image}-{version}"}})
        status = world.ready()["status"]
        names = {version: world.ready(f"web-{version}", "imageversion")["spec"]["name"] for version in ("1.0.0", "1.1.0")}

    assert names == {"1.0.0": "web-1.0.0", "1.1.0": "web-1.1.0"}
    assert status["versions"] == 2
    assert [
        call.name for call in fast_aws.lab.audit_calls(account=world.account, since=since, mutating=True) if call.sequence > since
    ] == []


def all_ready(world: World) -> bool:
    """Listed: by kubectl each question would cost a tenth of a second of what it waits for."""
    found = [obj.get("status", {}) for obj in world.kubernetes.list(GOLDEN_IMAGE, world.namespace)]
    ready = [each["status"] for status in found for each in status.get("conditions", []) if each["type"] == "Ready"]
    return ready == ["True"] * IMAGES


def all_sized(world: World) -> bool:
    """Whether every status says what its snapshots hold: that is a write, and belongs to what was before."""
    found = [obj.get("status", {}) for kind in (GOLDEN_IMAGE, IMAGE_VERSION) for obj in world.kubernetes.list(kind, world.namespace)]
    return [each.get("storage", {}).get("snapshots") for each in found] == [len(REGIONS)] * (2 * IMAGES)


def newest_call(world: World) -> int:
    return max((call.sequence for call in world.aws.lab.audit_calls(account=world.account)), default=0)


def whole_rounds(calls: Sequence[AuditedCall]) -> list[AuditedCall]:
    """Without what belongs to a round that the beginning or the end of the span cuts: a round is from one listing of images to the next."""
    at: dict[str, list[int]] = {}
    for call in calls:
        if call.operation == "DescribeImages":
            at.setdefault(call.region, []).append(call.sequence)
    return [call for call in calls if call.region in at and at[call.region][0] <= call.sequence < at[call.region][-1]]


def settle(plane: ControlPlane) -> None:
    """Until the last events about becoming ready are written: they are transitions, and belong to what was before."""
    seen = [kubernetes_writes(plane)]

    def unchanged() -> bool:
        seen.append(kubernetes_writes(plane))
        return len(seen) > 4 and all(each == seen[-1] for each in seen[-5:])

    eventually(unchanged, "Kubernetes writes ended", seconds=60, pause_seconds=1)
