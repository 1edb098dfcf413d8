"""Deprecation, disabling, protection and deregistration in the local EC2."""

from datetime import UTC, datetime
from typing import Any

import pytest

from support.aws import error_of
from support.ec2 import Act, Cloud, assert_refused, refusal, row

DAY_SECONDS = 86400
MINUTE_SECONDS = 60


def at(epoch_seconds: float) -> datetime:
    return datetime.fromtimestamp(epoch_seconds, UTC)


def deprecate(cloud: Cloud, image_id: str, in_seconds: float) -> Any:
    return cloud.ec2().enable_image_deprecation(ImageId=image_id, DeprecateAt=at(cloud.now + in_seconds))


# Deprecation


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        row("down", "EnableImageDeprecation DeprecateAt; trap 24", 29, "00:00"),
        row("up", "EnableImageDeprecation DeprecateAt; trap 24", 31, "01:00"),
        row("not at all", "EnableImageDeprecation DeprecateAt", 0, "00:00"),
    ],
)
def test_a_deprecation_time_is_rounded_to_the_minute(cloud: Cloud, seconds: int, expected: str) -> None:
    image_id = cloud.image()
    hour = (cloud.now // 3600 + 48) * 3600
    cloud.ec2().enable_image_deprecation(ImageId=image_id, DeprecateAt=at(hour + seconds))
    assert cloud.shown(image_id)["DeprecationTime"] == at(hour).strftime("%Y-%m-%dT%H:") + expected + ".000Z"


def test_a_deprecation_can_be_taken_back(cloud: Cloud) -> None:
    """DisableImageDeprecation."""
    image_id = cloud.image()
    deprecate(cloud, image_id, DAY_SECONDS)
    assert cloud.ec2().disable_image_deprecation(ImageId=image_id)["Return"] is True
    assert "DeprecationTime" not in cloud.shown(image_id)


def test_a_deprecated_image_can_still_be_launched_by_id(cloud: Cloud) -> None:
    """Research 6."""
    image_id = cloud.image(users=[cloud.other])
    deprecate(cloud, image_id, DAY_SECONDS)
    cloud.pass_time(2 * DAY_SECONDS)
    assert cloud.ec2(account=cloud.other).run_instances(ImageId=image_id, MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"]


# Disabling


def test_disabling_erases_the_shares_for_good(cloud: Cloud) -> None:
    """DisableImage; trap 15."""
    image_id = cloud.image(users=[cloud.other], public=True)
    cloud.ec2().disable_image(ImageId=image_id)
    assert (cloud.shown(image_id)["State"], cloud.shown(image_id)["Public"]) == ("disabled", False)
    assert error_of(cloud.ec2(account=cloud.other).describe_images, ImageIds=[image_id]) == ("InvalidAMIID.NotFound", 400)
    cloud.ec2().enable_image(ImageId=image_id)
    assert (cloud.shown(image_id)["State"], cloud.grants(image_id)) == ("available", [])


@pytest.mark.parametrize(
    "operation",
    [row("DisableImage", "research 11: state equal", "disable_image"), row("EnableImage", "research 11: state equal", "enable_image")],
)
def test_disabling_and_enabling_can_be_repeated(cloud: Cloud, operation: str) -> None:
    image_id = cloud.image()
    assert [getattr(cloud.ec2(), operation)(ImageId=image_id)["Return"] for _ in range(2)] == [True, True]


# Protection


def protection(cloud: Cloud, image_id: str) -> str:
    return str(cloud.shown(image_id)["DeregistrationProtection"])


def test_protection_without_a_cooldown_ends_at_once(cloud: Cloud) -> None:
    """Trap 19."""
    image_id = cloud.image()
    cloud.ec2().enable_image_deregistration_protection(ImageId=image_id)
    assert protection(cloud, image_id) == "enabled-without-cooldown"
    assert error_of(cloud.ec2().deregister_image, ImageId=image_id) == ("OperationNotPermitted", 400)
    cloud.ec2().disable_image_deregistration_protection(ImageId=image_id)
    assert protection(cloud, image_id) == "disabled"
    cloud.ec2().deregister_image(ImageId=image_id)


def test_protection_with_a_cooldown_goes_on_for_a_day(cloud: Cloud) -> None:
    """Research 6; trap 19."""
    image_id = cloud.image()
    cloud.ec2().enable_image_deregistration_protection(ImageId=image_id, WithCooldown=True)
    assert protection(cloud, image_id) == "enabled-with-cooldown"
    cloud.ec2().disable_image_deregistration_protection(ImageId=image_id)
    assert protection(cloud, image_id).startswith("disabled after 20")
    cloud.pass_time(DAY_SECONDS - 1)
    assert error_of(cloud.ec2().deregister_image, ImageId=image_id) == ("OperationNotPermitted", 400)
    cloud.pass_time(1)
    assert protection(cloud, image_id) == "disabled"
    cloud.ec2().deregister_image(ImageId=image_id)


def test_a_second_end_of_the_protection_does_not_lengthen_its_cooldown(cloud: Cloud) -> None:
    """Research 11: already set."""
    image_id = cloud.image()
    cloud.ec2().enable_image_deregistration_protection(ImageId=image_id, WithCooldown=True)
    cloud.ec2().disable_image_deregistration_protection(ImageId=image_id)
    until = protection(cloud, image_id)
    cloud.pass_time(3600)
    cloud.ec2().disable_image_deregistration_protection(ImageId=image_id)
    assert protection(cloud, image_id) == until


def test_a_protected_image_can_be_disabled(cloud: Cloud) -> None:
    """Research 6: nothing says protection blocks it."""
    image_id = cloud.image()
    cloud.ec2().enable_image_deregistration_protection(ImageId=image_id)
    cloud.ec2().disable_image(ImageId=image_id)
    assert cloud.shown(image_id)["State"] == "disabled"
    assert error_of(cloud.ec2().deregister_image, ImageId=image_id) == ("OperationNotPermitted", 400)


# Deregistration


def test_the_snapshot_of_a_disabled_image_is_in_use(cloud: Cloud) -> None:
    """Research 6: snapshots stay InUse and undeletable."""
    image_id = cloud.image()
    snapshot = cloud.snapshot_of(image_id)
    cloud.ec2().disable_image(ImageId=image_id)
    assert error_of(cloud.ec2().delete_snapshot, SnapshotId=snapshot) == ("InvalidSnapshot.InUse", 400)


def test_a_life_of_months_passes_in_a_second(cloud: Cloud) -> None:
    """Deprecated, disabled, undone, disabled again, deregistered, kept in the bin and gone."""
    cloud.settings.first_rule_seconds = 0
    period = {"RetentionPeriodValue": 30, "RetentionPeriodUnit": "DAYS"}
    cloud.aws.client("rbin", account=cloud.account).create_rule(ResourceType="EC2_IMAGE", RetentionPeriod=period)
    image_id = cloud.image(users=[cloud.other])
    deprecate(cloud, image_id, 90 * DAY_SECONDS)
    assert cloud.lists(image_id, account=cloud.other)
    cloud.pass_time(91 * DAY_SECONDS)
    assert not cloud.lists(image_id, account=cloud.other)
    cloud.ec2().disable_image(ImageId=image_id)
    cloud.pass_time(7 * DAY_SECONDS)
    cloud.ec2().enable_image(ImageId=image_id)
    assert cloud.grants(image_id) == []
    cloud.ec2().disable_image(ImageId=image_id)
    cloud.pass_time(7 * DAY_SECONDS)
    results = cloud.ec2().deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)["DeleteSnapshotResults"]
    assert [each["ReturnCode"] for each in results] == ["success"]
    assert len(cloud.ec2().list_images_in_recycle_bin()["Images"]) == 1
    cloud.pass_time(30 * DAY_SECONDS)
    assert cloud.ec2().list_images_in_recycle_bin()["Images"] == []


def test_a_deregistered_id_is_first_an_empty_list_and_then_unknown(cloud: Cloud) -> None:
    """DescribeImages; research 1.4."""
    image_id = cloud.image()
    cloud.ec2().deregister_image(ImageId=image_id)
    assert cloud.ec2().describe_images(ImageIds=[image_id])["Images"] == []
    assert not cloud.lists(image_id, Owners=["self"], IncludeDisabled=True)
    assert error_of(cloud.ec2().deregister_image, ImageId=image_id) == ("InvalidAMIID.Unavailable", 400)
    cloud.pass_time(60)
    assert error_of(cloud.ec2().describe_images, ImageIds=[image_id]) == ("InvalidAMIID.NotFound", 400)
    assert error_of(cloud.ec2().deregister_image, ImageId=image_id) == ("InvalidAMIID.NotFound", 400)


def test_snapshots_stay_unless_they_are_to_go(cloud: Cloud) -> None:
    """Trap 16."""
    kept, dropped = cloud.image(), cloud.image()
    kept_snapshot, dropped_snapshot = cloud.snapshot_of(kept), cloud.snapshot_of(dropped)
    assert "DeleteSnapshotResults" not in cloud.ec2().deregister_image(ImageId=kept)
    answer = cloud.ec2().deregister_image(ImageId=dropped, DeleteAssociatedSnapshots=True)
    assert answer["DeleteSnapshotResults"] == [{"SnapshotId": dropped_snapshot, "ReturnCode": "success"}]
    assert cloud.shown_snapshot(kept_snapshot)["State"] == "completed"
    assert error_of(cloud.ec2().describe_snapshots, SnapshotIds=[dropped_snapshot]) == ("InvalidSnapshot.NotFound", 400)


def test_each_snapshot_has_a_result_of_its_own(cloud: Cloud) -> None:
    """DeregisterImage; trap 17."""
    borrowed, shared, own = cloud.snapshot(account=cloud.other, users=[cloud.account]), cloud.snapshot(), cloud.snapshot()
    disks = [
        {"DeviceName": f"/dev/sd{letter}", "Ebs": {"SnapshotId": each}} for letter, each in zip("abc", (shared, borrowed, own), strict=True)
    ]
    first = cloud.ec2().register_image(Name="first", RootDeviceName="/dev/sda", BlockDeviceMappings=disks)["ImageId"]
    cloud.ec2().register_image(Name="second", RootDeviceName="/dev/sda", BlockDeviceMappings=disks[:1])
    results = cloud.ec2().deregister_image(ImageId=first, DeleteAssociatedSnapshots=True)["DeleteSnapshotResults"]
    assert {result["SnapshotId"]: result["ReturnCode"] for result in results} == {
        shared: "skipped",
        borrowed: "missing-permissions",
        own: "success",
    }


def test_a_snapshot_may_be_in_use_for_a_moment_longer_than_its_image(cloud: Cloud) -> None:
    """Trap 18."""
    cloud.settings.snapshot_in_use_seconds = 30
    image_id = cloud.image()
    snapshot = cloud.snapshot_of(image_id)
    cloud.ec2().deregister_image(ImageId=image_id)
    assert error_of(cloud.ec2().delete_snapshot, SnapshotId=snapshot) == ("InvalidSnapshot.InUse", 400)
    cloud.pass_time(30)
    cloud.ec2().delete_snapshot(SnapshotId=snapshot)


# Refusals

OPERATIONS = {
    "enable_image_deprecation": {"DeprecateAt": datetime(2090, 1, 1, tzinfo=UTC)},
    "disable_image_deprecation": {},
    "disable_image": {},
    "enable_image": {},
    "enable_image_deregistration_protection": {},
    "disable_image_deregistration_protection": {},
    "deregister_image": {},
}
CASES = [(operation, arguments) for operation, arguments in OPERATIONS.items() if operation != "enable_image_deprecation"]


@pytest.mark.parametrize(
    ("operation", "arguments"), [row(operation, "research 1.1", operation, arguments) for operation, arguments in CASES]
)
def test_every_operation_refuses_what_it_cannot_touch(cloud: Cloud, operation: str, arguments: dict[str, Any]) -> None:
    act = getattr(cloud.ec2(), operation)
    assert error_of(act, ImageId="ami-00000000000000000", **arguments) == ("InvalidAMIID.NotFound", 400)
    assert error_of(act, ImageId="web", **arguments) == ("InvalidAMIID.Malformed", 400)
    assert error_of(act, ImageId=cloud.image(account=cloud.other), **arguments) == ("InvalidAMIID.NotFound", 400)
    assert error_of(act, ImageId=cloud.image(account=cloud.other, users=[cloud.account]), **arguments) == ("AuthFailure", 401)
    assert error_of(act, ImageId=cloud.image(), DryRun=True, **arguments) == ("DryRunOperation", 412)


def public_for_three_years(cloud: Cloud) -> Any:
    return deprecate(cloud, cloud.image(public=True), 3 * 365 * DAY_SECONDS)


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal("deprecation in the past", "EnableImageDeprecation", "InvalidParameterValue", lambda w: deprecate(w, w.image(), -3600)),
        refusal(
            "deprecation in eleven years", "research 6", "InvalidParameterValue", lambda w: deprecate(w, w.image(), 11 * 365 * DAY_SECONDS)
        ),
        refusal("a public image for three years", "trap 25", "InvalidParameterValue", public_for_three_years),
        refusal(
            "deprecating a pending image",
            "research 11",
            "InvalidAMIID.Unavailable",
            lambda w: deprecate(w, w.image(state="pending"), DAY_SECONDS),
        ),
        refusal(
            "disabling a pending image",
            "research 11",
            "InvalidAMIID.Unavailable",
            lambda w: w.ec2().disable_image(ImageId=w.image(state="pending")),
        ),
        refusal(
            "an image of AWS Backup",
            "trap 20",
            "AuthFailure",
            lambda w: w.ec2().deregister_image(ImageId=w.image(tags={"aws:backup:source-resource": "x"})),
            401,
        ),
    ],
)
def test_a_step_of_its_life_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)


def test_a_failed_image_can_be_deregistered(cloud: Cloud) -> None:
    """Trap 1."""
    image_id = cloud.image(state="failed", reason={"code": "Server.InternalError", "message": "no"})
    assert cloud.shown(image_id)["StateReason"] == {"Code": "Server.InternalError", "Message": "no"}
    assert cloud.ec2().deregister_image(ImageId=image_id)["Return"] is True
