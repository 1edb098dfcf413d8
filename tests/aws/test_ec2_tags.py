"""Tags in the local EC2: on our images and snapshots and on moto's instances and volumes, in one call."""

from typing import Any

import pytest

from support.aws import error_of
from support.ec2 import Act, Cloud, assert_refused, refusal, row, tags_of


def pairs(**tags: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def described(cloud: Cloud, **filters: str) -> list[tuple[str, str, str, str]]:
    raw = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
    rows = cloud.ec2().describe_tags(Filters=raw)["Tags"]
    return [(each["ResourceType"], each["ResourceId"], each["Key"], each["Value"]) for each in rows]


def test_one_call_tags_resources_of_every_kind(cloud: Cloud) -> None:
    """CreateTags; moto table."""
    image_id, instance = cloud.image(), cloud.instance()
    snapshot = cloud.snapshot_of(image_id)
    cloud.ec2().create_tags(Resources=[image_id, snapshot, instance], Tags=pairs(team="web"))
    assert tags_of(cloud.shown(image_id)) == tags_of(cloud.shown_snapshot(snapshot)) == {"team": "web"}
    assert sorted(described(cloud, key="team")) == sorted(
        [("image", image_id, "team", "web"), ("snapshot", snapshot, "team", "web"), ("instance", instance, "team", "web")]
    )


def test_a_tag_is_overwritten_and_others_stay(cloud: Cloud) -> None:
    """CreateTags: adds or overwrites only the specified tags."""
    image_id = cloud.image(tags={"a": "1", "b": "2"})
    cloud.ec2().create_tags(Resources=[image_id], Tags=pairs(a="3"))
    assert tags_of(cloud.shown(image_id)) == {"a": "3", "b": "2"}
    assert cloud.lists(image_id, Filters=[{"Name": "tag:a", "Values": ["3"]}])


@pytest.mark.parametrize(
    ("tags", "left"),
    [
        row("by key", "DeleteTags", [{"Key": "a"}], {"b": "2"}),
        row("by key and value", "DeleteTags", [{"Key": "a", "Value": "1"}], {"b": "2"}),
        row("not with another value", "moto table", [{"Key": "a", "Value": "9"}], {"a": "1", "b": "2"}),
        row("all without any", "DeleteTags", [], {}),
        row("what is not there", "DeleteTags", [{"Key": "z"}], {"a": "1", "b": "2"}),
    ],
)
def test_tags_are_deleted(cloud: Cloud, tags: list[dict[str, str]], left: dict[str, str]) -> None:
    image_id = cloud.image(tags={"a": "1", "b": "2"})
    cloud.ec2().delete_tags(Resources=[image_id], **({"Tags": tags} if tags else {}))
    assert tags_of(cloud.shown(image_id)) == left


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        row("by resource type", "DescribeTags", {"resource_type": "image"}, {"a", "b"}),
        row("by key", "DescribeTags", {"key": "a"}, {"a"}),
        row("by value, with a wildcard", "DescribeTags", {"value": "tw*"}, {"b"}),
        row("by both", "DescribeTags", {"key": "a", "value": "two"}, set()),
    ],
)
def test_tags_are_found(cloud: Cloud, filters: dict[str, str], found: set[str]) -> None:
    image_id = cloud.image(tags={"a": "one", "b": "two"})
    assert {key for _, _, key, _ in described(cloud, resource_id=image_id, **filters)} == found


def test_pages_hold_every_tag_once(cloud: Cloud) -> None:
    """DescribeTags MaxResults and NextToken."""
    cloud.image(tags={str(number): "" for number in range(12)})
    pages = cloud.ec2().get_paginator("describe_tags").paginate(PaginationConfig={"PageSize": 5})
    assert [each["Key"] for page in pages for each in page["Tags"]] == [str(number) for number in range(12)]


def tag(cloud: Cloud, *resources: str, **arguments: Any) -> Any:
    return cloud.ec2().create_tags(Resources=list(resources), **{"Tags": pairs(a="1"), **arguments})


def fifty(cloud: Cloud) -> str:
    return cloud.image(tags={str(number): "" for number in range(50)})


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal("a 51st tag", "trap 44", "TagLimitExceeded", lambda w: tag(w, fifty(w))),
        refusal("a reserved key", "trap 44", "InvalidParameterValue", lambda w: tag(w, w.image(), Tags=pairs(**{"aws:x": "1"}))),
        refusal(
            "a key of 129 characters", "trap 44", "InvalidTagKey.Malformed", lambda w: tag(w, w.image(), Tags=pairs(**{"k" * 129: "1"}))
        ),
        refusal(
            "a value of 257 characters", "tag restrictions", "InvalidParameterValue", lambda w: tag(w, w.image(), Tags=pairs(a="v" * 257))
        ),
        refusal(
            "a key twice", "tag restrictions", "InvalidParameterValue", lambda w: tag(w, w.image(), Tags=[*pairs(a="1"), *pairs(a="2")])
        ),
        refusal("no such image", "trap 6", "InvalidAMIID.NotFound", lambda w: tag(w, "ami-00000000000000000")),
        refusal("no such snapshot", "research 1.1", "InvalidSnapshot.NotFound", lambda w: tag(w, "snap-00000000000000000")),
        refusal("no such instance", "moto", "InvalidInstanceID.NotFound", lambda w: tag(w, "i-00000000000000000")),
        refusal("a shared image of another", "research 1.1", "AuthFailure", lambda w: tag(w, w.image(account=w.other, public=True)), 401),
        refusal("an unknown filter", "DescribeTags", "InvalidParameterValue", lambda w: described(w, colour="x")),
        refusal("a dry run", "research 1.5", "DryRunOperation", lambda w: tag(w, w.image(), DryRun=True), 412),
    ],
)
def test_tagging_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)


def test_one_bad_resource_refuses_the_whole_call(cloud: Cloud) -> None:
    """CreateTags Resources; local: all or nothing."""
    good = cloud.image()
    assert error_of(lambda: tag(cloud, good, fifty(cloud)))[0] == "TagLimitExceeded"
    assert error_of(lambda: tag(cloud, good, "ami-00000000000000000"))[0] == "InvalidAMIID.NotFound"
    assert "Tags" not in cloud.shown(good)


def test_a_new_image_cannot_be_tagged_within_the_list_lag(cloud: Cloud) -> None:
    """Trap 6."""
    source = cloud.image()
    cloud.settings.list_lag_seconds = 20
    copied = cloud.copy(source, to="us-east-1")
    assert error_of(lambda: tag(cloud, copied)) == ("InvalidAMIID.NotFound", 400)
    cloud.pass_time(20)
    tag(cloud, copied)
