"""What every reconciler works with: both doors, and the settings that matter to it."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from goldenami.api.kinds import Key, Kind
from goldenami.api.reasons import EventReason
from goldenami.aws.effects import Effects
from goldenami.aws.inventory import Inventory
from goldenami.controllers.accounts import Accounts
from goldenami.controllers.dependents import Dependents
from goldenami.kube.client import Body, Kubernetes, key_of
from goldenami.kube.events import Events
from goldenami.kube.status import write_what_fits
from goldenami.plan import actions
from goldenami.plan.actions import Action
from goldenami.plan.values import Place
from goldenami.plan.whole import Performed

TOLD: Mapping[type[Action], EventReason] = {
    actions.CreateImage: EventReason.CREATING_IMAGE,
    actions.RegisterImage: EventReason.CREATING_IMAGE,
    actions.CopyImage: EventReason.COPY_STARTED,
    actions.ShareImage: EventReason.SHARED,
    actions.UnshareImage: EventReason.UNSHARED,
    actions.DeprecateImage: EventReason.DEPRECATED,
    actions.UndeprecateImage: EventReason.UNDEPRECATED,
    actions.ProtectImage: EventReason.PROTECTED,
    actions.UnprotectImage: EventReason.UNPROTECTED,
    actions.EnableImage: EventReason.ENABLED,
    actions.DisableImage: EventReason.DISABLED,
    actions.DeregisterImage: EventReason.DEREGISTERED,
    actions.PutParameter: EventReason.ALIAS_MOVED,
}
"""Actions that people hear of. The others accompany one of these, or put back what drifted without anybody being affected."""


@dataclass(frozen=True)
class Went:
    """An image that was deregistered."""

    version: str
    region: str
    image_id: str


@dataclass(frozen=True)
class World:
    kubernetes: Kubernetes
    events: Events
    accounts: Accounts
    inventory: Inventory
    effects: Effects
    installation: str
    dependents: Dependents
    interval_seconds: float = 600.0
    wake: Callable[[Key], None] = lambda _: None
    """Has another object looked at soon."""
    judged: Callable[[Key, Iterable[Mapping[str, Any]]], None] = lambda _key, _conditions: None
    """Is told each object's conditions, for the metrics."""
    measured: Callable[[Key, Mapping[str, Any]], None] = lambda _key, _status: None
    """Is told each object's status, for the metrics."""
    now: Callable[[], float] = time.time
    """Epoch seconds."""
    confirmed: dict[tuple[Place, str], tuple[int, str]] = field(default_factory=dict)
    """Version and value of parameters whose value was read and found right."""
    went: dict[str, tuple[float, tuple[Went, ...]]] = field(default_factory=dict)
    """By the uid of a GoldenImage: since when, and of which images, it is still to be asked whether the Recycle Bin keeps them."""

    def tell(self, kind: Kind, obj: Body, status: Body) -> bool:
        """Writes a status where it differs; then it is an event where a summary condition turned, and a metric in any case.

        One that is refused must not silence the object: then its conditions are written.
        """
        written = write_what_fits(self.kubernetes, kind, obj, status)
        if written:
            self.events.record_transitions(obj, status["conditions"])
        self.judged(key_of(obj), status["conditions"])
        self.measured(key_of(obj), status)
        return written

    def perform(self, obj: Body, wanted: Sequence[Action]) -> Performed:
        """Performs actions, places at once and each place in order; says which were not done, and why. What was done becomes an event."""
        results = self.effects.perform_all(wanted)
        for result in results:
            if result.done and type(result.action) in TOLD:
                made = f": {result.image_id}" if result.image_id else ""
                self.events.record(obj, TOLD[type(result.action)], result.action.sentence() + made)
        return Performed(
            tuple((result.action, result.problem) for result in results if result.problem is not None),
            tuple(result.action for result in results if result.skipped),
        )
