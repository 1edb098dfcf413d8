"""What keeps an image that shall go: stories from the field, in which somebody's cleaner deleted what was in use (research peers (c) 1)."""

from collections.abc import Callable
from typing import Any

import pytest

from support.operator import AWAY, HOME, Body, World, tags_of
from support.scenes import changed_settings, declared, image_of, images_of, iv, look_again, owner_tag, until

DAY = 86_400.0
Undo = Callable[[], Any]


def leaves(world: World, name: str) -> Body:
    """The other region is declared no more, and its image stays because it is used: the version's condition."""
    world.patch("goldenimage", name, {"spec": {"replicas": [{"region": HOME}]}})
    return world.reason("InUse", name)


def ready(world: World, name: str, **spec: Any) -> str:
    """A family in two regions under Delete; the image of the region that will go."""
    world.apply(declared(world, name, deletionPolicy="Delete", **spec))
    world.ready(name)
    return str(image_of(world, name, AWAY)["ImageId"])


def verdicts(world: World, name: str) -> dict[str, str]:
    """Of each source, about the image that shall go, as the status has them."""
    rows = (world.get("imageversion", iv(name)) or {}).get("status", {}).get("evidence", [])
    return {found["source"]: found["verdict"] for row in rows for found in row["findings"]}


def goes_when(world: World, name: str, undo: Undo) -> None:
    """Once nothing refers to it, it goes, and nothing else does."""
    undo()
    look_again(world, name)
    until(world, lambda: images_of(world, name, AWAY) == [], "the image gone")
    world.ready(name)
    assert image_of(world, name, HOME)["State"] == "available"


def template(world: World, name: str, *images: str) -> str:
    """A launch template with a version for each image."""
    first, *others = images
    ec2 = world.ec2(AWAY)
    made = ec2.create_launch_template(LaunchTemplateName=name, LaunchTemplateData={"ImageId": first, "InstanceType": "t3.micro"})
    for image_id in others:
        ec2.create_launch_template_version(LaunchTemplateName=name, SourceVersion="1", LaunchTemplateData={"ImageId": image_id})
    return str(made["LaunchTemplate"]["LaunchTemplateId"])


def scaling(world: World) -> Any:
    return world.aws.client("autoscaling", region=AWAY, account=world.account)


def stopped_group(world: World, name: str, **source: Any) -> None:
    request = {"MinSize": 0, "MaxSize": 3, "DesiredCapacity": 0, "AvailabilityZones": [f"{AWAY}a"], **source}
    scaling(world).create_auto_scaling_group(AutoScalingGroupName=name, **request)


def test_a_launch_template_outside_any_group(corner: World, name: str) -> None:
    """widdix/aws-amicleaner#5: templates that no group names were not looked at (peers (c) 1, "LTs outside an ASG")."""
    image = ready(corner, name)
    named = template(corner, name, image)

    condition = leaves(corner, name)

    assert f"launch template {named}:1" in condition["message"]
    assert image_of(corner, name, AWAY)["State"] == "available"
    found = verdicts(corner, name)
    assert (found["LaunchTemplates"], found["References"], found["Instances"]) == ("InUse", "InUse", "Unused")
    goes_when(corner, name, lambda: corner.ec2(AWAY).delete_launch_template(LaunchTemplateId=named))
    assert verdicts(corner, name) == {}


def test_an_old_template_version_that_a_stopped_group_pins(corner: World, name: str) -> None:
    """wata727#30 and trap 22: the group is at size 0 tonight, and launches its pinned version tomorrow (peers (c) 1)."""
    image, others = ready(corner, name), [corner.seed(region=AWAY) for _ in range(3)]
    template(corner, name, image, *others)
    corner.ec2(AWAY).modify_launch_template(LaunchTemplateName=name, DefaultVersion="4")
    stopped_group(corner, name, LaunchTemplate={"LaunchTemplateName": name, "Version": "1"})

    condition = leaves(corner, name)

    assert f"Auto Scaling group {name}" in condition["message"]
    assert image_of(corner, name, AWAY)["State"] == "available"

    def undo() -> None:
        scaling(corner).delete_auto_scaling_group(AutoScalingGroupName=name)
        corner.ec2(AWAY).delete_launch_template_versions(LaunchTemplateName=name, Versions=["1"])

    goes_when(corner, name, undo)


def test_use_in_another_account_only(corner: World, name: str) -> None:
    """c7n#5924, #6818, #8716: what other accounts launch is invisible from here, but for a usage report (peers (c) 1)."""
    with changed_settings(corner.aws, usage_instances_lag_seconds=0.0):
        image = ready(corner, name, sharing={"accounts": [corner.partner]})
        theirs = corner.ec2(AWAY, account=corner.partner)
        user = theirs.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"][0]["InstanceId"]

        condition = leaves(corner, name)

        assert f"1 instance of account {corner.partner}" in condition["message"]
        assert image_of(corner, name, AWAY)["State"] == "available"
        assert corner.shared_with(image, AWAY) == {corner.partner}
        assert {key: found for key, found in verdicts(corner, name).items() if found != "Unused"} == {"UsageReports": "InUse"}

        def undo() -> None:
            theirs.terminate_instances(InstanceIds=[user])
            # A report counts for a day; whoever knows better deletes it.
            for report in corner.ec2(AWAY).describe_image_usage_reports(ImageIds=[image])["ImageUsageReports"]:
                assert tags_of(report)["goldenami.dev/owner"] == owner_tag(corner, name)
                corner.ec2(AWAY).delete_image_usage_report(ReportId=report["ReportId"])

        goes_when(corner, name, undo)


def test_a_template_that_says_resolve_ssm(corner: World, name: str) -> None:
    """gh-runner#3752: the template names a parameter, and the parameter the image (peers (c) 1, "resolve:ssm")."""
    image, other = ready(corner, name), corner.seed(region=AWAY)
    parameter = f"/teams/{name}"
    corner.ssm(AWAY).put_parameter(Name=parameter, Value=image, Type="String", DataType="aws:ec2:image")
    until(corner, lambda: corner.parameter(parameter, AWAY) == image, "the parameter checked")
    # Its present value is another image's, and an older one is this image.
    corner.ssm(AWAY).put_parameter(Name=parameter, Value=other, Type="String", DataType="aws:ec2:image", Overwrite=True)
    until(corner, lambda: corner.parameter(parameter, AWAY) == other, "the parameter moved")
    named = template(corner, name, f"resolve:ssm:{parameter}:1")

    condition = leaves(corner, name)

    assert f"launch template {named}:1 (resolve:ssm:{parameter}:1)" in condition["message"]
    assert image_of(corner, name, AWAY)["State"] == "available"
    goes_when(corner, name, lambda: corner.ec2(AWAY).delete_launch_template(LaunchTemplateId=named))


def test_the_replaced_copy_that_is_still_in_use(corner: World, name: str) -> None:
    """terraform-provider-aws#792: a copy was replaced, and the old one, in use, destroyed (peers (b) and (c) 1)."""
    image = ready(corner, name)
    ec2 = corner.ec2(AWAY)
    user = ec2.run_instances(ImageId=image, MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"][0]["InstanceId"]
    leaves(corner, name)
    # The region comes back, and goes again: the image that is in use stays the same all the time.
    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": HOME}, {"region": AWAY}]}})
    corner.ready(name)
    assert image_of(corner, name, AWAY)["ImageId"] == image
    # A second copy beside it, as a lost answer leaves one: whichever of the two is not kept goes only when it is not used.
    source = image_of(corner, name, AWAY)["SourceImageId"]
    double = ec2.copy_image(
        Name=f"{name}-1.0.0",
        SourceImageId=source,
        SourceRegion=HOME,
        TagSpecifications=[
            {"ResourceType": kind, "Tags": [row for row in image_of(corner, name, AWAY)["Tags"] if not row["Key"].startswith("aws:")]}
            for kind in ("image", "snapshot")
        ],
    )["ImageId"]
    until(corner, lambda: ec2.describe_images(ImageIds=[double])["Images"][0]["State"] == "available", "the double there")
    other = ec2.run_instances(ImageId=double, MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"][0]["InstanceId"]
    look_again(corner, name)
    assert {row["ImageId"]: row["State"] for row in images_of(corner, name, AWAY)} == {image: "available", double: "available"}
    told = corner.condition("imageversion", iv(name), "ReplicasReady")["message"]
    assert "stays: it is used by instance" in told

    ec2.terminate_instances(InstanceIds=[other])
    look_again(corner, name)
    until(corner, lambda: [row["ImageId"] for row in images_of(corner, name, AWAY)] == [image], "the unused double gone")
    ec2.terminate_instances(InstanceIds=[user])


def test_a_copy_that_somebody_made_of_a_replica_with_its_tags(corner: World, name: str) -> None:
    """`copy-image --copy-image-tags` takes our owner tag along. It looks like a second replica, and is somebody's own image."""
    image = ready(corner, name)
    ec2 = corner.ec2(AWAY)
    theirs = ec2.copy_image(Name="mine", SourceImageId=image, SourceRegion=AWAY, CopyImageTags=True)["ImageId"]
    until(corner, lambda: ec2.describe_images(ImageIds=[theirs])["Images"][0]["State"] == "available", "the copy there")
    assert {row["Key"] for row in ec2.describe_images(ImageIds=[theirs])["Images"][0]["Tags"]} >= {"goldenami.dev/owner"}
    look_again(corner, name)
    said = corner.condition("imageversion", iv(name), "ReplicasReady")
    assert f"{theirs} in {AWAY} is somebody's copy of {image}, tags and all, and is left alone" in said["message"]

    corner.delete("goldenimage", name)
    until(corner, lambda: corner.get("goldenimage", name) is None, "gone")
    assert [row["ImageId"] for row in images_of(corner, name, AWAY)] == [theirs]
    assert image_of(corner, name, AWAY)["State"] == "available"


def test_a_user_beyond_page_one(corner: World, name: str) -> None:
    """ami-management and amicleaner read one page of 50 (peers (b)): use beyond it was invisible, and a launch configuration for spot is
    no template (amicleaner#57)."""
    image, other = ready(corner, name), corner.seed(region=AWAY)
    client = scaling(corner)
    names = [f"{name}-{number:03}" for number in range(101)]
    for each in names:
        client.create_launch_configuration(LaunchConfigurationName=each, ImageId=other, InstanceType="t3.micro")
    last = f"{name}-spot"
    client.create_launch_configuration(LaunchConfigurationName=last, ImageId=image, InstanceType="t3.micro", SpotPrice="0.01")

    condition = leaves(corner, name)

    assert f"launch configuration {last}" in condition["message"]
    assert image_of(corner, name, AWAY)["State"] == "available"
    goes_when(corner, name, lambda: client.delete_launch_configuration(LaunchConfigurationName=last))
    for each in names:
        client.delete_launch_configuration(LaunchConfigurationName=each)


def test_the_base_image_of_another_golden_image(corner: World, name: str) -> None:
    """Janitor Monkey spared the base images of others (peers (b), cleaners): a chain base -> app breaks when its base goes."""
    image = ready(corner, name)
    app = f"{name}-app"
    corner.apply(corner.golden_image(app, source={"image": {"id": image}}, region=AWAY, replicas=[{"region": AWAY}]))
    corner.ready(app)

    condition = leaves(corner, name)

    assert f"GoldenImage {corner.namespace}/{app}" in condition["message"]
    assert image_of(corner, name, AWAY)["State"] == "available"

    def undo() -> None:
        corner.delete("goldenimage", app)
        corner.gone(app)

    goes_when(corner, name, undo)


# --- what cannot be known ---


def test_what_is_forbidden_keeps_the_image_and_names_the_permission(corner: World, name: str) -> None:
    image = ready(corner, name)
    refused = {"operation": "ec2.DescribeImageReferences", "code": "UnauthorizedOperation", "status": 403}
    fault = corner.aws.lab.add_fault("refuse", account=corner.account, region=AWAY, **refused)

    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": HOME}]}})
    condition = corner.reason("EvidenceIncomplete", name)

    assert all(part in condition["message"] for part in (image, AWAY, "DescribeImageReferences", "IAM"))
    assert corner.condition("goldenimage", name, "Stalled").get("status") == "True"
    assert image_of(corner, name, AWAY)["State"] == "available"
    assert verdicts(corner, name)["References"] == "Unknown"
    corner.aws.lab.remove_fault(fault)
    look_again(corner, name)
    until(corner, lambda: images_of(corner, name, AWAY) == [], "the image gone")


def test_an_alias_moves_away_before_its_image_goes(corner: World, name: str) -> None:
    parameter = f"/{name}/current"
    image = ready(corner, name, aliases=[{"parameter": f"/{name}/{{channel}}"}])
    assert corner.parameter(parameter, AWAY) == image
    since = max(call.sequence for call in corner.aws.lab.audit_calls())

    corner.patch("goldenimage", name, {"spec": {"replicas": [{"region": HOME}]}})
    until(corner, lambda: images_of(corner, name, AWAY) == [], "the image gone")

    calls = [call.name for call in corner.aws.lab.audit_calls(account=corner.account, region=AWAY, since=since)]
    assert calls.index("ssm.DeleteParameter") < calls.index("ec2.DisableImage")


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
def test_nothing_is_asked_about_an_image_that_stays(corner: World, name: str, *, shared: bool) -> None:
    ready(corner, name, **({"sharing": {"accounts": [corner.partner]}} if shared else {}))
    assert verdicts(corner, name) == {}
    asked = {call.operation for call in corner.aws.lab.audit_calls(account=corner.account, id=image_of(corner, name)["ImageId"])}
    assert not asked & {"DescribeImageReferences", "CreateImageUsageReport", "DescribeInstances"}
