"""DescribeImageReferences: what in the caller's own account and region refers to images, whoever owns them and whether they still exist.

Source: EC2 user guide ("Identify your resources referencing specified AMIs") and API reference. Auto Scaling groups and launch
configurations are not looked at, and only as many versions of a launch template as `version-depth` says, newest first: 10 by default.
Undocumented, and read the harsh way: a template that says `resolve:ssm:` is not a reference, and a page has 100 rows unless the call says.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from goldenami.local.aws.ec2 import aliases, errors, paging, render
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.recipes import Kind
from goldenami.local.aws.ec2.shell import Shell
from goldenami.local.aws.ec2.store import Store
from goldenami.local.aws.ec2.visibility import check_image_id

IMAGES_AT_MOST = 10
SMALLEST_PAGE = 5
PAGE = 100
DEPTH = 10  # newest versions of a launch template, by default
DEEPEST = 10_000
STATES = ("pending", "running", "shutting-down", "terminated", "stopping", "stopped")
INSTANCE, TEMPLATE, PARAMETER = "ec2:Instance", "ec2:LaunchTemplate", "ssm:Parameter"
IMAGE_RECIPE, CONTAINER_RECIPE = "imagebuilder:ImageRecipe", "imagebuilder:ContainerRecipe"
RECIPES: Mapping[str, Kind] = {IMAGE_RECIPE: "image-recipe", CONTAINER_RECIPE: "container-recipe"}


@dataclass(frozen=True)
class Search:
    """One resource type, where to look for it, and how far."""

    shell: Shell
    store: Store
    resource_type: str
    states: tuple[str, ...] = STATES
    depth: int = DEPTH


Reference = tuple[str, str]  # the resource's ARN, and the image id that it names


@dataclass(frozen=True)
class _Row:
    image_id: str
    resource_type: str
    arn: str


def describe_image_references(call: Call) -> render.Xml:
    """For each image, in the order of the call, what refers to it, type by type. An image that nothing refers to has no row."""
    image_ids = call.texts("ImageIds")
    if not 1 <= len(image_ids) <= IMAGES_AT_MOST:
        raise errors.invalid_value(f"Between 1 and {IMAGES_AT_MOST} image ids can be given in a call; {len(image_ids)} were")
    for image_id in image_ids:
        check_image_id(image_id)
    searches = _searches(call)
    call.confirm()
    found = [(search.resource_type, list(references(search))) for search in searches]
    rows = [
        _Row(image_id, resource_type, arn)
        for image_id in dict.fromkeys(image_ids)
        for resource_type, named in found
        for arn, named_id in named
        if named_id == image_id
    ]
    shown, token = paging.page(call, list(enumerate(rows, start=1)), sequence=lambda each: each[0], minimum=SMALLEST_PAGE, default=PAGE)
    return render.listing("imageReferenceSet", [_item(row) for _, row in shown], token)


def _item(row: _Row) -> str:
    return f"<item>{render.elements(imageId=row.image_id, resourceType=row.resource_type, arn=row.arn)}</item>"


# What a call asks for


def _searches(call: Call) -> list[Search]:
    """One per resource type; the options of a named type count also where all are asked for."""
    named = {str(each.get("ResourceType")): each.get("ResourceTypeOptions") or () for each in call.params.get("ResourceTypes") or ()}
    everything = bool(call.flag("IncludeAllResourceTypes"))
    if not named and not everything:
        raise errors.missing_parameter("ResourceTypes or IncludeAllResourceTypes")
    if unknown := set(named) - set(_LOOKS):
        raise errors.invalid_value(f"Value ({', '.join(sorted(unknown))}) for parameter resourceType is invalid")
    wanted = list(_LOOKS) if everything else [each for each in _LOOKS if each in named]
    return [Search(call.shell, call.store, each, **_options(each, named.get(each, ()))) for each in wanted]


def _options(resource_type: str, given: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for each in given:
        name, values = str(each.get("OptionName")), [str(value) for value in each.get("OptionValues") or ()]
        if (resource_type, name) == (INSTANCE, "state-name") and values and set(values) <= set(STATES):
            options["states"] = tuple(values)
        elif (resource_type, name) == (TEMPLATE, "version-depth"):
            options["depth"] = depth_of(values)
        else:
            raise errors.invalid_value(f"The option {name} of {resource_type} cannot have the values {', '.join(values) or '(none)'}")
    return options


def depth_of(values: list[str]) -> int:
    """The one value of `version-depth`."""
    if len(values) != 1 or not values[0].isdigit() or not 1 <= int(values[0]) <= DEEPEST:
        raise errors.invalid_value(f"version-depth is one number between 1 and {DEEPEST}; {', '.join(values) or 'none'} was given")
    return int(values[0])


# Where it is looked for


def references(search: Search) -> Iterable[Reference]:
    """Every reference to any image that this search finds. A resource that names an image several times is one reference to it."""
    return _LOOKS[search.resource_type](search)


def _instances(search: Search) -> Iterable[Reference]:
    prefix = f"arn:aws:ec2:{search.shell.region}:{search.shell.account}:instance/"
    return [(f"{prefix}{use.instance_id}", use.image_id) for use in search.shell.uses() if use.state in search.states]


def _templates(search: Search) -> Iterable[Reference]:
    prefix = f"arn:aws:ec2:{search.shell.region}:{search.shell.account}:launch-template/"
    found: dict[Reference, None] = {}
    for template in search.shell.templates():
        for version in search.shell.versions(template)[-search.depth :]:
            found[f"{prefix}{template.id}", str(version.data.get("ImageId"))] = None
    return list(found)


def _parameters(search: Search) -> Iterable[Reference]:
    return [(each.arn, each.value) for each in aliases.image_parameters(search.shell.account, search.shell.region)]


def _recipes(search: Search) -> Iterable[Reference]:
    recipes = search.store.recipes[search.shell.account, search.shell.region].values()
    return [(recipe.arn, recipe.base) for recipe in recipes if recipe.kind == RECIPES[search.resource_type] and recipe.base]


_LOOKS: Mapping[str, Callable[[Search], Iterable[Reference]]] = {
    INSTANCE: _instances,
    TEMPLATE: _templates,
    PARAMETER: _parameters,
    IMAGE_RECIPE: _recipes,
    CONTAINER_RECIPE: _recipes,
}
