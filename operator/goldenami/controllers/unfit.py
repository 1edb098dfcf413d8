"""Objects that do not fit their kind: stored while its definition was laxer, and refused by it now.

They are told, and left alone: nothing is done in AWS for an object that cannot be read, and nothing that follows from it is undone.
"""

from datetime import UTC, datetime
from typing import TypeVar

from goldenami.api import conditions as summary
from goldenami.api.conditions import ConcernResult, Condition, ConditionType
from goldenami.api.kinds import Kind
from goldenami.api.meta import InvalidObjectError, ObjectMeta, Resource
from goldenami.api.reasons import Reason
from goldenami.controllers import judge
from goldenami.controllers.caretaker import Outcome
from goldenami.controllers.world import World
from goldenami.kube.client import Body
from goldenami.plan.values import Problem

R = TypeVar("R", bound=Resource)
SUMMARY = (ConditionType.READY, ConditionType.RECONCILING, ConditionType.STALLED)


def read(model: type[R], obj: Body, then: str) -> R | Problem:
    """A referenced object; or why it cannot be used. `then` says what that means, as a sentence."""
    try:
        return model.from_object(obj)
    except InvalidObjectError as error:
        told = f"{model.__name__} {obj['metadata']['name']} does not fit its definition as it is now ({error}); edit it so that it does"
        return Problem(Reason.DEPENDENCY_NOT_READY, f"{told}. {then}")


def of_version(obj: Body, error: InvalidObjectError) -> Problem:
    """An ImageVersion among those of its family."""
    told = f"ImageVersion {obj['metadata']['name']} does not fit its definition as it is now ({error}), and stays as it is with its images"
    what = "edit it so that it does, or delete it and its finalizer: then it is rendered anew"
    return Problem(Reason.INVALID_SPEC, f"{told}; {what}", stalled=True)


def tell(world: World, kind: Kind, obj: Body, concern: ConditionType, error: InvalidObjectError) -> Outcome:
    """The status of an object that cannot be read itself: Stalled, and what else was said stays said of the generation it was about."""
    generation = ObjectMeta.from_object(obj["metadata"]).generation
    before = _conditions(obj)
    told = f"{error}: this was stored when more was allowed; edit it so that it fits. Until then nothing changes in AWS"
    results = (
        ConcernResult(concern, Reason.INVALID_SPEC, told),
        *(result for other in ConditionType if other not in (*SUMMARY, concern) for result in judge.kept(other, before)),
    )
    found = summary.summarize(results, generation, before, datetime.now(UTC))
    status = {
        **obj.get("status", {}),
        "observedGeneration": generation,
        "conditions": [condition.to_object() for condition in found],
    }
    world.tell(kind, obj, status)
    return Outcome()


def _conditions(obj: Body) -> tuple[Condition, ...]:
    found = []
    for row in obj.get("status", {}).get("conditions", ()):
        try:
            found.append(Condition.from_object(row))
        except InvalidObjectError:
            continue
    return tuple(found)
