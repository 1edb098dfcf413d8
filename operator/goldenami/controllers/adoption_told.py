"""What spec.adopt has come to, and what is said of it: the condition AdoptionReady, status.refusedImages, and the plan under Observe."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from goldenami.api.adoption import MAX_REFUSED
from goldenami.api.conditions import ConcernResult, ConditionType, cut
from goldenami.api.fields import MAX_PLAN_LINES
from goldenami.api.reasons import Outcome as Meaning
from goldenami.api.reasons import Reason
from goldenami.controllers.caretaker import Outcome
from goldenami.controllers.mirror import SEVERITY
from goldenami.controllers.remembered import Remembered
from goldenami.kube.client import Body
from goldenami.plan import expiry
from goldenami.plan.actions import AdoptImage
from goldenami.plan.adopted_family import Chosen, Refused
from goldenami.plan.values import Problem

PENDING_LOOK_SECONDS = 15.0
TOLD = 3
"""Images whose trouble the condition tells; the others are in status.refusedImages."""


@dataclass(frozen=True)
class Adoption:
    """What spec.adopt comes to in one look."""

    known: dict[str, Remembered]
    """The versions that AWS holds images of, with those that are to be adopted."""
    results: tuple[ConcernResult, ...] = ()
    refused: tuple[Refused, ...] = ()
    plan: tuple[str, ...] = ()
    """Under Observe, one sentence for each image that would be adopted."""
    pending: bool = False
    """Something is not available yet."""
    unread: Mapping[str, Problem] = field(default_factory=dict)
    """By region, why it is not known what could be adopted there."""

    def rows(self) -> list[Body]:
        """`status.refusedImages`."""
        found = {(one.region, one.image_id): one for one in self.refused}
        return [
            {"region": one.region, "imageId": one.image_id, "reason": str(one.reason), "message": cut(one.message)}
            for _, one in sorted(found.items())[:MAX_REFUSED]
        ]

    def planned(self, others: Iterable[str]) -> list[str]:
        """`status.plan`: what would be adopted comes first, and each sentence once; of other versions they begin with `version 1.0.0: `."""
        told = frozenset(self.plan)
        lines = [*self.plan, *(line for line in others if line not in told and line.partition(": ")[2] not in told)]
        return lines if len(lines) <= MAX_PLAN_LINES else [*lines[: MAX_PLAN_LINES - 1], f"and {len(lines) - MAX_PLAN_LINES + 1} more"]

    def outcome(self, others: Outcome) -> Outcome:
        pauses = [pause for pause in (others.next_look_seconds, PENDING_LOOK_SECONDS if self.pending else None) if pause is not None]
        failed = others.failed or any(problem.reason.outcome is Meaning.RETRYING for problem in self.unread.values())
        return Outcome(next_look_seconds=min(pauses, default=None), failed=failed)


def result(
    chosen: Chosen, unread: Mapping[str, Problem], due: Sequence[AdoptImage], known: Iterable[Remembered], *, observed: bool
) -> ConcernResult:
    """The condition AdoptionReady: the worst of what there is to say. `due`: what is not adopted yet."""
    stalled = sorted(
        (one for one in chosen.refused if one.stalls and one.reason is not Reason.SOURCE_PENDING),
        key=lambda one: one.reason != Reason.CONFLICT,
    )
    pending = [one for one in chosen.refused if one.reason is Reason.SOURCE_PENDING]
    said = [
        *_said(stalled[0].reason if stalled else Reason.SUCCEEDED, [one.message for one in stalled]),
        *((problem.reason, f"{region} cannot be searched for images to adopt: {problem.message}") for region, problem in unread.items()),
        *_said(Reason.SOURCE_PENDING, [one.message for one in pending]),
        *_adopting(due, observed=observed),
    ]
    if not said:
        return ConcernResult(ConditionType.ADOPTION_READY, Reason.SUCCEEDED, _done(chosen, known))
    reason = min((reason for reason, _ in said), key=lambda one: SEVERITY.index(one.outcome))
    return ConcernResult(ConditionType.ADOPTION_READY, reason, "; ".join(message for _, message in said))


def _adopting(due: Sequence[AdoptImage], *, observed: bool) -> list[tuple[Reason, str]]:
    if not due:
        return []
    many = f"{len(due)} image{'' if len(due) == 1 else 's'}"
    if observed:
        return [(Reason.OBSERVING, f"{many} would be adopted; status.plan names them, and managementPolicy: Enforce adopts them")]
    return [(Reason.PROGRESSING, f"{many} {'is' if len(due) == 1 else 'are'} being adopted")]


def _said(reason: Reason, messages: Sequence[str]) -> list[tuple[Reason, str]]:
    told = list(dict.fromkeys(messages))
    return [(reason, f"{'; '.join(told[:TOLD])}{_more(len(told))}")] if told else []


def _more(count: int) -> str:
    return f"; and {count - TOLD} more in status.refusedImages" if count > TOLD else ""


def _done(chosen: Chosen, known: Iterable[Remembered]) -> str:
    families = [memory.adopted for memory in known if memory.adopted]
    counts = [len(images) for images in families]
    many = f"{len(counts)} version{'' if len(counts) == 1 else 's'} in {sum(counts)} image{'' if sum(counts) == 1 else 's'} adopted"
    left = [one.message for one in chosen.refused]
    odd = [
        f"{image.image_id} in {region} is tagged {text}, which is no time"
        for images in families
        for region, image in images.items()
        for text in expiry.of_tags(image.tags).ignored
    ]
    return "; ".join(
        (
            many,
            *((f"left alone: {'; '.join(left[:TOLD])}{_more(len(left))}",) if left else ()),
            *((f"ignored: {'; '.join(odd[:TOLD])}{f'; and {len(odd) - TOLD} more' if len(odd) > TOLD else ''}",) if odd else ()),
        )
    )
