"""Evidence: what each source in AWS says of an image's users. What cannot be read is a problem, and never "nobody"."""

from dataclasses import replace

import pytest

from goldenami.aws.evidence import Asked
from goldenami.local.aws import LocalAws
from goldenami.plan.evidence import Evidence, Rules, Source, Testimony
from support.door import OWNER, Door, open_door


@pytest.fixture
def door(ec2_lab: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Door:
    return open_door(ec2_lab, monkeypatch)


def gather(door: Door, image_id: str, **changes: object) -> Evidence:
    image = door.inventory.image(door.home, image_id)
    assert image is not None
    asked = Asked(OWNER, "1.0.0", Rules(), door.inventory.now(), shared=False)
    return door.inventory.evidence(door.home, image, replace(asked, **changes))  # type: ignore[arg-type]


def said(found: Evidence, source: Source) -> Testimony:
    return next(testimony for testimony in found.testimonies if testimony.source is source)


def test_an_image_that_nothing_refers_to_has_no_users(door: Door) -> None:
    found = gather(door, door.cloud.image())
    assert (found.users, found.problem, found.pending) == ((), None, False)


def test_instances_count_until_they_are_terminated(door: Door) -> None:
    image_id, ec2 = door.cloud.image(), door.cloud.ec2()
    instance_id = ec2.run_instances(ImageId=image_id, MinCount=1, MaxCount=1, InstanceType="t3.micro")["Instances"][0]["InstanceId"]
    assert gather(door, image_id).users == (f"instance {instance_id}",)
    ec2.stop_instances(InstanceIds=[instance_id])
    assert gather(door, image_id).users == (f"instance {instance_id}",)
    ec2.terminate_instances(InstanceIds=[instance_id])
    door.cloud.pass_time()
    assert gather(door, image_id).users == ()


def test_an_old_version_of_a_template_counts_too(door: Door) -> None:
    image_id, other, ec2 = door.cloud.image(), door.cloud.image(), door.cloud.ec2()
    created = ec2.create_launch_template(LaunchTemplateName="web", LaunchTemplateData={"ImageId": image_id})
    template = created["LaunchTemplate"]["LaunchTemplateId"]
    for _ in range(3):
        ec2.create_launch_template_version(LaunchTemplateId=template, LaunchTemplateData={"ImageId": other})
    ec2.modify_launch_template(LaunchTemplateId=template, DefaultVersion="4")
    assert said(gather(door, image_id), Source.LAUNCH_TEMPLATES).users == (f"launch template {template}:1",)


@pytest.mark.parametrize("operation", ["ec2.DescribeInstances", "ec2.DescribeLaunchTemplates"])
def test_what_cannot_be_read_is_a_problem_and_never_unused(door: Door, operation: str) -> None:
    door.fault("refuse", operation=operation, code="UnauthorizedOperation", status=403)
    found = gather(door, door.cloud.image())
    assert found.problem is not None
    assert (found.problem.reason, found.problem.stalled) == ("AccessDenied", True)
