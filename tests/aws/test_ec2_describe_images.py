"""DescribeImages of the local EC2: what is shown, to whom, in which pages, under which filters."""

from datetime import UTC, datetime
from typing import Any

import pytest

from support.aws import error_of
from support.ec2 import HOME, Act, World, assert_refused, refusal, row, tags_of

MODEL = "DescribeImages"
RICH: dict[str, Any] = {
    "name": "golden/web 1.4.2",
    "description": "a web server",
    "architecture": "arm64",
    "boot_mode": "uefi",
    "tpm": "v2.0",
    "imds": "v2.0",
    "sriov": "simple",
    "platform": "windows",
    "platform_details": "Windows",
    "usage_operation": "RunInstances:0002",
    "product_codes": ["abc123"],
    "owner_alias": "aws-marketplace",
    "source_image": "ami-00000000000000001",
    "source_region": "eu-west-2",
    "public": True,
    "users": ["999999999999"],
    "tags": {"team": "platform", "stage": "a*b"},
    "volumes": [
        {"device_name": "/dev/sda1", "size": 30, "volume_type": "gp3", "delete_on_termination": True},
        {"device_name": "/dev/sdb", "size": 100, "volume_type": "io1", "delete_on_termination": False},
    ],
}


def test_every_field_of_an_image_is_shown(world: World) -> None:
    """DescribeImages, response elements."""
    image = world.shown(world.image(**RICH))
    assert {name: image[name] for name in image if name not in {"ImageId", "BlockDeviceMappings", "CreationDate", "DeprecationTime"}} == {
        "Name": "golden/web 1.4.2", "Description": "a web server", "Architecture": "arm64", "BootMode": "uefi", "TpmSupport": "v2.0",
        "ImdsSupport": "v2.0", "SriovNetSupport": "simple", "EnaSupport": True, "Platform": "windows", "PlatformDetails": "Windows",
        "UsageOperation": "RunInstances:0002", "ProductCodes": [{"ProductCodeId": "abc123", "ProductCodeType": "marketplace"}],
        "ImageOwnerAlias": "aws-marketplace", "SourceImageId": "ami-00000000000000001", "SourceImageRegion": "eu-west-2", "Public": True,
        "Tags": [{"Key": "team", "Value": "platform"}, {"Key": "stage", "Value": "a*b"}], "State": "available", "ImageType": "machine",
        "Hypervisor": "xen", "RootDeviceName": "/dev/sda1", "RootDeviceType": "ebs", "VirtualizationType": "hvm", "OwnerId": world.account,
        "ImageLocation": f"{world.account}/golden/web 1.4.2", "DeregistrationProtection": "disabled",
    }  # fmt: skip
    root, second = image["BlockDeviceMappings"]
    assert root["Ebs"] == {
        "SnapshotId": root["Ebs"]["SnapshotId"], "VolumeSize": 30, "VolumeType": "gp3", "DeleteOnTermination": True, "Encrypted": False,
    }  # fmt: skip
    assert (second["DeviceName"], second["Ebs"]["VolumeType"], second["Ebs"]["DeleteOnTermination"]) == ("/dev/sdb", "io1", False)
    assert image["CreationDate"].endswith("Z")


FILTERS = [
    ("architecture", "arm64", "x86_64"),
    ("block-device-mapping.delete-on-termination", "false", "maybe"),
    ("block-device-mapping.device-name", "/dev/sdb", "/dev/sdc"),
    ("block-device-mapping.volume-size", "100", "101"),
    ("block-device-mapping.volume-type", "io1", "st1"),
    ("block-device-mapping.encrypted", "false", "true"),
    ("boot-mode", "uefi", "legacy-bios"),
    ("creation-date", "20??-*T*Z", "1999-*"),
    ("description", "a web*", "A web*"),
    ("ena-support", "true", "false"),
    ("free-tier-eligible", "false", "true"),
    ("hypervisor", "xen", "ovm"),
    ("image-type", "machine", "kernel"),
    ("is-public", "true", "false"),
    ("manifest-location", "*/golden/web*", "golden/*"),
    ("name", "golden/web 1.?.2", "golden"),
    ("owner-alias", "aws-marketplace", "amazon"),
    ("platform", "windows", "Windows"),
    ("product-code", "abc123", "abc"),
    ("product-code.type", "marketplace", "devpay"),
    ("root-device-name", "/dev/sda1", "/dev/xvda"),
    ("root-device-type", "ebs", "instance-store"),
    ("source-image-id", "ami-00000000000000001", "ami-00000000000000002"),
    ("source-image-region", "eu-west-2", "eu-west-3"),
    ("sriov-net-support", "simple", "none"),
    ("state", "available", "pending"),
    ("tag:team", "plat*", "Platform"),
    ("tag:stage", r"a\*b", r"a\?b"),
    ("tag-key", "team", "Team"),
    ("virtualization-type", "hvm", "paravirtual"),
]


@pytest.mark.parametrize(("name", "hit", "miss"), [row(name, MODEL, name, hit, miss) for name, hit, miss in FILTERS])
def test_a_filter_finds_by_value_and_by_wildcard(world: World, name: str, hit: str, miss: str) -> None:
    image_id = world.image(**RICH)

    def found(*values: str) -> bool:
        return world.lists(image_id, Owners=["self"], Filters=[{"Name": name, "Values": list(values)}])

    assert (found(hit), found(miss), found(miss, hit)) == (True, False, True)


@pytest.mark.parametrize(
    "name",
    [
        "image-allowed", "image-id", "instance-type-specification.supported-instance-type", "kernel-id", "image-watermark.watermark-key",
        "owner-id", "public-ssm-parameter-name", "ramdisk-id", "scan-result.finding-scan-date", "source-instance-id", "state-reason-code",
        "state-reason-message", "block-device-mapping.snapshot-id",
    ],
)  # fmt: skip
def test_a_documented_filter_over_something_absent_finds_nothing(world: World, name: str) -> None:
    assert not world.lists(world.image(), Owners=["self"], Filters=[{"Name": name, "Values": ["something else"]}])


def test_several_filters_must_all_pass(world: World) -> None:
    image_id = world.image(tags={"a": "1", "b": "2"})
    both = [{"Name": "tag:a", "Values": ["1"]}, {"Name": "tag:b", "Values": ["2"]}]
    assert world.lists(image_id, Filters=both)
    assert not world.lists(image_id, Filters=[*both, {"Name": "name", "Values": ["nobody"]}])


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal(
            "an unknown filter",
            "research moto table",
            "InvalidParameterValue",
            lambda w: w.ec2().describe_images(Filters=[{"Name": "colour", "Values": ["x"]}]),
        ),
        refusal(
            "a token of nobody", "research 2 DescribeImages", "InvalidNextToken", lambda w: w.ec2().describe_images(NextToken="garbage")
        ),
        refusal(
            "an id that was never given",
            "research 1.4",
            "InvalidAMIID.NotFound",
            lambda w: w.ec2().describe_images(ImageIds=["ami-00000000000000000"]),
        ),
        refusal(
            "one unknown id among known ones",
            "research 1.4",
            "InvalidAMIID.NotFound",
            lambda w: w.ec2().describe_images(ImageIds=[w.image(), "ami-00000000000000000"]),
        ),
        refusal(
            "an id of the wrong form",
            "research moto table",
            "InvalidAMIID.Malformed",
            lambda w: w.ec2().describe_images(ImageIds=["ami-zzz"]),
        ),
        refusal(
            "an id of something else", MODEL, "InvalidAMIID.Malformed", lambda w: w.ec2().describe_images(ImageIds=["i-00000000000000000"])
        ),
        refusal(
            "someone's private image",
            MODEL,
            "InvalidAMIID.NotFound",
            lambda w: w.ec2().describe_images(ImageIds=[w.image(account=w.other)]),
        ),
        refusal("an owner that is no account", MODEL, "InvalidUserID.Malformed", lambda w: w.ec2().describe_images(Owners=["me"])),
        refusal("a page without rows", MODEL, "InvalidParameterValue", lambda w: w.ec2().describe_images(MaxResults=0)),
        refusal(
            "51 filters",
            "research 1.4",
            "FilterLimitExceeded",
            lambda w: w.ec2().describe_images(Filters=[{"Name": "name", "Values": ["x"]}] * 51),
        ),
        refusal(
            "201 values",
            "research 1.4",
            "FilterLimitExceeded",
            lambda w: w.ec2().describe_images(Filters=[{"Name": "name", "Values": ["x"] * 201}]),
        ),
        refusal("a dry run", "research 1.5", "DryRunOperation", lambda w: w.ec2().describe_images(DryRun=True), 412),
    ],
)
def test_a_listing_is_refused(world: World, act: Act, code: str, status: int) -> None:
    assert_refused(world, act, code, status)


def test_pages_hold_every_image_once(world: World) -> None:
    """DescribeImages, MaxResults and NextToken."""
    made = [world.image(tags={"n": str(number)}) for number in range(7)]
    pages = [
        page["Images"] for page in world.ec2().get_paginator("describe_images").paginate(Owners=["self"], PaginationConfig={"PageSize": 3})
    ]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [image["ImageId"] for page in pages for image in page] == made


def test_a_page_goes_on_where_the_last_one_ended_though_rows_came_and_went(world: World) -> None:
    first, second, third = (world.image() for _ in range(3))
    page = world.ec2().describe_images(Owners=["self"], MaxResults=2)
    world.ec2().deregister_image(ImageId=second)
    fourth = world.image()
    rest = world.ec2().describe_images(Owners=["self"], MaxResults=2, NextToken=page["NextToken"])
    assert [image["ImageId"] for image in (*page["Images"], *rest["Images"])] == [first, second, third, fourth]
    assert "NextToken" not in rest


def test_a_token_of_another_account_is_refused(world: World) -> None:
    for _ in range(2):
        world.image()
    token = world.ec2().describe_images(Owners=["self"], MaxResults=1)["NextToken"]
    assert error_of(world.ec2(account=world.other).describe_images, NextToken=token) == ("InvalidNextToken", 400)


@pytest.mark.parametrize(
    ("arguments", "listed"),
    [
        row("by default", "DescribeImages IncludeDisabled", {}, False),
        row("with IncludeDisabled", "DescribeImages IncludeDisabled", {"IncludeDisabled": True}, True),
        row("by state without IncludeDisabled", "trap: hidden by default", {"Filters": [{"Name": "state", "Values": ["disabled"]}]}, False),
    ],
)
def test_a_disabled_image_is_listed_only_when_asked_for(world: World, arguments: dict[str, Any], listed: bool) -> None:
    image_id = world.image()
    world.ec2().disable_image(ImageId=image_id)
    assert world.lists(image_id, Owners=["self"], **arguments) is listed
    assert bool(world.ec2().describe_images(ImageIds=[image_id], **arguments)["Images"]) is listed


def test_a_deprecated_image_vanishes_from_listings_of_others_only(world: World) -> None:
    """DescribeImages IncludeDeprecated; trap 26."""
    image_id = world.image(users=[world.other])
    world.ec2().enable_image_deprecation(ImageId=image_id, DeprecateAt=datetime.fromtimestamp(world.now + 3600, UTC))
    assert world.lists(image_id, account=world.other, Owners=[world.account])
    world.pass_time(7200)
    assert not world.lists(image_id, account=world.other, Owners=[world.account])
    assert world.lists(image_id, account=world.other, IncludeDeprecated=True)
    assert world.shown(image_id, account=world.other)["ImageId"] == image_id
    assert world.lists(image_id, Owners=["self"])


@pytest.mark.parametrize(
    ("arguments", "listed"),
    [
        row("self", "DescribeImages Owners", {"Owners": ["self"]}, {"mine"}),
        row("an account", "DescribeImages Owners", {"Owners": ["{other}"]}, {"shared", "public"}),
        row("two owners", "DescribeImages Owners", {"Owners": ["self", "{other}"]}, {"mine", "shared", "public"}),
        row("an alias", "DescribeImages Owners", {"Owners": ["amazon"]}, {"public"}),
        row("nobody in particular", "DescribeImages Owners", {}, {"mine", "shared", "public"}),
        row("shared with me", "DescribeImages ExecutableUsers", {"ExecutableUsers": ["self"]}, {"shared"}),
        row("shared with my account", "DescribeImages ExecutableUsers", {"ExecutableUsers": ["{account}"]}, {"shared"}),
        row("public ones", "DescribeImages ExecutableUsers", {"ExecutableUsers": ["all"]}, {"public"}),
        row("mine that I shared", "research 2 DescribeImages", {"Owners": ["self"], "ExecutableUsers": ["{other}"]}, {"mine"}),
    ],
)
def test_owners_and_executable_users_scope_a_listing(world: World, arguments: dict[str, list[str]], listed: set[str]) -> None:
    images = {
        "mine": world.image(users=[world.other]),
        "shared": world.image(account=world.other, users=[world.account]),
        "public": world.image(account=world.other, public=True, owner_alias="amazon"),
        "private": world.image(account=world.other),
    }
    filled = {key: [value.format(account=world.account, other=world.other) for value in values] for key, values in arguments.items()}
    found = {image["ImageId"] for image in world.ec2().describe_images(**filled)["Images"]}
    assert {name for name, image_id in images.items() if image_id in found} == listed


def test_others_see_neither_tags_nor_launch_times(world: World) -> None:
    """Research 5 (tags), 2 (LastLaunchedTime)."""
    image_id = world.image(users=[world.other], tags={"secret": "1", "ec2:SharedTag/line": "2"}, last_launched_at=1.0)
    mine, theirs = world.shown(image_id), world.shown(image_id, account=world.other)
    assert (tags_of(mine), "LastLaunchedTime" in mine) == ({"secret": "1", "ec2:SharedTag/line": "2"}, True)
    assert (tags_of(theirs), "LastLaunchedTime" in theirs) == ({"ec2:SharedTag/line": "2"}, False)


def test_an_image_is_seen_in_its_own_region_only(world: World) -> None:
    assert error_of(world.ec2("eu-west-1").describe_images, ImageIds=[world.image(HOME)]) == ("InvalidAMIID.NotFound", 400)
