"""What every effect works with."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from goldenami.aws.calls import Calls
from goldenami.aws.holding import Holding
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

    def parameters(self, place: Place) -> Parameters:
        return self.inventory.parameters_of(place)


# The action's type is the key under which the effect is found, so each takes its own kind.
Effect = Callable[[Tools, Any], str]


def given(**arguments: Any) -> dict[str, Any]:
    """Only what is said: AWS has its own defaults for the rest."""
    return {name: value for name, value in arguments.items() if value not in (None, "", (), [])}


def chunks(rows: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
