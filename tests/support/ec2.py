"""A cloud for the contract tests of the local EC2: a local AWS per module whose clock stands still, and fresh accounts per test.

A row of a table is a sentence, the source it was taken from, and a small function over the `Cloud`.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import pytest

from goldenami.local.aws import LocalAws, ec2, lab
from goldenami.local.aws.lab import Settings
from support.aws import error_of

HOME = "us-east-1"
AWAY = "eu-west-1"
LONG_SECONDS = 1000.0  # whatever is pending is finished after this
_accounts = itertools.count(400_000_000_001)


@dataclass(frozen=True)
class Cloud:
    aws: LocalAws
    account: str
    other: str

    def ec2(self, region: str = HOME, *, account: str | None = None) -> Any:
        return self.aws.client("ec2", region=region, account=account or self.account)

    def kms(self, region: str = HOME, *, account: str | None = None) -> Any:
        return self.aws.client("kms", region=region, account=account or self.account)

    @property
    def settings(self) -> Settings:
        return lab.current().settings

    @property
    def now(self) -> float:
        return lab.current().clock.now()

    def image(self, region: str = HOME, *, account: str | None = None, **traits: Any) -> str:
        """An available image that has been there before."""
        return ec2.seed_image(account or self.account, region, **traits)

    def snapshot(self, region: str = HOME, *, account: str | None = None, **traits: Any) -> str:
        return str(ec2.seed("snapshot", account or self.account, region, traits)["snapshot_id"])

    def instance(self, region: str = HOME, *, account: str | None = None, **traits: Any) -> str:
        return str(ec2.seed("instance", account or self.account, region, traits)["instance_id"])

    def key(self, region: str = HOME, *, account: str | None = None, **arguments: Any) -> str:
        """The ARN of a new key."""
        return str(self.kms(region, account=account).create_key(**arguments)["KeyMetadata"]["Arn"])

    def pass_time(self, seconds: float = LONG_SECONDS) -> None:
        self.aws.lab.advance(seconds)

    def shown(self, image_id: str, region: str = HOME, *, account: str | None = None) -> dict[str, Any]:
        """One image as DescribeImages shows it, disabled or not."""
        images = self.ec2(region, account=account).describe_images(ImageIds=[image_id], IncludeDisabled=True)["Images"]
        assert len(images) == 1, images
        return dict(images[0])

    def shown_snapshot(self, snapshot_id: str, region: str = HOME) -> dict[str, Any]:
        return dict(self.ec2(region).describe_snapshots(SnapshotIds=[snapshot_id])["Snapshots"][0])

    def snapshot_of(self, image_id: str, region: str = HOME) -> str:
        return str(self.shown(image_id, region)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"])

    def copy(self, source: str, *, to: str = AWAY, account: str | None = None, region: str = HOME, **arguments: Any) -> str:
        """The id of a copy that has just begun."""
        request = {"Name": "a copy", "SourceImageId": source, "SourceRegion": region, **arguments}
        return str(self.ec2(to, account=account).copy_image(**request)["ImageId"])

    def grants(self, image_id: str) -> list[dict[str, str]]:
        return list(self.ec2().describe_image_attribute(ImageId=image_id, Attribute="launchPermission")["LaunchPermissions"])

    def lists(self, image_id: str, region: str = HOME, *, account: str | None = None, **arguments: Any) -> bool:
        """Whether a listing holds the image."""
        images = self.ec2(region, account=account).describe_images(**arguments)["Images"]
        return image_id in {image["ImageId"] for image in images}


@pytest.fixture(scope="module")
def ec2_lab() -> Iterator[LocalAws]:
    with LocalAws.start(in_process=True, clock_scale=0) as aws:
        yield aws


@pytest.fixture
def cloud(ec2_lab: LocalAws) -> Cloud:
    """Accounts that nobody used before, and settings as they come, but that no call is throttled."""
    defaults = Settings(throttling=False)
    for each in fields(Settings):
        setattr(lab.current().settings, each.name, getattr(defaults, each.name))
    return Cloud(ec2_lab, str(next(_accounts)), str(next(_accounts)))


Act = Callable[[Cloud], Any]


def refusal(sentence: str, source: str, code: str, act: Act, status: int = 400) -> Any:
    """A row of a table of refusals: `act` makes the call that is refused."""
    return pytest.param(act, code, status, id=f"{sentence} [{source}]")


def assert_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert error_of(lambda: act(cloud)) == (code, status)


def row(sentence: str, source: str, *values: Any) -> Any:
    return pytest.param(*values, id=f"{sentence} [{source}]")


def tags_of(record: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in record.get("Tags", [])}
