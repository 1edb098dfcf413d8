"""Request quotas: AWS's numbers, refilled by the lab's clock, refused in each service's words.

Every test steps the clock itself, so a bucket holds exactly what the numbers say.
"""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from goldenami.local.aws import LocalAws
from support.aws import NewAccount, error_of

Attempt = Callable[[LocalAws], Any]


def allowed(attempt: Callable[[], Any], *, at_most: int) -> int:
    """How many attempts in a row are not throttled. What else becomes of them is no matter."""
    for number in range(at_most):
        try:
            attempt()
        except ClientError as error:
            if error.response["Error"]["Code"] in {"RequestLimitExceeded", "ThrottlingException", "Throttling"}:
                return number
    return at_most


def copy_image(aws: LocalAws) -> Any:
    return aws.client("ec2").copy_image(Name="copy", SourceImageId="ami-00000000000000000", SourceRegion="eu-west-1", DryRun=True)


def describe_images(aws: LocalAws) -> Any:
    return aws.client("ec2").describe_images(Owners=["self"])


def describe_snapshots(aws: LocalAws) -> Any:
    return aws.client("ec2").describe_snapshots(OwnerIds=["self"])


def describe_snapshots_paged(aws: LocalAws) -> Any:
    return aws.client("ec2").describe_snapshots(OwnerIds=["self"], MaxResults=100)


def create_tags(aws: LocalAws) -> Any:
    return aws.client("ec2").create_tags(Resources=["ami-00000000000000000"], Tags=[{"Key": "a", "Value": "b"}])


def modify_image(aws: LocalAws) -> Any:
    return aws.client("ec2").modify_image_attribute(ImageId="ami-00000000000000000", Description={"Value": "x"})


def disable_image(aws: LocalAws) -> Any:
    return aws.client("ec2").disable_image(ImageId="ami-00000000000000000")


def block_public_access(aws: LocalAws) -> Any:
    return aws.client("ec2").enable_image_block_public_access(ImageBlockPublicAccessState="block-new-sharing", DryRun=True)


def get_parameters(aws: LocalAws) -> Any:
    return aws.client("ssm").get_parameters(Names=["/a"])


def create_grant(aws: LocalAws) -> Any:
    return aws.client("kms").create_grant(KeyId="00000000-0000-0000-0000-000000000000", GranteePrincipal="x", Operations=["Decrypt"])


# Sources: "Request throttling for the Amazon EC2 API" (bucket, refill per second); Systems Manager and KMS quotas.
@pytest.mark.parametrize(
    ("attempt", "capacity", "refill_per_second"),
    [
        pytest.param(copy_image, 100, 1, id="CopyImage holds 100 and gets one back a second"),
        pytest.param(describe_images, 100, 20, id="a paged or filtered read holds 100 and gets 20 back"),
        pytest.param(describe_snapshots_paged, 100, 20, id="DescribeSnapshots with MaxResults is such a read"),
        pytest.param(describe_snapshots, 50, 10, id="DescribeSnapshots without filter or MaxResults has the smaller bucket"),
        pytest.param(create_tags, 100, 10, id="CreateTags holds 100 and gets 10 back"),
        pytest.param(modify_image, 100, 5, id="ModifyImageAttribute holds 100 and gets 5 back"),
        pytest.param(disable_image, 50, 5, id="any other write holds 50 and gets 5 back"),
        pytest.param(block_public_access, 1, 0.1, id="block public access may be switched once in ten seconds"),
        pytest.param(get_parameters, 40, 40, id="Parameter Store reads are 40 a second"),
        pytest.param(create_grant, 50, 50, id="KMS CreateGrant is 50 a second"),
    ],
)
def test_a_bucket_holds_its_capacity_and_refills(lab_aws: LocalAws, attempt: Attempt, capacity: int, refill_per_second: float) -> None:
    assert allowed(lambda: attempt(lab_aws), at_most=capacity + 1) == capacity
    lab_aws.lab.advance(1 / refill_per_second)
    assert allowed(lambda: attempt(lab_aws), at_most=2) == 1


def test_a_bucket_never_holds_more_than_its_capacity(lab_aws: LocalAws) -> None:
    allowed(lambda: disable_image(lab_aws), at_most=51)
    lab_aws.lab.advance(3600)
    assert allowed(lambda: disable_image(lab_aws), at_most=51) == 50


def test_accounts_regions_and_operations_have_buckets_of_their_own(lab_aws: LocalAws, new_account: NewAccount) -> None:
    lab_aws.lab.settings(buckets={"ec2.DescribeImages": [1, 0]})
    mine, theirs = new_account(), new_account()
    assert lab_aws.client("ec2", account=mine).describe_images(Owners=["self"])
    assert error_of(lab_aws.client("ec2", account=mine).describe_images, Owners=["self"])[0] == "RequestLimitExceeded"
    assert lab_aws.client("ec2", account=theirs).describe_images(Owners=["self"])
    assert lab_aws.client("ec2", account=mine, region="eu-west-1").describe_images(Owners=["self"])
    assert lab_aws.client("ec2", account=mine).describe_snapshots(OwnerIds=["self"])


def test_the_reads_of_parameter_store_share_one_bucket(lab_aws: LocalAws) -> None:
    # Source: Systems Manager quotas, "GetParameter, GetParameters, GetParametersByPath share".
    ssm = lab_aws.client("ssm")
    allowed(lambda: get_parameters(lab_aws), at_most=40)
    assert error_of(ssm.get_parameters_by_path, Path="/a") == ("ThrottlingException", 400)
    assert ssm.describe_parameters()["Parameters"] == []


@pytest.mark.parametrize(
    ("bucket", "attempt", "expected"),
    [
        pytest.param("ec2.CreateTags", create_tags, ("RequestLimitExceeded", 503), id="EC2: RequestLimitExceeded, 503"),
        pytest.param("ssm.GetParameter*", get_parameters, ("ThrottlingException", 400), id="Parameter Store: ThrottlingException, 400"),
        pytest.param("kms.CreateGrant", create_grant, ("ThrottlingException", 400), id="KMS: ThrottlingException, 400"),
    ],
)
def test_over_the_limit_is_said_in_the_words_of_the_service(
    lab_aws: LocalAws, bucket: str, attempt: Attempt, expected: tuple[str, int]
) -> None:
    lab_aws.lab.settings(buckets={bucket: [0, 0]})
    assert error_of(lambda: attempt(lab_aws)) == expected


def test_instances_are_counted_beside_the_requests(lab_aws: LocalAws) -> None:
    # Source: "Request throttling for the Amazon EC2 API", resource rate limits: RunInstances 1000 instances, 2 a second.
    ec2 = lab_aws.client("ec2")
    lab_aws.lab.settings(buckets={"ec2.RunInstances:instances": [3, 0]})
    run = {"ImageId": "ami-00000000000000000", "MinCount": 1, "InstanceType": "t3.micro"}
    assert error_of(ec2.run_instances, MaxCount=4, **run)[0] == "RequestLimitExceeded"
    assert error_of(ec2.run_instances, MaxCount=3, **run)[0] != "RequestLimitExceeded"


def test_a_throttled_call_has_no_effect_and_takes_nothing(lab_aws: LocalAws) -> None:
    ssm = lab_aws.client("ssm")
    lab_aws.lab.settings(buckets={"ssm.PutParameter": [0, 1]})
    assert error_of(ssm.put_parameter, Name="/a", Value="1", Type="String")[0] == "ThrottlingException"
    assert ssm.get_parameters(Names=["/a"])["InvalidParameters"] == ["/a"]
    assert [call.outcome for call in lab_aws.lab.audit_calls(operation="PutParameter")] == ["throttled"]


def test_throttling_can_be_switched_off(lab_aws: LocalAws) -> None:
    lab_aws.lab.settings(throttling=False)
    assert allowed(lambda: disable_image(lab_aws), at_most=60) == 60
