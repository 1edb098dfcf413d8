"""What the demo's AWS holds from before: an old version of the family `app`, as a cluster that is gone left it, and its next one's base.

EC2 tells of a launch a day late, so nothing younger than two days is ever retired. Nobody waits that long for a demo: these images are put
into the local AWS with the age and the tags that they would have, and the operator finds them by their tags, as in a rebuilt cluster.
"""

from __future__ import annotations

from goldenami.local.aws.local import LocalAws
from goldenami.plan.identity import Owner, identity_tags

NAMESPACE, FAMILY = "images", "app"
"""The GoldenImage of `examples/retention.yaml`."""
VERSION = "1.0.0"
REGIONS = ("us-east-1", "eu-west-1")
AGE_DAYS = 100
SOURCE_REGION, SOURCE = "us-east-1", "ami-0a1b2c3d4e5f60718"
NEXT_BASE = "ami-0b2c3d4e5f6071829"
NEXT_NAME = "base-linux-2026.12"


def sow(aws: LocalAws, account: str, installation: str) -> None:
    """Raises LabError."""
    tags = identity_tags(Owner(installation, NAMESPACE, FAMILY), VERSION, f"image/{SOURCE_REGION}/{SOURCE}")
    name, told = f"{FAMILY}-{VERSION}", f"{FAMILY} {VERSION}, kept by goldenami"
    both = {"tags": tags, "snapshot_tags": tags, "age_seconds": AGE_DAYS * 86_400.0}
    for region in REGIONS:
        aws.lab.seed_one("image", account, region, name=name, description=told, boot_mode="uefi-preferred", imds="v2.0", **both)
    aws.lab.seed_one("image", account, SOURCE_REGION, name=NEXT_NAME, fixed_id=NEXT_BASE, boot_mode="uefi-preferred", imds="v2.0")
