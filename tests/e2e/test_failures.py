"""When EC2 fails, refuses or lags: what is tried again and how often, what a person reads, and that nothing is made twice meanwhile.

A local AWS of its own, because the settings that make trouble are everybody's. Its clock is an hour ahead of the operator's: the wait
between attempts is counted from the failed image's creation, and where the clocks disagree only the cap on attempts counts.
"""

import re
import uuid
from collections.abc import Iterator

import pytest

from goldenami.local.aws import LocalAws
from goldenami.local.kubernetes import ControlPlane
from support.operator import AWAY, FAR, HOME, World, operator, snapshots_of, tags_of
from support.scenes import (
    changed_settings,
    declared,
    events_of,
    fresh_account,
    image_of,
    images_of,
    iv,
    look_again,
    made,
    replica,
    until,
)

OPT_IN = "af-south-1"
CLOCK_AHEAD_SECONDS = 3600.0


@pytest.fixture(scope="module")
def trouble(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A namespace with an operator, and an AWS, of its own."""
    namespace = f"trouble-{uuid.uuid4().hex[:8]}"
    control_plane.run_kubectl("create", "namespace", namespace)
    with LocalAws.start() as aws:
        aws.lab.settings(copy_seconds=0.3, copy_spread=1.2, image_seconds=0.2, usage_report_seconds=0.2)
        aws.lab.advance(CLOCK_AHEAD_SECONDS)
        account = fresh_account()
        settings = {"account": account, "namespace": namespace, "installation": "trouble"}
        with operator(control_plane, aws, tmp_path_factory.mktemp("trouble"), **settings) as process:
            yield World(control_plane, aws, namespace, account, fresh_account(), installation="trouble", tail=process.tail)
    control_plane.run_kubectl("delete", "namespace", namespace, "--wait=false")


# --- copies that fail ---


def test_a_failed_copy_is_tried_again_and_cleaned_up_with_its_snapshots(trouble: World, name: str) -> None:
    with changed_settings(trouble.aws, fail_copies={AWAY: 1}):
        trouble.apply(declared(trouble, name))
        trouble.ready(name)

    image = image_of(trouble, name, AWAY)
    assert image["State"] == "available"
    assert tags_of(image)["goldenami.dev/attempt"] == "2"
    assert made(trouble, name) == ["ec2.CopyImage"] * 3
    assert left_over(trouble, name, AWAY) == []
    assert image_of(trouble, name, HOME)["State"] == "available"


def test_copies_that_keep_failing_are_given_up_with_the_reason_until_a_person_acts(trouble: World, name: str) -> None:
    with changed_settings(trouble.aws, fail_copies={AWAY: 5}):
        trouble.apply(declared(trouble, name, sharing={"accounts": [trouble.partner]}))
        condition = trouble.reason("CopiesExhausted", name)

    (failed,) = [image for image in images_of(trouble, name, AWAY) if tags_of(image)["goldenami.dev/attempt"] == "5"]
    assert failed["State"] == "failed"
    assert failed["StateReason"]["Message"] in condition["message"]
    assert f"deregister {failed['ImageId']}" in condition["message"]
    assert AWAY in condition["message"]
    until(trouble, lambda: "CopyFailed" in [reason for reason, _ in events_of(trouble, iv(name))], "an event")
    until(trouble, lambda: replica(trouble, HOME, name).get("shared"), "the other region is ready all the same")
    assert made(trouble, name) == ["ec2.CopyImage"] * 6
    trouble.ec2(AWAY).deregister_image(ImageId=failed["ImageId"], DeleteAssociatedSnapshots=True)
    look_again(trouble, name)
    trouble.ready(name)
    assert left_over(trouble, name, AWAY) == []


# --- what EC2 has no room for ---


def test_copies_beyond_the_quota_wait_their_turn_and_start_by_themselves(trouble: World, name: str) -> None:
    with changed_settings(trouble.aws, concurrent_copies_quota=0):
        trouble.apply(declared(trouble, name))
        condition = trouble.reason("Queued", name)
        assert "starts as soon as others have ended" in condition["message"]
        assert trouble.condition("goldenimage", name)["status"] == "Unknown"

    trouble.ready(name)
    assert [len(images_of(trouble, name, region)) for region in (HOME, AWAY)] == [1, 1]


def test_a_quota_that_a_person_must_raise_says_so(trouble: World, name: str) -> None:
    refused = {"operation": "ec2.CopyImage", "code": "SnapshotLimitExceeded", "message": "You have reached your snapshot limit."}
    trouble.aws.lab.add_fault("refuse", account=trouble.account, region=AWAY, resource=f"{name}-", times=100, **refused)

    trouble.apply(declared(trouble, name))
    condition = trouble.reason("QuotaExceeded", name)

    assert "You have reached your snapshot limit" in condition["message"]
    assert "Raise the quota" in condition["message"]
    assert AWAY in condition["message"]
    trouble.aws.lab.clear_faults()
    trouble.ready(name)


def test_a_region_that_is_not_opted_in_stalls_alone_and_is_used_once_it_is(trouble: World, name: str) -> None:
    trouble.apply(declared(trouble, name, regions=(HOME, OPT_IN), sharing={"accounts": [trouble.partner]}))
    condition = trouble.reason("RegionNotEnabled", name)

    assert OPT_IN in condition["message"]
    assert "Enable the region" in condition["message"]
    until(trouble, lambda: replica(trouble, HOME, name).get("shared"), "the other region is ready all the same")
    with changed_settings(trouble.aws, regions_not_opted_in=[]):
        look_again(trouble, name)
        trouble.ready(name)
        assert image_of(trouble, name, OPT_IN)["State"] == "available"


# --- what EC2 does not tell yet ---


def test_ids_that_are_listed_late_are_not_made_twice(trouble: World, name: str) -> None:
    with changed_settings(trouble.aws, list_lag_seconds=2.0):
        source = {"instance": {"id": trouble.seed("instance"), "reboot": False}}
        trouble.apply(declared(trouble, name, source=source, sharing={"accounts": [trouble.partner]}))
        trouble.ready(name)
        look_again(trouble, name)

    assert [len(images_of(trouble, name, region)) for region in (HOME, AWAY)] == [1, 1]
    assert made(trouble, name) == ["ec2.CreateImage", "ec2.CopyImage"]
    assert trouble.shared_with(image_of(trouble, name, AWAY)["ImageId"], AWAY) == {trouble.partner}


def test_a_pending_copy_tells_its_progress(trouble: World, name: str) -> None:
    with changed_settings(trouble.aws, copy_seconds=15.0, copy_spread=1.0):
        trouble.apply(declared(trouble, name, regions=(AWAY,)))
        until(trouble, lambda: 0 < replica(trouble, AWAY, name).get("progress", 0) < 100, "progress")

        row = replica(trouble, AWAY, name)
        assert row["state"] == "pending"
        assert row["reason"] == "Copying"
        assert re.search(r"ami-\w+ in eu-west-1 is pending \(\d+ %\)", row["message"])
    trouble.ready(name)
    assert "progress" not in replica(trouble, AWAY, name)


# --- what a person reads ---


def test_the_same_failure_again_writes_nothing_and_its_words_hold_no_request_id_time_or_secret(trouble: World, name: str) -> None:
    words = (
        "You are not authorized (Request ID: 0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0) at 2026-11-21T06:00:00Z with AKIAABCDEFGHIJKLMNOP. "
        "Encoded authorization failure message: " + "QUJD" * 60
    )
    refused = {"operation": "ec2.CopyImage", "code": "UnauthorizedOperation", "message": words}
    trouble.aws.lab.add_fault("refuse", account=trouble.account, region=FAR, resource=f"{name}-", times=1000, **refused)
    trouble.apply(declared(trouble, name, regions=(HOME, FAR)))
    condition = trouble.reason("AccessDenied", name)
    until(trouble, lambda: trouble.get("goldenimage", name)["status"]["channels"][0].get("images"), "the other region settled")  # type: ignore[index]

    assert "CopyImage" in condition["message"]
    assert FAR in condition["message"]
    assert "IAM policies" in condition["message"]
    assert [noise for noise in ("0f1e2d3c", "2026-11-21", "AKIA", "QUJD", "Encoded") if noise in condition["message"]] == []
    assert replica(trouble, FAR, name)["message"] == condition["message"]
    look_again(trouble, name)  # what the ImageVersion said last may not have reached the GoldenImage yet
    before = versions_of(trouble, name)
    tries = len(made(trouble, name))
    until(trouble, lambda: len(made(trouble, name)) > tries, "tried once more")
    assert versions_of(trouble, name) == before
    trouble.aws.lab.clear_faults()
    look_again(trouble, name)
    trouble.ready(name)


# --- questions ---


def versions_of(world: World, name: str) -> list[str]:
    objects = [world.get("goldenimage", name), world.get("imageversion", iv(name))]
    return [obj["metadata"]["resourceVersion"] for obj in objects if obj]


def left_over(world: World, name: str, region: str) -> list[str]:
    """Snapshots of the family that no image of it names."""
    tagged = [{"Name": "tag:goldenami.dev/owner", "Values": [f"{world.installation}/{world.namespace}/{name}"]}]
    snapshots = world.ec2(region).describe_snapshots(OwnerIds=["self"], Filters=tagged)["Snapshots"]
    named = {part for image in images_of(world, name, region) for part in snapshots_of(image)}
    return sorted(row["SnapshotId"] for row in snapshots if row["SnapshotId"] not in named)
