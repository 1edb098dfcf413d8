"""The audit: every call with its arguments and answer, found by filters, in a file if wanted, and never a secret."""

import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError

from goldenami.local.aws import AuditedCall, LocalAws, ec2
from goldenami.local.aws.audit import Audit
from goldenami.local.aws.calls import Call
from goldenami.local.aws.client import LabError
from support.aws import NewAccount

IMAGE_TAGS = [{"ResourceType": "snapshot", "Tags": [{"Key": "goldenami.dev/owner", "Value": "main/images/web"}]}]


def make_snapshot(aws: LocalAws, account: str, region: str = "us-east-1") -> str:
    ec2 = aws.client("ec2", account=account, region=region)
    volume = ec2.create_volume(AvailabilityZone=f"{region}a", Size=8)["VolumeId"]
    return str(ec2.create_snapshot(VolumeId=volume, TagSpecifications=IMAGE_TAGS)["SnapshotId"])


def only(calls: list[AuditedCall]) -> AuditedCall:
    (call,) = calls
    return call


def test_a_call_is_recorded_with_arguments_under_their_names_and_the_ids_it_made(local_aws: LocalAws, account: str) -> None:
    snapshot = make_snapshot(local_aws, account, region="eu-west-1")
    call = only(local_aws.lab.audit_calls(account=account, operation="CreateSnapshot"))
    assert (call.name, call.account, call.region) == ("ec2.CreateSnapshot", account, "eu-west-1")
    assert call.arguments["TagSpecifications"] == IMAGE_TAGS
    assert snapshot in call.ids
    assert (call.outcome, call.effect, call.status, call.code, call.mutating) == ("answered", True, 200, "", True)
    assert 0 < call.duration_seconds < 5


def test_a_json_call_is_recorded_with_the_plain_members_of_its_answer(local_aws: LocalAws, account: str) -> None:
    local_aws.client("ssm", account=account).put_parameter(Name="/a", Value="1", Type="String")
    call = only(local_aws.lab.audit_calls(account=account))
    assert call.arguments == {"Name": "/a", "Value": "1", "Type": "String"}
    assert call.answer == {"Version": 1, "Tier": "Standard"}


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "members"),
    [
        pytest.param("ec2", "get_ebs_encryption_by_default", {}, {"EbsEncryptionByDefault": "false"}, id="EC2"),
        pytest.param(
            "ec2", "create_tags", {"Resources": ["{snapshot}"], "Tags": [{"Key": "a", "Value": "b"}]}, {"Return": "true"}, id="done"
        ),
        pytest.param("ec2", "describe_snapshots", {"SnapshotIds": ["{snapshot}"]}, {}, id="a listing has none"),
        pytest.param("sts", "get_caller_identity", {}, {"Account": "{account}"}, id="Query services"),
    ],
)
def test_an_xml_call_is_recorded_with_the_plain_members_of_its_answer(
    local_aws: LocalAws, account: str, service: str, operation: str, arguments: dict[str, Any], members: dict[str, str]
) -> None:
    snapshot = make_snapshot(local_aws, account)
    given = {name: [snapshot] if value == ["{snapshot}"] else value for name, value in arguments.items()}
    getattr(local_aws.client(service, account=account), operation)(**given)
    answer = local_aws.lab.audit_calls(account=account)[-1].answer
    expected = {name: value.format(account=account) for name, value in members.items()}
    assert {name: value for name, value in answer.items() if name in expected or not expected} == expected


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code", "status"),
    [
        pytest.param("ec2", "describe_images", {"ImageIds": ["ami-0123456789abcdef0"]}, "InvalidAMIID.NotFound", 400, id="EC2"),
        pytest.param("ssm", "get_parameter", {"Name": "/none"}, "ParameterNotFound", 400, id="JSON"),
        pytest.param(
            "sts", "assume_role", {"RoleArn": "arn:aws:iam::x:role/none", "RoleSessionName": "test"}, "ValidationError", 400, id="Query"
        ),
    ],
)
def test_a_refused_call_is_recorded_with_its_code(
    local_aws: LocalAws, account: str, service: str, operation: str, arguments: dict[str, Any], code: str, status: int
) -> None:
    with pytest.raises(ClientError):
        getattr(local_aws.client(service, account=account), operation)(**arguments)
    call = only(local_aws.lab.audit_calls(account=account))
    assert (call.code, call.status, call.outcome) == (code, status, "answered")


def test_reads_writes_and_dry_runs_are_told_apart(local_aws: LocalAws, account: str) -> None:
    ec2 = local_aws.client("ec2", account=account)
    ec2.describe_images(Owners=["self"])
    ec2.create_volume(AvailabilityZone="us-east-1a", Size=1)
    with pytest.raises(ClientError, match="DryRunOperation"):
        ec2.create_volume(AvailabilityZone="us-east-1a", Size=1, DryRun=True)
    assert [call.mutating for call in local_aws.lab.audit_calls(account=account)] == [False, True, False]
    assert local_aws.lab.audit_counts(account=account, mutating=True) == {"ec2.CreateVolume": 1}


def test_calls_are_numbered_in_order_and_found_by_filters(local_aws: LocalAws, new_account: NewAccount) -> None:
    mine, theirs = new_account(), new_account()
    snapshot = make_snapshot(local_aws, mine, "us-east-1")
    make_snapshot(local_aws, theirs, "eu-west-1")
    calls = local_aws.lab.audit_calls(account=mine)
    first, second = calls
    assert first.sequence < second.sequence
    lab = local_aws.lab
    assert [call.operation for call in lab.audit_calls(account=mine, since=first.sequence)] == ["CreateSnapshot"]
    assert [call.operation for call in lab.audit_calls(account=mine, operation="ec2.*Volume")] == ["CreateVolume"]
    assert [call.account for call in lab.audit_calls(id=snapshot)] == [mine]
    assert lab.audit_calls(account=mine, region="eu-west-1") == []
    assert lab.audit_counts(account=theirs) == {"ec2.CreateSnapshot": 1, "ec2.CreateVolume": 1}


def test_an_unknown_filter_is_refused_with_the_known_ones(local_aws: LocalAws) -> None:
    with pytest.raises(LabError, match="operation"):
        local_aws.lab.audit_calls(colour="red")


def test_a_cleared_audit_goes_on_counting(lab_aws: LocalAws) -> None:
    ssm = lab_aws.client("ssm")
    ssm.describe_parameters()
    before = only(lab_aws.lab.audit_calls()).sequence
    lab_aws.lab.clear_audit()
    assert lab_aws.lab.audit_calls() == []
    ssm.describe_parameters()
    assert only(lab_aws.lab.audit_calls()).sequence > before


def test_every_id_that_a_write_answers_is_known_however_long_the_answer(lab_aws: LocalAws) -> None:
    image = ec2.seed_image("111111111111", "us-east-1")
    instances = lab_aws.client("ec2").run_instances(ImageId=image, MinCount=60, MaxCount=60)["Instances"]
    call = only(lab_aws.lab.audit_calls(operation="RunInstances"))
    assert {each["InstanceId"] for each in instances} <= set(call.ids)
    assert [each.operation for each in lab_aws.lab.audit_calls(id=instances[-1]["InstanceId"])] == ["RunInstances"]


def test_calls_that_are_no_longer_in_memory_are_not_counted_as_none() -> None:
    audit = Audit(limit=2)
    made = Call("ssm", "PutParameter", "111111111111", "us-east-1", "", "json", b"", {})
    for _ in range(2):
        audit.begin(made, 0.0)
    assert audit.counts({}) == {"ssm.PutParameter": 2}
    audit.begin(made, 0.0)
    for wanted in ({}, {"since": "0"}, {"operation": "GetParameter"}):
        with pytest.raises(ValueError, match=r"calls up to number 1 are no longer in memory.*clear the audit"):
            audit.counts(wanted)
    with pytest.raises(ValueError, match="no longer in memory"):
        audit.select({"since": "0"})
    assert audit.counts({"account": "222222222222"}) == {}
    with pytest.raises(ValueError, match="no longer in memory"):
        audit.counts({"account": "111111111111"})
    assert audit.counts({"since": "1"}) == {"ssm.PutParameter": 2}
    assert [record.sequence for record in audit.select({})] == [2, 3]
    audit.clear()
    assert audit.counts({}) == {}


def test_no_secret_is_ever_recorded(lab_aws: LocalAws) -> None:
    ssm, kms, sts = lab_aws.client("ssm"), lab_aws.client("kms"), lab_aws.client("sts")
    ssm.put_parameter(Name="/secret", Value="hunter2-first", Type="SecureString")
    ssm.put_parameter(Name="/secret", Value="hunter2-second", Overwrite=True)
    credentials = sts.assume_role(RoleArn="arn:aws:iam::222222222222:role/a", RoleSessionName="test")["Credentials"]
    key = kms.create_key()["KeyMetadata"]["KeyId"]
    kms.encrypt(KeyId=key, Plaintext=b"hunter2-third")
    kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    private_key = lab_aws.client("ec2").create_key_pair(KeyName="a")["KeyMaterial"].splitlines()[1]
    lab_aws.lab.add_fault("refuse", operation="RunInstances")
    with pytest.raises(ClientError):
        lab_aws.client("ec2").run_instances(ImageId="ami-0123456789abcdef0", MinCount=1, MaxCount=1, UserData="hunter2-fourth")
    everything = json.dumps([(call.arguments, call.answer) for call in lab_aws.lab.audit_calls()], default=str)
    for secret in ("hunter2", "aHVudGVyMi", private_key, credentials["SecretAccessKey"], credentials["SessionToken"], "AWS4-HMAC"):
        assert secret not in everything


def test_an_image_alias_is_shown_though_its_type_is_left_out(lab_aws: LocalAws) -> None:
    ssm = lab_aws.client("ssm")
    ssm.put_parameter(Name="/a", Value="first", Type="String")
    ssm.put_parameter(Name="/a", Value="ami-0123456789abcdef0", Overwrite=True)
    assert [call.arguments["Value"] for call in lab_aws.lab.audit_calls(operation="PutParameter")] == ["first", "ami-0123456789abcdef0"]


def test_the_audit_can_be_a_file_of_json_lines(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    with LocalAws.start(in_process=True, audit_file=file) as aws:
        aws.client("ssm").put_parameter(Name="/a", Value="1", Type="String")
        aws.client("ssm").describe_parameters()
        recorded = aws.lab.audit_calls()
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [AuditedCall(**line) for line in lines] == recorded
    assert [line["operation"] for line in lines] == ["PutParameter", "DescribeParameters"]


@pytest.mark.parametrize("framing", [pytest.param("Content-Length: 500", id="of a known length"), "Transfer-Encoding: chunked"])
def test_a_request_that_breaks_off_is_none(lab_aws: LocalAws, framing: str) -> None:
    """A client that was killed while it sent: what had come would be a whole call, with fewer arguments."""
    instances = lab_aws.client("ec2").run_instances(ImageId=ec2.seed_image("111111111111", "us-east-1"), MinCount=1, MaxCount=1)
    lab_aws.lab.clear_audit()
    begun = f"Action=DeleteTags&Version=2016-11-15&ResourceId.1={instances['Instances'][0]['InstanceId']}"
    head = (
        "POST / HTTP/1.1",
        "Host: ec2",
        "Content-Type: application/x-www-form-urlencoded",
        "Authorization: AWS4-HMAC-SHA256 Credential=111111111111/20260101/us-east-1/ec2/aws4_request, SignedHeaders=host, Signature=0",
        framing,
    )
    body = begun if "Length" in framing else f"{len(begun):x}\r\n{begun}\r\n"
    address = urlsplit(lab_aws.endpoint_url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall("\r\n".join([*head, "", body]).encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""
    assert lab_aws.lab.audit_calls() == []
