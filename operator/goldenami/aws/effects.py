"""The operator's hands: each action of the plan becomes one call (or one per chunk), and what it did is folded into the inventory.

Every write may be repeated: by its client token, by its unique name, or because it sets what is set already. An answer that is lost leaves
the inventory as it was, so the next look finds out.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import or_
from typing import Any

from goldenami.aws import alias_effects, image_effects, share_effects
from goldenami.aws.calls import Calls
from goldenami.aws.errors import AwsError, shutting_down
from goldenami.aws.inventory import Inventory
from goldenami.aws.lanes import Lanes
from goldenami.aws.refusals import GIVING, Deed, PrincipalsRefused, narrowed, principals_of
from goldenami.aws.toolbox import Effect, Tools
from goldenami.plan.actions import Action
from goldenami.plan.values import Place, Problem

log = logging.getLogger(__name__)

EFFECTS: dict[type[Action], Effect] = {**image_effects.EFFECTS, **share_effects.EFFECTS, **alias_effects.EFFECTS}


@dataclass(frozen=True)
class Outcome:
    """What became of one action. `skipped`: an earlier action of its place failed, so this one was not tried."""

    action: Action
    error: AwsError | None = None
    skipped: bool = False
    image_id: str = ""
    """Of the image that the action made or found made."""

    @property
    def done(self) -> bool:
        return self.error is None and not self.skipped

    @property
    def problem(self) -> Problem | None:
        return self.error.problem if self.error else None


class Effects:
    """Safe to use from several threads. `active` says right before each write whether this process may make it."""

    def __init__(
        self, calls: Calls, inventory: Inventory, *, lanes: Lanes | None = None, active: Callable[[], bool] = lambda: True
    ) -> None:
        self._tools = Tools(calls, inventory)
        self._lanes = lanes or Lanes()
        self._active = active
        self._closed = threading.Event()

    def perform(self, action: Action) -> str:
        """Does it, or raises AwsError. The id of the image it made, else empty."""
        if self._closed.is_set() or not self._active():
            raise shutting_down(action.place, type(action).__name__)
        try:
            image_id = EFFECTS[type(action)](self._tools, action)
        except AwsError as error:
            log.info("not done: %s: %s", action.sentence(), error.problem.message, extra=_fields(action, error.problem.reason))
            raise
        log.info("done: %s", action.sentence(), extra=_fields(action, "Succeeded"))
        return image_id

    def perform_all(self, actions: Iterable[Action]) -> list[Outcome]:
        """Different places at the same time, one place's in order and up to its first failure: a share never overtakes its key's grant.

        Outcomes are in the order of the actions; one that was done for some of its principals and refused for others has one for each part.
        """
        chains: dict[Place, list[tuple[int, Action]]] = {}
        for position, action in enumerate(actions):
            chains.setdefault(action.place, []).append((position, action))
        done = self._lanes.map(lambda place: _merged(list(self._chain(chains[place]))), chains)
        return [outcome for _, outcome in sorted((entry for chain in done.values() for entry in chain), key=lambda entry: entry[0])]

    def close(self) -> None:
        """No new write starts from now on; what runs ends by itself."""
        self._closed.set()

    def _chain(self, actions: Sequence[tuple[int, Action]]) -> Iterator[tuple[int, Outcome]]:
        """One place's actions. Whom AWS refuses to give something is left out of what follows, and in nobody else's way."""
        failed, barred = False, frozenset[str]()
        for position, action in actions:
            wanted = narrowed(action, principals_of(action) - barred) if isinstance(action, GIVING) else action
            if failed or wanted is None:
                yield position, Outcome(action, skipped=True)
                continue
            try:
                yield position, Outcome(wanted, image_id=self.perform(wanted))
            except PrincipalsRefused as error:
                if done := narrowed(wanted, principals_of(wanted) - error.left):
                    yield position, Outcome(done)
                yield position, Outcome(narrowed(wanted, error.left) or wanted, error)
                failed = bool(error.untried)
                barred |= error.refused.keys() if error.deed is Deed.GIVE else frozenset()
            except AwsError as error:
                failed = True
                yield position, Outcome(action, error)


def _merged(outcomes: Sequence[tuple[int, Outcome]]) -> list[tuple[int, Outcome]]:
    """Of one place. Refusals of several actions are told together; where sharing failed as a whole, nobody has to know of them."""
    refusals = [outcome.error for _, outcome in outcomes if isinstance(outcome.error, PrincipalsRefused)]
    told: dict[Deed, AwsError] = {deed: reduce(or_, each) for deed in Deed if (each := [one for one in refusals if one.deed is deed])}
    for _, outcome in outcomes:
        if outcome.error and type(outcome.action) in share_effects.EFFECTS and outcome.error not in refusals:
            told = dict.fromkeys(Deed, outcome.error)
    return [
        (position, replace(outcome, error=told[outcome.error.deed]) if isinstance(outcome.error, PrincipalsRefused) else outcome)
        for position, outcome in outcomes
    ]


def _fields(action: Action, reason: str) -> dict[str, Any]:
    return {
        "action": type(action).__name__,
        "region": action.place.region,
        "account": action.place.account.account_id,
        "reason": str(reason),
    }
