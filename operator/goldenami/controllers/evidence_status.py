"""status.evidence: what was found out about the users of images that shall go, and when. Pure.

The time is written with what was found: as long as later looks find the same, nothing is written.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from goldenami.api.conditions import cut, timestamp
from goldenami.api.image_version import EvidenceStatus
from goldenami.kube.client import Body
from goldenami.plan.evidence import Evidence, Testimony, listed
from goldenami.plan.observed import Observed
from goldenami.plan.values import Image
from goldenami.plan.whole import Look

MAX_ROWS = 128
MESSAGE_LENGTH = 512


def rows(before: Sequence[EvidenceStatus], look: Look, observed: Observed) -> list[Body]:
    """One for each image that was asked about in this look, and for those of before that are still on their way out."""
    known = {row.image_id: row.to_object() for row in before}
    going = {finding.region for finding in (*look.leaving, *look.going)}
    found: dict[str, Body] = {}
    for region, view in sorted(observed.regions.items()):
        for image in view.images:
            evidence = observed.evidence.get(image.image_id)
            if evidence is not None:
                found[image.image_id] = _row(region, image, evidence, known.get(image.image_id))
            elif region in going and image.image_id in known:
                found[image.image_id] = known[image.image_id]
    return list(found.values())[:MAX_ROWS]


def _row(region: str, image: Image, evidence: Evidence, before: Body | None) -> Body:
    row: Body = {
        "imageId": image.image_id,
        "region": region,
        "state": image.state,
        "findings": list(_findings(evidence.testimonies)),
    }
    if before is not None and {name: value for name, value in before.items() if name != "gatheredAt"} == row:
        return before
    return {**row, "gatheredAt": timestamp(datetime.fromtimestamp(evidence.gathered_epoch_seconds, UTC))}


def _findings(testimonies: Iterable[Testimony]) -> Iterable[Body]:
    for each in testimonies:
        message = _message(each)
        yield {"source": str(each.source), "verdict": _verdict(each), **({"message": cut(message, MESSAGE_LENGTH)} if message else {})}


def _verdict(testimony: Testimony) -> str:
    if testimony.users:
        return "InUse"
    if testimony.problem:
        return "Unknown"
    if testimony.pending:
        return "Pending"
    return "NotAsked" if testimony.note else "Unused"


def _message(testimony: Testimony) -> str:
    return listed(testimony.users) or (testimony.problem.message if testimony.problem else testimony.note)
