"""Snapshots of the local EC2: taking, listing, sharing and deleting them."""

from typing import Any

import pytest

from support.aws import error_of
from support.ec2 import Act, Cloud, assert_refused, refusal, row, tags_of

SOMEONE, ANOTHER = "111122223333", "444455556666"


def volume(cloud: Cloud, **arguments: Any) -> str:
    return str(cloud.ec2().create_volume(**{"AvailabilityZone": "us-east-1a", "Size": 4, **arguments})["VolumeId"])


def test_a_snapshot_of_a_volume_is_pending_then_completed(cloud: Cloud) -> None:
    """CreateSnapshot."""
    tags = [{"ResourceType": "snapshot", "Tags": [{"Key": "a", "Value": "b"}]}]
    source = volume(cloud)
    answer = cloud.ec2().create_snapshot(VolumeId=source, Description="d", TagSpecifications=tags)
    assert (answer["State"], answer["VolumeId"], answer["VolumeSize"], answer["Progress"]) == ("pending", source, 4, "0%")
    cloud.pass_time()
    shown = cloud.shown_snapshot(answer["SnapshotId"])
    wanted = {
        "State": "completed", "Progress": "100%", "OwnerId": cloud.account, "Description": "d", "VolumeSize": 4, "Encrypted": False,
        "StorageTier": "standard", "Tags": [{"Key": "a", "Value": "b"}],
    }  # fmt: skip
    assert {name: shown[name] for name in wanted} == wanted
    assert shown["CompletionTime"] > shown["StartTime"]
    assert not shown.keys() & {"KmsKeyId", "TransferType"}


def test_its_full_size_is_told_once_it_is_completed_and_is_at_most_its_volumes(cloud: Cloud) -> None:
    """DescribeSnapshots, FullSnapshotSizeInBytes: "all the blocks that were written to the source volume"; none while pending."""
    snapshot = cloud.ec2().create_snapshot(VolumeId=volume(cloud))["SnapshotId"]
    assert "FullSnapshotSizeInBytes" not in cloud.shown_snapshot(snapshot)
    cloud.pass_time()
    told = cloud.shown_snapshot(snapshot)["FullSnapshotSizeInBytes"]
    assert 0 < told <= 4 * 2**30
    cloud.pass_time()
    assert cloud.shown_snapshot(snapshot)["FullSnapshotSizeInBytes"] == told


def test_a_volume_from_a_snapshot_takes_its_size_and_its_seal(cloud: Cloud) -> None:
    """CreateVolume SnapshotId, Size, Encrypted."""
    key = cloud.key()
    made = cloud.ec2().create_volume(AvailabilityZone="us-east-1a", SnapshotId=cloud.snapshot(size=9, kms_key=key))
    assert (made["Size"], made["Encrypted"], made["SnapshotId"][:5]) == (9, True, "snap-")


def test_snapshots_of_all_disks_of_an_instance(cloud: Cloud) -> None:
    """CreateSnapshots."""
    instance = cloud.instance(volumes=[{"device_name": "/dev/xvda", "size": 8}, {"device_name": "/dev/sdb", "size": 3}])
    both = cloud.ec2().create_snapshots(InstanceSpecification={"InstanceId": instance})["Snapshots"]
    assert sorted(each["VolumeSize"] for each in both) == [3, 8]
    data = cloud.ec2().create_snapshots(InstanceSpecification={"InstanceId": instance, "ExcludeBootVolume": True})["Snapshots"]
    assert [each["VolumeSize"] for each in data] == [3]


TRAITS: dict[str, Any] = {"size": 7, "description": "a disk", "tags": {"team": "web"}, "owner_alias": "amazon"}


@pytest.mark.parametrize(
    ("name", "hit", "miss"),
    [
        row("description", "DescribeSnapshots", "description", "a*", "b*"),
        row("encrypted", "DescribeSnapshots", "encrypted", "false", "true"),
        row("owner-alias", "DescribeSnapshots", "owner-alias", "amazon", "self"),
        row("progress", "DescribeSnapshots", "progress", "100%", "80%"),
        row("start-time", "DescribeSnapshots", "start-time", "20*", "19*"),
        row("status", "DescribeSnapshots", "status", "completed", "pending"),
        row("storage-tier", "DescribeSnapshots", "storage-tier", "standard", "archive"),
        row("tag", "DescribeSnapshots", "tag:team", "w?b", "x"),
        row("tag-key", "DescribeSnapshots", "tag-key", "team", "x"),
        row("volume-id", "DescribeSnapshots", "volume-id", "vol-*", "x"),
        row("volume-size", "DescribeSnapshots", "volume-size", "7", "8"),
        row("owner-id", "DescribeSnapshots", "owner-id", "4*", "999999999999"),
        row("snapshot-id", "DescribeSnapshots", "snapshot-id", "snap-*", "snap-0a1b2c3d"),
    ],
)
def test_a_filter_finds(cloud: Cloud, name: str, hit: str, miss: str) -> None:
    snapshot = cloud.snapshot(**TRAITS)

    def found(value: str) -> list[str]:
        listed = cloud.ec2().describe_snapshots(OwnerIds=["self"], Filters=[{"Name": name, "Values": [value]}])["Snapshots"]
        return [each["SnapshotId"] for each in listed]

    assert (found(hit), found(miss)) == ([snapshot], [])


def test_copies_are_found_by_how_they_are_transferred(cloud: Cloud) -> None:
    """DescribeSnapshots transfer-type."""
    source, ec2 = cloud.snapshot(), cloud.ec2()
    copies = {
        kind: ec2.copy_snapshot(SourceRegion="us-east-1", SourceSnapshotId=source, **how)["SnapshotId"]
        for kind, how in (("standard", {}), ("time-based", {"CompletionDurationMinutes": 15}))
    }
    for kind, copied in copies.items():
        listed = ec2.describe_snapshots(OwnerIds=["self"], Filters=[{"Name": "transfer-type", "Values": [kind]}])["Snapshots"]
        assert [each["SnapshotId"] for each in listed] == [copied]


@pytest.mark.parametrize(
    ("arguments", "listed"),
    [
        row("self", "DescribeSnapshots OwnerIds", {"OwnerIds": ["self"]}, {"mine"}),
        row("another owner", "DescribeSnapshots OwnerIds; moto table", {"OwnerIds": ["{other}"]}, {"shared", "public"}),
        row("a stranger", "moto table", {"OwnerIds": ["999999999999"]}, set()),
        row("restorable by me", "DescribeSnapshots RestorableByUserIds", {"RestorableByUserIds": ["self"]}, {"mine", "shared"}),
        row("restorable by all", "DescribeSnapshots RestorableByUserIds", {"RestorableByUserIds": ["all"]}, {"public"}),
        row(
            "mine that the other may restore",
            "DescribeSnapshots RestorableByUserIds",
            {"OwnerIds": ["self"], "RestorableByUserIds": ["{other}"]},
            {"mine"},
        ),
    ],
)
def test_owners_and_restorers_scope_a_listing(cloud: Cloud, arguments: dict[str, list[str]], listed: set[str]) -> None:
    snapshots = {
        "mine": cloud.snapshot(users=[cloud.other]),
        "shared": cloud.snapshot(account=cloud.other, users=[cloud.account]),
        "public": cloud.snapshot(account=cloud.other, public=True),
        "private": cloud.snapshot(account=cloud.other),
    }
    filled = {key: [value.format(account=cloud.account, other=cloud.other) for value in values] for key, values in arguments.items()}
    found = {each["SnapshotId"] for each in cloud.ec2().describe_snapshots(**filled)["Snapshots"]}
    assert {name for name, snapshot in snapshots.items() if snapshot in found} == listed


def test_pages_hold_every_snapshot_once(cloud: Cloud) -> None:
    """DescribeSnapshots MaxResults and NextToken."""
    made = [cloud.snapshot() for _ in range(12)]
    pages = cloud.ec2().get_paginator("describe_snapshots").paginate(OwnerIds=["self"], PaginationConfig={"PageSize": 5})
    assert [each["SnapshotId"] for page in pages for each in page["Snapshots"]] == made


def describe(cloud: Cloud, **arguments: Any) -> Any:
    return cloud.ec2().describe_snapshots(**arguments)


def in_use(cloud: Cloud, act: Any = None) -> Any:
    image_id = cloud.image()
    if act:
        act(image_id)
    return cloud.ec2().delete_snapshot(SnapshotId=cloud.snapshot_of(image_id))


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal("no such id", "research 11", "InvalidSnapshot.NotFound", lambda w: describe(w, SnapshotIds=["snap-00000000000000000"])),
        refusal("a malformed id", "research 11", "InvalidSnapshotID.Malformed", lambda w: describe(w, SnapshotIds=["disk"])),
        refusal(
            "an unknown filter",
            "research moto table",
            "InvalidParameterValue",
            lambda w: describe(w, Filters=[{"Name": "x", "Values": ["y"]}]),
        ),
        refusal(
            "ids and a page size",
            "DescribeSnapshots MaxResults",
            "InvalidParameterCombination",
            lambda w: describe(w, SnapshotIds=[w.snapshot()], MaxResults=5),
        ),
        refusal("a page of four", "DescribeSnapshots MaxResults", "InvalidParameterValue", lambda w: describe(w, MaxResults=4)),
        refusal("a token of nobody", "research 2", "InvalidNextToken", lambda w: describe(w, NextToken="x")),
        refusal(
            "deleting what is not there",
            "research 1.1",
            "InvalidSnapshot.NotFound",
            lambda w: w.ec2().delete_snapshot(SnapshotId="snap-00000000000000000"),
        ),
        refusal("deleting a malformed id", "moto table", "InvalidSnapshotID.Malformed", lambda w: w.ec2().delete_snapshot(SnapshotId="x")),
        refusal("deleting under an image", "trap 18", "InvalidSnapshot.InUse", in_use),
        refusal(
            "deleting under a disabled image",
            "research 6",
            "InvalidSnapshot.InUse",
            lambda w: in_use(w, lambda image_id: w.ec2().disable_image(ImageId=image_id)),
        ),
        refusal(
            "deleting another's public snapshot",
            "research 1.1",
            "AuthFailure",
            lambda w: w.ec2().delete_snapshot(SnapshotId=w.snapshot(account=w.other, public=True)),
            401,
        ),
        refusal(
            "a snapshot of no volume",
            "CreateSnapshot",
            "InvalidVolume.NotFound",
            lambda w: w.ec2().create_snapshot(VolumeId="vol-00000000"),
        ),
        refusal(
            "a dry run", "research 1.5", "DryRunOperation", lambda w: w.ec2().delete_snapshot(SnapshotId=w.snapshot(), DryRun=True), 412
        ),
    ],
)
def test_a_snapshot_call_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)


def test_a_snapshot_in_use_is_refused_in_words_that_name_the_image(cloud: Cloud) -> None:
    """Research 6: message names the AMI."""
    image_id = cloud.image()
    with pytest.raises(cloud.ec2().exceptions.ClientError, match=image_id):
        cloud.ec2().delete_snapshot(SnapshotId=cloud.snapshot_of(image_id))


# Sharing


def grants(cloud: Cloud, snapshot: str) -> list[dict[str, str]]:
    answer = cloud.ec2().describe_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
    return list(answer["CreateVolumePermissions"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        row(
            "struct form",
            "moto trap 1",
            {"CreateVolumePermission": {"Add": [{"UserId": SOMEONE}, {"UserId": ANOTHER}]}},
            [{"UserId": SOMEONE}, {"UserId": ANOTHER}],
        ),
        row(
            "list form",
            "ModifySnapshotAttribute UserIds",
            {"OperationType": "add", "UserIds": [SOMEONE, ANOTHER]},
            [{"UserId": SOMEONE}, {"UserId": ANOTHER}],
        ),
        row("public, struct form", "ModifySnapshotAttribute", {"CreateVolumePermission": {"Add": [{"Group": "all"}]}}, [{"Group": "all"}]),
        row("public, list form", "ModifySnapshotAttribute GroupNames", {"OperationType": "add", "GroupNames": ["all"]}, [{"Group": "all"}]),
    ],
)
def test_permissions_are_added_and_removed_in_either_form(cloud: Cloud, arguments: dict[str, Any], expected: list[dict[str, str]]) -> None:
    snapshot = cloud.snapshot()
    cloud.ec2().modify_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission", **arguments)
    assert grants(cloud, snapshot) == expected
    struct = arguments.get("CreateVolumePermission")
    flipped = {"CreateVolumePermission": {"Remove": struct["Add"]}} if struct else {**arguments, "OperationType": "remove"}
    cloud.ec2().modify_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission", **flipped)
    assert grants(cloud, snapshot) == []


def test_a_key_of_ones_own_makes_an_encrypted_snapshot_shareable(cloud: Cloud) -> None:
    """ModifySnapshotAttribute: encrypted snapshots are shared with their customer managed key."""
    snapshot = cloud.snapshot(kms_key=cloud.key())
    modify(cloud, snapshot, UserIds=[SOMEONE])
    assert grants(cloud, snapshot) == [{"UserId": SOMEONE}]


def test_resetting_takes_everything_back(cloud: Cloud) -> None:
    """ResetSnapshotAttribute."""
    snapshot = cloud.snapshot(users=[SOMEONE], public=True)
    cloud.ec2().reset_snapshot_attribute(SnapshotId=snapshot, Attribute="createVolumePermission")
    assert grants(cloud, snapshot) == []


def modify(cloud: Cloud, snapshot: str, **arguments: Any) -> Any:
    request = {"Attribute": "createVolumePermission", **({"OperationType": "add"} if "CreateVolumePermission" not in arguments else {})}
    return cloud.ec2().modify_snapshot_attribute(SnapshotId=snapshot, **{**request, **arguments})


def modify_pending(cloud: Cloud) -> Any:
    snapshot = cloud.ec2().create_snapshot(VolumeId=volume(cloud))["SnapshotId"]
    return modify(cloud, snapshot, UserIds=[SOMEONE])


def share_with_nobody(cloud: Cloud) -> Any:
    cloud.settings.unknown_accounts = (SOMEONE,)
    return modify(cloud, cloud.snapshot(), UserIds=[CROWD[0], SOMEONE])


def publish_blocked(cloud: Cloud) -> Any:
    cloud.ec2().enable_snapshot_block_public_access(State="block-all-sharing")
    return modify(cloud, cloud.snapshot(), GroupNames=["all"])


BOTH = {"Add": [{"UserId": SOMEONE}], "Remove": [{"UserId": ANOTHER}]}
CROWD = [str(100_000_000_000 + number) for number in range(501)]


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal(
            "adding and removing at once",
            "ModifySnapshotAttribute",
            "InvalidParameterCombination",
            lambda w: modify(w, w.snapshot(), CreateVolumePermission=BOTH),
        ),
        refusal("501 changes", "trap 14", "InvalidParameterValue", lambda w: modify(w, w.snapshot(), UserIds=CROWD)),
        refusal(
            "the AWS-managed key", "trap 9", "OperationNotPermitted", lambda w: modify(w, w.snapshot(encrypted=True), UserIds=[SOMEONE])
        ),
        refusal(
            "public and encrypted",
            "ModifySnapshotAttribute",
            "OperationNotPermitted",
            lambda w: modify(w, w.snapshot(kms_key=w.key()), GroupNames=["all"]),
        ),
        refusal(
            "public with product codes",
            "ModifySnapshotAttribute",
            "OperationNotPermitted",
            lambda w: modify(w, w.snapshot(product_codes=["x"]), GroupNames=["all"]),
        ),
        refusal("public while blocked", "research 2", "OperationNotPermitted", publish_blocked),
        refusal("an account that is none", "research 1.1", "InvalidUserID.Malformed", lambda w: modify(w, w.snapshot(), UserIds=["me"])),
        refusal("an account that nobody has, among others", "research 5", "InvalidAMIAttributeItemValue", share_with_nobody),
        refusal(
            "a list without an operation",
            "ModifySnapshotAttribute",
            "MissingParameter",
            lambda w: w.ec2().modify_snapshot_attribute(SnapshotId=w.snapshot(), UserIds=[SOMEONE]),
        ),
        refusal("a pending snapshot", "research 11", "IncorrectState", modify_pending),
        refusal(
            "another's snapshot",
            "research 1.1",
            "AuthFailure",
            lambda w: modify(w, w.snapshot(account=w.other, public=True), UserIds=[SOMEONE]),
            401,
        ),
        refusal(
            "reading another's permissions",
            "research 1.1",
            "AuthFailure",
            lambda w: grants(w, w.snapshot(account=w.other, public=True)),
            401,
        ),
        refusal("a dry run", "research 1.5", "DryRunOperation", lambda w: modify(w, w.snapshot(), UserIds=[SOMEONE], DryRun=True), 412),
    ],
)
def test_a_change_of_permissions_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)


def test_500_changes_in_a_call_are_fine(cloud: Cloud) -> None:
    """Trap 14."""
    snapshot = cloud.snapshot()
    modify(cloud, snapshot, UserIds=CROWD[:500])
    assert len(grants(cloud, snapshot)) == 500


def test_others_see_a_shared_snapshot_without_its_tags(cloud: Cloud) -> None:
    """DescribeSnapshots; research 4: tags do not cross accounts."""
    snapshot = cloud.snapshot(users=[cloud.other], tags={"a": "b"})
    theirs = cloud.ec2(account=cloud.other).describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]
    assert (tags_of(theirs), theirs["OwnerId"]) == ({}, cloud.account)


def test_a_new_snapshot_is_not_seen_before_the_list_lag_is_over(cloud: Cloud) -> None:
    """Research 1.4."""
    cloud.settings.list_lag_seconds = 10
    snapshot = cloud.ec2().create_snapshot(VolumeId=volume(cloud))["SnapshotId"]
    assert error_of(cloud.ec2().describe_snapshots, SnapshotIds=[snapshot]) == ("InvalidSnapshot.NotFound", 400)
    assert cloud.ec2().describe_snapshots(OwnerIds=["self"])["Snapshots"] == []
    cloud.pass_time(10)
    assert cloud.shown_snapshot(snapshot)["SnapshotId"] == snapshot


def test_an_id_out_of_reach_is_left_out(cloud: Cloud) -> None:
    """DescribeSnapshots: not included in the returned results."""
    mine, theirs = cloud.snapshot(), cloud.snapshot(account=cloud.other)
    listed = cloud.ec2().describe_snapshots(SnapshotIds=[theirs, mine])["Snapshots"]
    assert [each["SnapshotId"] for each in listed] == [mine]
