"""DescribeImages of the local EC2: what is shown, to whom, in which pages, under which filters."""

from datetime import UTC, datetime
from typing import Any

import pytest

from support.aws import error_of
from support.ec2 import HOME, Act, Cloud, assert_refused, refusal, row, tags_of

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


def test_every_field_of_an_image_is_shown(cloud: Cloud) -> None:
    """DescribeImages, response elements."""
    image = cloud.shown(cloud.image(**RICH))
    assert {name: image[name] for name in image if name not in {"ImageId", "BlockDeviceMappings", "CreationDate", "DeprecationTime"}} == {
        "Name": "golden/web 1.4.2", "Description": "a web server", "Architecture": "arm64", "BootMode": "uefi", "TpmSupport": "v2.0",
        "ImdsSupport": "v2.0", "SriovNetSupport": "simple", "EnaSupport": True, "Platform": "windows", "PlatformDetails": "Windows",
        "UsageOperation": "RunInstances:0002", "ProductCodes": [{"ProductCodeId": "abc123", "ProductCodeType": "marketplace"}],
        "ImageOwnerAlias": "aws-marketplace", "SourceImageId": "ami-00000000000000001", "SourceImageRegion": "eu-west-2", "Public": True,
        "Tags": [{"Key": "team", "Value": "platform"}, {"Key": "stage", "Value": "a*b"}], "State": "available", "ImageType": "machine",
        "FreeTierEligible": False,
        "Hypervisor": "xen", "RootDeviceName": "/dev/sda1", "RootDeviceType": "ebs", "VirtualizationType": "hvm", "OwnerId": cloud.account,
        "ImageLocation": f"{cloud.account}/golden/web 1.4.2", "DeregistrationProtection": "disabled",
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
def test_a_filter_finds_by_value_and_by_wildcard(cloud: Cloud, name: str, hit: str, miss: str) -> None:
    image_id = cloud.image(**RICH)

    def found(*values: str) -> bool:
        return cloud.lists(image_id, Owners=["self"], Filters=[{"Name": name, "Values": list(values)}])

    assert (found(hit), found(miss), found(miss, hit)) == (True, False, True)


@pytest.mark.parametrize(
    "name",
    [
        "image-allowed", "image-id", "instance-type-specification.supported-instance-type", "kernel-id", "image-watermark.watermark-key",
        "owner-id", "public-ssm-parameter-name", "ramdisk-id", "scan-result.finding-scan-date", "source-instance-id", "state-reason-code",
        "state-reason-message", "block-device-mapping.snapshot-id",
    ],
)  # fmt: skip
def test_a_documented_filter_over_something_absent_finds_nothing(cloud: Cloud, name: str) -> None:
    assert not cloud.lists(cloud.image(), Owners=["self"], Filters=[{"Name": name, "Values": ["something else"]}])


def test_several_filters_must_all_pass(cloud: Cloud) -> None:
    """Research 1.4; Using filtering: filters are joined with AND, the values of one with OR."""
    image_id = cloud.image(tags={"a": "1", "b": "2"})
    both = [{"Name": "tag:a", "Values": ["1"]}, {"Name": "tag:b", "Values": ["2"]}]
    assert cloud.lists(image_id, Filters=both)
    assert not cloud.lists(image_id, Filters=[*both, {"Name": "name", "Values": ["nobody"]}])


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
def test_a_listing_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)


def test_pages_hold_every_image_once(cloud: Cloud) -> None:
    """DescribeImages, MaxResults and NextToken."""
    made = [cloud.image(tags={"n": str(number)}) for number in range(7)]
    pages = [
        page["Images"] for page in cloud.ec2().get_paginator("describe_images").paginate(Owners=["self"], PaginationConfig={"PageSize": 3})
    ]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert [image["ImageId"] for page in pages for image in page] == made


def test_a_page_goes_on_where_the_last_one_ended_though_rows_came_and_went(cloud: Cloud) -> None:
    """DescribeImages NextToken; local: no row repeats or hides another."""
    first, second, third = (cloud.image() for _ in range(3))
    page = cloud.ec2().describe_images(Owners=["self"], MaxResults=2)
    cloud.ec2().deregister_image(ImageId=second)
    fourth = cloud.image()
    rest = cloud.ec2().describe_images(Owners=["self"], MaxResults=2, NextToken=page["NextToken"])
    assert [image["ImageId"] for image in (*page["Images"], *rest["Images"])] == [first, second, third, fourth]
    assert "NextToken" not in rest


def test_a_token_of_another_account_is_refused(cloud: Cloud) -> None:
    """Research 2: a bad token is InvalidNextToken."""
    for _ in range(2):
        cloud.image()
    token = cloud.ec2().describe_images(Owners=["self"], MaxResults=1)["NextToken"]
    assert error_of(cloud.ec2(account=cloud.other).describe_images, NextToken=token) == ("InvalidNextToken", 400)


@pytest.mark.parametrize(
    ("arguments", "listed"),
    [
        row("by default", "DescribeImages IncludeDisabled", {}, False),
        row("with IncludeDisabled", "DescribeImages IncludeDisabled", {"IncludeDisabled": True}, True),
        row("by state without IncludeDisabled", "trap: hidden by default", {"Filters": [{"Name": "state", "Values": ["disabled"]}]}, False),
    ],
)
def test_a_disabled_image_is_listed_only_when_asked_for(cloud: Cloud, arguments: dict[str, Any], listed: bool) -> None:
    image_id = cloud.image()
    cloud.ec2().disable_image(ImageId=image_id)
    assert cloud.lists(image_id, Owners=["self"], **arguments) is listed
    assert bool(cloud.ec2().describe_images(ImageIds=[image_id], **arguments)["Images"]) is listed


def test_a_deprecated_image_vanishes_from_listings_of_others_only(cloud: Cloud) -> None:
    """DescribeImages IncludeDeprecated; trap 26."""
    image_id = cloud.image(users=[cloud.other])
    cloud.ec2().enable_image_deprecation(ImageId=image_id, DeprecateAt=datetime.fromtimestamp(cloud.now + 3600, UTC))
    assert cloud.lists(image_id, account=cloud.other, Owners=[cloud.account])
    cloud.pass_time(7200)
    assert not cloud.lists(image_id, account=cloud.other, Owners=[cloud.account])
    assert cloud.lists(image_id, account=cloud.other, IncludeDeprecated=True)
    assert cloud.shown(image_id, account=cloud.other)["ImageId"] == image_id
    assert cloud.lists(image_id, Owners=["self"])


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
def test_owners_and_executable_users_scope_a_listing(cloud: Cloud, arguments: dict[str, list[str]], listed: set[str]) -> None:
    images = {
        "mine": cloud.image(users=[cloud.other]),
        "shared": cloud.image(account=cloud.other, users=[cloud.account]),
        "public": cloud.image(account=cloud.other, public=True, owner_alias="amazon"),
        "private": cloud.image(account=cloud.other),
    }
    filled = {key: [value.format(account=cloud.account, other=cloud.other) for value in values] for key, values in arguments.items()}
    found = {image["ImageId"] for image in cloud.ec2().describe_images(**filled)["Images"]}
    assert {name for name, image_id in images.items() if image_id in found} == listed


def test_others_see_neither_tags_nor_launch_times(cloud: Cloud) -> None:
    """Research 5 (tags), 2 (LastLaunchedTime)."""
    image_id = cloud.image(users=[cloud.other], tags={"secret": "1", "ec2:SharedTag/line": "2"}, last_launched_at=1.0)
    mine, theirs = cloud.shown(image_id), cloud.shown(image_id, account=cloud.other)
    assert (tags_of(mine), "LastLaunchedTime" in mine) == ({"secret": "1", "ec2:SharedTag/line": "2"}, True)
    assert (tags_of(theirs), "LastLaunchedTime" in theirs) == ({"ec2:SharedTag/line": "2"}, False)


def test_an_image_is_seen_in_its_own_region_only(cloud: Cloud) -> None:
    """DescribeImages: images are of a region."""
    assert error_of(cloud.ec2("eu-west-1").describe_images, ImageIds=[cloud.image(HOME)]) == ("InvalidAMIID.NotFound", 400)
