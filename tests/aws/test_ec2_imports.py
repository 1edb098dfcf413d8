"""VM Import. Sources: ImportSnapshot, ImportImage and their sisters in EC2's API reference; VM Import/Export user guide; research 3."""

from typing import Any

import pytest

from support.ec2 import AWAY, HOME, Act, Cloud, assert_refused, refusal, row, tags_of

DAY_SECONDS = 86400
UNKNOWN = {"import-snap": "import-snap-00000000000000000", "import-ami": "import-ami-00000000000000000"}
DISK = {"Format": "vmdk", "UserBucket": {"S3Bucket": "disks", "S3Key": "web.vmdk"}}


def tagged(kind: str, **tags: str) -> list[dict[str, Any]]:
    return [{"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


def snapshot_import(cloud: Cloud, region: str = HOME, **arguments: Any) -> str:
    """The id of an import that has just begun."""
    return str(cloud.ec2(region).import_snapshot(**{"DiskContainer": DISK, **arguments})["ImportTaskId"])


def image_import(cloud: Cloud, region: str = HOME, **arguments: Any) -> str:
    return str(cloud.ec2(region).import_image(**{"DiskContainers": [DISK], **arguments})["ImportTaskId"])


def task(cloud: Cloud, task_id: str) -> dict[str, Any]:
    """As its own Describe call shows it; of a snapshot's task, with the members of its detail."""
    if task_id.startswith("import-ami"):
        return dict(cloud.ec2().describe_import_image_tasks(ImportTaskIds=[task_id])["ImportImageTasks"][0])
    found = cloud.ec2().describe_import_snapshot_tasks(ImportTaskIds=[task_id])["ImportSnapshotTasks"][0]
    return {**found["SnapshotTaskDetail"], **{name: value for name, value in found.items() if name != "SnapshotTaskDetail"}}


def statuses(cloud: Cloud, task_id: str, *seconds: float) -> list[tuple[str, str]]:
    """Status and StatusMessage, after each of these times."""
    told = []
    for each in seconds:
        cloud.pass_time(each)
        shown = task(cloud, task_id)
        told.append((shown["Status"], shown.get("StatusMessage", "")))
    return told


# What comes of it


def test_a_disk_becomes_a_snapshot_that_has_the_services_description_and_no_tags(cloud: Cloud) -> None:
    """ImportSnapshot; aws/aws-sdk issue 762: the description stays on the task; TagSpecifications: tags of the task."""
    answer = cloud.ec2().import_snapshot(
        Description="web 1.0.0", DiskContainer=DISK, TagSpecifications=tagged("import-snapshot-task", team="platform")
    )
    assert (answer["Description"], tags_of(answer), answer["SnapshotTaskDetail"]["Status"]) == ("web 1.0.0", {"team": "platform"}, "active")
    task_id = answer["ImportTaskId"]
    assert task_id.startswith("import-snap-")
    assert "SnapshotId" not in task(cloud, task_id)

    cloud.pass_time(60)

    done = task(cloud, task_id)
    assert (done["Status"], done["Format"], done["UserBucket"], tags_of(done)) == (
        "completed", "VMDK", {"S3Bucket": "disks", "S3Key": "web.vmdk"}, {"team": "platform"},
    )  # fmt: skip
    snapshot = cloud.shown_snapshot(done["SnapshotId"])
    assert (snapshot["State"], snapshot["Description"]) == ("completed", f"Created by AWS-VMImport service for {task_id}")
    assert tags_of(snapshot) == {}
    made = cloud.ec2().register_image(Name="web", RootDeviceName="/dev/xvda", BlockDeviceMappings=root(done["SnapshotId"]))["ImageId"]
    assert cloud.snapshot_of(made) == done["SnapshotId"]


def root(snapshot_id: str) -> list[dict[str, Any]]:
    return [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot_id}}]


def test_disks_become_an_image_that_is_named_as_its_task(cloud: Cloud) -> None:
    """ImportImage; VM Import/Export user guide: the image's name is the id of the task."""
    data = {"Url": "https://disks.example/data.ova", "Format": "OVA", "DeviceName": "/dev/sdf"}
    task_id = image_import(
        cloud, DiskContainers=[DISK, data], TagSpecifications=tagged("import-image-task", team="platform"), BootMode="uefi"
    )
    assert "ImageId" not in task(cloud, task_id)

    cloud.pass_time(60)

    done = task(cloud, task_id)
    assert (done["Status"], tags_of(done)) == ("completed", {"team": "platform"})
    image = cloud.shown(done["ImageId"])
    assert (image["Name"], image["State"], image["BootMode"], tags_of(image)) == (task_id, "available", "uefi", {})
    named = [each["Ebs"]["SnapshotId"] for each in image["BlockDeviceMappings"]]
    assert [each["SnapshotId"] for each in done["SnapshotDetails"]] == named
    assert all(cloud.shown_snapshot(each)["Description"].endswith(task_id) for each in named)


def test_an_image_can_be_made_of_a_snapshot(cloud: Cloud) -> None:
    """ImageDiskContainer SnapshotId."""
    task_id = image_import(cloud, DiskContainers=[{"SnapshotId": cloud.snapshot(size=20)}])
    cloud.pass_time(60)
    image = cloud.shown(task(cloud, task_id)["ImageId"])
    assert image["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"] == 20


@pytest.mark.parametrize(
    ("begin", "messages"),
    [
        row("a snapshot's", "aws ec2 describe-import-snapshot-tasks", snapshot_import, ["pending", "downloading/converting", "completing"]),
        row("an image's", "aws ec2 describe-import-image-tasks", image_import, ["pending", "updating", "preparing ami"]),
    ],
)
def test_a_task_is_active_until_it_is_completed_and_tells_its_stage(cloud: Cloud, begin: Any, messages: list[str]) -> None:
    task_id = begin(cloud)
    assert statuses(cloud, task_id, 0, 29, 29, 2) == [*(("active", message) for message in messages), ("completed", "")]
    assert "Progress" not in task(cloud, task_id)


def test_progress_rises(cloud: Cloud) -> None:
    """ImportImageTask Progress."""
    task_id, told = snapshot_import(cloud), []
    for _ in range(3):
        told.append(int(task(cloud, task_id)["Progress"]))
        cloud.pass_time(20)
    assert told == [1, 33, 66]


@pytest.mark.parametrize("begin", [row("a snapshot", "ImportSnapshot", snapshot_import), row("an image", "ImportImage", image_import)])
def test_what_is_imported_is_encrypted_where_that_is_asked_for(cloud: Cloud, begin: Any) -> None:
    """Encrypted, KmsKeyId; without one the default key for EBS."""
    key = cloud.key()
    own, default = begin(cloud, Encrypted=True, KmsKeyId=key), begin(cloud, Encrypted=True)
    cloud.pass_time(60)
    made = [task(cloud, each).get("SnapshotId") or task(cloud, each)["SnapshotDetails"][0]["SnapshotId"] for each in (own, default)]
    keys = [cloud.shown_snapshot(each)["KmsKeyId"] for each in made]
    assert keys[0] == key != keys[1]


# How it ends otherwise


@pytest.mark.parametrize("begin", [row("a snapshot", "research 3", snapshot_import), row("an image", "research 3", image_import)])
def test_a_failed_import_is_deleted_and_says_why(cloud: Cloud, begin: Any) -> None:
    """Research 3: failure shows as deleted with a StatusMessage; osbuild/osbuild-composer 709."""
    earlier = begin(cloud)
    cloud.settings.fail_imports = {HOME: 1}
    failed, fine = begin(cloud), begin(cloud)
    cloud.pass_time(60)
    assert task(cloud, earlier)["Status"] == "completed"
    assert task(cloud, failed)["Status"] == "deleted"
    assert task(cloud, failed)["StatusMessage"].startswith("ClientError")
    assert task(cloud, fine)["Status"] == "completed"


@pytest.mark.parametrize(
    "begin", [row("a snapshot", "CancelImportTask", snapshot_import), row("an image", "CancelImportTask", image_import)]
)
def test_an_active_one_can_be_cancelled_and_leaves_nothing(cloud: Cloud, begin: Any) -> None:
    task_id = begin(cloud)
    answer = cloud.ec2().cancel_import_task(ImportTaskId=task_id, CancelReason="not needed")
    assert (answer["ImportTaskId"], answer["PreviousState"], answer["State"]) == (task_id, "active", "deleting")
    assert statuses(cloud, task_id, 0, 5, 60) == [(state, "not needed") for state in ("deleting", "deleted", "deleted")]
    assert cloud.ec2().describe_snapshots(OwnerIds=["self"])["Snapshots"] == []


def test_a_task_is_told_for_seven_days_after_it_ended(cloud: Cloud) -> None:
    """VM Import/Export user guide; research 3."""
    task_id = snapshot_import(cloud)
    cloud.pass_time(60 + 7 * DAY_SECONDS - 1)
    assert task(cloud, task_id)["Status"] == "completed"
    cloud.pass_time(1)
    assert cloud.ec2().describe_import_snapshot_tasks()["ImportSnapshotTasks"] == []


# Finding and tagging


def test_tasks_are_found_by_kind_and_state_and_tag_and_are_paged(cloud: Cloud) -> None:
    """DescribeImportSnapshotTasks, DescribeImportImageTasks: task-state, MaxResults, NextToken. Filters by tag: as everywhere in EC2."""
    ended = snapshot_import(cloud)
    cloud.pass_time(60)
    active = [snapshot_import(cloud, TagSpecifications=tagged("import-snapshot-task", number=str(number))) for number in range(3)]
    image_import(cloud)
    snapshot_import(cloud, AWAY)

    def found(**arguments: Any) -> list[list[str]]:
        pages = cloud.ec2().get_paginator("describe_import_snapshot_tasks").paginate(PaginationConfig={"PageSize": 2}, **arguments)
        return [[each["ImportTaskId"] for each in page["ImportSnapshotTasks"]] for page in pages]

    assert found() == [[ended, active[0]], active[1:]]
    assert found(Filters=[{"Name": "task-state", "Values": ["active"]}]) == [active[:2], active[2:]]
    assert found(Filters=[{"Name": "tag:number", "Values": ["1"]}]) == [[active[1]]]
    assert cloud.ec2(account=cloud.other).describe_import_snapshot_tasks()["ImportSnapshotTasks"] == []


@pytest.mark.parametrize(
    ("begin", "kind"),
    [
        row("a snapshot's", "ResourceType", snapshot_import, "import-snapshot-task"),
        row("an image's", "ResourceType", image_import, "import-image-task"),
    ],
)
def test_tags_of_a_task_can_be_changed(cloud: Cloud, begin: Any, kind: str) -> None:
    """CreateTags, DeleteTags, DescribeTags."""
    task_id = begin(cloud, TagSpecifications=tagged(kind, a="b"))
    cloud.ec2().create_tags(Resources=[task_id], Tags=[{"Key": "c", "Value": "d"}])
    cloud.ec2().delete_tags(Resources=[task_id], Tags=[{"Key": "a"}])
    assert tags_of(task(cloud, task_id)) == {"c": "d"}
    (listed,) = cloud.ec2().describe_tags(Filters=[{"Name": "resource-id", "Values": [task_id]}])["Tags"]
    assert (listed["ResourceType"], listed["Key"]) == (kind, "c")


@pytest.mark.parametrize("begin", [row("a snapshot", "ImportSnapshot", snapshot_import), row("an image", "ImportImage", image_import)])
def test_a_repeated_call_with_its_token_is_the_same_task(cloud: Cloud, begin: Any) -> None:
    """Research 1.3: ClientToken, which the SDK does not fill in."""
    assert begin(cloud, ClientToken="once") == begin(cloud, ClientToken="once")
    assert begin(cloud) != begin(cloud)


def test_a_new_task_is_listed_late_where_the_lab_says_so(cloud: Cloud) -> None:
    """Research 1.4."""
    cloud.settings.list_lag_seconds = 10
    task_id = snapshot_import(cloud)
    assert cloud.ec2().describe_import_snapshot_tasks()["ImportSnapshotTasks"] == []
    cloud.pass_time(10)
    assert task(cloud, task_id)["Status"] == "active"


# Refusals


def cancelled_late(cloud: Cloud) -> Any:
    task_id = snapshot_import(cloud)
    cloud.pass_time(60)
    return cloud.ec2().cancel_import_task(ImportTaskId=task_id)


def other_parameters(cloud: Cloud) -> Any:
    return [snapshot_import(cloud, ClientToken="once", Description=each) for each in ("a", "b")]


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal("no disk", "DiskContainer", "MissingParameter", lambda w: w.ec2().import_snapshot()),
        refusal("no disks", "DiskContainers", "MissingParameter", lambda w: w.ec2().import_image()),
        refusal(
            "a disk that is nowhere", "UserBucket, Url", "MissingParameter",
            lambda w: snapshot_import(w, DiskContainer={"Format": "RAW"}),
        ),
        refusal(
            "a format of an image only", "SnapshotDiskContainer Format; error codes", "InvalidFormat",
            lambda w: snapshot_import(w, DiskContainer={**DISK, "Format": "OVA"}),
        ),
        refusal("an unknown architecture", "Architecture", "InvalidParameterValue", lambda w: image_import(w, Architecture="sparc")),
        refusal("a key without Encrypted", "KmsKeyId", "InvalidParameterDependency", lambda w: snapshot_import(w, KmsKeyId="alias/x")),
        refusal(
            "an unknown snapshot", "SnapshotId", "InvalidSnapshot.NotFound",
            lambda w: image_import(w, DiskContainers=[{"SnapshotId": "snap-00000000000000000"}]),
        ),
        refusal(
            "tags for the snapshot", "TagSpecifications", "InvalidParameterValue",
            lambda w: snapshot_import(w, TagSpecifications=tagged("snapshot", a="b")),
        ),
        refusal("another call with the token", "research 1.3", "IdempotentParameterMismatch", other_parameters),
        refusal("a dry run", "research 1.5", "DryRunOperation", lambda w: snapshot_import(w, DryRun=True), 412),
        refusal("an image's dry run", "research 1.5", "DryRunOperation", lambda w: image_import(w, DryRun=True), 412),
        refusal(
            "a cancellation's dry run", "research 1.5", "DryRunOperation",
            lambda w: w.ec2().cancel_import_task(ImportTaskId=snapshot_import(w), DryRun=True), 412,
        ),
        refusal("to cancel what is completed", "assumed", "IncorrectState", cancelled_late),
        refusal(
            "to cancel an unknown task", "error codes", "InvalidConversionTaskId",
            lambda w: w.ec2().cancel_import_task(ImportTaskId=UNKNOWN["import-snap"]),
        ),
        refusal(
            "to describe an unknown task", "error codes", "InvalidConversionTaskId",
            lambda w: w.ec2().describe_import_image_tasks(ImportTaskIds=[UNKNOWN["import-ami"]]),
        ),
        refusal(
            "another account's task", "error codes", "InvalidConversionTaskId",
            lambda w: w.ec2(account=w.other).cancel_import_task(ImportTaskId=snapshot_import(w)),
        ),
        refusal(
            "what is no task's id", "error codes", "InvalidConversionTaskId.Malformed",
            lambda w: w.ec2().describe_import_snapshot_tasks(ImportTaskIds=["snap-00000000000000000"]),
        ),
        refusal(
            "an unknown filter", "Filters", "InvalidParameterValue",
            lambda w: w.ec2().describe_import_snapshot_tasks(Filters=[{"Name": "state", "Values": ["active"]}]),
        ),
        refusal(
            "a token of another listing", "NextToken", "InvalidNextToken",
            lambda w: w.ec2().describe_import_image_tasks(MaxResults=5, NextToken="more"),
        ),
    ],
)  # fmt: skip
def test_a_call_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)
