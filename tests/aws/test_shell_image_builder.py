"""EC2 Image Builder's recipes. Source: Image Builder API reference (the operation named per test)."""

from typing import Any

import pytest

from goldenami.local.aws import LocalAws
from support.aws import error_of

IMAGE = "ami-0a1b2c3d4e5f60718"
REGION = "us-east-1"


def sow(aws: LocalAws, account: str, **fields: Any) -> str:
    return str(aws.lab.seed_one("recipe", account, REGION, **{"name": "web", "parent_image": IMAGE, **fields})["recipe_arn"])


def test_an_image_recipe_names_the_image_it_is_built_on(local_aws: LocalAws, account: str) -> None:
    # ListImageRecipes, GetImageRecipe.
    arn = sow(local_aws, account, tags={"team": "web"})
    builder = local_aws.client("imagebuilder", account=account)
    (listed,) = builder.list_image_recipes(owner="Self")["imageRecipeSummaryList"]
    assert (listed["arn"], listed["parentImage"], listed["tags"]) == (arn, IMAGE, {"team": "web"})
    assert arn == f"arn:aws:imagebuilder:{REGION}:{account}:image-recipe/web/1.0.0"
    recipe = builder.get_image_recipe(imageRecipeArn=arn)["imageRecipe"]
    assert (recipe["parentImage"], recipe["version"], recipe["owner"]) == (IMAGE, "1.0.0", account)


def test_a_container_recipe_names_the_image_of_its_build_instance(local_aws: LocalAws, account: str) -> None:
    # ListContainerRecipes, GetContainerRecipe: instanceConfiguration.image.
    arn = sow(local_aws, account, container=True, parent_image="amazonlinux:2023", instance_image=IMAGE)
    builder = local_aws.client("imagebuilder", account=account)
    (listed,) = builder.list_container_recipes()["containerRecipeSummaryList"]
    assert (listed["arn"], listed["parentImage"], listed["instanceImage"]) == (arn, "amazonlinux:2023", IMAGE)
    assert builder.get_container_recipe(containerRecipeArn=arn)["containerRecipe"]["instanceConfiguration"] == {"image": IMAGE}
    assert builder.list_image_recipes()["imageRecipeSummaryList"] == []


def test_every_version_is_listed_page_by_page(local_aws: LocalAws, account: str) -> None:
    # ListImageRecipes: maxResults up to 100; the default is not documented.
    made = {sow(local_aws, account, version=f"1.0.{number}") for number in range(30)}
    builder = local_aws.client("imagebuilder", account=account)
    pages = [page["imageRecipeSummaryList"] for page in builder.get_paginator("list_image_recipes").paginate()]
    assert [len(page) for page in pages] == [25, 5]
    assert {each["arn"] for page in pages for each in page} == made


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        pytest.param({"filters": [{"name": "parentImage", "values": [IMAGE]}]}, ["web"], id="by parent image"),
        pytest.param({"filters": [{"name": "name", "values": ["db"]}]}, ["db"], id="by name"),
        pytest.param({"owner": "Amazon"}, [], id="of another owner"),
        pytest.param({}, ["web", "db"], id="all of one's own"),
    ],
)
def test_recipes_are_found(local_aws: LocalAws, account: str, arguments: dict[str, Any], names: list[str]) -> None:
    sow(local_aws, account)
    sow(local_aws, account, name="db", parent_image="ssm:/golden/base")
    found = local_aws.client("imagebuilder", account=account).list_image_recipes(**arguments)["imageRecipeSummaryList"]
    assert [each["name"] for each in found] == names


@pytest.mark.parametrize(
    ("operation", "arguments", "expected"),
    [
        pytest.param(
            "get_image_recipe",
            {"imageRecipeArn": "arn:aws:imagebuilder:us-east-1:111111111111:image-recipe/none/1.0.0"},
            ("ResourceNotFoundException", 404),
            id="an unknown recipe",
        ),
        pytest.param("list_image_recipes", {"nextToken": "eA=="}, ("InvalidPaginationTokenException", 400), id="a token of nobody"),
        pytest.param("list_image_recipes", {"maxResults": 101}, ("InvalidRequestException", 400), id="too large a page"),
        pytest.param(
            "list_image_recipes",
            {"filters": [{"name": "colour", "values": ["red"]}]},
            ("InvalidRequestException", 400),
            id="an unknown filter",
        ),
        pytest.param("list_components", {}, ("UnknownOperationException", 400), id="what is not offered"),
    ],
)
def test_a_call_is_refused(local_aws: LocalAws, account: str, operation: str, arguments: dict[str, Any], expected: tuple[str, int]) -> None:
    sow(local_aws, account)
    assert error_of(getattr(local_aws.client("imagebuilder", account=account), operation), **arguments) == expected
