"""What refers to an image, as the local EC2 tells it.

Sources: DescribeImageReferences; EC2 user guide, "Identify your resources referencing specified AMIs"; research 2.
"""

from typing import Any

import pytest

from goldenami.local.aws import ec2
from support.ec2 import AWAY, HOME, Act, Cloud, assert_refused, refusal, row

NOBODYS = "ami-00000000000000000"


def asked(cloud: Cloud, *image_ids: str, **arguments: Any) -> Any:
    wanted = arguments or {"IncludeAllResourceTypes": True}
    return cloud.ec2().describe_image_references(ImageIds=list(image_ids), **wanted)["ImageReferences"]


def found(cloud: Cloud, *image_ids: str, **arguments: Any) -> list[tuple[str, str]]:
    """(resource type, last part of the ARN) of each reference."""
    return [(each["ResourceType"], each["Arn"].rsplit(":", 1)[1]) for each in asked(cloud, *image_ids, **arguments)]


def of_type(resource_type: str, option: str | None = None, *values: str) -> dict[str, Any]:
    options = {"ResourceTypeOptions": [{"OptionName": option, "OptionValues": list(values)}]} if option else {}
    return {"ResourceTypes": [{"ResourceType": resource_type, **options}]}


def template(cloud: Cloud, *image_ids: str, name: str = "web", account: str | None = None, region: str = HOME) -> str:
    client = cloud.ec2(region, account=account)
    first, *others = image_ids
    made = client.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"ImageId": first})["LaunchTemplate"]
    for image_id in others:
        client.create_launch_template_version(LaunchTemplateName=name, LaunchTemplateData={"ImageId": image_id})
    return str(made["LaunchTemplateId"])


def parameter(cloud: Cloud, name: str, image_id: str, data_type: str = "aws:ec2:image") -> None:
    ssm = cloud.aws.client("ssm", account=cloud.account)
    ssm.put_parameter(Name=name, Value=image_id, Type="String", DataType=data_type)
    cloud.pass_time(5)


def recipe(cloud: Cloud, name: str, **fields: Any) -> str:
    return str(ec2.seed("recipe", cloud.account, HOME, {"name": name, **fields})["recipe_arn"])


# What is a reference


def test_every_type_of_resource_is_found(cloud: Cloud) -> None:
    """DescribeImageReferences IncludeAllResourceTypes; research 2."""
    image_id = cloud.image()
    instance, template_id = cloud.instance(image_id=image_id), template(cloud, image_id)
    parameter(cloud, "/golden/web", image_id)
    recipe(cloud, "base", parent_image=image_id)
    recipe(cloud, "box", parent_image="amazonlinux:2023", container=True, instance_image=image_id)
    assert found(cloud, image_id) == [
        ("ec2:Instance", f"instance/{instance}"),
        ("ec2:LaunchTemplate", f"launch-template/{template_id}"),
        ("ssm:Parameter", "parameter/golden/web"),
        ("imagebuilder:ImageRecipe", "image-recipe/base/1.0.0"),
        ("imagebuilder:ContainerRecipe", "container-recipe/box/1.0.0"),
    ]
    assert {each["ImageId"] for each in asked(cloud, image_id)} == {image_id}
    assert asked(cloud, cloud.image()) == []


def test_only_the_types_asked_for_are_looked_at(cloud: Cloud) -> None:
    """DescribeImageReferences ResourceTypes."""
    image_id = cloud.image()
    cloud.instance(image_id=image_id)
    template_id = template(cloud, image_id)
    assert found(cloud, image_id, **of_type("ec2:LaunchTemplate")) == [("ec2:LaunchTemplate", f"launch-template/{template_id}")]


def test_an_option_counts_also_where_all_types_are_asked_for(cloud: Cloud) -> None:
    """DescribeImageReferences ResourceTypeOptions."""
    image_id = cloud.image()
    cloud.instance(image_id=image_id)
    template_id = template(cloud, image_id)
    stopped = of_type("ec2:Instance", "state-name", "stopped")
    expected = [("ec2:LaunchTemplate", f"launch-template/{template_id}")]
    assert found(cloud, image_id, IncludeAllResourceTypes=True, **stopped) == expected


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        row("in any state by default", "state-name", (), 3),
        row("stopped", "state-name", ("stopped",), 1),
        row("running or stopped", "state-name", ("running", "stopped"), 2),
    ],
)
def test_instances_are_found_by_state(cloud: Cloud, states: tuple[str, ...], expected: int) -> None:
    image_id = cloud.image()
    cloud.instance(image_id=image_id)
    cloud.instance(image_id=image_id, state="stopped")
    cloud.ec2().terminate_instances(InstanceIds=[cloud.instance(image_id=image_id)])
    asked_for = of_type("ec2:Instance", "state-name", *states) if states else of_type("ec2:Instance")
    assert len(found(cloud, image_id, **asked_for)) == expected


@pytest.mark.parametrize(
    ("depth", "seen"),
    [
        row("of ten newest versions by default", "version-depth", None, False),
        row("of eleven", "version-depth", "11", True),
        row("of as many as can be", "version-depth", "10000", True),
        row("of one", "version-depth", "1", False),
    ],
)
def test_a_template_is_looked_at_to_a_depth(cloud: Cloud, depth: str | None, seen: bool) -> None:
    """Trap 22: an old template version is beyond the default depth."""
    old, new = cloud.image(), cloud.image()
    template(cloud, old, *[new] * 10)
    looked = of_type("ec2:LaunchTemplate", "version-depth", depth) if depth else of_type("ec2:LaunchTemplate")
    assert (len(asked(cloud, old, **looked)), len(asked(cloud, new, **looked))) == (int(seen), 1)


@pytest.mark.parametrize(
    ("refer", "source"),
    [
        row("an Auto Scaling launch configuration", "research 2", lambda w, image_id: configuration(w, image_id), "autoscaling"),
        row("a template by parameter", "harsh reading", lambda w, image_id: by_parameter(w, image_id), "resolve:ssm"),
        row("a parameter of text", "SSM parameters", lambda w, image_id: parameter(w, "/text", image_id, "text"), "ssm"),
        row("another account", "own account only", lambda w, image_id: template(w, image_id, account=w.other), "other"),
        row("another region", "own region only", lambda w, image_id: template(w, image_id, region=AWAY), "away"),
    ],
)
def test_what_is_no_reference(cloud: Cloud, refer: Any, source: str) -> None:
    image_id = cloud.image()
    refer(cloud, image_id)
    assert asked(cloud, image_id) == []


def configuration(cloud: Cloud, image_id: str) -> None:
    scaling = cloud.aws.client("autoscaling", account=cloud.account)
    scaling.create_launch_configuration(LaunchConfigurationName="web", ImageId=image_id, InstanceType="t3.micro")


def by_parameter(cloud: Cloud, image_id: str) -> None:
    parameter(cloud, "/text", image_id, "text")
    template(cloud, "resolve:ssm:/text")


def test_an_image_of_nobody_can_be_asked_about(cloud: Cloud) -> None:
    """ "regardless of whether the AMIs are public or private or who owns them"."""
    template_id = template(cloud, NOBODYS)
    assert found(cloud, NOBODYS) == [("ec2:LaunchTemplate", f"launch-template/{template_id}")]


# Pages and refusals


def test_pages_hold_every_reference_of_every_image_once(cloud: Cloud) -> None:
    """DescribeImageReferences MaxResults and NextToken."""
    images = [cloud.image(), cloud.image()]
    made = [[cloud.instance(image_id=image_id) for _ in range(6)] for image_id in images]
    pager = (
        cloud.ec2()
        .get_paginator("describe_image_references")
        .paginate(ImageIds=images, IncludeAllResourceTypes=True, PaginationConfig={"PageSize": 5})
    )
    pages = [[each["Arn"].rsplit("/", 1)[1] for each in page["ImageReferences"]] for page in pager]
    assert [len(page) for page in pages] == [5, 5, 2]
    assert [each for page in pages for each in page] == made[0] + made[1]


def test_a_page_has_a_hundred_rows_unless_the_call_says(cloud: Cloud) -> None:
    """Undocumented; the harsher reading finds callers that look at the first page only."""
    image_id = cloud.image()
    for number in range(101):
        template(cloud, image_id, name=f"web-{number}")
    answer = cloud.ec2().describe_image_references(ImageIds=[image_id], IncludeAllResourceTypes=True)
    assert (len(answer["ImageReferences"]), bool(answer["NextToken"])) == (100, True)


@pytest.mark.parametrize(
    ("act", "code", "status"),
    [
        refusal(
            "eleven images", "ImageIds", "InvalidParameterValue",
            lambda w: asked(w, *(f"ami-{number:017x}" for number in range(11))),
        ),
        refusal("no type at all", "ResourceTypes", "MissingParameter", lambda w: asked(w, NOBODYS, DryRun=False)),
        refusal("a malformed image", "research 1.1", "InvalidAMIID.Malformed", lambda w: asked(w, "web")),
        refusal("an unknown type", "ResourceTypes", "InvalidParameterValue", lambda w: asked(w, NOBODYS, **of_type("ec2:Volume"))),
        refusal(
            "an unknown state", "state-name", "InvalidParameterValue",
            lambda w: asked(w, NOBODYS, **of_type("ec2:Instance", "state-name", "lost")),
        ),
        refusal(
            "too great a depth", "version-depth", "InvalidParameterValue",
            lambda w: asked(w, NOBODYS, **of_type("ec2:LaunchTemplate", "version-depth", "10001")),
        ),
        refusal(
            "an option of another type", "ResourceTypeOptions", "InvalidParameterValue",
            lambda w: asked(w, NOBODYS, **of_type("ssm:Parameter", "version-depth", "3")),
        ),
        refusal(
            "a token of nobody", "research 2", "InvalidNextToken",
            lambda w: asked(w, NOBODYS, IncludeAllResourceTypes=True, NextToken="x"),
        ),
        refusal(
            "a dry run", "research 1.5", "DryRunOperation",
            lambda w: asked(w, NOBODYS, IncludeAllResourceTypes=True, DryRun=True), 412,
        ),
    ],
)  # fmt: skip
def test_a_call_is_refused(cloud: Cloud, act: Act, code: str, status: int) -> None:
    assert_refused(cloud, act, code, status)
