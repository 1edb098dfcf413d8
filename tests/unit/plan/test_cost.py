"""What images hold: full sizes where EC2 tells them, volumes where it does not, and nothing twice."""

from dataclasses import replace

import pytest

from goldenami.plan import cost
from goldenami.plan.cost import GIB, Storage
from goldenami.plan.desired import SnapshotSource
from goldenami.plan.values import RegionView
from support.plan import HOME, NOW, OWNER, STRANGER, golden_ami, retagged, snapshot, version, view

OF = version()
AMI = golden_ami()
OLDER = retagged(golden_ami("ami-2", created_epoch_seconds=NOW - 2000), version="0.9.0")


def sized(snapshot_id: str = "snap-1", full_size_bytes: int = 3 * GIB) -> RegionView:
    return view(AMI, snapshots=(snapshot(snapshot_id, full_size_bytes=full_size_bytes),))


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param((sized(),), Storage(1, 1, 3 * GIB, made_epoch_seconds=NOW - 1000), id="the full size counts where EC2 tells it"),
        pytest.param(
            (view(AMI),), Storage(1, 1, 8 * GIB, 1, made_epoch_seconds=NOW - 1000), id="the volume's size counts where it does not"
        ),
        pytest.param((sized(), view(AMI, region=HOME)), Storage(2, 2, 11 * GIB, 1, made_epoch_seconds=NOW - 1000), id="regions add up"),
        pytest.param(
            (view(AMI, replace(AMI, image_id="ami-3")),),
            Storage(2, 1, 8 * GIB, 1, made_epoch_seconds=NOW - 1000),
            id="a snapshot of two images counts once",
        ),
        pytest.param(
            (view(replace(AMI, state="disabled")),),
            Storage(1, 1, 8 * GIB, 1, made_epoch_seconds=NOW - 1000),
            id="a disabled image is billed as before",
        ),
        pytest.param((view(golden_ami(state="pending")),), Storage(), id="a pending one is not counted yet"),
        pytest.param((view(replace(AMI, state="failed")),), Storage(), id="a failed one is none"),
        pytest.param(
            (replace(view(AMI), snapshots={}),),
            Storage(1, 1, unlisted=1, made_epoch_seconds=NOW - 1000),
            id="of a snapshot that is not listed yet nothing is known",
        ),
        pytest.param(
            (view(AMI, snapshots=(snapshot(state="pending"),)),),
            Storage(1, 1, unlisted=1, made_epoch_seconds=NOW - 1000),
            id="nor of one that was pending when it was listed",
        ),
        pytest.param((view(OLDER),), Storage(), id="another version's are another's"),
        pytest.param((view(retagged(AMI, owner=str(STRANGER))),), Storage(), id="another owner's are another's"),
        pytest.param((), Storage(), id="nothing is nothing"),
    ],
)
def test_what_a_version_holds(seen: tuple[RegionView, ...], expected: Storage) -> None:
    assert cost.of_version(OF, seen) == expected


def test_a_family_is_as_old_as_its_first_image_and_shares_snapshots_between_versions() -> None:
    shares = replace(OLDER, snapshot_ids=("snap-1", "snap-2"))
    assert cost.of_family(OWNER, (view(AMI, shares), view(retagged(AMI, owner=str(STRANGER)), region=HOME))) == Storage(
        2, 2, 16 * GIB, 2, made_epoch_seconds=NOW - 2000
    )


def test_a_snapshot_that_the_spec_names_is_the_users() -> None:
    of = version(source=SnapshotSource("snap-1", "x86_64", "uefi", "/dev/xvda"))
    seen = (replace(view(AMI), snapshots={}),)
    expected = Storage(1, made_epoch_seconds=NOW - 1000)
    assert cost.of_version(of, seen) == cost.of_family(OWNER, seen, frozenset({"snap-1"})) == expected


@pytest.mark.parametrize(
    ("size_bytes", "gib"),
    [
        pytest.param(0, 0, id="nothing"),
        pytest.param(1, 1, id="a byte is told as a GiB"),
        pytest.param(GIB, 1, id="a whole one is one"),
        pytest.param(GIB + 1, 2, id="what is begun counts"),
    ],
)
def test_gib_are_rounded_up(size_bytes: int, gib: int) -> None:
    assert Storage(size_bytes=size_bytes).snapshot_gib == gib
