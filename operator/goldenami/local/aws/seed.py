"""The demo's starting point: in each of two accounts an image, an instance that runs it and a snapshot of its disk, keys named
`alias/golden`, and an organization. The ids of account 111111111111 and the role of 222222222222 are those that `examples/` name.

What has an id is made by the image core, because AWS's own API lets nobody choose one; the rest through that API. Sowing twice finds
everything and makes nothing.
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
DIGITS = {"111111111111": "0a1b2c3d4e5f60718", "222222222222": "0f1e2d3c4b5a69788"}
"""What follows `ami-`, `i-` and `snap-` in each account's ids."""
ROLES = {"arn:aws:iam::222222222222:role/goldenami": "goldenami-build"}
"""Roles that can be assumed, with the external id each wants."""
KEY_REGIONS = ("us-east-1", "eu-west-1", "ap-northeast-1")
NAME = "base-linux-2026.11"
KEY_ALIAS = "alias/golden"
UNIT = "consumers"
VOLUMES = ({"device_name": "/dev/xvda", "size": 8}, {"device_name": "/dev/sdb", "size": 20})
"""The instance's: its image's root disk, and one for data."""
AGE_SECONDS = 30 * 86400.0


def sow(lab: Lab, endpoint_url: str, *, key_regions: Sequence[str] = KEY_REGIONS) -> dict[str, Any]:
    """Returns, per account, its image, instance, snapshot and key ARNs by region, and the ARNs that the last account is a member of.

    The first account's image is shared with the second, disks included.
    """
    lab.settings.roles = {**ROLES, **lab.settings.roles}
    session = boto3.Session()  # loads each service's model once
    sown: dict[str, Any] = {account: _account(_Door(session, endpoint_url, account), key_regions) for account in ACCOUNTS}
    sown["memberships"] = sorted(organizations.enrol(ACCOUNTS[-1], management_account=ACCOUNTS[0], unit_path=UNIT))
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


def _account(door: _Door, key_regions: Sequence[str]) -> dict[str, Any]:
    digits = DIGITS[door.account]
    _source(door, digits)
    keys = {each: _key(door.client("kms", each)) for each in key_regions}
    return {"image": f"ami-{digits}", "instance": f"i-{digits}", "snapshot": f"snap-{digits}", "keys": keys}


def _source(door: _Door, digits: str) -> None:
    """An image, an instance that runs it, and a snapshot that stands alone."""
    from goldenami.local.aws import ec2  # loads moto, which nobody needs before a server starts

    if door.client("ec2", REGION).describe_images(Owners=["self"], Filters=[{"Name": "name", "Values": [NAME]}])["Images"]:
        return
    partners = ACCOUNTS[1:] if door.account == ACCOUNTS[0] else ()
    image = {
        "fixed_id": f"ami-{digits}", "name": NAME, "description": "A base image to make golden images from", "boot_mode": "uefi-preferred",
        "imds": "v2.0", "users": partners, "snapshot_users": partners, "age_seconds": AGE_SECONDS,
    }  # fmt: skip
    instance = {"fixed_id": f"i-{digits}", "image_id": f"ami-{digits}", "volumes": VOLUMES, "tags": {"Name": "source"}}
    snapshot = {"fixed_id": f"snap-{digits}", "description": "root disk of an appliance", "tags": {"Name": "source"}}
    ec2.seed("image", door.account, REGION, image)
    ec2.seed("instance", door.account, REGION, instance)
    ec2.seed("snapshot", door.account, REGION, snapshot)


def _key(kms: Any) -> str:
    try:
        return str(kms.describe_key(KeyId=KEY_ALIAS)["KeyMetadata"]["Arn"])
    except ClientError as error:
        if error.response["Error"]["Code"] != "NotFoundException":
            raise
    key = kms.create_key(Description="Encrypts golden images")["KeyMetadata"]
    kms.create_alias(AliasName=KEY_ALIAS, TargetKeyId=key["KeyId"])
    return str(key["Arn"])
