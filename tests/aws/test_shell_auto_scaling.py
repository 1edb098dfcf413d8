"""Auto Scaling as far as it launches images. Source: Auto Scaling API reference and user guide; research 2 and 7; the peers' outages."""

from typing import Any

import pytest

from support.aws import error_of
from support.ec2 import Act, Cloud, assert_refused, refusal, row

DAY_SECONDS = 86400
ZONES = ["us-east-1a"]


def scaling(cloud: Cloud) -> Any:
    return cloud.aws.client("autoscaling", account=cloud.account)


def template(cloud: Cloud, *image_ids: str, name: str = "web") -> str:
    """A template with a version per image; the first is the default."""
    first, *others = image_ids
    data = {"ImageId": first, "InstanceType": "t3.micro"}
    made = cloud.ec2().create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)["LaunchTemplate"]
    for image_id in others:
        cloud.ec2().create_launch_template_version(LaunchTemplateName=name, SourceVersion="1", LaunchTemplateData={"ImageId": image_id})
    return str(made["LaunchTemplateId"])


def configuration(cloud: Cloud, image_id: str, name: str = "web") -> str:
    scaling(cloud).create_launch_configuration(LaunchConfigurationName=name, ImageId=image_id, InstanceType="t3.micro")
    return name


def group(cloud: Cloud, size: int = 1, name: str = "web", **source: Any) -> None:
    request = {"AutoScalingGroupName": name, "MinSize": 0, "MaxSize": 10, "DesiredCapacity": size, "AvailabilityZones": ZONES, **source}
    scaling(cloud).create_auto_scaling_group(**request)


def from_template(version: str | None = None, name: str = "web") -> dict[str, Any]:
    return {"LaunchTemplate": {"LaunchTemplateName": name, **({"Version": version} if version else {})}}


def mixed(*overrides: dict[str, Any], version: str = "$Default") -> dict[str, Any]:
    specification = {"LaunchTemplateName": "web", "Version": version}
    return {"MixedInstancesPolicy": {"LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": list(overrides)}}}


def shown(cloud: Cloud, name: str = "web") -> dict[str, Any]:
    return dict(scaling(cloud).describe_auto_scaling_groups(AutoScalingGroupNames=[name])["AutoScalingGroups"][0])


def images_of(cloud: Cloud, name: str = "web") -> list[str]:
    """The image of each instance of the group, as EC2 tells it."""
    ids = [each["InstanceId"] for each in shown(cloud, name)["Instances"]]
    if not ids:
        return []
    reservations = cloud.ec2().describe_instances(InstanceIds=ids)["Reservations"]
    return [instance["ImageId"] for each in reservations for instance in each["Instances"]]


def activities(cloud: Cloud, **arguments: Any) -> list[dict[str, Any]]:
    return list(scaling(cloud).describe_scaling_activities(**arguments)["Activities"])


def resize(cloud: Cloud, size: int, name: str = "web") -> None:
    scaling(cloud).set_desired_capacity(AutoScalingGroupName=name, DesiredCapacity=size)


# What a group launches


@pytest.mark.parametrize(
    ("version", "number"),
    [
        row("the default version", "LaunchTemplateSpecification", None, 0),
        row("the default version by its word", "LaunchTemplateSpecification", "$Default", 0),
        row("the latest version", "LaunchTemplateSpecification", "$Latest", 2),
        row("a pinned version", "LaunchTemplateSpecification", "2", 1),
    ],
)
def test_a_group_launches_its_template(cloud: Cloud, version: str | None, number: int) -> None:
    images = [cloud.image() for _ in range(3)]
    template_id = template(cloud, *images)
    group(cloud, 2, **from_template(version))
    found = shown(cloud)
    assert images_of(cloud) == [images[number]] * 2
    assert found["LaunchTemplate"]["LaunchTemplateId"] == template_id
    assert found["LaunchTemplate"].get("Version") == version
    assert {each["LaunchTemplate"]["Version"] for each in found["Instances"]} == {str(number + 1)}
    assert {each["ImageId"] for each in found["Instances"]} == {images[number]}


def test_a_group_follows_its_template(cloud: Cloud) -> None:
    old, new = cloud.image(), cloud.image()
    template(cloud, old)
    group(cloud, **from_template("$Latest"))
    cloud.ec2().create_launch_template_version(LaunchTemplateName="web", SourceVersion="1", LaunchTemplateData={"ImageId": new})
    resize(cloud, 2)
    assert sorted(images_of(cloud)) == sorted([old, new])


def test_a_group_follows_the_parameter_of_its_template(cloud: Cloud) -> None:
    """Research 7.2: resolve:ssm in a group wants the data type aws:ec2:image."""
    old, new = cloud.image(), cloud.image()
    alias(cloud, old)
    template(cloud, "resolve:ssm:/golden/web")
    group(cloud, **from_template())
    alias(cloud, new)
    resize(cloud, 2)
    assert sorted(images_of(cloud)) == sorted([old, new])


def alias(cloud: Cloud, image_id: str, data_type: str = "aws:ec2:image") -> None:
    ssm = cloud.aws.client("ssm", account=cloud.account)
    ssm.put_parameter(Name="/golden/web", Value=image_id, Type="String", DataType=data_type, Overwrite=True)
    cloud.pass_time(5)


def test_a_group_launches_its_launch_configuration(cloud: Cloud) -> None:
    image_id = cloud.image()
    group(cloud, 2, LaunchConfigurationName=configuration(cloud, image_id))
    assert (images_of(cloud), shown(cloud)["LaunchConfigurationName"]) == ([image_id] * 2, "web")
    assert "LaunchTemplate" not in shown(cloud)


@pytest.mark.parametrize(
    ("override", "number"),
    [
        row("another type", "LaunchTemplateOverrides", {"InstanceType": "m5.large"}, 0),
        row("another image", "LaunchTemplateOverrides ImageId", {"InstanceType": "m5.large", "ImageId": "{1}"}, 1),
        row(
            "another template",
            "LaunchTemplateOverrides LaunchTemplateSpecification",
            {"InstanceType": "m6g.large", "LaunchTemplateSpecification": {"LaunchTemplateName": "arm"}},
            2,
        ),
    ],
)
def test_an_override_says_what_is_launched(cloud: Cloud, override: dict[str, Any], number: int) -> None:
    images = [cloud.image() for _ in range(3)]
    template(cloud, images[0])
    template(cloud, images[2], name="arm")
    override = {**override, **({"ImageId": images[1]} if "ImageId" in override else {})}
    group(cloud, **mixed(override))
    assert images_of(cloud) == [images[number]]
    policy = shown(cloud)["MixedInstancesPolicy"]["LaunchTemplate"]
    assert policy["Overrides"][0]["InstanceType"] == override["InstanceType"]
    assert policy["LaunchTemplateSpecification"]["LaunchTemplateName"] == "web"


def test_an_update_of_its_size_leaves_a_group_its_policy(cloud: Cloud) -> None:
    template(cloud, cloud.image())
    group(cloud, 0, **mixed({"InstanceType": "m5.large"}))
    scaling(cloud).update_auto_scaling_group(AutoScalingGroupName="web", DesiredCapacity=2)
    assert len(shown(cloud)["MixedInstancesPolicy"]["LaunchTemplate"]["Overrides"]) == 1
    assert len(images_of(cloud)) == 2


def test_a_group_can_launch_from_something_else(cloud: Cloud) -> None:
    old, new = cloud.image(), cloud.image()
    group(cloud, 0, LaunchConfigurationName=configuration(cloud, old))
    template(cloud, new)
    scaling(cloud).update_auto_scaling_group(AutoScalingGroupName="web", **from_template("1"))
    resize(cloud, 1)
    assert images_of(cloud) == [new]
    assert "LaunchConfigurationName" not in shown(cloud)


def test_a_launch_of_a_group_shows_in_last_launched_time_a_day_later(cloud: Cloud) -> None:
    image_id = cloud.image()
    template(cloud, image_id)
    group(cloud, **from_template())
    assert "LastLaunchedTime" not in cloud.shown(image_id)
    cloud.pass_time(DAY_SECONDS)
    assert "LastLaunchedTime" in cloud.shown(image_id)


def test_a_terminated_instance_is_replaced(cloud: Cloud) -> None:
    template(cloud, cloud.image())
    group(cloud, **from_template())
    (first,) = shown(cloud)["Instances"]
    cloud.ec2().terminate_instances(InstanceIds=[first["InstanceId"]])
    (second,) = shown(cloud)["Instances"]
    assert first["InstanceId"] != second["InstanceId"]
    scaling(cloud).terminate_instance_in_auto_scaling_group(InstanceId=second["InstanceId"], ShouldDecrementDesiredCapacity=True)
    assert shown(cloud)["Instances"] == []


def test_a_smaller_group_ends_instances_which_vanish_after_an_hour(cloud: Cloud) -> None:
    image_id = cloud.image()
    template(cloud, image_id)
    group(cloud, 3, **from_template())
    resize(cloud, 1)
    of_image = [{"Name": "image-id", "Values": [image_id]}]
    states = [i["State"]["Name"] for r in cloud.ec2().describe_instances(Filters=of_image)["Reservations"] for i in r["Instances"]]
    assert sorted(states) == ["running", "terminated", "terminated"]
    cloud.pass_time(3600)
    assert len(cloud.ec2().describe_instances(Filters=of_image)["Reservations"]) == 1


# Launches that fail


def deregistered(cloud: Cloud, image_id: str) -> None:
    cloud.ec2().deregister_image(ImageId=image_id)


def disabled(cloud: Cloud, image_id: str) -> None:
    cloud.ec2().disable_image(ImageId=image_id)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        row("deregistered", "DeregisterImage", deregistered, "no longer available"),
        row("disabled", "DisableImage", disabled, "is disabled"),
    ],
)
@pytest.mark.parametrize("by_template", [row("by template", "", True), row("by configuration", "", False)])
def test_a_group_without_its_image_stays_short_and_says_so(cloud: Cloud, spoil: Any, words: str, by_template: bool) -> None:
    """DescribeScalingActivities: StatusCode Failed, StatusMessage the cause."""
    image_id = cloud.image()
    if by_template:
        template(cloud, image_id)
        group(cloud, **from_template())
    else:
        group(cloud, LaunchConfigurationName=configuration(cloud, image_id))
    spoil(cloud, image_id)
    resize(cloud, 2)
    assert (len(shown(cloud)["Instances"]), shown(cloud)["DesiredCapacity"]) == (1, 2)
    newest = activities(cloud, AutoScalingGroupName="web")[0]
    assert newest["StatusCode"] == "Failed"
    assert words in newest["StatusMessage"]
    assert newest["StatusMessage"].endswith("Launching EC2 instance failed.")


def test_a_group_tries_again_and_recovers(cloud: Cloud) -> None:
    image_id = cloud.image()
    template(cloud, image_id)
    group(cloud, 0, **from_template())
    disabled(cloud, image_id)
    resize(cloud, 1)
    cloud.ec2().enable_image(ImageId=image_id)
    assert images_of(cloud) == []
    cloud.pass_time(60)
    assert images_of(cloud) == [image_id]


def test_a_group_that_cannot_launch_gives_up_after_a_day(cloud: Cloud) -> None:
    image_id = cloud.image()
    template(cloud, image_id)
    group(cloud, 0, **from_template())
    disabled(cloud, image_id)
    resize(cloud, 1)
    for _ in range(30):
        cloud.pass_time(DAY_SECONDS)
        assert images_of(cloud) == []
    assert 5 < len(activities(cloud, AutoScalingGroupName="web")) < 20


def test_an_instance_that_dies_at_its_start_is_a_failed_activity(cloud: Cloud) -> None:
    """Research 5 KMS: `Client.InternalError: Client error on launch`."""
    key = cloud.key()
    template(cloud, cloud.image(kms_key=key))
    group(cloud, 0, **from_template())
    cloud.kms().disable_key(KeyId=key)
    resize(cloud, 1)
    assert shown(cloud)["Instances"] == []
    assert "Client error on launch" in activities(cloud)[0]["StatusMessage"]


def test_a_suspended_group_launches_nothing(cloud: Cloud) -> None:
    template(cloud, cloud.image())
    group(cloud, 0, **from_template())
    scaling(cloud).suspend_processes(AutoScalingGroupName="web", ScalingProcesses=["Launch"])
    resize(cloud, 2)
    assert shown(cloud)["Instances"] == []


def test_activities_of_deleted_groups_are_told_when_asked_for(cloud: Cloud) -> None:
    template(cloud, cloud.image())
    group(cloud, **from_template())
    scaling(cloud).delete_auto_scaling_group(AutoScalingGroupName="web", ForceDelete=True)
    assert activities(cloud) == []
    assert len(activities(cloud, IncludeDeletedGroups=True)) == 2
    cloud.pass_time(42 * DAY_SECONDS)
    assert activities(cloud, IncludeDeletedGroups=True) == []


# Pages


def test_pages_hold_every_launch_configuration_once(cloud: Cloud) -> None:
    """DescribeLaunchConfigurations MaxRecords: 50 by default; the peers' unpaged listing beyond page 1."""
    image_id = cloud.image()
    names = [configuration(cloud, image_id, f"web-{number}") for number in range(60)]
    first = scaling(cloud).describe_launch_configurations()
    assert (len(first["LaunchConfigurations"]), bool(first["NextToken"])) == (50, True)
    pages = scaling(cloud).get_paginator("describe_launch_configurations").paginate()
    listed = [each for page in pages for each in page["LaunchConfigurations"]]
    assert ([each["LaunchConfigurationName"] for each in listed], {each["ImageId"] for each in listed}) == (names, {image_id})


def test_pages_hold_every_group_once(cloud: Cloud) -> None:
    """DescribeAutoScalingGroups MaxRecords: 50 by default."""
    template(cloud, cloud.image())
    for number in range(55):
        group(cloud, 0, f"web-{number}", **from_template())
    pages = list(scaling(cloud).get_paginator("describe_auto_scaling_groups").paginate())
    assert [len(page["AutoScalingGroups"]) for page in pages] == [50, 5]
    assert len({each["AutoScalingGroupName"] for page in pages for each in page["AutoScalingGroups"]}) == 55


# Refusals


def used_configuration(cloud: Cloud) -> Any:
    group(cloud, 0, LaunchConfigurationName=configuration(cloud, cloud.image()))
    return scaling(cloud).delete_launch_configuration(LaunchConfigurationName="web")


def group_of(cloud: Cloud, image_id: str) -> Any:
    template(cloud, image_id)
    return group(cloud, 0, **from_template())


def group_of_text(cloud: Cloud) -> Any:
    alias(cloud, cloud.image(), "text")
    return group_of(cloud, "resolve:ssm:/golden/web")


def full_group(cloud: Cloud, size: int) -> Any:
    group(cloud, 1, LaunchConfigurationName=configuration(cloud, cloud.image()))
    return resize(cloud, size)


def busy_group(cloud: Cloud) -> Any:
    full_group(cloud, 1)
    return scaling(cloud).delete_auto_scaling_group(AutoScalingGroupName="web")


def with_version(cloud: Cloud, version: str) -> Any:
    template(cloud, cloud.image())
    return group(cloud, 0, **from_template(version))


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal("a template of no image", "CreateAutoScalingGroup", "ValidationError", lambda w: group_of(w, "ami-00000000000000000")),
        refusal("a template of a text parameter", "research 7.2", "ValidationError", group_of_text),
        refusal("a template of no parameter", "research 7.2", "ValidationError", lambda w: group_of(w, "resolve:ssm:/none")),
        refusal("no such version", "CreateAutoScalingGroup", "ValidationError", lambda w: with_version(w, "7")),
        refusal("no such template", "CreateAutoScalingGroup", "ValidationError", lambda w: group(w, 0, **from_template())),
        refusal("no such configuration", "CreateAutoScalingGroup", "ValidationError", lambda w: group(w, 0, LaunchConfigurationName="x")),
        refusal("a configuration of no image", "research 1.1", "ValidationError", lambda w: configuration(w, "ami-00000000000000000")),
        refusal(
            "a configuration of another's image", "moto table", "ValidationError",
            lambda w: configuration(w, w.image(account=w.other)),
        ),
        refusal("the same configuration twice", "AlreadyExists", "AlreadyExists", lambda w: [configuration(w, w.image()) for _ in "ab"]),
        refusal("the same group twice", "AlreadyExists", "AlreadyExists", lambda w: [full_group(w, 1), with_version(w, "1")]),
        refusal("to delete a configuration in use", "ResourceInUse", "ResourceInUse", used_configuration),
        refusal("to delete a group with instances", "ResourceInUse", "ResourceInUse", busy_group),
        refusal("more than its maximum", "SetDesiredCapacity", "ValidationError", lambda w: full_group(w, 11)),
        refusal("no such group", "SetDesiredCapacity", "ValidationError", lambda w: resize(w, 1)),
        refusal(
            "a page of 101", "MaxRecords", "ValidationError", lambda w: scaling(w).describe_launch_configurations(MaxRecords=101)
        ),
        refusal(
            "a token of nobody", "InvalidNextToken", "InvalidNextToken",
            lambda w: scaling(w).describe_auto_scaling_groups(NextToken="x"),
        ),
    ],
)  # fmt: skip
def test_a_call_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)


def test_a_configuration_can_be_taken_from_an_instance(cloud: Cloud) -> None:
    """CreateLaunchConfiguration InstanceId."""
    image_id = cloud.image()
    instance_id = cloud.instance(image_id=image_id)
    scaling(cloud).create_launch_configuration(LaunchConfigurationName="web", InstanceId=instance_id)
    assert scaling(cloud).describe_launch_configurations()["LaunchConfigurations"][0]["ImageId"] == image_id


def test_an_unused_configuration_can_be_deleted(cloud: Cloud) -> None:
    configuration(cloud, cloud.image())
    scaling(cloud).delete_launch_configuration(LaunchConfigurationName="web")
    assert error_of(scaling(cloud).delete_launch_configuration, LaunchConfigurationName="web") == ("ValidationError", 400)
