"""Region-wide settings of the local EC2: block public access, and encryption by default."""

from http.client import HTTPConnection

import pytest

from goldenami.local.aws import access_key_of
from support.aws import error_of
from support.ec2 import AWAY, HOME, Cloud, row

SOURCE = "EnableSnapshotBlockPublicAccess State: block-all-sharing treats what is public as private"


def test_block_public_access_for_images(cloud: Cloud) -> None:
    """Enable/Disable/GetImageBlockPublicAccess(State)."""
    here = cloud.ec2()
    assert here.get_image_block_public_access_state()["ImageBlockPublicAccessState"] == "unblocked"
    state = here.enable_image_block_public_access(ImageBlockPublicAccessState="block-new-sharing")["ImageBlockPublicAccessState"]
    answer = here.get_image_block_public_access_state()
    assert (state, answer["ImageBlockPublicAccessState"], answer["ManagedBy"]) == ("block-new-sharing", "block-new-sharing", "account")
    assert cloud.ec2(AWAY).get_image_block_public_access_state()["ImageBlockPublicAccessState"] == "unblocked"
    assert here.disable_image_block_public_access()["ImageBlockPublicAccessState"] == "unblocked"


@pytest.mark.parametrize(
    "state", [row(each, "EnableSnapshotBlockPublicAccess State", each) for each in ("block-all-sharing", "block-new-sharing")]
)
def test_block_public_access_for_snapshots(cloud: Cloud, state: str) -> None:
    here = cloud.ec2()
    assert here.enable_snapshot_block_public_access(State=state)["State"] == state
    assert here.get_snapshot_block_public_access_state()["State"] == state
    assert here.disable_snapshot_block_public_access()["State"] == "unblocked"
    assert here.get_snapshot_block_public_access_state()["State"] == "unblocked"


@pytest.mark.parametrize(
    ("state", "private"), [row("all sharing", SOURCE, "block-all-sharing", True), row("new sharing", SOURCE, "block-new-sharing", False)]
)
def test_snapshots_that_are_public_when_public_access_is_blocked(cloud: Cloud, state: str, private: bool) -> None:
    snapshot = cloud.snapshot(account=cloud.other, public=True)
    image = cloud.image(account=cloud.other, public=True, snapshot_public=True)
    theirs, here = cloud.ec2(account=cloud.other), cloud.ec2()

    def restorable() -> bool:
        listed = [each["SnapshotId"] for each in here.describe_snapshots(RestorableByUserIds=["all"], OwnerIds=[cloud.other])["Snapshots"]]
        return snapshot in listed

    assert restorable()
    theirs.enable_snapshot_block_public_access(State=state)
    assert restorable() is not private
    if private:
        assert error_of(here.create_volume, AvailabilityZone=f"{HOME}a", SnapshotId=snapshot) == ("InvalidSnapshot.NotFound", 400)
        assert error_of(lambda: cloud.copy(image)) == ("InvalidRequest", 400)
    theirs.disable_snapshot_block_public_access()
    assert restorable()
    assert cloud.copy(image)


def test_encryption_by_default(cloud: Cloud) -> None:
    """Enable/Disable/GetEbsEncryptionByDefault."""
    here = cloud.ec2()
    assert here.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
    assert here.enable_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    assert here.get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is True
    assert cloud.ec2(account=cloud.other).get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False
    assert here.disable_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False


def test_the_default_key(cloud: Cloud) -> None:
    """Get/Modify/ResetEbsDefaultKmsKeyId."""
    here, key = cloud.ec2(), cloud.key()
    assert here.get_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"
    assert here.modify_ebs_default_kms_key_id(KmsKeyId=key.rsplit("/", 1)[-1])["KmsKeyId"] == key
    assert here.get_ebs_default_kms_key_id()["KmsKeyId"] == key
    assert here.reset_ebs_default_kms_key_id()["KmsKeyId"] == "alias/aws/ebs"


DRY_RUNS = (
    "disable_image_block_public_access",
    "get_image_block_public_access_state",
    "disable_snapshot_block_public_access",
    "get_snapshot_block_public_access_state",
    "enable_ebs_encryption_by_default",
    "disable_ebs_encryption_by_default",
    "get_ebs_encryption_by_default",
    "get_ebs_default_kms_key_id",
    "reset_ebs_default_kms_key_id",
)


@pytest.mark.parametrize("operation", [row(operation, "research 1.5", operation) for operation in DRY_RUNS])
def test_a_dry_run_changes_nothing(cloud: Cloud, operation: str) -> None:
    assert error_of(getattr(cloud.ec2(), operation), DryRun=True) == ("DryRunOperation", 412)
    assert cloud.ec2().get_ebs_encryption_by_default()["EbsEncryptionByDefault"] is False


@pytest.mark.parametrize(
    "operation",
    [row(each, "moto verdict 3", each) for each in ("describe_fast_launch_images", "describe_snapshot_tier_status")],
)
def test_what_it_does_not_know_is_an_invalid_action(cloud: Cloud, operation: str) -> None:
    assert error_of(getattr(cloud.ec2(), operation)) == ("InvalidAction", 400)


def raw(cloud: Cloud, body: str) -> tuple[int, str]:
    """A call as an SDK without a model would send it."""
    scope = f"{access_key_of(cloud.account)}/20260101/{HOME}/ec2/aws4_request"
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": f"AWS4-HMAC-SHA256 Credential={scope}, Signature=0"}
    connection = HTTPConnection(cloud.aws.endpoint_url.removeprefix("http://"))
    connection.request("POST", "/", body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


@pytest.mark.parametrize(
    ("body", "code"),
    [
        row("an operation that EC2 does not have", "moto verdict 3", "Action=CallAction", "InvalidAction"),
        row("a number that is none", "Query API", "Action=DescribeImages&MaxResults=ten", "InvalidParameterValue"),
        row(
            "a time that is none",
            "Query API",
            "Action=EnableImageDeprecation&ImageId=ami-00000000&DeprecateAt=soon",
            "InvalidParameterValue",
        ),
        row("no image", "Query API", "Action=DisableImage", "MissingParameter"),
        row("no name", "Query API", "Action=CopyImage&SourceRegion=us-east-1&SourceImageId=ami-00000000", "MissingParameter"),
    ],
)
def test_a_call_that_cannot_be_read_is_refused_in_ec2s_form(cloud: Cloud, body: str, code: str) -> None:
    status, text = raw(cloud, body + "&Version=2016-11-15")
    assert (status, f"<Response><Errors><Error><Code>{code}</Code>" in text) == (400, True), text
