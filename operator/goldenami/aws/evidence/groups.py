"""Auto Scaling groups and launch configurations. Sources: DescribeAutoScalingGroups, DescribeLaunchConfigurations.

A group of size 0 counts as any: it launches again when somebody sets its size, from the template version that it names, however old.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from goldenami.aws.errors import doubtful
from goldenami.aws.evidence import parameters, templates
from goldenami.aws.evidence.question import Listings, Question
from goldenami.aws.holding import paged
from goldenami.plan.evidence import MAX_USERS, Source, Testimony

PAGE = 100
"""MaxRecords; 50 without it (Auto Scaling API reference)."""


@dataclass(frozen=True)
class Launch:
    """One way in which a group may launch: a launch configuration, an image, or a version of a template."""

    configuration: str = ""
    image: str = ""
    template_id: str = ""
    version: str = ""
    """A number, `$Latest`, or `$Default`."""


@dataclass(frozen=True)
class Group:
    name: str
    launches: tuple[Launch, ...]
    instances: frozenset[str]
    """Images of its instances, as far as the group tells them."""


def launch_configurations(question: Question) -> Testimony:
    image_id = question.image.image_id
    names = sorted(name for name, image in _configurations(question).items() if image == image_id)
    return Testimony(Source.LAUNCH_CONFIGURATIONS, tuple(f"launch configuration {name}" for name in names[:MAX_USERS]))


def auto_scaling_groups(question: Question) -> Testimony:
    found = [group.name for group in listed(question) if _uses(question, group)]
    return Testimony(Source.AUTO_SCALING_GROUPS, tuple(f"Auto Scaling group {name}" for name in found[:MAX_USERS]))


def listed(question: Question) -> tuple[Group, ...]:
    """Raises AwsError."""
    return question.listings.get("Auto Scaling groups", lambda: _read_groups(question.listings), question.since)


def _configurations(question: Question) -> Mapping[str, str]:
    """The image of each, by name. Raises AwsError."""
    return question.listings.get("launch configurations", lambda: _read_configurations(question.listings), question.since)


def _uses(question: Question, group: Group) -> bool:
    return question.image.image_id in group.instances or any(_launches_it(question, group, launch) for launch in group.launches)


def _launches_it(question: Question, group: Group, launch: Launch) -> bool:
    named = _image(question, group, launch)
    if question.image.image_id not in parameters.resolved(question, [named]):
        return False
    # A version that was deleted since it was read launches nothing.
    return not launch.template_id or named in templates.present(question, launch.template_id).values()


def _image(question: Question, group: Group, launch: Launch) -> str:
    """What the launch names: an image id or a parameter; empty where what it names is gone, so that nothing can be launched.

    A group that names what the listing lacks, though it exists, makes the listing doubtful.
    """
    if launch.image:
        return launch.image
    if launch.configuration:
        known = _configurations(question)
        if launch.configuration not in known:
            raise doubtful(question.place, f"Auto Scaling group {group.name} names launch configuration {launch.configuration}")
        return known[launch.configuration]
    template = templates.listed(question).get(launch.template_id)
    if template is None:
        if templates.present(question, launch.template_id):
            raise doubtful(question.place, f"Auto Scaling group {group.name} names launch template {launch.template_id}")
        return ""
    number = {"$Latest": template.latest, "$Default": template.default}.get(launch.version) or int(launch.version)
    return template.images.get(number, "")


def _read_configurations(listings: Listings) -> Mapping[str, str]:
    rows = paged(
        lambda more: listings.calls.autoscaling(
            listings.place, "DescribeLaunchConfigurations", lambda scaling: scaling.describe_launch_configurations(MaxRecords=PAGE, **more)
        ),
        "LaunchConfigurations",
    )
    return {row["LaunchConfigurationName"]: str(row.get("ImageId", "")) for row in rows}


def _read_groups(listings: Listings) -> tuple[Group, ...]:
    rows = paged(
        lambda more: listings.calls.autoscaling(
            listings.place, "DescribeAutoScalingGroups", lambda scaling: scaling.describe_auto_scaling_groups(MaxRecords=PAGE, **more)
        ),
        "AutoScalingGroups",
    )
    return tuple(
        Group(
            row["AutoScalingGroupName"],
            tuple(dict.fromkeys(_launches(row))),
            frozenset(image for member in row.get("Instances", ()) if (image := member.get("ImageId"))),
        )
        for row in rows
    )


def _launches(row: Mapping[str, Any]) -> Iterator[Launch]:
    """Whatever the group or its overrides name; what its instances were launched from they do not launch again."""
    if name := row.get("LaunchConfigurationName"):
        yield Launch(configuration=name)
    if specification := row.get("LaunchTemplate"):
        yield _from(specification)
    mixed = row.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {})
    if specification := mixed.get("LaunchTemplateSpecification"):
        yield _from(specification)
    for override in mixed.get("Overrides", ()):
        if image := override.get("ImageId"):
            yield Launch(image=image)
        elif specification := override.get("LaunchTemplateSpecification"):
            yield _from(specification)


def _from(specification: Mapping[str, Any]) -> Launch:
    return Launch(template_id=specification["LaunchTemplateId"], version=specification.get("Version") or "$Default")
