"""status.evidence: what was found out about the users of images that shall go, and when. Pure.

The time is written with what was found: as long as later looks find the same, nothing is written. What allowed a step is written with the
time of that step, and stays until the image is asked about again.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from goldenami.api.conditions import cut, timestamp
from goldenami.api.image_version import EvidenceStatus, ImageVersion
from goldenami.kube.client import Body
from goldenami.plan import retention
from goldenami.plan.actions import DeregisterImage, DisableImage
from goldenami.plan.evidence import Evidence, Source, Testimony, listed
from goldenami.plan.observed import Observed
from goldenami.plan.values import Image
from goldenami.plan.whole import Look

MAX_ROWS = 128
MESSAGE_LENGTH = 512


def proof(look: Look, observed: Observed) -> list[Body]:
    """What is known of the images that this look disables or deregisters."""
    going = {action.image_id for action in look.actions if isinstance(action, DisableImage | DeregisterImage)}
    return [
        _row(region, image, observed.evidence[image.image_id], None)
        for region, view in sorted(observed.regions.items())
        for image in view.images
        if image.image_id in going and image.image_id in observed.evidence
    ]


def rows(before: Sequence[EvidenceStatus], look: Look, observed: Observed, acted: Sequence[Body] = ()) -> list[Body]:
    """One for each image that was asked about in this look, and for those of before that are still on their way out.

    `acted`: what allowed the steps that were just made.
    """
    known: dict[str, Body] = {row.image_id: row.to_object() for row in before} | {row["imageId"]: row for row in acted}
    going = {finding.region for finding in (*look.leaving, *look.going)}
    images = {image.image_id: (region, image) for region, view in sorted(observed.regions.items()) for image in view.images}
    found: dict[str, Body] = {}
    for name, (region, image) in images.items():
        evidence = observed.evidence.get(name)
        if evidence is not None:
            found[name] = _row(region, image, evidence, known.get(name))
        elif region in going and name in known and (known[name].get("state") == image.state or _allows(known[name])):
            found[name] = known[name]
    unread = {region for region, view in observed.regions.items() if view.problem}
    unseen = {name: row for name, row in known.items() if name not in images and row["region"] in going}
    gone = {name: row for name, row in unseen.items() if _allows(row) or row["region"] in unread}
    return list((found | gone).values())[:MAX_ROWS]


def waits_for_a_report(declared: ImageVersion) -> bool:
    """Whether it is on its way out, and EC2 is making a report of the use in other accounts, or could not be asked for it."""
    told = (finding for row in declared.status.evidence for finding in row.findings if finding.source == Source.USAGE_REPORTS)
    in_flight = any(replica.state == "pending" for replica in declared.status.replicas)
    return declared.spec.stage in retention.GOING and not in_flight and any(each.verdict in ("Pending", "Unknown") for each in told)


def _allows(row: Body) -> bool:
    """Whether nothing in it speaks against a step; what does is no longer so when the step was made all the same."""
    return all(finding["verdict"] in ("Unused", "NotAsked") for finding in row["findings"])


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
