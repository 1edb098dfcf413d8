"""Whose call it is: access key to account, signature to region and service, roles and their external ids, regions that are not opened."""

import json
import subprocess
import sys
from typing import Any

import boto3
import botocore.session
import pytest
from botocore.config import Config

from goldenami.local.aws import LocalAws, access_key_of, account_of_access_key
from support.aws import NewAccount, error_of

ROLE = "arn:aws:iam::{}:role/goldenami"


@pytest.mark.parametrize(
    ("access_key", "account"),
    [
        pytest.param("123412341234", "123412341234", id="twelve digits name the account"),
        pytest.param("AKIA0000123412341234", "123412341234", id="and so do the last twelve of a key that looks like AWS's"),
        pytest.param("AKIAIOSFODNN7EXAMPLE", None, id="any other key names none"),
        pytest.param("test", None, id="nor does a made-up word"),
    ],
)
def test_an_access_key_names_its_account(access_key: str, account: str | None) -> None:
    assert account_of_access_key(access_key) == account


def test_an_account_id_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="12 digits"):
        access_key_of("1234")


def test_calls_act_in_the_account_of_their_key(local_aws: LocalAws, new_account: NewAccount) -> None:
    mine, theirs = new_account(), new_account()
    local_aws.client("ssm", account=mine).put_parameter(Name="/whose", Value="mine", Type="String")
    assert error_of(local_aws.client("ssm", account=theirs).get_parameter, Name="/whose")[0] == "ParameterNotFound"
    assert local_aws.client("sts", account=mine).get_caller_identity()["Account"] == mine


def test_calls_act_in_the_region_of_their_signature(local_aws: LocalAws, account: str) -> None:
    local_aws.client("ssm", region="eu-west-1", account=account).put_parameter(Name="/where", Value="there", Type="String")
    assert error_of(local_aws.client("ssm", region="eu-west-3", account=account).get_parameter, Name="/where")[0] == "ParameterNotFound"


def test_the_environment_makes_any_sdk_act_in_the_account(local_aws: LocalAws, account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in local_aws.environment(account, region="eu-west-2").items():
        monkeypatch.setenv(name, value)
    session = boto3.Session()
    assert session.client("sts").get_caller_identity()["Account"] == account
    assert session.client("ec2").meta.region_name == "eu-west-2"


def test_an_unknown_key_acts_in_the_default_account(local_aws: LocalAws) -> None:
    sts = boto3.client(
        "sts", region_name="us-east-1", endpoint_url=local_aws.endpoint_url, aws_access_key_id="test", aws_secret_access_key="test"
    )
    assert sts.get_caller_identity()["Account"] == "123456789012"


def assumed(aws: LocalAws, credentials: dict[str, str], service: str) -> Any:
    return boto3.client(
        service,  # type: ignore[call-overload]  # its overloads are literals
        region_name="us-east-1",
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        config=Config(retries={"total_max_attempts": 1}),
    )


def test_an_assumed_role_acts_in_the_account_of_the_role(local_aws: LocalAws, new_account: NewAccount) -> None:
    mine, theirs = new_account(), new_account()
    sts = local_aws.client("sts", account=mine)
    credentials = sts.assume_role(RoleArn=ROLE.format(theirs), RoleSessionName="test")["Credentials"]
    identity = assumed(local_aws, credentials, "sts").get_caller_identity()
    assert identity["Account"] == theirs
    assert identity["Arn"] == f"arn:aws:sts::{theirs}:assumed-role/goldenami/test"


def test_session_credentials_nobody_issued_are_refused(local_aws: LocalAws) -> None:
    credentials = {"AccessKeyId": "ASIAUNKNOWNUNKNOWN00", "SecretAccessKey": "x", "SessionToken": "x"}
    # Source: IAM user guide, "Troubleshoot", and the EC2 API's client errors.
    assert error_of(assumed(local_aws, credentials, "sts").get_caller_identity) == ("InvalidClientTokenId", 403)
    assert error_of(assumed(local_aws, credentials, "ec2").describe_regions) == ("AuthFailure", 401)


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        pytest.param({"ExternalId": "s3cret-handshake"}, True, id="the right external id is let in"),
        pytest.param({"ExternalId": "a-guess"}, False, id="a wrong one is not"),
        pytest.param({}, False, id="nor is a missing one"),
    ],
)
def test_a_role_with_an_external_id_wants_it(lab_aws: LocalAws, arguments: dict[str, str], allowed: bool) -> None:
    # Source: IAM user guide, "Access to AWS accounts owned by third parties" (the confused deputy).
    role = ROLE.format("222222222222")
    lab_aws.lab.settings(roles={role: "s3cret-handshake"})
    sts = lab_aws.client("sts")
    if allowed:
        assert sts.assume_role(RoleArn=role, RoleSessionName="test", **arguments)["Credentials"]["AccessKeyId"].startswith("ASIA")
    else:
        assert error_of(sts.assume_role, RoleArn=role, RoleSessionName="test", **arguments) == ("AccessDenied", 403)


def test_a_strict_lab_knows_no_other_roles(lab_aws: LocalAws) -> None:
    lab_aws.lab.settings(roles={ROLE.format("222222222222"): ""}, strict_roles=True)
    sts = lab_aws.client("sts")
    assert sts.assume_role(RoleArn=ROLE.format("222222222222"), RoleSessionName="test")
    assert error_of(sts.assume_role, RoleArn=ROLE.format("333333333333"), RoleSessionName="test")[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        pytest.param("ec2", "describe_images", ("AuthFailure", 401), id="EC2 says it cannot validate the credentials"),
        pytest.param("ssm", "describe_parameters", ("UnrecognizedClientException", 400), id="JSON services do not recognize the client"),
        pytest.param("sts", "get_caller_identity", ("InvalidClientTokenId", 403), id="Query services call the token invalid"),
    ],
)
def test_a_region_that_is_not_opted_in_looks_like_broken_credentials(
    local_aws: LocalAws, service: str, operation: str, expected: tuple[str, int]
) -> None:
    # Source: EC2 user guide, "Regions and Zones"; the same error as for broken credentials is what hides the reason.
    assert error_of(getattr(local_aws.client(service, region="af-south-1"), operation)) == expected


def test_describe_regions_tells_which_are_opted_in(local_aws: LocalAws) -> None:
    # Source: EC2 API reference, DescribeRegions.
    ec2 = local_aws.client("ec2")
    everything = {each["RegionName"]: each["OptInStatus"] for each in ec2.describe_regions(AllRegions=True)["Regions"]}
    enabled = {each["RegionName"] for each in ec2.describe_regions()["Regions"]}
    assert everything["us-east-1"] == "opt-in-not-required"
    assert everything["eu-south-1"] == "opted-in"
    assert everything["af-south-1"] == "not-opted-in"
    assert enabled == {name for name, status in everything.items() if status != "not-opted-in"}


ASKED = ("ec2", "aws", False), ("ec2", "aws-cn", False), ("ssm", "aws", False), ("iam", "aws", True), ("no-such-service", "aws", False)


def test_the_lists_of_regions_that_are_remembered_are_botocores_own() -> None:
    alone = (
        f"import botocore.session, json; s = botocore.session.Session(); print(json.dumps([s.get_available_regions(*a) for a in {ASKED}]))"
    )
    answer = subprocess.run([sys.executable, "-c", alone], check=True, capture_output=True, text=True).stdout
    session = botocore.session.Session()
    assert [session.get_available_regions(*each) for each in ASKED] == json.loads(answer)
    session.get_available_regions("ec2").clear()
    assert "us-east-1" in session.get_available_regions("ec2")


def test_describe_regions_filters_and_refuses_unknown_names(local_aws: LocalAws) -> None:
    ec2 = local_aws.client("ec2")
    closed = [{"Name": "opt-in-status", "Values": ["not-opted-in"]}]
    assert {each["RegionName"] for each in ec2.describe_regions(AllRegions=True, Filters=closed)["Regions"]} == {"af-south-1", "me-south-1"}
    assert [each["RegionName"] for each in ec2.describe_regions(RegionNames=["eu-west-3"])["Regions"]] == ["eu-west-3"]
    assert error_of(ec2.describe_regions, RegionNames=["mars-north-1"]) == ("InvalidParameterValue", 400)


def test_a_region_can_be_opened_while_the_server_runs(lab_aws: LocalAws) -> None:
    lab_aws.lab.settings(regions_not_opted_in=[])
    assert lab_aws.client("ec2", region="af-south-1").describe_regions()["Regions"]
