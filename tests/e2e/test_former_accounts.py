"""A new version may name another AWSAccount: it is made and published there, and what is left behind goes with its version."""

from typing import Any

import pytest

from support.operator import HOME, Body, World, aws_account, tags_of
from support.scenes import declared, fresh_account, image_of, owner_tag

OLD_SECONDS = 100 * 86_400.0
AT_ONCE = {"keepLast": 1, "retire": {"disableFor": "0s"}, "evidence": {"usageReports": "NotRequired"}}


def moved(world: World, name: str, **spec: Any) -> tuple[str, str]:
    """The image of 1.0.0 in the world's account, and the account that 2.0.0 is made in; both are Ready, and published there."""
    other, spec = fresh_account(), {"regions": (HOME,), "aliases": [{"parameter": f"/{name}/{{channel}}"}], **spec}
    world.apply(aws_account(f"other-{name}", other, world.aws), declared(world, name, source=adopted(world), **spec))
    world.ready(name)
    image = str(image_of(world, name)["ImageId"])
    newer = declared(world, name, version="2.0.0", source=adopted(world, other), **spec)
    world.apply({**newer, "spec": {**newer["spec"], "accountRef": {"name": f"other-{name}"}}})
    world.ready(name)
    assert told(world, name) == (image, owner_tag(world, name), None)
    return image, other


def adopted(world: World, account: str = "") -> Body:
    """Old enough for its launches to be known."""
    return {"image": {"id": world.seed(account=account, age_seconds=OLD_SECONDS), "adopt": True}}


@pytest.mark.parametrize("policy", ["Delete", "Retain"])
def test_of_a_deleted_image_nothing_stays_declared_in_the_account_that_was_left(corner: World, name: str, policy: str) -> None:
    image, other = moved(corner, name, deletionPolicy=policy)

    corner.delete("goldenimage", name)
    corner.gone(name)

    left = (image, None, owner_tag(corner, name)) if policy == "Retain" else (None, None, None)
    assert told(corner, name) == left
    assert bool(told(corner, name, other)[0]) == (policy == "Retain")


def test_a_version_that_is_deleted_takes_its_parameter_along(corner: World, name: str) -> None:
    _image, other = moved(corner, name, deletionPolicy="Delete")

    corner.delete("imageversion", f"{name}-1.0.0")
    corner.gone(f"{name}-1.0.0", "imageversion")

    assert told(corner, name) == (None, None, None)
    assert told(corner, name, other)[0]


def test_a_version_that_is_retired_takes_its_parameter_along(corner: World, name: str) -> None:
    image, other = moved(corner, name, deletionPolicy="Delete")

    corner.patch("goldenimage", name, {"spec": {"retention": AT_ONCE}})
    corner.gone(f"{name}-1.0.0", "imageversion")

    assert corner.ec2().describe_images(Filters=[{"Name": "image-id", "Values": [image]}], IncludeDisabled=True)["Images"] == []
    assert told(corner, name) == (None, None, None)
    assert told(corner, name, other)[0]
    corner.ready(name)


def told(world: World, name: str, account: str = "") -> tuple[str | None, str | None, str | None]:
    """The image that the parameter names there, its owner, and who released it."""
    ssm, parameter = world.aws.client("ssm", region=HOME, account=account or world.account), f"/{name}/current"
    found = ssm.get_parameters(Names=[parameter])["Parameters"]
    if not found:
        return None, None, None
    tags = tags_of({"Tags": ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=parameter)["TagList"]})
    return found[0]["Value"], tags.get("goldenami.dev/owner"), tags.get("goldenami.dev/released")
