"""EC2 Image Builder as far as it is evidence of use: recipes and the images they are built on. Recipes are sown (`ec2.seed`), not made.

Source: Image Builder API reference (ListImageRecipes, GetImageRecipe, ListContainerRecipes, GetContainerRecipe). A page's default size is
not documented; a small one finds callers that read the first page only.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from goldenami.local.aws.answers import RefusedError
from goldenami.local.aws.ec2.recipes import Kind, Recipe
from goldenami.local.aws.ec2.records import iso
from goldenami.local.aws.services.rest import Operations, RestCall

PAGE = 25
LARGEST_PAGE = 100
_FILTERS: Mapping[str, Callable[[Recipe], str | None]] = {
    "name": lambda recipe: recipe.name,
    "parentImage": lambda recipe: recipe.parent_image,
    "platform": lambda recipe: recipe.platform,
    "instanceImage": lambda recipe: recipe.instance_image,
}


def list_image_recipes(call: RestCall) -> Mapping[str, Any]:
    return _listing(call, "image-recipe", "imageRecipeSummaryList")


def list_container_recipes(call: RestCall) -> Mapping[str, Any]:
    return _listing(call, "container-recipe", "containerRecipeSummaryList")


def get_image_recipe(call: RestCall) -> Mapping[str, Any]:
    recipe = _recipe(call, str(call.params["imageRecipeArn"]), "image-recipe")
    details = {"type": "AMI", "version": recipe.version, "components": []}
    return {"requestId": str(uuid4()), "imageRecipe": {**_summary(recipe), **details}}


def get_container_recipe(call: RestCall) -> Mapping[str, Any]:
    recipe = _recipe(call, str(call.params["containerRecipeArn"]), "container-recipe")
    summary = {name: value for name, value in _summary(recipe).items() if name != "instanceImage"}
    details = {"version": recipe.version, "components": [], "instanceConfiguration": {"image": recipe.instance_image}}
    return {"requestId": str(uuid4()), "containerRecipe": {**summary, **details}}


OPERATIONS: Operations = {
    "ListImageRecipes": list_image_recipes,
    "GetImageRecipe": get_image_recipe,
    "ListContainerRecipes": list_container_recipes,
    "GetContainerRecipe": get_container_recipe,
}


def _listing(call: RestCall, kind: Kind, name: str) -> Mapping[str, Any]:
    """The account's own recipes, every version of them; others' are never shared with it here."""
    own = call.store.recipes[call.place].values() if call.params.get("owner") in (None, "Self") else ()
    found = [recipe for recipe in own if recipe.kind == kind and _passes(call, recipe)]
    start, size = _offset(call.params.get("nextToken")), int(call.params.get("maxResults") or PAGE)
    if not 1 <= size <= LARGEST_PAGE:
        raise RefusedError("InvalidRequestException", f"maxResults is between 1 and {LARGEST_PAGE}.")
    answer: dict[str, Any] = {"requestId": str(uuid4()), name: [_summary(recipe) for recipe in found[start : start + size]]}
    if start + size < len(found):
        answer["nextToken"] = base64.b64encode(str(start + size).encode()).decode()
    return answer


def _passes(call: RestCall, recipe: Recipe) -> bool:
    for each in call.params.get("filters") or ():
        if each.get("name") not in _FILTERS:
            raise RefusedError("InvalidRequestException", f"The filter {each.get('name')} is not valid.")
        if _FILTERS[each["name"]](recipe) not in each.get("values", ()):
            return False
    return True


def _offset(token: str | None) -> int:
    try:
        return int(base64.b64decode(token or "MA=="))
    except (binascii.Error, ValueError) as error:
        raise RefusedError("InvalidPaginationTokenException", f"The token {token} is not valid.") from error


def _recipe(call: RestCall, arn: str, kind: Kind) -> Recipe:
    recipe = call.store.recipes[call.place].get(arn)
    if recipe is None or recipe.kind != kind:
        raise RefusedError("ResourceNotFoundException", f"The resource {arn} cannot be found.", 404)
    return recipe


def _summary(recipe: Recipe) -> dict[str, Any]:
    summary = {
        "arn": recipe.arn, "name": recipe.name, "platform": recipe.platform, "owner": recipe.owner, "parentImage": recipe.parent_image,
        "dateCreated": iso(recipe.created_at), "tags": dict(recipe.tags), "description": recipe.description,
        "containerType": "DOCKER" if recipe.kind == "container-recipe" else None, "instanceImage": recipe.instance_image,
    }  # fmt: skip
    return {name: value for name, value in summary.items() if value is not None}
