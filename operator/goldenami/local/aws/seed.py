"""The demo's starting point: in each of two accounts an instance and the image it runs, keys named `alias/golden`, and an organization.

Made through AWS's own API, so that what is sown is what anybody could have made. Sowing twice finds everything and makes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from goldenami.local.aws import organizations
from goldenami.local.aws.access import SECRET_ACCESS_KEY, access_key_of
from goldenami.local.aws.lab import Lab

ACCOUNTS = ("111111111111", "222222222222")
REGION = "us-east-1"
KEY_REGIONS = ("us-east-1", "eu-west-1", "ap-northeast-1")
NAME = "base-linux-2026.11"
KEY_ALIAS = "alias/golden"
UNIT = "consumers"


def sow(
    lab: Lab, endpoint_url: str, *, accounts: Sequence[str] = ACCOUNTS, region: str = REGION, key_regions: Sequence[str] = KEY_REGIONS
) -> dict[str, Any]:
    """Returns, per account, its image, instance and key ARNs by region, and the organization and unit that the last account is in."""
    seconds, lab.settings.image_seconds = lab.settings.image_seconds, 0.0  # what is there at the start took no time
    try:
        session = boto3.Session()  # loads each service's model once
        sown: dict[str, Any] = {account: _account(_Door(session, endpoint_url, account), region, key_regions) for account in accounts}
    finally:
        lab.settings.image_seconds = seconds
    sown["memberships"] = sorted(organizations.enrol(accounts[-1], management_account=accounts[0], unit_path=UNIT))
    return sown


@dataclass(frozen=True)
class _Door:
    """Clients of one account."""

    session: boto3.Session
    endpoint_url: str
    account: str

    def client(self, service: str, region: str) -> Any:
        return self.session.client(
            service,  # type: ignore[call-overload]  # its overloads are literals
            region_name=region,
            endpoint_url=self.endpoint_url,
            aws_access_key_id=access_key_of(self.account),
            aws_secret_access_key=SECRET_ACCESS_KEY,
            config=Config(retries={"total_max_attempts": 3, "mode": "standard"}, proxies={}),
        )


def _account(door: _Door, region: str, key_regions: Sequence[str]) -> dict[str, Any]:
    ec2 = door.client("ec2", region)
    image_id = _image(ec2, region)
    keys = {each: _key(door.client("kms", each)) for each in key_regions}
    return {"image": image_id, "instance": _instance(ec2, image_id), "keys": keys}


def _image(ec2: Any, region: str) -> str:
    """An image registered from a snapshot of a new volume."""
    known = ec2.describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": [NAME]}])["Images"]
    if known:
        return str(known[0]["ImageId"])
    volume = ec2.create_volume(AvailabilityZone=f"{region}a", Size=8, VolumeType="gp3")["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=volume, Description="root disk of the base image")["SnapshotId"]
    ec2.delete_volume(VolumeId=volume)
    answer = ec2.register_image(
        Name=NAME,
        Description="A base image to make golden images from",
        Architecture="x86_64",
        VirtualizationType="hvm",
        RootDeviceName="/dev/xvda",
        BootMode="uefi-preferred",
        EnaSupport=True,
        ImdsSupport="v2.0",
        BlockDeviceMappings=[{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot, "VolumeType": "gp3"}}],
    )
    return str(answer["ImageId"])


def _instance(ec2: Any, image_id: str) -> str:
    running = ec2.describe_instances(Filters=[{"Name": "image-id", "Values": [image_id]}], MaxResults=10)["Reservations"]
    if running:
        return str(running[0]["Instances"][0]["InstanceId"])
    tags = [{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "source"}]}]
    answer = ec2.run_instances(ImageId=image_id, InstanceType="t3.micro", MinCount=1, MaxCount=1, TagSpecifications=tags)
    return str(answer["Instances"][0]["InstanceId"])


def _key(kms: Any) -> str:
    try:
        return str(kms.describe_key(KeyId=KEY_ALIAS)["KeyMetadata"]["Arn"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotFoundException":
            raise
    key = kms.create_key(Description="Encrypts golden images")["KeyMetadata"]
    kms.create_alias(AliasName=KEY_ALIAS, TargetKeyId=key["KeyId"])
    return str(key["Arn"])
