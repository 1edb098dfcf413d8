"""What conditions do not tell and people want to hear of once: each an event about an ImageVersion. Pure: from looks to words.

A step may find something and put it right within one look at the object, so all looks of a step are asked, not only the last.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from goldenami.api.image_version import ImageVersion, ReplicaStatus
from goldenami.api.reasons import EventReason, Outcome, Reason
from goldenami.kube.client import Body
from goldenami.plan.actions import EnableImage, RemoveTags, SetDescription, SetTags
from goldenami.plan.observed import Finding
from goldenami.plan.sharing import Shared
from goldenami.plan.whole import Look, Performed

News = tuple[EventReason, str]

MENDING = (SetTags, RemoveTags, SetDescription, EnableImage)
"""Actions that have no event of their own. On an object that was Ready, they put back what somebody changed."""
_TOLD_NAMES = 10


@dataclass(frozen=True)
class Acted:
    """One look, and what came of its actions."""

    look: Look
    result: Performed = field(default_factory=Performed)
    proof: Sequence[Body] = ()
    """Rows of status.evidence: what allowed it."""


def of(declared: ImageVersion, before: Sequence[Acted], last: Look) -> list[News]:
    """`before`: the looks that were acted on, oldest first; `last`: how it looks now."""
    looks = [*(acted.look for acted in before), last]
    rows = {row.region: row for row in declared.status.replicas}
    told = [
        *_exposed(declared, looks),
        *_foreign(declared, looks),
        *(news for look in looks for finding in look.replicas if (news := _of_replica(rows.get(finding.region), finding))),
        *(news for finding in last.leaving if (news := _blocked(rows.get(finding.region), finding))),
        *(news for acted in before for news in (*_adopted(acted), *_released(acted))),
        *(news for acted in before if _at_rest(declared) for news in _mended(acted)),
    ]
    return list(dict.fromkeys(told))


def _known(declared: ImageVersion) -> Mapping[str, frozenset[str]]:
    return {grant.region: frozenset(grant.principals) for grant in declared.status.foreign_grants}


def _exposed(declared: ImageVersion, looks: Iterable[Look]) -> list[News]:
    known = _known(declared)
    return [
        (EventReason.PUBLIC_EXPOSURE, f"{shared.finding.image.image_id} in {shared.finding.region} was public, and nobody declared that")
        for look in looks
        for shared in look.shared
        if shared.foreign.public and shared.finding.image and "all" not in known.get(shared.finding.region, ())
    ]


def _foreign(declared: ImageVersion, looks: Iterable[Look]) -> list[News]:
    found: dict[str, set[str]] = {}
    for shared in (shared for look in looks for shared in look.shared):
        found.setdefault(shared.finding.region, set()).update(_names(shared))
    known = _known(declared)
    fresh = {region: sorted(names - known.get(region, frozenset())) for region, names in found.items()}
    return [
        (EventReason.FOREIGN_GRANTS_FOUND, f"{region}: {', '.join(names[:_TOLD_NAMES])} had been granted what nobody declared")
        for region, names in fresh.items()
        if names
    ]


def _names(shared: Shared) -> set[str]:
    return set(shared.foreign.names()) - {"all"}


def _of_replica(row: ReplicaStatus | None, finding: Finding) -> News | None:
    """What became of a declared region since the status was written."""
    image, before = finding.image, row.state if row else None
    if finding.reason in (Reason.COPY_FAILED, Reason.COPIES_EXHAUSTED) and (row is None or row.message != finding.message):
        return EventReason.COPY_FAILED, finding.message
    if finding.reason is Reason.SUCCEEDED and image and (row is None or row.image_id != image.image_id or before != "available"):
        return EventReason.REPLICA_AVAILABLE, finding.message
    if finding.reason in (Reason.COPYING, Reason.CREATING) and image is None and row and row.image_id and before == "available":
        return EventReason.REPLICA_LOST, f"{row.image_id} is gone from {finding.region}, and nobody asked for that"
    return None


def _blocked(row: ReplicaStatus | None, finding: Finding) -> News | None:
    kept = finding.reason is Reason.IN_USE or (finding.reason is Reason.EVIDENCE_INCOMPLETE and finding.outcome is not Outcome.PROGRESSING)
    blocked = kept and (row is None or row.reason != finding.reason)
    return (EventReason.DEREGISTRATION_BLOCKED, finding.message) if blocked else None


def _adopted(acted: Acted) -> list[News]:
    """Taken over, or taken back: an image that exists becomes a replica without a copy."""
    return [
        (EventReason.ADOPTED, finding.message)
        for finding in acted.look.replicas
        if finding.reason is Reason.PROGRESSING and any(isinstance(action, SetTags) for action in acted.result.done(finding.actions))
    ]


def _released(acted: Acted) -> list[News]:
    return [
        (EventReason.RELEASED, finding.message)
        for finding in acted.look.leaving
        if finding.reason is Reason.RELEASED and len(acted.result.done(finding.actions)) == len(finding.actions) > 0
    ]


def _at_rest(declared: ImageVersion) -> bool:
    """It was Ready for the spec it has: what has to be done now is not the spec's doing."""
    return declared.status.observed_generation == declared.generation and any(
        condition.type == "Ready" and condition.status == "True" for condition in declared.status.conditions
    )


def _mended(acted: Acted) -> list[News]:
    actions = [action for finding in acted.look.replicas for action in finding.actions if isinstance(action, MENDING)]
    return [(EventReason.DRIFT_REPAIRED, action.sentence()) for action in acted.result.done(actions)]
