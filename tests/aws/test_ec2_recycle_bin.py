"""The Recycle Bin of the local AWS: which deleted images and snapshots it keeps, how long, and how they come back.

Sources: Recycle Bin API reference (rbin), EC2 API reference (…RecycleBin), EBS user guide ("Considerations for Recycle Bin").
"""

from typing import Any

import pytest

from support.aws import error_of
from support.ec2 import AWAY, HOME, Act, Cloud, assert_refused, refusal, row, tags_of

DAY_SECONDS = 86400
HALF_AN_HOUR = 1800
IMAGES, SNAPSHOTS = "EC2_IMAGE", "EBS_SNAPSHOT"


def rbin(cloud: Cloud, region: str = HOME) -> Any:
    return cloud.aws.client("rbin", region=region, account=cloud.account)


def rule(cloud: Cloud, resource_type: str = IMAGES, days: int = 7, *, region: str = HOME, **more: Any) -> str:
    """The id of a new rule, which works at once."""
    cloud.settings.first_rule_seconds = 0
    period = {"RetentionPeriodValue": days, "RetentionPeriodUnit": "DAYS"}
    return str(rbin(cloud, region).create_rule(ResourceType=resource_type, RetentionPeriod=period, **more)["Identifier"])


def tag(key: str, value: str | None = None) -> dict[str, str]:
    return {"ResourceTagKey": key, **({} if value is None else {"ResourceTagValue": value})}


def binned(cloud: Cloud, region: str = HOME) -> set[str]:
    """The ids of everything in the bin."""
    images = cloud.ec2(region).list_images_in_recycle_bin()["Images"]
    snapshots = cloud.ec2(region).list_snapshots_in_recycle_bin()["Snapshots"]
    return {each["ImageId"] for each in images} | {each["SnapshotId"] for each in snapshots}


def deregistered(cloud: Cloud, *, with_snapshots: bool = False, **traits: Any) -> str:
    image_id = cloud.image(**traits)
    cloud.ec2().deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=with_snapshots)
    return image_id


# What is kept


def test_without_a_rule_nothing_is_kept(cloud: Cloud) -> None:
    """Recycle Bin user guide: resources are retained by a rule that matches them."""
    deregistered(cloud, with_snapshots=True)
    assert binned(cloud) == set()


@pytest.mark.parametrize(
    ("scope", "tags", "kept"),
    [
        row("a region rule keeps everything", "CreateRule", {}, {}, True),
        row("but what carries an excluded tag", "ExcludeResourceTags", {"ExcludeResourceTags": [tag("bin", "no")]}, {"bin": "no"}, False),
        row("and only that", "ExcludeResourceTags", {"ExcludeResourceTags": [tag("bin", "no")]}, {"bin": "yes"}, True),
        row("a tag rule keeps what carries its tag", "ResourceTags", {"ResourceTags": [tag("team", "web")]}, {"team": "web"}, True),
        row("with its value", "ResourceTags", {"ResourceTags": [tag("team", "web")]}, {"team": "db"}, False),
        row("or any value", "ResourceTags", {"ResourceTags": [tag("team")]}, {"team": "db"}, True),
        row("one tag of several is enough", "ResourceTags", {"ResourceTags": [tag("a", "1"), tag("b", "2")]}, {"b": "2"}, True),
        row("and keeps nothing else", "ResourceTags", {"ResourceTags": [tag("team", "web")]}, {}, False),
    ],
)
def test_a_rule_keeps_what_it_names(cloud: Cloud, scope: dict[str, Any], tags: dict[str, str], kept: bool) -> None:
    rule(cloud, **scope)
    image_id = deregistered(cloud, tags=tags)
    assert binned(cloud) == ({image_id} if kept else set())


def test_a_rule_keeps_its_own_type_in_its_own_region_and_account(cloud: Cloud) -> None:
    """Recycle Bin CreateRule ResourceType; rules are of a region."""
    rule(cloud, IMAGES)
    rule(cloud, SNAPSHOTS, region=AWAY)
    image_id = deregistered(cloud, with_snapshots=True)
    assert (binned(cloud), binned(cloud, AWAY)) == ({image_id}, set())
    theirs = cloud.image(account=cloud.other)
    cloud.ec2(account=cloud.other).deregister_image(ImageId=theirs)
    assert cloud.ec2(account=cloud.other).list_images_in_recycle_bin()["Images"] == []


def test_a_disabled_image_is_kept_and_a_failed_one_is_not(cloud: Cloud) -> None:
    """Recycle Bin, supported resources: "Retention rules also apply to disabled AMIs"; of failed ones nothing is said."""
    rule(cloud)
    deregistered(cloud, state="failed")
    disabled = cloud.image()
    cloud.ec2().disable_image(ImageId=disabled)
    cloud.ec2().deregister_image(ImageId=disabled)
    assert binned(cloud) == {disabled}
    cloud.ec2().restore_image_from_recycle_bin(ImageId=disabled)
    assert cloud.shown(disabled)["State"] == "disabled"


def test_the_first_rule_of_a_region_takes_half_an_hour(cloud: Cloud) -> None:
    """Considerations for Recycle Bin; research 6."""
    period = {"RetentionPeriodValue": 7, "RetentionPeriodUnit": "DAYS"}
    first = rbin(cloud).create_rule(ResourceType=IMAGES, RetentionPeriod=period)
    assert first["Status"] == "pending"
    deregistered(cloud)
    assert binned(cloud) == set()
    cloud.pass_time(HALF_AN_HOUR)
    assert rbin(cloud).get_rule(Identifier=first["Identifier"])["Status"] == "available"
    assert rbin(cloud).create_rule(ResourceType=SNAPSHOTS, RetentionPeriod=period)["Status"] == "available"
    image_id = deregistered(cloud)
    assert binned(cloud) == {image_id}


def test_a_tag_taken_off_before_defeats_the_rule(cloud: Cloud) -> None:
    """Research 6."""
    rule(cloud, ResourceTags=[tag("team", "web")])
    image_id = cloud.image(tags={"team": "web"})
    cloud.ec2().delete_tags(Resources=[image_id], Tags=[{"Key": "team"}])
    cloud.ec2().deregister_image(ImageId=image_id)
    assert binned(cloud) == set()


# How long


def test_of_several_rules_the_longest_counts(cloud: Cloud) -> None:
    """Recycle Bin user guide: where several rules match, the longest retention period."""
    rule(cloud, days=3)
    rule(cloud, days=30, ResourceTags=[tag("team", "web")])
    deregistered(cloud, tags={"team": "web"})
    (image,) = cloud.ec2().list_images_in_recycle_bin()["Images"]
    assert (image["RecycleBinExitTime"] - image["RecycleBinEnterTime"]).days == 30


def test_the_time_is_kept_to_the_second_whatever_becomes_of_the_rule(cloud: Cloud) -> None:
    """UpdateRule, DeleteRule: what is retained stays; "You can't manually delete a resource from the Recycle Bin"."""
    rule_id = rule(cloud, days=365)
    image_id = deregistered(cloud)
    period = {"RetentionPeriodValue": 1, "RetentionPeriodUnit": "DAYS"}
    rbin(cloud).update_rule(Identifier=rule_id, RetentionPeriod=period)
    rbin(cloud).delete_rule(Identifier=rule_id)
    cloud.pass_time(365 * DAY_SECONDS - 1)
    assert binned(cloud) == {image_id}
    cloud.pass_time(1)
    assert binned(cloud) == set()
    assert error_of(cloud.ec2().restore_image_from_recycle_bin, ImageId=image_id) == ("InvalidAMIID.NotFound", 400)


def test_what_is_in_the_bin_is_gone_for_everything_else(cloud: Cloud) -> None:
    """Recycle Bin user guide: a resource cannot be used while it is in the bin."""
    rule(cloud)
    rule(cloud, SNAPSHOTS)
    image_id = cloud.image(name="web")
    snapshot = cloud.snapshot_of(image_id)
    cloud.ec2().deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)
    cloud.pass_time(60)
    assert not cloud.lists(image_id, Owners=["self"], IncludeDisabled=True)
    assert error_of(cloud.ec2().describe_images, ImageIds=[image_id]) == ("InvalidAMIID.NotFound", 400)
    assert error_of(cloud.ec2().deregister_image, ImageId=image_id) == ("InvalidAMIID.NotFound", 400)
    assert cloud.ec2().describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    assert error_of(cloud.ec2().delete_snapshot, SnapshotId=snapshot) == ("InvalidSnapshot.NotFound", 400)
    launch = {"ImageId": image_id, "MinCount": 1, "MaxCount": 1}
    assert error_of(cloud.ec2().run_instances, **launch) == ("InvalidAMIID.NotFound", 400)


def test_its_tags_can_still_be_read_and_changed(cloud: Cloud) -> None:
    """Considerations for Recycle Bin: the tag `aws:recycle-bin:resource-in-bin`, and "modify its tags"."""
    rule(cloud)
    image_id = deregistered(cloud, tags={"team": "web"})
    cloud.ec2().create_tags(Resources=[image_id], Tags=[{"Key": "why", "Value": "old"}])
    rows = cloud.ec2().describe_tags(Filters=[{"Name": "resource-id", "Values": [image_id]}])["Tags"]
    assert {each["Key"]: each["Value"] for each in rows} == {"team": "web", "why": "old", "aws:recycle-bin:resource-in-bin": "true"}
    cloud.ec2().restore_image_from_recycle_bin(ImageId=image_id)
    assert tags_of(cloud.shown(image_id)) == {"team": "web", "why": "old"}


def test_its_name_stays_taken(cloud: Cloud) -> None:
    """Trap 21 [?]: the harsher reading."""
    rule(cloud)
    deregistered(cloud, name="web")
    arguments = {"RootDeviceName": "/dev/sda", "BlockDeviceMappings": [{"DeviceName": "/dev/sda", "Ebs": {"SnapshotId": cloud.snapshot()}}]}
    assert error_of(cloud.ec2().register_image, Name="web", **arguments) == ("InvalidAMIName.Duplicate", 400)


# Coming back


def test_an_image_comes_back_under_its_id_after_its_snapshots(cloud: Cloud) -> None:
    """Research 6: snapshots first, then the AMI."""
    rule(cloud)
    rule(cloud, SNAPSHOTS)
    image_id = cloud.image(name="web", users=[cloud.other], snapshot_users=[cloud.other])
    before, snapshot = cloud.shown(image_id), cloud.snapshot_of(image_id)
    cloud.ec2().deregister_image(ImageId=image_id, DeleteAssociatedSnapshots=True)
    cloud.pass_time(3 * DAY_SECONDS)
    assert error_of(cloud.ec2().restore_image_from_recycle_bin, ImageId=image_id) == ("InvalidSnapshot.NotFound", 400)
    assert cloud.ec2().restore_snapshot_from_recycle_bin(SnapshotId=snapshot)["SnapshotId"] == snapshot
    assert cloud.ec2().restore_image_from_recycle_bin(ImageId=image_id)["Return"] is True
    assert (cloud.shown(image_id), cloud.grants(image_id), binned(cloud)) == (before, [], set())
    shares = cloud.ec2().describe_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
    assert shares["CreateVolumePermissions"] == [{"UserId": cloud.other}]
    assert error_of(cloud.ec2().delete_snapshot, SnapshotId=snapshot) == ("InvalidSnapshot.InUse", 400)


def test_an_image_whose_snapshots_are_gone_stays_in_the_bin(cloud: Cloud) -> None:
    """Considerations for snapshots: "this would make the AMI unrecoverable"."""
    rule(cloud)
    image_id = deregistered(cloud, with_snapshots=True)
    assert error_of(cloud.ec2().restore_image_from_recycle_bin, ImageId=image_id) == ("InvalidSnapshot.NotFound", 400)
    assert binned(cloud) == {image_id}


@pytest.mark.parametrize("seconds", [row("at once", "RestoreImageFromRecycleBin", 0), row("later", "RestoreImageFromRecycleBin", 3600)])
def test_an_image_that_came_back_stays(cloud: Cloud, seconds: int) -> None:
    """However close to its deregistration, and to the end of its first stay."""
    rule(cloud, days=1)
    image_id = deregistered(cloud)
    cloud.pass_time(seconds)
    cloud.ec2().restore_image_from_recycle_bin(ImageId=image_id)
    cloud.pass_time(2 * DAY_SECONDS)
    assert cloud.lists(image_id, Owners=["self"])
    cloud.ec2().deregister_image(ImageId=image_id)
    assert binned(cloud) == {image_id}


def test_pages_hold_everything_in_the_bin_once(cloud: Cloud) -> None:
    """ListImagesInRecycleBin and ListSnapshotsInRecycleBin, MaxResults and NextToken."""
    rule(cloud)
    rule(cloud, SNAPSHOTS)
    images = {deregistered(cloud, with_snapshots=True) for _ in range(7)}
    pages = list(cloud.ec2().get_paginator("list_images_in_recycle_bin").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page["Images"]) for page in pages] == [3, 3, 1]
    assert {each["ImageId"] for page in pages for each in page["Images"]} == images
    pages = list(cloud.ec2().get_paginator("list_snapshots_in_recycle_bin").paginate(PaginationConfig={"PageSize": 5}))
    assert [len(page["Snapshots"]) for page in pages] == [5, 2]


# Rules


def test_a_rule_is_listed_read_and_changed(cloud: Cloud) -> None:
    """Recycle Bin ListRules, GetRule, UpdateRule."""
    rule_id = rule(cloud, Description="mine", ResourceTags=[tag("team", "web")], Tags=[{"Key": "a", "Value": "1"}])
    rule(cloud, SNAPSHOTS)
    assert [each["Identifier"] for each in rbin(cloud).list_rules(ResourceType=IMAGES)["Rules"]] == [rule_id]
    assert rbin(cloud).list_rules(ResourceType=IMAGES, ResourceTags=[tag("team", "db")])["Rules"] == []
    rbin(cloud).update_rule(Identifier=rule_id, Description="ours", ResourceTags=[tag("team", "db")])
    found = rbin(cloud).get_rule(Identifier=rule_id)
    assert (found["Description"], found["ResourceTags"], found["RetentionPeriod"]["RetentionPeriodValue"]) == (
        "ours",
        [tag("team", "db")],
        7,
    )
    rbin(cloud).tag_resource(ResourceArn=found["RuleArn"], Tags=[{"Key": "b", "Value": "2"}])
    rbin(cloud).untag_resource(ResourceArn=found["RuleArn"], TagKeys=["a"])
    assert rbin(cloud).list_tags_for_resource(ResourceArn=found["RuleArn"])["Tags"] == [{"Key": "b", "Value": "2"}]
    rbin(cloud).delete_rule(Identifier=rule_id)
    assert error_of(rbin(cloud).get_rule, Identifier=rule_id) == ("ResourceNotFoundException", 404)


def test_pages_hold_every_rule_once(cloud: Cloud) -> None:
    """Recycle Bin ListRules, MaxResults and NextToken."""
    made = [rule(cloud, days=days) for days in range(1, 6)]
    pages = list(rbin(cloud).get_paginator("list_rules").paginate(ResourceType=IMAGES, PaginationConfig={"PageSize": 2}))
    assert [[each["Identifier"] for each in page["Rules"]] for page in pages] == [made[:2], made[2:4], made[4:]]


LOCK = {"UnlockDelay": {"UnlockDelayValue": 7, "UnlockDelayUnit": "DAYS"}}


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal("a year and a day", "CreateRule RetentionPeriod", "ValidationException", lambda w: rule(w, days=366)),
        refusal(
            "tags and exclusions", "CreateRule", "ValidationException",
            lambda w: rule(w, ResourceTags=[tag("a")], ExcludeResourceTags=[tag("b")]),
        ),
        refusal(
            "a lock on a tag rule", "CreateRule LockConfiguration", "ValidationException",
            lambda w: rule(w, ResourceTags=[tag("a")], LockConfiguration=LOCK),
        ),
        refusal(
            "to delete a locked rule", "DeleteRule", "ConflictException",
            lambda w: rbin(w).delete_rule(Identifier=rule(w, LockConfiguration=LOCK)), 409,
        ),
        refusal("an unknown rule", "DeleteRule", "ResourceNotFoundException", lambda w: rbin(w).delete_rule(Identifier="a" * 11), 404),
        refusal(
            "another type", "UpdateRule", "ValidationException",
            lambda w: rbin(w).update_rule(Identifier=rule(w), ResourceType=SNAPSHOTS),
        ),
        refusal(
            "a token of nobody", "ListRules", "ValidationException",
            lambda w: rbin(w).list_rules(ResourceType=IMAGES, NextToken="eA=="),
        ),
        refusal(
            "what is not offered", "common errors", "UnknownOperationException",
            lambda w: rbin(w).lock_rule(Identifier="a" * 11, LockConfiguration=LOCK),
        ),
        refusal(
            "twenty-one images", "ListImagesInRecycleBin", "InvalidParameterValue",
            lambda w: w.ec2().list_images_in_recycle_bin(ImageIds=[f"ami-{number:017x}" for number in range(21)]),
        ),
        refusal(
            "a restored image that was never deleted", "RestoreImageFromRecycleBin", "InvalidAMIID.NotFound",
            lambda w: w.ec2().restore_image_from_recycle_bin(ImageId=w.image()),
        ),
        refusal(
            "a snapshot that was never deleted", "RestoreSnapshotFromRecycleBin", "InvalidSnapshot.NotFound",
            lambda w: w.ec2().restore_snapshot_from_recycle_bin(SnapshotId=w.snapshot()),
        ),
    ],
)  # fmt: skip
def test_a_call_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)
