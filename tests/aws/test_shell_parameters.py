"""Parameter Store as image aliases need it. Sources are named per test: API = Systems Manager API reference, GUIDE = its user guide."""

from typing import Any

import pytest

from goldenami.local.aws import LocalAws
from support.aws import error_of

ALIAS = "/golden/web/current"
OWNER = {"Key": "goldenami.dev/owner", "Value": "main/images/web"}


def make_image(aws: LocalAws, *, account: str = "111111111111", region: str = "us-east-1", name: str = "web-1") -> str:
    """An available image."""
    before = aws.lab.settings()["image_seconds"]
    aws.lab.settings(image_seconds=0)
    ec2 = aws.client("ec2", account=account, region=region)
    volume = ec2.create_volume(AvailabilityZone=f"{region}a", Size=8)["VolumeId"]
    snapshot = ec2.create_snapshot(VolumeId=volume)["SnapshotId"]
    disks = [{"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot}}]
    image = ec2.register_image(
        Name=name, Architecture="x86_64", VirtualizationType="hvm", RootDeviceName="/dev/xvda", BlockDeviceMappings=disks
    )
    aws.lab.settings(image_seconds=before)
    return str(image["ImageId"])


def put_image(aws: LocalAws, value: str, **more: Any) -> Any:
    more = {"Type": "String", **more}
    return aws.client("ssm").put_parameter(Name=ALIAS, Value=value, DataType="aws:ec2:image", **more)


def read(aws: LocalAws) -> tuple[str, int] | None:
    found = aws.client("ssm").get_parameters(Names=[ALIAS])["Parameters"]
    return (found[0]["Value"], found[0]["Version"]) if found else None


def test_an_image_value_is_readable_only_after_it_was_checked(lab_aws: LocalAws) -> None:
    # API, PutParameter: "a successful HTTP 200 response does not guarantee that your parameter was successfully created or updated".
    image = make_image(lab_aws)
    assert put_image(lab_aws, image)["Version"] == 1
    assert read(lab_aws) is None
    lab_aws.lab.advance(1)
    assert read(lab_aws) == (image, 1)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("ami-0123456789abcdef0", id="an image that does not exist"),
        pytest.param("not-an-image", id="a value that is no image id"),
    ],
)
def test_a_bad_image_value_is_answered_with_success_and_never_appears(lab_aws: LocalAws, value: str) -> None:
    # API, PutParameter: "If you submit an invalid AMI value, the PutParameter operation will return success".
    assert put_image(lab_aws, value)["Version"] == 1
    lab_aws.lab.advance(3600)
    assert read(lab_aws) is None


def test_a_bad_new_value_silently_leaves_the_old_one(lab_aws: LocalAws) -> None:
    image = make_image(lab_aws)
    put_image(lab_aws, image)
    lab_aws.lab.advance(1)
    assert put_image(lab_aws, "ami-0123456789abcdef0", Overwrite=True)["Version"] == 2
    lab_aws.lab.advance(1)
    assert read(lab_aws) == (image, 1)


def test_an_image_that_only_another_account_or_region_sees_is_a_bad_value(lab_aws: LocalAws) -> None:
    # API, PutParameter: "validates … that the specified AMI is available in your Amazon Web Services account".
    put_image(lab_aws, make_image(lab_aws, account="222222222222"))
    put_image(lab_aws, make_image(lab_aws, region="eu-west-1"))
    lab_aws.lab.advance(1)
    assert read(lab_aws) is None


def test_a_pending_image_is_a_bad_value(lab_aws: LocalAws) -> None:
    ec2 = lab_aws.client("ec2")
    source = make_image(lab_aws)
    lab_aws.lab.settings(copy_seconds=600)
    put_image(lab_aws, ec2.copy_image(Name="copy", SourceImageId=source, SourceRegion="us-east-1")["ImageId"])
    lab_aws.lab.advance(1)
    assert read(lab_aws) is None


def test_tags_come_with_the_creation(lab_aws: LocalAws) -> None:
    put_image(lab_aws, make_image(lab_aws), Tags=[OWNER])
    lab_aws.lab.advance(1)
    ssm = lab_aws.client("ssm")
    assert ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=ALIAS)["TagList"] == [OWNER]


@pytest.mark.parametrize("data_type", ["text", "aws:ec2:image"])
def test_tags_and_overwrite_exclude_each_other(lab_aws: LocalAws, data_type: str) -> None:
    # API, PutParameter: ValidationException, "tags and overwrite can't be used together".
    arguments = {"Name": ALIAS, "Value": "ami-0123456789abcdef0", "Type": "String", "DataType": data_type}
    ssm = lab_aws.client("ssm")
    assert error_of(ssm.put_parameter, Overwrite=True, Tags=[OWNER], **arguments) == ("ValidationException", 400)


def test_tags_can_be_added_and_removed_later(lab_aws: LocalAws) -> None:
    # API, AddTagsToResource, RemoveTagsFromResource.
    ssm = lab_aws.client("ssm")
    ssm.put_parameter(Name=ALIAS, Value="1", Type="String")
    ssm.add_tags_to_resource(ResourceType="Parameter", ResourceId=ALIAS, Tags=[OWNER, {"Key": "team", "Value": "platform"}])
    ssm.remove_tags_from_resource(ResourceType="Parameter", ResourceId=ALIAS, TagKeys=["team"])
    assert ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=ALIAS)["TagList"] == [OWNER]


def test_an_existing_parameter_wants_overwrite(lab_aws: LocalAws) -> None:
    # API, PutParameter: ParameterAlreadyExists.
    image = make_image(lab_aws)
    put_image(lab_aws, image)
    lab_aws.lab.advance(1)
    assert error_of(lambda: put_image(lab_aws, image)) == ("ParameterAlreadyExists", 400)


def test_every_write_makes_a_version_even_of_the_same_value(lab_aws: LocalAws) -> None:
    ssm = lab_aws.client("ssm")
    versions = [ssm.put_parameter(Name=ALIAS, Value="1", Type="String", Overwrite=True)["Version"] for _ in range(3)]
    assert versions == [1, 2, 3]


def test_the_data_type_stays_what_it_was(lab_aws: LocalAws) -> None:
    # GUIDE, "Native parameter support for AMI IDs"; the data type of an existing parameter cannot be changed.
    ssm = lab_aws.client("ssm")
    ssm.put_parameter(Name=ALIAS, Value="1", Type="String")
    assert error_of(lambda: put_image(lab_aws, "ami-0123456789abcdef0", Overwrite=True))[0] == "ValidationException"
    ssm.put_parameter(Name=ALIAS, Value="2", Overwrite=True)
    assert ssm.get_parameter(Name=ALIAS)["Parameter"]["DataType"] == "text"


def test_image_aliases_are_plain_strings(lab_aws: LocalAws) -> None:
    # GUIDE: "When you create a String parameter, you can specify the data type as aws:ec2:image".
    assert error_of(lambda: put_image(lab_aws, "ami-0123456789abcdef0", Type="SecureString"))[0] == "ValidationException"


def test_a_hundred_versions_are_kept_and_a_label_on_the_oldest_is_a_wall(lab_aws: LocalAws) -> None:
    # GUIDE, "Working with parameter versions": ParameterMaxVersionLimitExceeded while the oldest version carries a label.
    lab_aws.lab.settings(throttling=False)
    ssm = lab_aws.client("ssm")
    for number in range(100):
        ssm.put_parameter(Name=ALIAS, Value=str(number), Type="String", Overwrite=True)
    ssm.label_parameter_version(Name=ALIAS, ParameterVersion=1, Labels=["pinned"])
    assert error_of(ssm.put_parameter, Name=ALIAS, Value="x", Overwrite=True)[0] == "ParameterMaxVersionLimitExceeded"
    ssm.label_parameter_version(Name=ALIAS, ParameterVersion=100, Labels=["pinned"])
    assert ssm.put_parameter(Name=ALIAS, Value="x", Overwrite=True)["Version"] == 101


def test_at_most_ten_names_at_once(lab_aws: LocalAws) -> None:
    # API, GetParameters: Names has at most 10 items.
    ssm = lab_aws.client("ssm")
    ssm.put_parameter(Name="/a", Value="1", Type="String")
    answer = ssm.get_parameters(Names=["/a", "/b"])
    assert [each["Name"] for each in answer["Parameters"]] == ["/a"]
    assert answer["InvalidParameters"] == ["/b"]
    assert error_of(ssm.get_parameters, Names=[f"/{number}" for number in range(11)]) == ("ValidationException", 400)


def test_a_version_or_a_label_comes_back_as_a_selector(lab_aws: LocalAws) -> None:
    # API, Parameter: Selector is the version number or the label that was asked for, `:version` or `:label`.
    ssm = lab_aws.client("ssm")
    ssm.put_parameter(Name="/a", Value="1", Type="String")
    ssm.put_parameter(Name="/a", Value="2", Type="String", Overwrite=True)
    ssm.label_parameter_version(Name="/a", ParameterVersion=1, Labels=["old"])
    answer = ssm.get_parameters(Names=["/a", "/a:2", "/a:old", "/a:7"])
    found = {(each["Name"], each.get("Selector")): each["Value"] for each in answer["Parameters"]}
    assert found == {("/a", None): "2", ("/a", ":2"): "2", ("/a", ":old"): "1"}
    assert answer["InvalidParameters"] == ["/a:7"]


def test_describe_filters_by_data_type(lab_aws: LocalAws) -> None:
    # API, ParameterStringFilter: Key DataType.
    ssm = lab_aws.client("ssm")
    image_id = lab_aws.lab.seed_one("image", "111111111111", "us-east-1")["image_id"]
    ssm.put_parameter(Name="/image", Value=image_id, Type="String", DataType="aws:ec2:image")
    ssm.put_parameter(Name="/text", Value=image_id, Type="String")
    lab_aws.lab.advance(10)
    assert described(lab_aws, {"Key": "DataType", "Values": ["aws:ec2:image"]}) == [["/image"]]
    assert described(lab_aws, {"Key": "DataType", "Values": ["text"]}, {"Key": "Name", "Values": ["/text"]}) == [["/text"]]


def tagged(aws: LocalAws, numbers: range, owner: str) -> None:
    for number in numbers:
        tags = [{"Key": OWNER["Key"], "Value": owner}]
        aws.client("ssm").put_parameter(Name=f"/golden/{number:03}", Value="1", Type="String", Tags=tags)


def described(aws: LocalAws, *filters: dict[str, Any], **arguments: Any) -> list[list[str]]:
    """The names on each page."""
    pages = aws.client("ssm").get_paginator("describe_parameters").paginate(ParameterFilters=list(filters), **arguments)
    return [[each["Name"] for each in page["Parameters"]] for page in pages]


def test_describe_pages_at_most_fifty(lab_aws: LocalAws) -> None:
    # API, DescribeParameters: MaxResults 1 to 50.
    lab_aws.lab.settings(throttling=False)
    tagged(lab_aws, range(70), "main/images/web")
    assert [len(page) for page in described(lab_aws, MaxResults=50)] == [50, 20]
    assert [len(page) for page in described(lab_aws, MaxResults=35)] == [35, 35]
    assert error_of(lab_aws.client("ssm").describe_parameters, MaxResults=51) == ("ValidationException", 400)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        pytest.param([{"Key": "tag:goldenami.dev/owner", "Values": ["main/images/web"]}], ["/golden/000"], id="a tag's value"),
        pytest.param(
            [{"Key": "tag:goldenami.dev/owner", "Option": "BeginsWith", "Values": ["main/"]}],
            ["/golden/000", "/golden/001"],
            id="its beginning",
        ),
        pytest.param([{"Key": "tag:goldenami.dev/owner"}], ["/golden/000", "/golden/001", "/golden/002"], id="any value of a tag"),
        pytest.param(
            [{"Key": "tag:goldenami.dev/owner"}, {"Key": "Name", "Values": ["/golden/002"]}], ["/golden/002"], id="all filters count"
        ),
        pytest.param([{"Key": "tag:team", "Values": ["x"]}], [], id="a tag nobody has"),
    ],
)
def test_describe_filters_by_tag(lab_aws: LocalAws, filters: list[dict[str, Any]], expected: list[str]) -> None:
    # API, ParameterStringFilter: Key tag:<key>, Option Equals or BeginsWith.
    for number, owner in enumerate(("main/images/web", "main/images/api", "other/images/web")):
        tagged(lab_aws, range(number, number + 1), owner)
    lab_aws.client("ssm").put_parameter(Name="/untagged", Value="1", Type="String")
    assert [name for page in described(lab_aws, *filters) for name in page] == expected


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        pytest.param("describe_parameters", {}, id="DescribeParameters"),
        pytest.param("get_parameter_history", {"Name": ALIAS}, id="GetParameterHistory"),
        pytest.param("get_parameters_by_path", {"Path": "/golden"}, id="GetParametersByPath"),
    ],
)
def test_a_token_that_nobody_gave_is_refused(lab_aws: LocalAws, operation: str, arguments: dict[str, Any]) -> None:
    # API, Errors of each operation: InvalidNextToken (400).
    ssm = lab_aws.client("ssm")
    ssm.put_parameter(Name=ALIAS, Value="1", Type="String")
    assert error_of(getattr(ssm, operation), NextToken="garbage", **arguments) == ("InvalidNextToken", 400)


def test_the_history_tells_every_version_from_the_oldest_by_pages(lab_aws: LocalAws) -> None:
    # API, GetParameterHistory: MaxResults, NextToken; ParameterHistory: Version, Value, DataType.
    ssm = lab_aws.client("ssm")
    for value in ("first", "second", "third"):
        ssm.put_parameter(Name=ALIAS, Value=value, Type="String", Overwrite=True)
    first = ssm.get_parameter_history(Name=ALIAS, MaxResults=2)
    second = ssm.get_parameter_history(Name=ALIAS, MaxResults=2, NextToken=first["NextToken"])
    rows = [(each["Version"], each["Value"], each["DataType"]) for page in (first, second) for each in page["Parameters"]]
    assert rows == [(1, "first", "text"), (2, "second", "text"), (3, "third", "text")]
    assert not second.get("NextToken")
    assert error_of(ssm.get_parameter_history, Name="/none") == ("ParameterNotFound", 400)


def test_a_deleted_parameter_is_gone_with_its_history_and_tags(lab_aws: LocalAws) -> None:
    # API, DeleteParameter: "Delete a parameter from the system"; Errors: ParameterNotFound (400).
    ssm = lab_aws.client("ssm")
    tagged(lab_aws, range(1), "main/images/web")
    ssm.delete_parameter(Name="/golden/000")
    assert ssm.get_parameters(Names=["/golden/000"])["InvalidParameters"] == ["/golden/000"]
    assert error_of(ssm.get_parameter_history, Name="/golden/000") == ("ParameterNotFound", 400)
    assert error_of(ssm.delete_parameter, Name="/golden/000") == ("ParameterNotFound", 400)
    assert ssm.put_parameter(Name="/golden/000", Value="1", Type="String")["Version"] == 1
    assert ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId="/golden/000")["TagList"] == []


def test_describe_tells_versions_but_no_values(lab_aws: LocalAws) -> None:
    # API, ParameterMetadata: no Value.
    tagged(lab_aws, range(1), "main/images/web")
    (parameter,) = lab_aws.client("ssm").describe_parameters()["Parameters"]
    assert parameter["Version"] == 1
    assert parameter["ARN"] == "arn:aws:ssm:us-east-1:111111111111:parameter/golden/000"
    assert "Value" not in parameter
