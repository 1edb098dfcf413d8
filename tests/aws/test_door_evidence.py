"""Evidence: what each source in AWS says of an image's users. What cannot be read is a problem, and never "nobody"."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from goldenami.aws.errors import FixTheAccess, Wait
from goldenami.aws.evidence import Asked, Listings, Question, parameters
from goldenami.aws.evidence.groups import auto_scaling_groups, launch_configurations
from goldenami.aws.evidence.question import Ask
from goldenami.aws.evidence.references import references
from goldenami.aws.evidence.templates import launch_templates
from goldenami.local.aws import LocalAws
from goldenami.plan.evidence import Evidence, Rules, Source, Testimony
from goldenami.plan.identity import OWNER as OWNER_TAG
from support.door import OWNER, Door, open_door

DAY = 86_400
SAID_ELSEWHERE = {Source.GOLDEN_IMAGES, Source.CHANNELS}
"""What Kubernetes tells."""


@pytest.fixture
def door(ec2_lab: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Door:
    return open_door(ec2_lab, monkeypatch)


def gather(door: Door, image_id: str, rules: Rules | None = None, **changes: Any) -> Evidence:
    """Of an image that nobody else may launch, unless said otherwise; a moment after whatever was done last."""
    door.cloud.pass_time(0.001)
    image = door.inventory.image(door.home, image_id)
    assert image is not None
    asked = Asked(OWNER, "1.0.0", rules or Rules(), door.inventory.now(), shared=False)
    return door.inventory.evidence(door.home, image, replace(asked, **changes))


def asking(door: Door, image_id: str) -> Question:
    """For what one source says after another, with things that happen in between."""
    image = door.inventory.image(door.home, image_id)
    assert image is not None
    asked = Asked(OWNER, "1.0.0", Rules(), door.inventory.now())
    return Question(Listings(door.home, door.calls, door.inventory.now), image, asked, door.inventory.now())


def said(found: Evidence, source: Source) -> Testimony:
    return next(testimony for testimony in found.testimonies if testimony.source is source)


def silent(found: Evidence) -> bool:
    return (found.users, found.problem, found.pending, set(found.missing)) == ((), None, False, SAID_ELSEWHERE)


# --- what uses an image ---


def scaling(door: Door) -> Any:
    return door.cloud.aws.client("autoscaling", account=door.account.account_id)


def ssm(door: Door) -> Any:
    return door.cloud.aws.client("ssm", account=door.account.account_id)


def template(door: Door, *images: str, name: str = "web") -> str:
    """One with a version for each image; the first is the default."""
    first, *others = images
    ec2 = door.cloud.ec2()
    data = {"ImageId": first, "InstanceType": "t3.micro"}
    made = ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData=data)["LaunchTemplate"]
    for image_id in others:
        ec2.create_launch_template_version(LaunchTemplateName=name, SourceVersion="1", LaunchTemplateData={"ImageId": image_id})
    return str(made["LaunchTemplateId"])


def group(door: Door, size: int = 0, name: str = "web", **source: Any) -> None:
    request = {"MinSize": 0, "MaxSize": 10, "DesiredCapacity": size, "AvailabilityZones": ["us-east-1a"], **source}
    scaling(door).create_auto_scaling_group(AutoScalingGroupName=name, **request)


def parameter(door: Door, name: str, value: str, **arguments: Any) -> None:
    ssm(door).put_parameter(Name=name, Value=value, Type="String", DataType="aws:ec2:image", **arguments)
    door.cloud.pass_time()


def of_template(version: str | None = None) -> dict[str, Any]:
    return {"LaunchTemplate": {"LaunchTemplateName": "web", **({"Version": version} if version else {})}}


def mixed(version: str, *overrides: dict[str, Any]) -> dict[str, Any]:
    specification = {"LaunchTemplateName": "web", "Version": version}
    return {"MixedInstancesPolicy": {"LaunchTemplate": {"LaunchTemplateSpecification": specification, "Overrides": list(overrides)}}}


def instance(door: Door, image_id: str) -> None:
    door.cloud.ec2().run_instances(ImageId=image_id, MinCount=1, MaxCount=1, InstanceType="t3.micro")


def stopped_instance(door: Door, image_id: str) -> None:
    made = door.cloud.ec2().run_instances(ImageId=image_id, MinCount=1, MaxCount=1, InstanceType="t3.micro")
    door.cloud.ec2().stop_instances(InstanceIds=[made["Instances"][0]["InstanceId"]])


def old_template_version(door: Door, image_id: str) -> None:
    template(door, image_id, *(door.cloud.image() for _ in range(3)))
    door.cloud.ec2().modify_launch_template(LaunchTemplateName="web", DefaultVersion="4")


def stopped_group(door: Door, image_id: str) -> None:
    template(door, door.cloud.image(), image_id, *(door.cloud.image() for _ in range(3)))
    group(door, **of_template("2"))


def overriding_group(door: Door, image_id: str) -> None:
    other = door.cloud.image()
    template(door, other)
    override = door.cloud.ec2().create_launch_template(
        LaunchTemplateName="arm", LaunchTemplateData={"ImageId": image_id, "InstanceType": "t3.micro"}
    )["LaunchTemplate"]["LaunchTemplateId"]
    group(door, **mixed("$Latest", {"LaunchTemplateSpecification": {"LaunchTemplateId": override}}))


def group_that_overrides_the_image(door: Door, image_id: str) -> None:
    template(door, door.cloud.image())
    group(door, **mixed("$Latest", {"ImageId": image_id, "InstanceType": "t3.micro"}))


def group_of_a_parameter(door: Door, image_id: str) -> None:
    parameter(door, "/golden/web", image_id)
    template(door, "resolve:ssm:/golden/web")
    group(door, **of_template())


def group_of_a_template(door: Door, image_id: str) -> None:
    template(door, image_id)
    group(door, **of_template())


def launch_configuration(door: Door, image_id: str) -> None:
    scaling(door).create_launch_configuration(LaunchConfigurationName="spot", ImageId=image_id, InstanceType="t3.micro", SpotPrice="1")


def group_of_a_configuration(door: Door, image_id: str) -> None:
    launch_configuration(door, image_id)
    group(door, LaunchConfigurationName="spot")


def image_parameter(door: Door, image_id: str) -> None:
    parameter(door, "/theirs/web", image_id)


def template_of_a_parameter(door: Door, image_id: str) -> None:
    parameter(door, "/golden/web", image_id)
    template(door, "resolve:ssm:/golden/web")


def template_of_an_old_value(door: Door, image_id: str) -> None:
    """The first value by its version, the parameter has moved since."""
    parameter(door, "/golden/web", image_id)
    parameter(door, "/golden/web", door.cloud.image(), Overwrite=True)
    template(door, "resolve:ssm:/golden/web:1")


def template_of_a_label(door: Door, image_id: str) -> None:
    parameter(door, "/golden/web", image_id)
    ssm(door).label_parameter_version(Name="/golden/web", ParameterVersion=1, Labels=["prod"])
    parameter(door, "/golden/web", door.cloud.image(), Overwrite=True)
    template(door, "resolve:ssm:/golden/web:prod")


def template_of_an_arn(door: Door, image_id: str) -> None:
    """As EC2 wants it of a parameter that another account shares. It is a text, which no listing of image parameters has."""
    ssm(door).put_parameter(Name="/golden/web", Value=image_id, Type="String")
    template(door, f"resolve:ssm:arn:aws:ssm:us-east-1:{door.account.account_id}:parameter/golden/web")


def template_of_a_version_by_its_arn(door: Door, image_id: str) -> None:
    ssm(door).put_parameter(Name="/golden/web", Value=image_id, Type="String")
    ssm(door).put_parameter(Name="/golden/web", Value=door.cloud.image(), Overwrite=True)
    template(door, f"resolve:ssm:arn:aws:ssm:us-east-1:{door.account.account_id}:parameter/golden/web:1")


def template_of_a_name_without_a_slash(door: Door, image_id: str) -> None:
    ssm(door).put_parameter(Name="web", Value=image_id, Type="String")
    template(door, "resolve:ssm:/web")


def recipe(door: Door, image_id: str) -> None:
    door.cloud.aws.lab.seed_one("recipe", door.account.account_id, "us-east-1", name="web", parent_image=image_id)


def container_recipe(door: Door, image_id: str) -> None:
    fields = {"container": True, "parent_image": "amazonlinux:2023", "instance_image": image_id}
    door.cloud.aws.lab.seed_one("recipe", door.account.account_id, "us-east-1", name="web", **fields)


def recipe_of_a_parameter(door: Door, image_id: str) -> None:
    parameter(door, "/golden/web", image_id)
    recipe(door, "ssm:/golden/web")


Use = Callable[[Door, str], None]
I, T, G, L, P, R = (  # noqa: E741
    Source.INSTANCES, Source.LAUNCH_TEMPLATES, Source.AUTO_SCALING_GROUPS, Source.LAUNCH_CONFIGURATIONS, Source.PARAMETERS,
    Source.IMAGE_RECIPES,
)  # fmt: skip
REF = Source.REFERENCES


@pytest.mark.parametrize(
    ("use", "witnesses"),
    [
        pytest.param(instance, {I, REF}, id="an instance"),
        pytest.param(stopped_instance, {I, REF}, id="a stopped instance"),
        pytest.param(old_template_version, {T, REF}, id="an old version of a template outside any group"),
        pytest.param(stopped_group, {T, G, REF}, id="a group of size 0 that names an old version"),
        pytest.param(overriding_group, {T, G, REF}, id="a template that a group's override names"),
        pytest.param(group_that_overrides_the_image, {G}, id="a group that overrides its template's image"),
        pytest.param(group_of_a_parameter, {G, P}, id="a group whose template says resolve:ssm:"),
        pytest.param(launch_configuration, {L}, id="a launch configuration for spot"),
        pytest.param(group_of_a_configuration, {L, G}, id="a group with a launch configuration"),
        pytest.param(image_parameter, {P}, id="somebody's parameter"),
        pytest.param(template_of_a_parameter, {P}, id="a template that says resolve:ssm:"),
        pytest.param(template_of_an_old_value, {P}, id="a template that says resolve:ssm: and a version"),
        pytest.param(template_of_a_label, {P}, id="a template that says resolve:ssm: and a label"),
        pytest.param(template_of_an_arn, {P}, id="a template that says resolve:ssm: and an ARN"),
        pytest.param(template_of_a_version_by_its_arn, {P}, id="a template that says resolve:ssm:, an ARN and a version"),
        pytest.param(template_of_a_name_without_a_slash, {P}, id="a template that says resolve:ssm: and a slash that the name lacks"),
        pytest.param(recipe, {R, REF}, id="an image recipe"),
        pytest.param(container_recipe, {R, REF}, id="a container recipe"),
        pytest.param(recipe_of_a_parameter, {R, P}, id="a recipe that names a parameter"),
    ],
)
def test_a_user_is_found_by_each_source_that_can_know_it(door: Door, use: Use, witnesses: set[Source]) -> None:
    used, other = door.cloud.image(), door.cloud.image()
    assert silent(gather(door, used))
    use(door, used)
    found = gather(door, used)
    assert {testimony.source for testimony in found.testimonies if testimony.users} == witnesses
    assert found.problem is None
    assert silent(gather(door, other))


def test_instances_count_until_they_are_terminated(door: Door) -> None:
    image_id, ec2 = door.cloud.image(), door.cloud.ec2()
    instance_id = ec2.run_instances(ImageId=image_id, MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"][0]["InstanceId"]
    assert gather(door, image_id).users == (f"instance {instance_id}",)
    ec2.terminate_instances(InstanceIds=[instance_id])
    assert silent(gather(door, image_id))


def test_a_template_is_named_once_with_its_version(door: Door) -> None:
    image_id = door.cloud.image()
    name = template(door, door.cloud.image(), image_id)
    assert gather(door, image_id).users == (f"launch template {name}:2",)


def test_a_parameter_that_was_moved_to_the_image_after_all_were_listed(door: Door) -> None:
    image_id, other = door.cloud.image(), door.cloud.image()
    parameter(door, "/golden/web", other)
    since = door.inventory.now()
    assert silent(gather(door, door.cloud.image(), since=since))
    parameter(door, "/golden/web", image_id, Overwrite=True)
    assert gather(door, image_id, since=since).users == ("parameter /golden/web",)


@pytest.mark.parametrize("forbidden", [False, True])
def test_a_parameter_that_ec2_still_takes_for_the_image(door: Door, *, forbidden: bool) -> None:
    """It was moved away while EC2 answered. Where its value cannot be read, nobody knows."""
    image_id, other = door.cloud.image(), door.cloud.image()
    parameter(door, "/golden/web", image_id)
    question = asking(door, image_id)
    door.fault("hold", operation="ec2.DescribeImageReferences", when="after")
    with ThreadPoolExecutor(1) as threads:
        found = threads.submit(references, question)
        (held,) = door.cloud.aws.lab.held(wait_seconds=10.0)
        parameter(door, "/golden/web", other, Overwrite=True)
        parameters.listed(question)
        if forbidden:
            door.fault("refuse", operation="ssm.GetParameters", code="AccessDeniedException", status=403)
        door.cloud.aws.lab.release(held.id)
        if forbidden:
            with pytest.raises(FixTheAccess):
                found.result(20.0)
        else:
            assert found.result(20.0) == Testimony(Source.REFERENCES)


# --- what uses it no longer ---


def test_a_deleted_version_keeps_nothing(door: Door) -> None:
    image_id = door.cloud.image()
    template(door, door.cloud.image(), image_id, door.cloud.image())
    assert not silent(gather(door, image_id))
    door.cloud.ec2().delete_launch_template_versions(LaunchTemplateName="web", Versions=["2"])
    assert silent(gather(door, image_id))


def test_a_deleted_template_keeps_nothing_even_where_a_group_still_names_it(door: Door) -> None:
    image_id = door.cloud.image()
    template(door, image_id)
    group(door, **of_template("1"))
    assert not silent(gather(door, image_id))
    door.cloud.ec2().delete_launch_template(LaunchTemplateName="web")
    assert silent(gather(door, image_id))


def test_a_new_version_counts_at_once(door: Door) -> None:
    image_id = door.cloud.image()
    name = template(door, door.cloud.image())
    assert silent(gather(door, image_id))
    door.cloud.ec2().create_launch_template_version(LaunchTemplateName="web", SourceVersion="1", LaunchTemplateData={"ImageId": image_id})
    assert gather(door, image_id).users == (f"launch template {name}:2",)


def test_a_parameter_that_has_moved_keeps_nothing(door: Door) -> None:
    image_id = door.cloud.image()
    template_of_a_parameter(door, image_id)
    assert not silent(gather(door, image_id))
    parameter(door, "/golden/web", door.cloud.image(), Overwrite=True)
    assert silent(gather(door, image_id))


def test_a_parameter_that_is_gone_or_malformed_launches_nothing(door: Door) -> None:
    image_id = door.cloud.image()
    template(door, "resolve:ssm:/no/such", "resolve:ssm:not a name", "resolve:ssm:/no/such:7")
    assert silent(gather(door, image_id))


# --- depth ---


@pytest.mark.parametrize(
    ("depth", "number", "counts"),
    [
        pytest.param(None, 2, True, id="all versions count unless a depth is given"),
        pytest.param(2, 2, False, id="a version beyond the depth does not"),
        pytest.param(2, 4, True, id="one within it does"),
        pytest.param(1, 1, True, id="the default version does at any depth"),
    ],
)
def test_the_depth_of_launch_template_versions(door: Door, depth: int | None, number: int, *, counts: bool) -> None:
    images = [door.cloud.image() for _ in range(5)]
    template(door, *images)
    found = gather(door, images[number - 1], Rules(template_versions=depth))
    assert bool(found.users) is counts


@pytest.mark.parametrize(
    ("number", "counts"),
    [
        pytest.param(2, True, id="the second newest of those that are left"),
        pytest.param(1, False, id="not the third"),
    ],
)
def test_deleted_versions_take_up_no_depth(door: Door, number: int, *, counts: bool) -> None:
    images = [door.cloud.image() for _ in range(5)]
    template(door, *images)
    door.cloud.ec2().modify_launch_template(LaunchTemplateName="web", DefaultVersion="3")
    assert silent(gather(door, door.cloud.image(), Rules(template_versions=2)))
    door.cloud.ec2().delete_launch_template_versions(LaunchTemplateName="web", Versions=["4", "5"])
    assert bool(said(gather(door, images[number - 1], Rules(template_versions=2)), Source.LAUNCH_TEMPLATES).users) is counts


def test_a_deleted_version_that_says_resolve_ssm_keeps_nothing(door: Door) -> None:
    image_id = door.cloud.image()
    ssm(door).put_parameter(Name="/theirs/words", Value=image_id, Type="String")
    name = template(door, door.cloud.image(), "resolve:ssm:/theirs/words")
    assert gather(door, image_id).users == (f"launch template {name}:2 (resolve:ssm:/theirs/words)",)
    door.cloud.ec2().modify_launch_template(LaunchTemplateName="web", DefaultVersion="1")
    door.cloud.ec2().delete_launch_template_versions(LaunchTemplateName="web", Versions=["2"])
    assert silent(gather(door, image_id))


def test_what_a_group_names_counts_at_any_depth(door: Door) -> None:
    image_id = door.cloud.image()
    stopped_group(door, image_id)
    found = gather(door, image_id, Rules(template_versions=1))
    assert found.users == ("Auto Scaling group web",)


# --- beyond page one ---


def beyond_the_page_of_configurations(door: Door, image_id: str) -> None:
    other, client = door.cloud.image(), scaling(door)
    names = [f"a-{number:03}" for number in range(101)]
    for name in names:
        client.create_launch_configuration(LaunchConfigurationName=name, ImageId=other, InstanceType="t3.micro")
    client.create_launch_configuration(LaunchConfigurationName="z", ImageId=image_id, InstanceType="t3.micro")


def beyond_the_page_of_groups(door: Door, image_id: str) -> None:
    other = door.cloud.image()
    template(door, other, image_id)
    for number in range(100):
        group(door, name=f"a-{number:03}", **of_template("1"))
    group(door, name="z", **of_template("2"))


def beyond_the_page_of_templates(door: Door, image_id: str) -> None:
    other, ec2 = door.cloud.image(), door.cloud.ec2()
    for number in range(201):
        ec2.create_launch_template(LaunchTemplateName=f"a-{number:03}", LaunchTemplateData={"ImageId": other})
    ec2.create_launch_template(LaunchTemplateName="z", LaunchTemplateData={"ImageId": image_id})


def beyond_the_page_of_versions(door: Door, image_id: str) -> None:
    template(door, image_id, *[door.cloud.image()] * 201)
    door.cloud.ec2().modify_launch_template(LaunchTemplateName="web", DefaultVersion="202")


def beyond_the_page_of_recipes(door: Door, image_id: str) -> None:
    for number in range(26):
        door.cloud.aws.lab.seed_one(
            "recipe", door.account.account_id, "us-east-1", name="web", version=f"1.0.{number}", parent_image=door.cloud.image()
        )
    door.cloud.aws.lab.seed_one("recipe", door.account.account_id, "us-east-1", name="z", parent_image=image_id)


def beyond_the_page_of_parameters(door: Door, image_id: str) -> None:
    other, client = door.cloud.image(), ssm(door)
    for number in range(51):
        client.put_parameter(Name=f"/a/{number:03}", Value=other, Type="String", DataType="aws:ec2:image")
    parameter(door, "/z", image_id)


@pytest.mark.parametrize(
    ("use", "source"),
    [
        pytest.param(beyond_the_page_of_configurations, L, id="launch configurations: 100 a page"),
        pytest.param(beyond_the_page_of_groups, G, id="Auto Scaling groups: 100 a page"),
        pytest.param(beyond_the_page_of_templates, T, id="launch templates: 200 a page"),
        pytest.param(beyond_the_page_of_versions, T, id="versions of a template: 200 a page"),
        pytest.param(beyond_the_page_of_recipes, R, id="recipes: 25 a page"),
        pytest.param(beyond_the_page_of_parameters, P, id="parameters: 50 a page"),
    ],
)
def test_what_is_listed_beyond_page_one_counts(door: Door, use: Use, source: Source) -> None:
    # Cleaners that read one page deleted images in use: research peers (c) 1, ami-management and amicleaner.
    image_id = door.cloud.image()
    use(door, image_id)
    assert said(gather(door, image_id), source).users


# --- our own aliases ---


def own_alias(door: Door, image_id: str) -> None:
    parameter(door, "/golden/web/current", image_id, Tags=[{"Key": OWNER_TAG, "Value": str(OWNER)}])


@pytest.mark.parametrize(
    ("changes", "users", "pending"),
    [
        pytest.param({}, ("our alias /golden/web/current",), False, id="keeps a version that is deleted by itself"),
        pytest.param({"aliases_move": True}, (), True, id="is waited for where only this image goes"),
        pytest.param({"family_goes": True}, (), False, id="goes after the images where everything goes"),
    ],
)
def test_our_own_alias(door: Door, changes: dict[str, Any], users: tuple[str, ...], *, pending: bool) -> None:
    image_id = door.cloud.image()
    own_alias(door, image_id)
    found = gather(door, image_id, **changes)
    assert (found.users, found.pending, found.problem) == (users, pending, None)


def test_another_owner_s_alias_keeps_it_whatever_becomes_of_ours(door: Door) -> None:
    image_id = door.cloud.image()
    parameter(door, "/golden/other", image_id, Tags=[{"Key": OWNER_TAG, "Value": "test/images/other"}])
    assert gather(door, image_id, family_goes=True, aliases_move=True).users == ("parameter /golden/other",)


# --- use in other accounts ---


def used_elsewhere(door: Door, image_id: str) -> None:
    """Shared, and an instance there for longer than the reports lag."""
    door.cloud.ec2().modify_image_attribute(ImageId=image_id, LaunchPermission={"Add": [{"UserId": door.cloud.other}]})
    door.cloud.ec2(account=door.cloud.other).run_instances(ImageId=image_id, MinCount=1, MaxCount=1, InstanceType="t3.micro")
    door.cloud.pass_time(2 * DAY)


def reports(door: Door) -> list[dict[str, Any]]:
    return list(door.cloud.ec2().describe_image_usage_reports()["ImageUsageReports"])


def test_a_report_of_the_use_in_other_accounts_is_made_and_waited_for(door: Door) -> None:
    image_id = door.cloud.image()
    used_elsewhere(door, image_id)
    first = gather(door, image_id, shared=True)
    assert (first.pending, first.users) == (True, ())
    assert gather(door, image_id, shared=True).pending
    (made,) = reports(door)
    door.cloud.pass_time()
    assert gather(door, image_id, shared=True).users == (f"1 instance of account {door.cloud.other}",)
    assert reports(door)[0]["ReportId"] == made["ReportId"]


def test_a_shared_image_that_nobody_uses_goes_when_the_report_says_so(door: Door) -> None:
    image_id = door.cloud.image()
    assert gather(door, image_id, shared=True).pending
    door.cloud.pass_time()
    assert silent(gather(door, image_id, shared=True))


def test_an_old_report_counts_for_nothing_and_is_deleted(door: Door) -> None:
    image_id = door.cloud.image()
    gather(door, image_id, shared=True)
    (old,) = reports(door)
    door.cloud.pass_time(1.1 * DAY)
    assert gather(door, image_id, shared=True).pending
    door.cloud.pass_time()
    assert silent(gather(door, image_id, shared=True))
    (new,) = reports(door)
    assert new["ReportId"] != old["ReportId"]


def test_a_report_from_before_the_image_was_disabled_counts_for_nothing(door: Door) -> None:
    image_id = door.cloud.image()
    gather(door, image_id, shared=True)
    door.cloud.pass_time()
    assert silent(gather(door, image_id, shared=True))
    door.cloud.ec2().disable_image(ImageId=image_id)
    assert gather(door, image_id, shared=True).pending
    door.cloud.pass_time()
    assert silent(gather(door, image_id, shared=True))
    door.cloud.ec2().enable_image(ImageId=image_id)
    assert gather(door, image_id, shared=True).pending


def test_the_report_about_an_image_that_is_gone_is_deleted_with_the_next_one(door: Door) -> None:
    gone, image_id = door.cloud.image(), door.cloud.image()
    gather(door, gone, shared=True)
    door.cloud.ec2().deregister_image(ImageId=gone)
    door.cloud.pass_time(1.1 * DAY)
    gather(door, image_id, shared=True)
    gather(door, image_id, shared=True)
    assert [report["ImageId"] for report in reports(door)] == [image_id]


def test_a_report_that_somebody_deleted_is_made_anew(door: Door) -> None:
    image_id = door.cloud.image()
    used_elsewhere(door, image_id)
    gather(door, image_id, shared=True)
    door.cloud.pass_time(100)
    assert gather(door, image_id, shared=True).users
    door.cloud.ec2().delete_image_usage_report(ReportId=reports(door)[0]["ReportId"])
    assert gather(door, image_id, shared=True).pending
    door.cloud.pass_time(100)
    assert gather(door, image_id, shared=True).users


def test_somebody_else_s_report_is_left_alone(door: Door) -> None:
    image_id = door.cloud.image()
    theirs = door.cloud.ec2().create_image_usage_report(ImageId=image_id, ResourceTypes=[{"ResourceType": "ec2:Instance"}])["ReportId"]
    door.cloud.pass_time(1.1 * DAY)
    gather(door, image_id, shared=True)
    door.cloud.pass_time()
    assert silent(gather(door, image_id, shared=True))
    assert theirs in {report["ReportId"] for report in reports(door)}


def test_a_report_that_fails_is_a_problem_and_is_made_again(door: Door) -> None:
    image_id = door.cloud.image()
    door.cloud.settings.fail_usage_reports["us-east-1"] = 1
    gather(door, image_id, shared=True)
    door.cloud.pass_time(100)
    found = gather(door, image_id, shared=True)
    assert found.problem is not None
    assert (found.problem.reason, found.problem.stalled) == ("EvidenceIncomplete", False)
    door.cloud.pass_time(300)
    assert gather(door, image_id, shared=True).pending
    door.cloud.pass_time(100)
    assert silent(gather(door, image_id, shared=True))


def test_one_whose_answer_was_lost_is_not_made_twice(door: Door) -> None:
    image_id = door.cloud.image()
    door.fault("lose", operation="ec2.CreateImageUsageReport")
    assert gather(door, image_id, shared=True).problem is not None
    assert gather(door, image_id, shared=True).pending
    assert len(reports(door)) == 1


@pytest.mark.parametrize(
    ("rules", "changes"),
    [
        pytest.param(Rules(), {"shared": False}, id="where no other account can launch it"),
        pytest.param(Rules(usage_reports=False), {"shared": True}, id="where the policy does not require it"),
        pytest.param(Rules(), {"shared": True, "mutable": False}, id="where nothing may be changed"),
    ],
)
def test_no_report_is_made(door: Door, rules: Rules, changes: dict[str, Any]) -> None:
    assert silent(gather(door, door.cloud.image(), rules, **changes))
    assert reports(door) == []


def test_no_report_is_made_while_the_image_is_used_in_its_own_account(door: Door) -> None:
    image_id = door.cloud.image()
    instance(door, image_id)
    assert gather(door, image_id, shared=True).users
    assert reports(door) == []


# --- what cannot be known ---

OPERATIONS = {
    "ec2.DescribeInstances": I,
    "ec2.DescribeLaunchTemplates": T,
    "ec2.DescribeLaunchTemplateVersions": T,
    "autoscaling.DescribeAutoScalingGroups": G,
    "autoscaling.DescribeLaunchConfigurations": L,
    "ssm.DescribeParameters": P,
    "ssm.GetParameters": P,
    "imagebuilder.ListImageRecipes": R,
    "imagebuilder.ListContainerRecipes": R,
    "ec2.DescribeImageReferences": REF,
    "ec2.CreateImageUsageReport": Source.USAGE_REPORTS,
    "ec2.DescribeImageUsageReports": Source.USAGE_REPORTS,
}
LATER = {"ec2.DescribeImageUsageReportEntries": Source.USAGE_REPORTS, "ssm.ListTagsForResource": P}
"""Those that are called when a report is there, and when a parameter names the image."""


def things(door: Door) -> str:
    """Something of every kind, so that every operation is called; nothing of it uses the image that is returned."""
    other = door.cloud.image()
    template_of_a_parameter(door, other)
    group_of_a_configuration(door, other)
    return door.cloud.image()


@pytest.mark.parametrize(("operation", "source"), (OPERATIONS | LATER).items())
def test_what_is_forbidden_is_its_source_s_problem_and_needs_a_person(door: Door, operation: str, source: Source) -> None:
    image_id = things(door)
    if operation in LATER:
        gather(door, image_id, shared=True)
        door.cloud.pass_time()
    if operation == "ssm.ListTagsForResource":
        own_alias(door, image_id)
    code = {"ec2": "UnauthorizedOperation", "autoscaling": "AccessDenied"}.get(operation.partition(".")[0], "AccessDeniedException")
    door.fault("refuse", operation=operation, code=code, status=403)
    found = said(gather(door, image_id, shared=True), source)
    assert found.problem is not None
    assert (found.problem.reason, found.problem.stalled, found.users) == ("AccessDenied", True, ())
    assert operation.partition(".")[2] in found.problem.message
    assert "us-east-1" in found.problem.message


def test_a_report_that_may_not_be_deleted_keeps_no_image(door: Door) -> None:
    image_id = door.cloud.image()
    gather(door, image_id, shared=True)
    door.cloud.pass_time(1.1 * DAY)
    gather(door, image_id, shared=True)
    door.cloud.pass_time()
    door.fault("refuse", operation="ec2.DeleteImageUsageReport", code="UnauthorizedOperation", status=403)
    assert silent(gather(door, image_id, shared=True))
    assert len(reports(door)) == 2
    assert silent(gather(door, image_id, shared=True))
    assert len(reports(door)) == 1


def test_a_region_that_is_down_is_every_source_s_problem_and_passes(door: Door) -> None:
    image_id = things(door)
    image = door.inventory.image(door.home, image_id)
    assert image is not None
    door.fault("region_down", region="us-east-1")
    found = door.inventory.evidence(door.home, image, Asked(OWNER, "1.0.0", Rules(), door.inventory.now()))
    assert {testimony.source for testimony in found.testimonies if testimony.problem} == set(OPERATIONS.values())
    assert found.problem is not None
    assert not found.problem.stalled


@pytest.mark.parametrize(
    ("listed", "use"),
    [
        pytest.param(launch_templates, group_of_a_template, id="a template"),
        pytest.param(launch_configurations, group_of_a_configuration, id="a launch configuration"),
    ],
)
def test_a_group_that_names_what_was_not_listed_makes_the_listing_doubtful(door: Door, listed: Ask, use: Use) -> None:
    """It was made after that was listed, and before the groups were: nobody is not who was found."""
    image_id = door.cloud.image()
    question = asking(door, image_id)
    assert listed(question).users == ()
    use(door, image_id)
    with pytest.raises(Wait) as raised:
        auto_scaling_groups(question)
    assert "Auto Scaling group web" in raised.value.problem.message
    assert not raised.value.problem.stalled
    assert gather(door, image_id).users


# --- how much it costs ---


def test_images_that_go_together_share_what_is_the_same_for_all(door: Door) -> None:
    things(door)
    images = [door.cloud.image() for _ in range(5)]
    since = door.inventory.now()
    door.forget_audit()
    for image_id in images:
        gather(door, image_id, since=since)
    per_image = {"ec2.DescribeImages": 5, "ec2.DescribeInstances": 5, "ec2.DescribeImageReferences": 5}
    assert {name: count for name, count in door.counts().items() if count > 2} == per_image
