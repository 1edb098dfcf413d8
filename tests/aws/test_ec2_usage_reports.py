"""Image usage reports: who else uses an image. Sources: EC2 user guide, "View your AMI usage"; CreateImageUsageReport and its sisters."""

from typing import Any

import pytest

from goldenami.local.aws import ec2
from support.ec2 import AWAY, HOME, Act, Cloud, assert_refused, refusal, row

DAY_SECONDS = 86400
INSTANCE, TEMPLATE = "ec2:Instance", "ec2:LaunchTemplate"
IMAGE_RECIPE, CONTAINER_RECIPE = "imagebuilder:ImageRecipe", "imagebuilder:ContainerRecipe"
ALL = (INSTANCE, TEMPLATE, IMAGE_RECIPE, CONTAINER_RECIPE)
UNKNOWN = "amiur-00000000000000000"


def ordered(cloud: Cloud, image_id: str, *types: str, depth: int | None = None, **arguments: Any) -> str:
    """The id of a report that has just been asked for."""
    options = {"ResourceTypeOptions": [{"OptionName": "version-depth", "OptionValues": [str(depth)]}]} if depth else {}
    wanted = [{"ResourceType": each, **(options if each == TEMPLATE else {})} for each in types or ALL]
    return str(cloud.ec2().create_image_usage_report(ImageId=image_id, ResourceTypes=wanted, **arguments)["ReportId"])


def report(cloud: Cloud, report_id: str) -> dict[str, Any]:
    return dict(cloud.ec2().describe_image_usage_reports(ReportIds=[report_id])["ImageUsageReports"][0])


def entries(cloud: Cloud, report_id: str, **arguments: Any) -> dict[tuple[str, str], int]:
    found = cloud.ec2().describe_image_usage_report_entries(ReportIds=[report_id], **arguments)["ImageUsageReportEntries"]
    return {(each["AccountId"], each["ResourceType"]): each["UsageCount"] for each in found}


def counted(cloud: Cloud, image_id: str, *types: str, **arguments: Any) -> dict[tuple[str, str], int]:
    """What a report says when it is done."""
    report_id = ordered(cloud, image_id, *types, **arguments)
    cloud.pass_time(60)
    assert report(cloud, report_id)["State"] == "available"
    return entries(cloud, report_id)


def shared(cloud: Cloud) -> str:
    return cloud.image(users=[cloud.other])


def template(cloud: Cloud, *image_ids: str, account: str, name: str = "web", region: str = HOME) -> None:
    client = cloud.ec2(region, account=account)
    client.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"ImageId": image_ids[0]})
    for image_id in image_ids[1:]:
        client.create_launch_template_version(LaunchTemplateName=name, LaunchTemplateData={"ImageId": image_id})


# What is counted


def test_each_other_account_is_counted_by_type(cloud: Cloud) -> None:
    """CreateImageUsageReport; DescribeImageUsageReportEntries, ImageUsageReportEntry UsageCount."""
    image_id = shared(cloud)
    for state in ("running", "stopped"):
        cloud.instance(account=cloud.other, image_id=image_id, state=state)
    template(cloud, image_id, image_id, account=cloud.other)
    ec2.seed("recipe", cloud.other, HOME, {"name": "base", "parent_image": image_id})
    ec2.seed("recipe", cloud.other, HOME, {"name": "box", "parent_image": "x", "container": True, "instance_image": image_id})
    cloud.pass_time(4 * DAY_SECONDS)
    assert counted(cloud, image_id) == {
        (cloud.other, INSTANCE): 2,
        (cloud.other, TEMPLATE): 1,
        (cloud.other, IMAGE_RECIPE): 1,
        (cloud.other, CONTAINER_RECIPE): 1,
    }


@pytest.mark.parametrize(
    ("use", "source"),
    [
        row("one's own use", "across other accounts", lambda w, image_id: w.instance(image_id=image_id), "own"),
        row("a terminated instance", "harsh reading", lambda w, image_id: ended(w, image_id), "ended"),
        row("a template by parameter", "harsh reading", lambda w, _: template(w, "resolve:ssm:/x", account=w.other), "resolve"),
        row("another region", "per region", lambda w, image_id: template(w, image_id, account=w.other, region=AWAY), "away"),
        row("another image", "ImageId", lambda w, _: w.instance(account=w.other), "other image"),
    ],
)
def test_what_is_not_counted(cloud: Cloud, use: Any, source: str) -> None:
    image_id = shared(cloud)
    use(cloud, image_id)
    cloud.pass_time(4 * DAY_SECONDS)
    assert counted(cloud, image_id) == {}


def ended(cloud: Cloud, image_id: str) -> None:
    instance_id = cloud.instance(account=cloud.other, image_id=image_id)
    cloud.ec2(account=cloud.other).terminate_instances(InstanceIds=[instance_id])


@pytest.mark.parametrize(
    ("seconds", "seen"),
    [
        row("nothing at once", "lag", 0, set()),
        row("instances after a day", "lag of 24 hours", DAY_SECONDS, {INSTANCE}),
        row("templates after some days", "lag of a few days", 3 * DAY_SECONDS, {INSTANCE, TEMPLATE}),
    ],
)
def test_new_use_shows_late(cloud: Cloud, seconds: int, seen: set[str]) -> None:
    image_id = shared(cloud)
    cloud.ec2(account=cloud.other).run_instances(ImageId=image_id, MinCount=1, MaxCount=1, InstanceType="t3.micro")
    template(cloud, image_id, account=cloud.other)
    cloud.pass_time(seconds)
    assert {resource_type for _, resource_type in counted(cloud, image_id)} == seen


@pytest.mark.parametrize(
    ("depth", "expected"),
    [row("of twenty by default", "version-depth", None, 0), row("of twenty-one", "version-depth", 21, 1)],
)
def test_a_template_is_looked_at_to_a_depth(cloud: Cloud, depth: int | None, expected: int) -> None:
    image_id, other = shared(cloud), shared(cloud)
    template(cloud, image_id, *[other] * 20, account=cloud.other)
    cloud.pass_time(4 * DAY_SECONDS)
    assert counted(cloud, image_id, TEMPLATE, depth=depth).get((cloud.other, TEMPLATE), 0) == expected


def test_use_is_counted_after_the_image_is_shared_no_more(cloud: Cloud) -> None:
    """Local: no source says that what runs is left out once the image is no longer shared."""
    image_id = shared(cloud)
    cloud.instance(account=cloud.other, image_id=image_id, age_seconds=2 * DAY_SECONDS)
    cloud.ec2().disable_image(ImageId=image_id)
    assert counted(cloud, image_id, INSTANCE) == {(cloud.other, INSTANCE): 1}


def test_accounts_can_be_named(cloud: Cloud) -> None:
    """CreateImageUsageReport AccountIds."""
    image_id = shared(cloud)
    cloud.instance(account=cloud.other, image_id=image_id, age_seconds=2 * DAY_SECONDS)
    assert counted(cloud, image_id, INSTANCE, AccountIds=["999999999999"]) == {}
    assert counted(cloud, image_id, INSTANCE, AccountIds=["999999999999", cloud.other]) == {(cloud.other, INSTANCE): 1}


# A report's life


def test_a_report_is_pending_before_it_is_there(cloud: Cloud) -> None:
    """DescribeImageUsageReports, ImageUsageReport State."""
    image_id = shared(cloud)
    cloud.instance(account=cloud.other, image_id=image_id, age_seconds=2 * DAY_SECONDS)
    report_id = ordered(
        cloud, image_id, INSTANCE, TagSpecifications=[{"ResourceType": "image-usage-report", "Tags": [{"Key": "a", "Value": "b"}]}]
    )
    assert (report(cloud, report_id)["State"], entries(cloud, report_id)) == ("pending", {})
    cloud.pass_time(60)
    found = report(cloud, report_id)
    assert (found["State"], found["ImageId"], found["ResourceTypes"], found["Tags"]) == (
        "available",
        image_id,
        [{"ResourceType": INSTANCE}],
        [{"Key": "a", "Value": "b"}],
    )
    assert (found["ExpirationTime"] - found["CreationTime"]).days == 30
    cloud.ec2().create_tags(Resources=[report_id], Tags=[{"Key": "a", "Value": "c"}])
    assert report(cloud, report_id)["Tags"] == [{"Key": "a", "Value": "c"}]


def test_a_report_fails_when_the_lab_is_told_so(cloud: Cloud) -> None:
    """States available, pending, error. The next one that is asked for fails, not the one that ends next."""
    image_id = shared(cloud)
    earlier = ordered(cloud, shared(cloud))
    cloud.settings.fail_usage_reports = {HOME: 1}
    cloud.instance(account=cloud.other, image_id=image_id, age_seconds=2 * DAY_SECONDS)
    report_id = ordered(cloud, image_id, INSTANCE)
    cloud.pass_time(60)
    found = report(cloud, report_id)
    assert (found["State"], bool(found["StateReason"]), entries(cloud, report_id)) == ("error", True, {})
    assert report(cloud, earlier)["State"] == "available"
    assert counted(cloud, image_id, INSTANCE) == {(cloud.other, INSTANCE): 1}


def test_a_report_expires_after_thirty_days(cloud: Cloud) -> None:
    """Research 2: expires after 30 days."""
    report_id = ordered(cloud, shared(cloud))
    cloud.pass_time(30 * DAY_SECONDS - 1)
    assert report(cloud, report_id)["State"] == "available"
    cloud.pass_time(1)
    assert cloud.ec2().describe_image_usage_reports()["ImageUsageReports"] == []


def test_a_report_can_be_deleted(cloud: Cloud) -> None:
    """DeleteImageUsageReport."""
    report_id = ordered(cloud, shared(cloud))
    assert cloud.ec2().delete_image_usage_report(ReportId=report_id)["Return"] is True
    assert cloud.ec2().describe_image_usage_reports()["ImageUsageReports"] == []


def test_a_repeated_order_with_its_token_is_the_same_report(cloud: Cloud) -> None:
    """Research 1.3."""
    image_id = shared(cloud)
    assert ordered(cloud, image_id, ClientToken="once") == ordered(cloud, image_id, ClientToken="once")


def test_reports_and_entries_are_found_and_paged(cloud: Cloud) -> None:
    """DescribeImageUsageReports and DescribeImageUsageReportEntries: ids, MaxResults, NextToken."""
    images = [shared(cloud) for _ in range(3)]
    for image_id in images:
        cloud.instance(account=cloud.other, image_id=image_id, age_seconds=2 * DAY_SECONDS)
    made = [ordered(cloud, image_id, INSTANCE) for image_id in images]
    by_image = cloud.ec2().describe_image_usage_reports(ImageIds=images[1:2])["ImageUsageReports"]
    assert [each["ReportId"] for each in by_image] == [made[1]]
    pending = [{"Name": "state", "Values": ["pending"]}]
    pages = cloud.ec2().get_paginator("describe_image_usage_reports").paginate(Filters=pending, PaginationConfig={"PageSize": 2})
    assert [[each["ReportId"] for each in page["ImageUsageReports"]] for page in pages] == [made[:2], made[2:]]
    cloud.pass_time(60)
    pages = cloud.ec2().get_paginator("describe_image_usage_report_entries").paginate(ReportIds=made, PaginationConfig={"PageSize": 2})
    assert [[each["ImageId"] for each in page["ImageUsageReportEntries"]] for page in pages] == [images[:2], images[2:]]
    nobody = [{"Name": "account-id", "Values": ["999999999999"]}]
    assert entries(cloud, made[0], Filters=nobody) == {}
    for name, hit in (("creation-time", "20*Z"), ("resource-type", "ec2:*"), ("account-id", cloud.other)):
        assert entries(cloud, made[0], Filters=[{"Name": name, "Values": [hit]}]) != {}
        assert entries(cloud, made[0], Filters=[{"Name": name, "Values": ["of nobody"]}]) == {}
    for hit, count in (("20*Z", len(made)), ("of nobody", 0)):
        since = [{"Name": "creation-time", "Values": [hit]}]
        assert len(cloud.ec2().describe_image_usage_reports(Filters=since)["ImageUsageReports"]) == count


# Refusals


def twice(cloud: Cloud) -> Any:
    image_id = shared(cloud)
    return [ordered(cloud, image_id) for _ in range(2)]


def too_many(cloud: Cloud) -> Any:
    assert cloud.settings.usage_reports_quota == 2000
    cloud.settings.usage_reports_quota = 3
    image_id = shared(cloud)
    cloud.settings.usage_report_seconds = 0
    for _ in range(3):
        ordered(cloud, image_id)
    return ordered(cloud, image_id)


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal("a second one in progress", "report quotas", "ResourceLimitExceeded", twice),
        refusal("one more than the quota of 2,000, here 3", "report quotas", "ResourceLimitExceeded", too_many),
        refusal(
            "another's image", "own images only", "AuthFailure",
            lambda w: ordered(w, w.image(account=w.other, users=[w.account])), 401,
        ),
        refusal("an unknown image", "research 1.1", "InvalidAMIID.NotFound", lambda w: ordered(w, "ami-00000000000000000")),
        refusal("an unknown type", "ResourceTypes", "InvalidParameterValue", lambda w: ordered(w, shared(w), "ssm:Parameter")),
        refusal("no depth at all", "version-depth", "InvalidParameterValue", lambda w: ordered(w, shared(w), TEMPLATE, depth=10_001)),
        refusal(
            "201 accounts", "AccountIds", "InvalidParameterValue",
            lambda w: ordered(w, shared(w), AccountIds=[f"{number:012}" for number in range(201)]),
        ),
        refusal("a dry run", "research 1.5", "DryRunOperation", lambda w: ordered(w, shared(w), DryRun=True), 412),
        refusal(
            "an unknown report", "assumed", "InvalidImageUsageReportId.NotFound",
            lambda w: w.ec2().describe_image_usage_reports(ReportIds=[UNKNOWN]),
        ),
        refusal(
            "to delete an unknown report", "assumed", "InvalidImageUsageReportId.NotFound",
            lambda w: w.ec2().delete_image_usage_report(ReportId=UNKNOWN),
        ),
    ],
)  # fmt: skip
def test_a_call_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)
