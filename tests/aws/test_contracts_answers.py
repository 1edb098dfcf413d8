"""The other half of the contract: of what the operator reads, no member that AWS documents is left out of the answers in silence.

Source: the output shapes in the service models of botocore, which are AWS's own.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest

from support.ec2 import AWAY, Cloud

ELSEWHERE = "there are no Local Zones and no Outposts here"
RESERVED = "reserved for future use"
OF_LATER = "of a feature that nobody uses here: absent, as with EC2 where it is not used"
LAUNCH_ONLY = 'documented as "only supported on objects called by RunInstances"'
OF_MATERIAL = "the keys here are symmetric, of KMS's own material, in KMS's own store"
SERVICE_PRINCIPAL = "grants are for accounts and their roles here"

UNSHOWN: Mapping[str, Mapping[str, str]] = {
    "ec2.DescribeImages": {
        **dict.fromkeys(
            ("KmsKeyId", "OutpostArn", "AvailabilityZone", "AvailabilityZoneId", "VolumeInitializationRate", "EbsCardIndex"), LAUNCH_ONLY
        ),
        "NoDevice": "a mapping that leaves a device out makes none",
        "ImageAllowed": OF_LATER,
        "ImageWatermarks": OF_LATER,
        "InstanceTypeSpecification": OF_LATER,
        "PublicSsmParameterName": "no image here is behind a parameter of AWS's",
        "ScanResults": "nothing is scanned here",
    },
    "ec2.DescribeSnapshots": {
        "AvailabilityZone": ELSEWHERE,
        "OutpostArn": ELSEWHERE,
        "SseType": RESERVED,
        "RestoreExpiryTime": "nothing is archived here",
        "AssociatedKmsKeys": OF_LATER,
        "DataEncryptionKeyId": "its form is not documented, and who keeps images compares no lineages",
    },
    "ec2.DescribeRegions": {"Geography": "which one a region has is nowhere listed"},
    "ec2.GetEbsEncryptionByDefault": {"SseType": RESERVED},
    "kms.DescribeKey": {
        **dict.fromkeys(("ValidTo", "CustomKeyStoreId", "CloudHsmClusterId", "ExpirationModel", "XksKeyConfiguration"), OF_MATERIAL),
        **dict.fromkeys(("SigningAlgorithms", "KeyAgreementAlgorithms", "EncapsulationAlgorithms", "MacAlgorithms"), OF_MATERIAL),
        "CurrentKeyMaterialId": OF_MATERIAL,
        "PendingDeletionWindowInDays": "of a primary that waits for its replicas",
    },
    "kms.ListGrants": {
        **dict.fromkeys(("GranteeServicePrincipal", "RetiringServicePrincipal"), SERVICE_PRINCIPAL),
        "SourceArn": SERVICE_PRINCIPAL,
    },
    "ssm.GetParameters": {"SourceResult": "of secrets that are read through Parameter Store"},
}
"""Of an operation, the members that no answer here has, and why that is true to AWS."""


def images(cloud: Cloud) -> Iterator[Any]:
    every = cloud.image(
        name="web", description="web", architecture="arm64", boot_mode="uefi", tpm="v2.0", imds="v2.0", sriov="simple",
        platform="windows", product_codes=["abc123"], owner_alias="aws-marketplace", kernel="aki-0a1b2c3d", ramdisk="ari-0a1b2c3d",
        source_image="ami-00000000000000001", source_region=AWAY, source_instance="i-0a1b2c3d", last_launched_at=1.0, tags={"a": "b"},
    )  # fmt: skip
    cloud.ec2().enable_image_deprecation(ImageId=every, DeprecateAt=datetime.fromtimestamp(cloud.now + 3600, UTC))
    cloud.image(state="failed", reason={"code": "Client.InternalError", "message": "no"})
    disks = [
        {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": cloud.snapshot(), "VolumeType": "gp3", "Iops": 4000, "Throughput": 200}},
        {"DeviceName": "/dev/sdb", "VirtualName": "ephemeral0"},
    ]
    cloud.ec2().register_image(Name="made", RootDeviceName="/dev/xvda", BlockDeviceMappings=disks)
    yield cloud.ec2().describe_images(Owners=["self"], MaxResults=2)
    yield cloud.ec2().describe_images(Owners=["self"])


def snapshots(cloud: Cloud) -> Iterator[Any]:
    source = cloud.snapshot(kms_key=cloud.key(), owner_alias="amazon", tags={"a": "b"})
    ec2 = cloud.ec2(AWAY)
    gone = cloud.key(AWAY)
    cloud.kms(AWAY).disable_key(KeyId=gone)
    ec2.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=source, CompletionDurationMinutes=15)
    ec2.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=source, Encrypted=True, KmsKeyId=gone)
    cloud.pass_time()
    yield ec2.describe_snapshots(OwnerIds=["self"])
    for _ in range(5):
        cloud.snapshot(owner_alias="amazon", tags={"a": "b"})
    yield cloud.ec2().describe_snapshots(OwnerIds=["self"], MaxResults=5)


def regions(cloud: Cloud) -> Iterator[Any]:
    yield cloud.ec2().describe_regions()


def default_encryption(cloud: Cloud) -> Iterator[Any]:
    yield cloud.ec2().get_ebs_encryption_by_default()


def keys(cloud: Cloud) -> Iterator[Any]:
    primary, doomed = cloud.key(MultiRegion=True), cloud.key()
    cloud.kms().replicate_key(KeyId=primary.rpartition("/")[2], ReplicaRegion=AWAY)
    yield cloud.kms().describe_key(KeyId=primary)
    cloud.kms().schedule_key_deletion(KeyId=doomed)
    yield cloud.kms().describe_key(KeyId=doomed)


def grants(cloud: Cloud) -> Iterator[Any]:
    key, kms, somebody = cloud.key(), cloud.kms(), f"arn:aws:iam::{cloud.other}:root"
    for constraint in ("EncryptionContextSubset", "EncryptionContextEquals"):
        kms.create_grant(
            KeyId=key, Name=constraint, GranteePrincipal=somebody, RetiringPrincipal=somebody, Operations=["Decrypt"],
            Constraints={constraint: {"a": "b"}},
        )  # fmt: skip
    yield kms.list_grants(KeyId=key, Limit=1)
    yield kms.list_grants(KeyId=key)


def parameter(cloud: Cloud) -> Any:
    ssm = cloud.aws.client("ssm", account=cloud.account)
    policy = '[{"Type":"Expiration","Version":"1.0","Attributes":{"Timestamp":"2040-12-02T21:34:33.000Z"}}]'
    ssm.put_parameter(Name="/a/b", Value="x", Type="String", Description="d", AllowedPattern=".*", Tier="Advanced", Policies=policy)
    ssm.label_parameter_version(Name="/a/b", ParameterVersion=1, Labels=["first"])
    ssm.put_parameter(Name="/a/c", Value="x", Type="SecureString", KeyId=cloud.key())
    return ssm


def parameters(cloud: Cloud) -> Iterator[Any]:
    yield parameter(cloud).get_parameters(Names=["/a/b:first", "/none"])


def described_parameters(cloud: Cloud) -> Iterator[Any]:
    ssm = parameter(cloud)
    yield from (ssm.describe_parameters(MaxResults=1), ssm.describe_parameters())


def history(cloud: Cloud) -> Iterator[Any]:
    ssm = parameter(cloud)
    ssm.put_parameter(Name="/a/b", Value="y", Overwrite=True)
    yield ssm.get_parameter_history(Name="/a/b", MaxResults=1)
    yield ssm.get_parameter_history(Name="/a/c")


ANSWERS: Mapping[str, Callable[[Cloud], Iterable[Any]]] = {
    "ec2.DescribeImages": images,
    "ec2.DescribeSnapshots": snapshots,
    "ec2.DescribeRegions": regions,
    "ec2.GetEbsEncryptionByDefault": default_encryption,
    "kms.DescribeKey": keys,
    "kms.ListGrants": grants,
    "ssm.GetParameters": parameters,
    "ssm.DescribeParameters": described_parameters,
    "ssm.GetParameterHistory": history,
}


def absent(shape: Any, answers: list[Any]) -> Iterator[str]:
    """The members that none of these answers has."""
    if shape.type_name == "list":
        yield from absent(shape.member, [each for answer in answers for each in answer])
    if shape.type_name != "structure":
        return
    for name, member in shape.members.items():
        shown = [answer[name] for answer in answers if answer.get(name) not in (None, [])]
        if shown:
            yield from absent(member, shown)
        else:
            yield name


@pytest.mark.parametrize(("operation", "answers"), ANSWERS.items(), ids=ANSWERS)
def test_every_member_of_an_answer_is_shown_or_named(cloud: Cloud, operation: str, answers: Callable[[Cloud], Iterable[Any]]) -> None:
    service, _, name = operation.partition(".")
    shape = botocore.session.get_session().get_service_model(service).operation_model(name).output_shape
    assert {*absent(shape, list(answers(cloud)))} == {*UNSHOWN.get(operation, ())}
