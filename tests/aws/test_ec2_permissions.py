"""Launch permissions of the local EC2: who is given an image, who then sees it, and what is refused."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from goldenami.local.aws import organizations
from support.aws import error_of
from support.ec2 import Act, Cloud, assert_refused, refusal, row

SOMEONE, ANOTHER = "111122223333", "444455556666"
ORGANIZATION = "arn:aws:organizations::111122223333:organization/o-abcdefghij"
UNIT = "arn:aws:organizations::111122223333:ou/o-abcdefghij/ou-ab12-cdefghij"


def modify(cloud: Cloud, image_id: str, **arguments: Any) -> Any:
    return cloud.ec2().modify_image_attribute(ImageId=image_id, **arguments)


def add(cloud: Cloud, image_id: str, *entries: dict[str, str]) -> Any:
    return modify(cloud, image_id, LaunchPermission={"Add": list(entries)})


@pytest.mark.parametrize(
    ("arguments", "grants"),
    [
        row(
            "accounts, struct form",
            "ModifyImageAttribute LaunchPermission",
            {"LaunchPermission": {"Add": [{"UserId": SOMEONE}, {"UserId": ANOTHER}]}},
            [{"UserId": SOMEONE}, {"UserId": ANOTHER}],
        ),
        row(
            "accounts, list form",
            "ModifyImageAttribute UserIds",
            {"Attribute": "launchPermission", "OperationType": "add", "UserIds": [SOMEONE, ANOTHER]},
            [{"UserId": SOMEONE}, {"UserId": ANOTHER}],
        ),
        row(
            "all, struct form",
            "ModifyImageAttribute LaunchPermission",
            {"LaunchPermission": {"Add": [{"Group": "all"}]}},
            [{"Group": "all"}],
        ),
        row(
            "all, list form",
            "ModifyImageAttribute UserGroups",
            {"Attribute": "launchPermission", "OperationType": "add", "UserGroups": ["all"]},
            [{"Group": "all"}],
        ),
        row(
            "organization and unit, struct form",
            "moto table",
            {"LaunchPermission": {"Add": [{"OrganizationArn": ORGANIZATION}, {"OrganizationalUnitArn": UNIT}]}},
            [{"OrganizationArn": ORGANIZATION}, {"OrganizationalUnitArn": UNIT}],
        ),
        row(
            "organization and unit, list form",
            "moto table",
            {"OperationType": "add", "OrganizationArns": [ORGANIZATION], "OrganizationalUnitArns": [UNIT]},
            [{"OrganizationArn": ORGANIZATION}, {"OrganizationalUnitArn": UNIT}],
        ),
        row(
            "the same account twice",
            "set semantics",
            {"LaunchPermission": {"Add": [{"UserId": SOMEONE}, {"UserId": SOMEONE}]}},
            [{"UserId": SOMEONE}],
        ),
    ],
)
def test_permissions_are_added_and_removed_in_either_form(cloud: Cloud, arguments: dict[str, Any], grants: list[dict[str, str]]) -> None:
    image_id = cloud.image()
    modify(cloud, image_id, **arguments)
    assert cloud.grants(image_id) == grants
    assert cloud.shown(image_id)["Public"] is ({"Group": "all"} in grants)
    flipped = {"Remove": arguments["LaunchPermission"]["Add"]} if "LaunchPermission" in arguments else None
    modify(cloud, image_id, **({"LaunchPermission": flipped} if flipped else {**arguments, "OperationType": "remove"}))
    assert cloud.grants(image_id) == []


def test_one_call_adds_and_removes(cloud: Cloud) -> None:
    """ModifyImageAttribute LaunchPermission: Add and Remove."""
    image_id = cloud.image(users=[SOMEONE])
    modify(cloud, image_id, LaunchPermission={"Add": [{"UserId": ANOTHER}], "Remove": [{"UserId": SOMEONE}]})
    assert cloud.grants(image_id) == [{"UserId": ANOTHER}]


def test_adding_what_is_there_and_removing_what_is_not_succeed(cloud: Cloud) -> None:
    """Research 1.3: set semantics."""
    image_id = cloud.image(users=[SOMEONE])
    modify(cloud, image_id, LaunchPermission={"Add": [{"UserId": SOMEONE}], "Remove": [{"UserId": ANOTHER}]})
    assert cloud.grants(image_id) == [{"UserId": SOMEONE}]


@pytest.mark.parametrize(
    ("act", "sees"),
    [
        row("the account", "DescribeImages", lambda w, image: add(w, image, {"UserId": w.other}), True),
        row("another account", "DescribeImages", lambda w, image: add(w, image, {"UserId": SOMEONE}), False),
        row("everybody", "DescribeImages", lambda w, image: add(w, image, {"Group": "all"}), True),
        row("its organization", "research 5", lambda w, image: add(w, image, {"OrganizationArn": enrolled(w)["organization"]}), True),
        row("its unit", "research 5", lambda w, image: add(w, image, {"OrganizationalUnitArn": enrolled(w)["ou"]}), True),
        row("a foreign organization", "research 5", lambda w, image: add(w, image, {"OrganizationArn": ORGANIZATION}), False),
        row("nobody", "DescribeImages", lambda w, image: None, False),
    ],
)
def test_exactly_the_entitled_see_launch_and_read_the_image(cloud: Cloud, act: Any, sees: bool) -> None:
    image_id = cloud.image()
    act(cloud, image_id)
    theirs = cloud.ec2(account=cloud.other)
    assert cloud.lists(image_id, account=cloud.other) is sees
    launch: dict[str, Any] = {"ImageId": image_id, "MinCount": 1, "MaxCount": 1, "InstanceType": "t3.micro"}
    if sees:
        assert theirs.run_instances(**launch)["Instances"][0]["ImageId"] == image_id
        assert theirs.describe_image_attribute(ImageId=image_id, Attribute="description")["ImageId"] == image_id
    else:
        assert error_of(theirs.run_instances, **launch) == ("InvalidAMIID.NotFound", 400)
        assert error_of(theirs.describe_images, ImageIds=[image_id]) == ("InvalidAMIID.NotFound", 400)


def enrolled(cloud: Cloud) -> dict[str, str]:
    """The other account's organization and unit."""
    arns = organizations.enrol(cloud.other, management_account=cloud.account, unit_path="consumers")
    return {arn.split(":")[5].split("/")[0]: arn for arn in arns}


def test_removing_an_account_that_its_unit_covers_changes_nothing_for_it(cloud: Cloud) -> None:
    """Trap 12."""
    image_id = cloud.image(users=[cloud.other], units=[enrolled(cloud)["ou"]])
    modify(cloud, image_id, LaunchPermission={"Remove": [{"UserId": cloud.other}]})
    assert cloud.lists(image_id, account=cloud.other)


def test_a_recipient_can_take_itself_out(cloud: Cloud) -> None:
    """CancelImageLaunchPermission; research 5."""
    image_id = cloud.image(users=[cloud.other, SOMEONE])
    assert cloud.ec2(account=cloud.other).cancel_image_launch_permission(ImageId=image_id)["Return"] is True
    assert cloud.grants(image_id) == [{"UserId": SOMEONE}]
    assert not cloud.lists(image_id, account=cloud.other)


def test_resetting_leaves_the_owner_alone(cloud: Cloud) -> None:
    """ResetImageAttribute."""
    image_id = cloud.image(users=[SOMEONE], organizations=[ORGANIZATION], public=True)
    cloud.ec2().reset_image_attribute(ImageId=image_id, Attribute="launchPermission")
    assert (cloud.grants(image_id), cloud.shown(image_id)["Public"]) == ([], False)


def share(cloud: Cloud, image_id: str, **entry: str) -> Any:
    return add(cloud, image_id, entry or {"UserId": SOMEONE})


def publish(cloud: Cloud, image_id: str) -> Any:
    return share(cloud, image_id, Group="all")


def with_settings(act: Any, **settings: Any) -> Act:
    def changed(cloud: Cloud) -> Any:
        for name, value in settings.items():
            setattr(cloud.settings, name, value)
        return act(cloud)

    return changed


def blocked(cloud: Cloud) -> Any:
    cloud.ec2().enable_image_block_public_access(ImageBlockPublicAccessState="block-new-sharing")
    return publish(cloud, cloud.image())


def publish_twice(cloud: Cloud) -> Any:
    return [publish(cloud, cloud.image()) for _ in range(2)]


def share_disabled(cloud: Cloud) -> Any:
    image_id = cloud.image()
    cloud.ec2().disable_image(ImageId=image_id)
    return share(cloud, image_id)


def two_attributes(cloud: Cloud) -> Any:
    return modify(cloud, cloud.image(), Description={"Value": "x"}, LaunchPermission={"Add": [{"UserId": SOMEONE}]})


def foreign(cloud: Cloud, act: Any) -> Any:
    return act(cloud, cloud.image(account=cloud.other, users=[cloud.account]))


def reset(cloud: Cloud, image_id: str) -> Any:
    return cloud.ec2().reset_image_attribute(ImageId=image_id, Attribute="launchPermission")


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal("a pending image", "trap 8", "InvalidAMIID.Unavailable", lambda w: share(w, w.image(state="pending"))),
        refusal("a failed image", "trap 8", "InvalidAMIID.Unavailable", lambda w: share(w, w.image(state="failed"))),
        refusal("a disabled image", "DisableImage", "InvalidAMIID.Unavailable", share_disabled),
        refusal("no such image", "research 11", "InvalidAMIID.NotFound", lambda w: share(w, "ami-00000000000000000")),
        refusal("a shared image of another", "research 1.1 AuthFailure", "AuthFailure", lambda w: foreign(w, share), 401),
        refusal("resetting the image of another", "ResetImageAttribute", "AuthFailure", lambda w: foreign(w, reset), 401),
        refusal("an account that is none", "moto table", "InvalidAMIAttributeItemValue", lambda w: share(w, w.image(), UserId="12345")),
        refusal(
            "an account that nobody has, among others",
            "research 5",
            "InvalidAMIAttributeItemValue",
            with_settings(lambda w: add(w, w.image(), {"UserId": SOMEONE}, {"UserId": ANOTHER}), unknown_accounts=(ANOTHER,)),
        ),
        refusal(
            "another group than all",
            "ModifyImageAttribute UserGroups",
            "InvalidAMIAttributeItemValue",
            lambda w: share(w, w.image(), Group="some"),
        ),
        refusal(
            "a bare organization id",
            "research 5",
            "InvalidAMIAttributeItemValue",
            lambda w: share(w, w.image(), OrganizationArn="o-abcdefghij"),
        ),
        refusal(
            "a bare unit id",
            "research 5",
            "InvalidAMIAttributeItemValue",
            lambda w: share(w, w.image(), OrganizationalUnitArn="ou-ab12-cdefghij"),
        ),
        refusal(
            "more entities than the quota",
            "trap 14",
            "ResourceLimitExceeded",
            with_settings(
                lambda w: add(w, w.image(), {"UserId": SOMEONE}, {"OrganizationArn": ORGANIZATION}, {"UserId": ANOTHER}), share_quota=2
            ),
        ),
        refusal("one public image too many", "research 5", "ResourceLimitExceeded", with_settings(publish_twice, public_images_quota=1)),
        refusal("public while blocked", "trap 11", "OperationNotPermitted", blocked),
        refusal("public and encrypted", "trap 10", "UnsupportedOperation", lambda w: publish(w, w.image(kms_key=w.key()))),
        refusal("public with product codes", "trap 10", "UnsupportedOperation", lambda w: publish(w, w.image(product_codes=["x"]))),
        refusal("sealed with the AWS-managed key", "trap 9", "InvalidParameter", lambda w: share(w, w.image(encrypted=True))),
        refusal("two attributes in a call", "research 5", "InvalidParameterCombination", two_attributes),
        refusal("no attribute", "ModifyImageAttribute", "InvalidParameterCombination", lambda w: modify(w, w.image())),
        refusal(
            "an unknown attribute",
            "ModifyImageAttribute Attribute",
            "InvalidParameterValue",
            lambda w: modify(w, w.image(), Attribute="productCodes"),
        ),
        refusal(
            "a list without an operation",
            "ModifyImageAttribute OperationType",
            "MissingParameter",
            lambda w: modify(w, w.image(), UserIds=[SOMEONE]),
        ),
        refusal(
            "leaving what one is not in",
            "CancelImageLaunchPermission",
            "InvalidRequest",
            lambda w: w.ec2().cancel_image_launch_permission(ImageId=w.image()),
        ),
        refusal(
            "a dry run",
            "research 1.5",
            "DryRunOperation",
            lambda w: modify(w, w.image(), UserIds=[SOMEONE], OperationType="add", DryRun=True),
            412,
        ),
    ],
)
def test_a_change_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)


def test_block_public_access_says_so_in_awss_words(cloud: Cloud) -> None:
    """Research 5 (trap 11)."""
    words = "You can't publicly share this image because block public access for AMIs is enabled"
    with pytest.raises(cloud.ec2().exceptions.ClientError, match=words):
        blocked(cloud)


def test_an_image_that_is_public_stays_so_when_the_block_comes(cloud: Cloud) -> None:
    """EnableImageBlockPublicAccess: what is public already stays public."""
    image_id = cloud.image(public=True)
    cloud.ec2().enable_image_block_public_access(ImageBlockPublicAccessState="block-new-sharing")
    assert cloud.lists(image_id, account=cloud.other, ExecutableUsers=["all"])


def test_at_the_quota_removing_and_repeating_still_work(cloud: Cloud) -> None:
    """Research 5, quotas; local: only what is new counts."""
    cloud.settings.share_quota = 1
    image_id = cloud.image(users=[SOMEONE])
    add(cloud, image_id, {"UserId": SOMEONE})
    modify(cloud, image_id, LaunchPermission={"Add": [{"UserId": ANOTHER}], "Remove": [{"UserId": SOMEONE}]})
    assert cloud.grants(image_id) == [{"UserId": ANOTHER}]


def test_an_account_that_nobody_has_any_more_keeps_the_others_from_being_added_and_can_be_removed(cloud: Cloud) -> None:
    """ModifyImageAttribute: InvalidAMIAttributeItemValue is for the whole call; local: removing is never refused."""
    image_id = cloud.image(users=[SOMEONE])
    cloud.settings.unknown_accounts = (SOMEONE,)
    assert error_of(lambda: add(cloud, image_id, {"UserId": ANOTHER}, {"UserId": SOMEONE})) == ("InvalidAMIAttributeItemValue", 400)
    assert cloud.grants(image_id) == [{"UserId": SOMEONE}]
    modify(cloud, image_id, LaunchPermission={"Remove": [{"UserId": SOMEONE}]})
    assert cloud.grants(image_id) == []


def test_publishing_sets_a_deprecation_two_years_ahead(cloud: Cloud) -> None:
    """Research 5; trap 25."""
    image_id = cloud.image()
    publish(cloud, image_id)
    shown = cloud.shown(image_id)
    ahead = datetime.fromisoformat(shown["DeprecationTime"]) - datetime.fromisoformat(shown["CreationDate"])
    # Of 365 days each, whatever the calendar says, and in whole minutes.
    assert timedelta(days=730, minutes=-1) < ahead <= timedelta(days=730)


# Other attributes


@pytest.mark.parametrize(
    "arguments",
    [
        row("struct form", "ModifyImageAttribute Description", {"Description": {"Value": "new"}}),
        row("attribute and value", "ModifyImageAttribute Attribute", {"Attribute": "description", "Value": "new"}),
    ],
)
def test_the_description_is_changed(cloud: Cloud, arguments: dict[str, Any]) -> None:
    image_id = cloud.image(description="old")
    modify(cloud, image_id, **arguments)
    assert cloud.shown(image_id)["Description"] == "new"


def test_imds_support_is_set_and_never_taken_back(cloud: Cloud) -> None:
    """Trap 40."""
    image_id = cloud.image()
    modify(cloud, image_id, ImdsSupport={"Value": "v2.0"})
    assert cloud.shown(image_id)["ImdsSupport"] == "v2.0"
    assert error_of(lambda: modify(cloud, image_id, ImdsSupport={"Value": "v1.0"})) == ("InvalidParameterValue", 400)


TRAITS: dict[str, Any] = {
    "description": "d", "kernel": "aki-1", "ramdisk": "ari-1", "sriov": "simple", "boot_mode": "uefi", "tpm": "v2.0", "imds": "v2.0",
    "uefi_data": "QU1aTg==", "last_launched_at": 0.0, "product_codes": ["x"],
}  # fmt: skip


@pytest.mark.parametrize(
    ("attribute", "member", "value"),
    [
        row("description", "DescribeImageAttribute", "description", "Description", {"Value": "d"}),
        row("kernel", "DescribeImageAttribute", "kernel", "KernelId", {"Value": "aki-1"}),
        row("ramdisk", "DescribeImageAttribute", "ramdisk", "RamdiskId", {"Value": "ari-1"}),
        row("sriovNetSupport", "DescribeImageAttribute", "sriovNetSupport", "SriovNetSupport", {"Value": "simple"}),
        row("bootMode", "DescribeImageAttribute", "bootMode", "BootMode", {"Value": "uefi"}),
        row("tpmSupport", "DescribeImageAttribute", "tpmSupport", "TpmSupport", {"Value": "v2.0"}),
        row("imdsSupport", "DescribeImageAttribute", "imdsSupport", "ImdsSupport", {"Value": "v2.0"}),
        row("uefiData", "DescribeImageAttribute", "uefiData", "UefiData", {"Value": "QU1aTg=="}),
        row(
            "deregistrationProtection",
            "DescribeImageAttribute",
            "deregistrationProtection",
            "DeregistrationProtection",
            {"Value": "disabled"},
        ),
        row(
            "productCodes",
            "DescribeImageAttribute",
            "productCodes",
            "ProductCodes",
            [{"ProductCodeId": "x", "ProductCodeType": "marketplace"}],
        ),
        row("launchPermission", "DescribeImageAttribute", "launchPermission", "LaunchPermissions", []),
    ],
)
def test_an_attribute_is_read(cloud: Cloud, attribute: str, member: str, value: Any) -> None:
    image_id = cloud.image(**TRAITS)
    answer = cloud.ec2().describe_image_attribute(ImageId=image_id, Attribute=attribute)
    assert (answer["ImageId"], answer[member]) == (image_id, value)


def read(cloud: Cloud, image_id: str, attribute: str) -> Any:
    return cloud.ec2().describe_image_attribute(ImageId=image_id, Attribute=attribute)


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal(
            "block device mappings, whoever asks", "research 2", "AuthFailure", lambda w: read(w, w.image(), "blockDeviceMapping"), 401
        ),
        refusal(
            "permissions of another's image",
            "research 1.1",
            "AuthFailure",
            lambda w: read(w, w.image(account=w.other, public=True), "launchPermission"),
            401,
        ),
        refusal("an attribute that is none", "DescribeImageAttribute", "InvalidParameterValue", lambda w: read(w, w.image(), "colour")),
        refusal("no such image", "research 11", "InvalidAMIID.NotFound", lambda w: read(w, "ami-00000000000000000", "description")),
    ],
)
def test_reading_an_attribute_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)
