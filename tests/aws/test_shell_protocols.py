"""What is unknown or broken is an error in the service's own protocol, never an HTML page; and connections stay open."""

import http.client
import logging
import time
from urllib.parse import urlencode

import pytest

from goldenami.local.aws import LocalAws
from goldenami.local.aws.client import LabError
from goldenami.local.aws.clock import Clock
from support.aws import error_of


def sign(service: str) -> str:
    return f"AWS4-HMAC-SHA256 Credential=AKIA0000111111111111/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"


def post(aws: LocalAws, service: str, body: str, **headers: str) -> tuple[int, str, str]:
    """Status, content type and body of a bare call, for operations that no SDK would send."""
    connection = http.client.HTTPConnection("127.0.0.1", int(aws.endpoint_url.rsplit(":", 1)[1]), timeout=30)
    connection.request(
        "POST", "/", body, {"Authorization": sign(service), **{name.replace("_", "-"): value for name, value in headers.items()}}
    )
    response = connection.getresponse()
    answer = response.status, response.getheader("Content-Type", ""), response.read().decode()
    connection.close()
    return answer


@pytest.mark.parametrize("service", ["ec2", "sts", "autoscaling"])
def test_an_unknown_action_is_invalid_action(local_aws: LocalAws, service: str) -> None:
    # Source: EC2 and Query common errors, InvalidAction (400).
    body = urlencode({"Action": "MakeCoffee", "Version": "2016-11-15"})
    status, content_type, text = post(local_aws, service, body, Content_Type="application/x-www-form-urlencoded")
    assert status == 400
    assert content_type.startswith("text/xml")
    assert "<Code>InvalidAction</Code>" in text


@pytest.mark.parametrize(
    ("service", "target"),
    [pytest.param("ssm", "AmazonSSM.MakeCoffee", id="Systems Manager"), pytest.param("kms", "TrentService.MakeCoffee", id="KMS")],
)
def test_an_unknown_json_operation(local_aws: LocalAws, service: str, target: str) -> None:
    # Source: AWS JSON 1.1 protocol, UnknownOperationException.
    status, content_type, text = post(local_aws, service, "{}", X_Amz_Target=target, Content_Type="application/x-amz-json-1.1")
    assert (status, content_type) == (400, "application/x-amz-json-1.1")
    assert '"__type": "UnknownOperationException"' in text


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"),
    [
        pytest.param("ec2", "get_console_screenshot", {"InstanceId": "i-0123456789abcdef0"}, "InvalidAction", id="EC2"),
        pytest.param("ssm", "describe_instance_properties", {}, "UnknownOperationException", id="JSON"),
        pytest.param(
            "imagebuilder", "list_image_pipelines", {}, "UnknownOperationException", id="a REST service that is missing altogether"
        ),
    ],
)
def test_a_real_operation_that_is_not_offered_here_is_refused_the_same_way(
    local_aws: LocalAws, account: str, service: str, operation: str, arguments: dict[str, str], code: str
) -> None:
    assert error_of(getattr(local_aws.client(service, account=account), operation), **arguments) == (code, 400)


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        pytest.param("ec2", "describe_regions", "InternalError", id="EC2"),
        pytest.param("ssm", "describe_parameters", "InternalServerError", id="JSON"),
    ],
)
def test_a_fault_of_our_own_is_a_500_in_the_protocol_and_leaves_a_traceback(
    lab_aws: LocalAws, caplog: pytest.LogCaptureFixture, service: str, operation: str, code: str
) -> None:
    lab_aws.lab.add_fault("bug", operation=f"{service}.*")
    with caplog.at_level(logging.ERROR):
        assert error_of(getattr(lab_aws.client(service), operation)) == (code, 500)
    assert "InjectedBugError" in caplog.text
    assert "Traceback" in caplog.text


def test_s3_keeps_working_beside(local_aws: LocalAws, account: str) -> None:
    s3 = local_aws.client("s3", account=account)
    s3.create_bucket(Bucket=f"images-{account}")
    s3.put_object(Bucket=f"images-{account}", Key="disk.raw", Body=b"\x00" * 4096)
    assert s3.get_object(Bucket=f"images-{account}", Key="disk.raw")["Body"].read() == b"\x00" * 4096
    assert error_of(s3.get_object, Bucket=f"images-{account}", Key="none") == ("NoSuchKey", 404)


def test_a_connection_stays_open_for_the_next_call(local_aws: LocalAws) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(local_aws.endpoint_url.rsplit(":", 1)[1]), timeout=30)
    sockets = set()
    for _ in range(3):
        body = urlencode({"Action": "GetCallerIdentity", "Version": "2011-06-15"})
        connection.request("POST", "/", body, {"Authorization": sign("sts"), "Content-Type": "application/x-www-form-urlencoded"})
        assert b"111111111111" in connection.getresponse().read()
        sockets.add(connection.sock)
    assert len(sockets) == 1
    connection.close()


def test_an_unknown_control_call_is_refused_with_the_known_ones(local_aws: LocalAws) -> None:
    with pytest.raises(LabError, match="POST clock/advance"):
        local_aws.lab._call("GET", "coffee")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param({"colour": "red"}, "unknown settings", id="an unknown setting"),
        pytest.param({"throttling": "yes"}, "true or false", id="a switch that is neither on nor off"),
        pytest.param({"image_seconds": "soon"}, "soon", id="a number that is none"),
    ],
)
def test_a_setting_that_means_nothing_is_refused_with_the_reason(local_aws: LocalAws, changes: dict[str, str], said: str) -> None:
    with pytest.raises(LabError, match=said):
        local_aws.lab.settings(**changes)


def test_a_clock_passes_its_scale_times_what_passes_elsewhere() -> None:
    elsewhere = [50.0]
    clock = Clock(scale=60, start_epoch_seconds=1000.0, monotonic=lambda: elsewhere[0])
    for scale, seconds, expected in ((60, 2, 120), (0, 7, 0), (1, 3, 3), (3600, 1, 3600)):
        clock.rescale(scale)
        before = clock.now()
        elsewhere[0] += seconds
        assert clock.now() - before == expected
    assert clock.advance(10) == 1000.0 + 120 + 0 + 3 + 3600 + 10
    with pytest.raises(ValueError, match="0 or more"):
        clock.rescale(-1)


def test_the_control_rescales_the_clock(lab_aws: LocalAws) -> None:
    scale, rounding = 3600.0, 0.001
    lab_aws.lab.rescale(scale)
    began = time.monotonic()
    before = lab_aws.lab.now()
    at_least_began = time.monotonic()
    lab_aws.lab.settings()
    at_least = time.monotonic() - at_least_began
    after = lab_aws.lab.now()
    at_most = time.monotonic() - began
    assert at_least * scale - rounding <= after - before <= at_most * scale + rounding
    lab_aws.lab.rescale(0)
    assert lab_aws.lab.now() == lab_aws.lab.now()


def test_settings_and_clock_are_read_and_changed(lab_aws: LocalAws) -> None:
    assert lab_aws.lab.settings(copy_seconds=7)["copy_seconds"] == 7.0
    before = lab_aws.lab.now()
    assert lab_aws.lab.advance(30) == before + 30
    with pytest.raises(LabError, match="forward only"):
        lab_aws.lab.advance(-1)
