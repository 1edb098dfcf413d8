"""Faults to order: refused, lost, slow, a region down, credentials expired; and whom they strike."""

import time
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from goldenami.local.aws import LabControl, LocalAws
from goldenami.local.aws.client import LabError
from support.aws import NewAccount, error_of


def put(aws: LocalAws, name: str = "/a", **where: str) -> Any:
    return aws.client("ssm", **where).put_parameter(Name=name, Value="1", Type="String")


def exists(aws: LocalAws, name: str = "/a", **where: str) -> bool:
    return not aws.client("ssm", **where).get_parameters(Names=[name])["InvalidParameters"]


def test_a_refused_call_has_no_effect(lab_aws: LocalAws) -> None:
    lab_aws.lab.add_fault("refuse", operation="ssm.PutParameter", code="TooManyUpdates", message="Try later.", status=400)
    assert error_of(lambda: put(lab_aws)) == ("TooManyUpdates", 400)
    assert not exists(lab_aws)
    assert put(lab_aws)["Version"] == 1  # it strikes once unless told otherwise


def test_a_refusal_comes_in_the_protocol_of_the_service(lab_aws: LocalAws) -> None:
    lab_aws.lab.add_fault("refuse", operation="ec2.DescribeImages", code="ResourceLimitExceeded", message="Too <many> copies", status=503)
    with pytest.raises(ClientError) as caught:
        lab_aws.client("ec2").describe_images()
    assert caught.value.response["Error"] == {"Code": "ResourceLimitExceeded", "Message": "Too <many> copies"}


@pytest.mark.parametrize(
    ("fields", "raised"),
    [
        pytest.param({}, ConnectionClosedError, id="by default the connection is dropped"),
        pytest.param({"answer": "error"}, ClientError, id="or a 500 is answered"),
    ],
)
def test_a_lost_answer_leaves_the_effect(lab_aws: LocalAws, fields: dict[str, Any], raised: type[Exception]) -> None:
    lab_aws.lab.add_fault("lose", operation="PutParameter", **fields)
    with pytest.raises(raised):
        put(lab_aws)
    assert exists(lab_aws)
    (call,) = lab_aws.lab.audit_calls(operation="PutParameter")
    assert (call.outcome, call.effect) == ("lost", True)


def test_a_slow_call_takes_real_time(lab_aws: LocalAws) -> None:
    lab_aws.lab.add_fault("slow", operation="PutParameter", seconds=0.2)
    started = time.monotonic()
    put(lab_aws)
    assert time.monotonic() - started >= 0.2


def test_every_call_can_be_given_a_latency(lab_aws: LocalAws) -> None:
    lab_aws.lab.settings(latency_seconds=0.1)
    started = time.monotonic()
    assert not exists(lab_aws)
    assert time.monotonic() - started >= 0.1


@pytest.mark.parametrize(
    ("code", "status"),
    [
        pytest.param("InternalError", 500, id="a fault on AWS's side is 500"),
        pytest.param("RequestLimitExceeded", 503, id="throttling is 503"),
        pytest.param("UnauthorizedOperation", 403, id="a denial is 403"),
        pytest.param("InvalidAMIID.NotFound", 400, id="anything else is 400"),
    ],
)
def test_a_refusal_has_the_status_that_goes_with_its_code(lab_aws: LocalAws, code: str, status: int) -> None:
    lab_aws.lab.add_fault("refuse", code=code)
    assert error_of(lab_aws.client("ec2").describe_images) == (code, status)


@pytest.mark.parametrize(
    ("fields", "raised"),
    [
        pytest.param({}, ConnectionClosedError, id="connections are closed"),
        pytest.param({"answer": "error"}, ClientError, id="or answered with 503"),
    ],
)
def test_a_region_that_is_down_stays_down_until_it_is_lifted(lab_aws: LocalAws, fields: dict[str, Any], raised: type[Exception]) -> None:
    fault = lab_aws.lab.add_fault("region_down", region="eu-west-1", **fields)
    for _ in range(2):
        with pytest.raises(raised):
            put(lab_aws, region="eu-west-1")
    assert put(lab_aws, region="eu-west-3")
    lab_aws.lab.remove_fault(fault)
    assert put(lab_aws, region="eu-west-1")["Version"] == 1


@pytest.mark.parametrize(
    ("service", "operation", "expected"),
    [
        pytest.param("ec2", "describe_images", ("RequestExpired", 400), id="EC2: RequestExpired"),
        pytest.param("ssm", "describe_parameters", ("ExpiredTokenException", 400), id="JSON services: ExpiredTokenException"),
        pytest.param("sts", "get_caller_identity", ("ExpiredToken", 403), id="Query services: ExpiredToken"),
    ],
)
def test_expired_credentials(lab_aws: LocalAws, service: str, operation: str, expected: tuple[str, int]) -> None:
    # Source: the common errors of EC2, Systems Manager and STS API references.
    lab_aws.lab.add_fault("credentials_expired")
    assert error_of(getattr(lab_aws.client(service), operation)) == expected


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"operation": "PutParameter"}, id="by operation"),
        pytest.param({"operation": "ssm.Put*"}, id="by service and a pattern"),
        pytest.param({"account": "111111111111"}, id="by account"),
        pytest.param({"region": "us-*"}, id="by region"),
        pytest.param({"resource": "/golden/web"}, id="by a text in the arguments"),
        pytest.param({"writes_only": True}, id="by writing"),
    ],
)
def test_a_fault_strikes_what_matches(lab_aws: LocalAws, fields: dict[str, Any]) -> None:
    lab_aws.lab.add_fault("refuse", code="Struck", times=None, **fields)
    assert error_of(lambda: put(lab_aws, "/golden/web/current"))[0] == "Struck"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"operation": "GetParameter"}, id="another operation"),
        pytest.param({"operation": "kms.*"}, id="another service"),
        pytest.param({"account": "222222222222"}, id="another account"),
        pytest.param({"region": "eu-*"}, id="another region"),
        pytest.param({"resource": "/golden/api"}, id="another name"),
        pytest.param({"nth": 2}, id="only the second"),
    ],
)
def test_a_fault_spares_what_does_not_match(lab_aws: LocalAws, fields: dict[str, Any]) -> None:
    lab_aws.lab.add_fault("refuse", code="Struck", **fields)
    assert put(lab_aws, "/golden/web/current")


def test_reads_are_spared_by_a_fault_for_writes(lab_aws: LocalAws) -> None:
    lab_aws.lab.add_fault("refuse", code="Struck", writes_only=True)
    assert lab_aws.client("ec2").describe_images()["Images"] == []
    assert lab_aws.client("sts").get_caller_identity()["Account"] == "111111111111"


def test_a_fault_can_wait_for_the_nth_match_and_strike_a_number_of_times(lab_aws: LocalAws) -> None:
    lab_aws.lab.add_fault("refuse", operation="PutParameter", code="Struck", nth=3, times=2)
    codes = []
    for number in range(5):
        try:
            put(lab_aws, f"/{number}")
            codes.append("")
        except ClientError as error:
            codes.append(error.response["Error"]["Code"])
    assert codes == ["", "", "Struck", "Struck", ""]
    (fault,) = lab_aws.lab.faults()
    assert (fault["matched"], fault["struck"]) == (5, 2)


def test_faults_of_one_account_spare_the_others(local_aws: LocalAws, new_account: NewAccount) -> None:
    mine, theirs = new_account(), new_account()
    fault = local_aws.lab.add_fault("refuse", account=mine, code="Struck")
    assert put(local_aws, account=theirs)
    assert error_of(lambda: put(local_aws, account=mine))[0] == "Struck"
    local_aws.lab.remove_fault(fault)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        pytest.param({"form": "explode"}, "one of refuse, lose, slow", id="an unknown form"),
        pytest.param({"form": "refuse", "nth": 0}, "counts from 1", id="a match before the first"),
        pytest.param({"form": "lose", "answer": "smile"}, "drop or error", id="an answer that is neither"),
        pytest.param({"form": "lose", "colour": "red"}, "colour", id="an unknown field"),
    ],
)
def test_a_fault_that_means_nothing_is_refused_with_the_reason(local_aws: LocalAws, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(LabError, match=said):
        LabControl(local_aws.endpoint_url).add_fault(**fields)
