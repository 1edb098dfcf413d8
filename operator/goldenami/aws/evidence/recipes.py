"""Recipes of EC2 Image Builder that are built on an image. Sources: ListImageRecipes, ListContainerRecipes."""

from collections.abc import Mapping
from typing import Any

from goldenami.aws.evidence import parameters
from goldenami.aws.evidence.question import Listings, Question
from goldenami.plan.evidence import MAX_USERS, Source, Testimony

PAGE = 25
"""What Image Builder gives a page at most for some of its listings (Image Builder API reference)."""
SSM = "ssm:"
"""How a recipe names a parameter."""


def image_recipes(question: Question) -> Testimony:
    image_id = question.image.image_id
    bases = question.listings.get("image recipes", lambda: _read(question.listings), question.since)
    found = [arn for arn, base in sorted(bases.items()) if image_id in parameters.resolved(question, [base])]
    return Testimony(Source.IMAGE_RECIPES, tuple(told(arn) for arn in found[:MAX_USERS]))


def told(arn: str) -> str:
    """`image recipe web/1.0.0`."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    return f"{kind.replace('-', ' ')} {name}"


def _read(listings: Listings) -> Mapping[str, str]:
    """Every version of every recipe of the account, by ARN: the image that it builds on, or the parameter in EC2's words."""
    images = _list(listings, "ListImageRecipes", "list_image_recipes", "imageRecipeSummaryList")
    containers = _list(listings, "ListContainerRecipes", "list_container_recipes", "containerRecipeSummaryList")
    bases = {row["arn"]: str(row.get("parentImage", "")) for row in images}
    bases |= {row["arn"]: str(row.get("instanceImage", "")) for row in containers}
    return {arn: base.replace(SSM, parameters.RESOLVE, 1) if base.startswith(SSM) else base for arn, base in bases.items()}


def _list(listings: Listings, operation: str, method: str, rows: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    answer: Mapping[str, Any] = _page(listings, operation, method, {})
    found += answer.get(rows, ())
    while token := answer.get("nextToken"):
        answer = _page(listings, operation, method, {"nextToken": token})
        found += answer.get(rows, ())
    return found


def _page(listings: Listings, operation: str, method: str, more: Mapping[str, str]) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = listings.calls.imagebuilder(
        listings.place, operation, lambda builder: getattr(builder, method)(owner="Self", maxResults=PAGE, **more)
    )
    return answer
