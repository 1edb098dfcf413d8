"""What a careful engineer would write without an operator: the shortest script for the same end state, once.

Copies into all regions at the same time, tagged and with a client token in the call; waits for each; shares snapshots, then the image;
writes the parameter and reads it back. Nothing is looked for first, nothing is kept so afterwards, and a crash is somebody's evening.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

Client = Callable[[str, str], Any]
"""A boto3 client by service and region."""


@dataclass(frozen=True)
class Wanted:
    """The same as the GoldenImage of the other side declares."""

    name: str
    source_image_id: str
    source_region: str
    regions: Sequence[str]
    accounts: Sequence[str]
    parameter: str
    tags: dict[str, str]


def converge(client: Client, wanted: Wanted, *, poll_seconds: float) -> dict[str, str]:
    """Image ids by region, once everything is there. Raises what boto3 raises."""
    with ThreadPoolExecutor(len(wanted.regions)) as pool:
        return dict(pool.map(lambda region: (region, _one_region(client, wanted, region, poll_seconds)), wanted.regions))


def _one_region(client: Client, wanted: Wanted, region: str, poll_seconds: float) -> str:
    ec2 = client("ec2", region)
    image_id = _copy(ec2, wanted, region)
    image = _when_available(ec2, image_id, poll_seconds)
    for mapping in image["BlockDeviceMappings"]:
        ec2.modify_snapshot_attribute(
            SnapshotId=mapping["Ebs"]["SnapshotId"],
            Attribute="createVolumePermission",
            OperationType="add",
            UserIds=list(wanted.accounts),
        )
    ec2.modify_image_attribute(ImageId=image_id, LaunchPermission={"Add": [{"UserId": account} for account in wanted.accounts]})
    _publish(client("ssm", region), wanted.parameter, image_id, poll_seconds)
    return image_id


def _copy(ec2: Any, wanted: Wanted, region: str) -> str:
    tags = [{"Key": key, "Value": value} for key, value in wanted.tags.items()]
    answer = ec2.copy_image(
        Name=wanted.name,
        SourceImageId=wanted.source_image_id,
        SourceRegion=wanted.source_region,
        ClientToken=hashlib.sha256(f"{wanted.name}/{wanted.source_image_id}/{region}".encode()).hexdigest(),
        TagSpecifications=[{"ResourceType": kind, "Tags": tags} for kind in ("image", "snapshot")],
    )
    return str(answer["ImageId"])


def _when_available(ec2: Any, image_id: str, poll_seconds: float) -> dict[str, Any]:
    while True:
        time.sleep(poll_seconds)
        (image,) = ec2.describe_images(ImageIds=[image_id])["Images"]
        if image["State"] == "available":
            return dict(image)
        if image["State"] != "pending":
            raise RuntimeError(f"{image_id} is {image['State']}: {image.get('StateReason', {}).get('Message', '')}")


def _publish(ssm: Any, parameter: str, image_id: str, poll_seconds: float) -> None:
    """SSM checks an image id after its answer, so only reading it back tells that it was taken."""
    ssm.put_parameter(Name=parameter, Value=image_id, Type="String", DataType="aws:ec2:image", Overwrite=True)
    while True:
        time.sleep(poll_seconds)
        found = ssm.get_parameters(Names=[parameter])["Parameters"]
        if found and found[0]["Value"] == image_id:
            return
