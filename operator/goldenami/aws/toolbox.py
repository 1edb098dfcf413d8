"""What every effect works with."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from goldenami.aws.calls import Calls
from goldenami.aws.holding import Holding
from goldenami.aws.imports import Imports
from goldenami.aws.inventory import Inventory
from goldenami.aws.parameters import Parameters
from goldenami.aws.permissions import Permissions
from goldenami.plan.values import Place

T = TypeVar("T")


@dataclass(frozen=True)
class Tools:
    calls: Calls
    inventory: Inventory

    def now(self) -> float:
        """Epoch seconds of the inventory's clock."""
        return self.inventory.now()

    def holding(self, place: Place) -> Holding:
        return self.inventory.holding(place)

    def permissions(self, place: Place) -> Permissions:
        return self.inventory.permissions(place)

    def imports(self, place: Place) -> Imports:
        return self.inventory.imports_of(place)

    def fold_tags(self, place: Place, resource_ids: Sequence[str], change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
        """On images, snapshots and imports alike."""
        self.imports(place).fold_tags(resource_ids, change)
        if others := tuple(name for name in resource_ids if not is_import(name)):
            self.holding(place).fold_tags(others, change)

    def parameters(self, place: Place) -> Parameters:
        return self.inventory.parameters_of(place)


# The action's type is the key under which the effect is found, so each takes its own kind.
Effect = Callable[[Tools, Any], str]


def is_import(resource_id: str) -> bool:
    """A task of VM Import, which no listing of images and snapshots has."""
    return resource_id.startswith("import-")


def given(**arguments: Any) -> dict[str, Any]:
    """Only what is said: AWS has its own defaults for the rest."""
    return {name: value for name, value in arguments.items() if value not in (None, "", (), [])}


def chunks(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
