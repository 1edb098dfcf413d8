"""EC2's own answer, as a second witness. Source: DescribeImageReferences, up to ten images a call.

It knows instances, launch templates, parameters and recipes of the image's own account and region, and needs a permission of its own and
the reader's rights to each. Auto Scaling groups, launch configurations and `resolve:ssm:` it does not know.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from goldenami.aws.batched import Batched
from goldenami.aws.evidence import parameters, recipes
from goldenami.aws.evidence.instances import ALIVE
from goldenami.aws.evidence.question import Listings, Question
from goldenami.aws.holding import PAGE, paged
from goldenami.plan.evidence import MAX_USERS, Source, Testimony

DEEPEST = 10_000
"""Versions that a launch template can have; EC2 looks at the newest ten unless it is told otherwise."""
IMAGES_A_CALL = 10
INSTANCE, TEMPLATE, PARAMETER = "ec2:Instance", "ec2:LaunchTemplate", "ssm:Parameter"
RECIPES = ("imagebuilder:ImageRecipe", "imagebuilder:ContainerRecipe")


Rows = Sequence[tuple[str, str]]
"""Type and ARN of what refers to an image."""


def references(question: Question) -> Testimony:
    rows = by_image(question.listings, question.rules.template_versions).get(question.image.image_id, question.since) or ()
    users = [user for resource_type, arn in rows if (user := _user(question, resource_type, arn))]
    return Testimony(Source.REFERENCES, tuple(users[:MAX_USERS]))


def by_image(listings: Listings, depth: int | None) -> Batched[Rows]:
    """A call has one depth for all of its images."""
    return listings.by_id(f"references {depth}", lambda image_ids: _read(listings, image_ids, depth), IMAGES_A_CALL)


def _read(listings: Listings, image_ids: Sequence[str], depth: int | None) -> Mapping[str, Rows]:
    rows = paged(
        lambda more: listings.calls.ec2(
            listings.place,
            "DescribeImageReferences",
            lambda ec2: ec2.describe_image_references(ImageIds=image_ids, ResourceTypes=_types(depth), MaxResults=PAGE, **more),
        ),
        "ImageReferences",
    )
    found: dict[str, list[tuple[str, str]]] = {}
    for row in rows:
        found.setdefault(row["ImageId"], []).append((row["ResourceType"], row["Arn"]))
    return found


def _types(depth: int | None) -> list[Any]:
    return [
        {"ResourceType": INSTANCE, "ResourceTypeOptions": [{"OptionName": "state-name", "OptionValues": list(ALIVE)}]},
        {
            "ResourceType": TEMPLATE,
            "ResourceTypeOptions": [{"OptionName": "version-depth", "OptionValues": [str(min(depth or DEEPEST, DEEPEST))]}],
        },
        *({"ResourceType": name} for name in (PARAMETER, *RECIPES)),
    ]


def _user(question: Question, resource_type: str, arn: str) -> str:
    """In the words of the other sources; empty for a parameter that they know, as they tell ours from others'."""
    name = arn.rpartition("/")[2]
    if resource_type == INSTANCE:
        return f"instance {name}"
    if resource_type == TEMPLATE:
        return f"launch template {name}"
    if resource_type == PARAMETER:
        return _parameter(question, arn.partition(":parameter")[2])
    return recipes.told(arn) if resource_type in RECIPES else f"{resource_type} {arn}"


def _parameter(question: Question, path: str) -> str:
    listed = parameters.listed(question)
    name = next((each for each in (path, path.removeprefix("/")) if each in listed), None)
    if name is None:
        return f"parameter {path}"
    if listed[name] == question.image.image_id:
        return ""  # The source of parameters tells it, and whose it is.
    # EC2 and our listing contradict each other. Nothing says how old EC2's answer is, and the listing may be from before it: the parameter
    # may have been moved to the image in between. SSM holds the value, so what it says after EC2 has answered is newer than both, and
    # decides: another value, or none, launches other images by now; and where it does not answer, nobody knows.
    now = parameters.current(question, name)
    return f"parameter {path}" if now == question.image.image_id else ""
