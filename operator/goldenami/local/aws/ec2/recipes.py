"""EC2 Image Builder's recipes, as far as they name images. Values only; `services.image_builder` shows them, the seed makes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["image-recipe", "container-recipe"]


@dataclass(frozen=True)
class Recipe:
    """One version of a recipe. `parent_image` is an AMI id or ARN, `ssm:` and a parameter, or a container image.

    A container recipe's AMI is the `instance_image`, on which the container is built.
    """

    arn: str
    kind: Kind
    name: str
    version: str
    owner: str
    parent_image: str
    created_at: float
    instance_image: str | None = None
    platform: str = "Linux"
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def base(self) -> str | None:
        """The image that an instance is launched from to build it, as written."""
        return self.parent_image if self.kind == "image-recipe" else self.instance_image
