"""What an ImageVersion's status says. Pure: from a look to plain values."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from goldenami.api.conditions import ConcernResult, Condition, cut, timestamp_of
from goldenami.api.fields import MAX_SNAPSHOTS, MAX_TAG_KEYS
from goldenami.api.image_version import ImageVersion, ImageVersionStatus
from goldenami.api.meta import Resource
from goldenami.api.reasons import EventReason, Outcome, Reason
from goldenami.api.storage import StorageStatus
from goldenami.controllers import evidence_status
from goldenami.controllers.news import Acted
from goldenami.kube.client import Body
from goldenami.plan import cost, identity, undo
from goldenami.plan.actions import Action, CopyImage
from goldenami.plan.cost import Storage
from goldenami.plan.desired import ImageSource, Version
from goldenami.plan.observed import Finding, Observed, Recorded, key_arns, snapshots_of
from goldenami.plan.sharing import Shared
from goldenami.plan.source import home_images
from goldenami.plan.values import Image, Principals, RegionView
from goldenami.plan.whole import Look

MAX_PLAN_LINES = 64
MAX_FOREIGN = 64


# --- status ---


def image_version(
    declared: ImageVersion,
    version: Version,
    look: Look,
    observed: Observed,
    conditions: Iterable[Condition],
    acted: Sequence[Acted] = (),
) -> Body:
    """The whole status, as it is applied, after the looks that were acted on."""
    status: Body = {
        "observedGeneration": declared.generation,
        "conditions": [condition.to_object() for condition in conditions],
        "lastHandledReconcile": declared.metadata.reconcile_requested or None,
        "source": _source(declared, version, look, observed),
        "replicas": _replicas(version, look, observed),
        "evidence": evidence_status.rows(declared.status.evidence, look, observed, [row for each in acted for row in each.proof]),
        "tagKeys": _tag_keys(version, look, observed),
        "granted": _granted(declared, version, look, observed),
        "regionsReady": f"{_ready(look)}/{len(version.replicas)}",
        "foreignGrants": _foreign_grants(look),
        "plan": plan_lines(look.actions) if declared.spec.management_policy == "Observe" else [],
        **storage(cost.of_version(version, observed.regions.values()), declared.status.storage),
    }
    return {name: value for name, value in status.items() if value not in (None, [])}


def _foreign_grants(look: Look) -> list[Body]:
    """A row for each region: one may hold an image that is kept and one that goes."""
    found: dict[str, Principals] = {}
    for shared in look.shared:
        found[shared.finding.region] = found.get(shared.finding.region, Principals()) | shared.foreign
    return [{"region": region, "principals": list(foreign.names()[:MAX_FOREIGN])} for region, foreign in found.items() if foreign]


def with_conditions(obj: Body, declared: Resource, conditions: Iterable[Condition], *, looked: bool = True) -> Body:
    """The stored status with other conditions: for a look that learnt nothing else, or (not `looked`) that did not look at all, so that a
    request for one stays open."""
    asked = declared.metadata.reconcile_requested if looked else None
    return {
        **obj.get("status", {}),
        "observedGeneration": declared.generation,
        "conditions": [condition.to_object() for condition in conditions],
        **({"lastHandledReconcile": asked} if asked else {}),
    }


def storage(held: Storage, before: StorageStatus | None) -> Body:
    """What images hold, for a status; nothing while there is none. An age would be another write each second: it is when they were made.

    A copy's snapshots are listed at the next resync, and until then it stays said what was said before.
    """
    if not held.images:
        return {}
    made_at = timestamp_of(held.made_epoch_seconds)
    if held.unlisted:
        return {"madeAt": made_at, "storage": before.to_object() if before else None}
    told = {"images": held.images, "snapshots": held.snapshots, "snapshotGib": held.snapshot_gib}
    by_volume_size = {"byVolumeSize": held.by_volume_size} if held.by_volume_size else {}
    return {"madeAt": made_at, "storage": told | by_volume_size}


def plan_lines(actions: Iterable[Action]) -> list[str]:
    lines = [action.sentence()[:512] for action in actions]
    return lines if len(lines) <= MAX_PLAN_LINES else [*lines[: MAX_PLAN_LINES - 1], f"and {len(lines) - MAX_PLAN_LINES + 1} more"]


def _tag_keys(version: Version, look: Look, observed: Observed) -> list[str]:
    """What is declared, and what was before while it may still be there; too many of them are left there rather than the declared ones."""
    before = set() if _in_step(look) else observed.tag_keys - version.tags.keys()
    return sorted([*version.tags, *sorted(before)[: MAX_TAG_KEYS - len(version.tags)]])


def _in_step(look: Look) -> bool:
    """Whether every region was looked at to the end: until then tags that are no longer declared may still be on its images."""
    found = (*look.replicas, *((look.source,) if look.source else ()))
    return not look.actions and all(finding.outcome is Outcome.DONE for finding in found)


def _ready(look: Look) -> int:
    shared = {s.finding.region: s.finding.reason.outcome is Outcome.DONE for s in look.shared}
    return sum(finding.reason is Reason.SUCCEEDED and shared.get(finding.region, False) for finding in look.replicas)


def _source(declared: ImageVersion, version: Version, look: Look, observed: Observed) -> Body | None:
    if look.source is None:
        return declared.status.source.to_object() if declared.status.source else None
    home = observed.regions[version.home_region]
    made = [image for image in home_images(home, version) if image.state == "available"]
    told = None if look.source.reason is Reason.SUCCEEDED else cut(look.source.message)
    if isinstance(version.source, ImageSource):
        return {"imageId": version.source.image_id, "region": version.home_region, **({"message": told} if told else {})}
    if made:
        return {
            "imageId": made[0].image_id,
            "region": version.home_region,
            "snapshotIds": list(made[0].snapshot_ids[:MAX_SNAPSHOTS]),
            "state": made[0].state,
        }
    before = observed.recorded_source_image_id
    return {**({"imageId": before} if before else {}), "region": version.home_region, **({"message": told} if told else {})}


def _replicas(version: Version, look: Look, observed: Observed) -> list[Body]:
    shares = {shared.finding.region: shared for shared in look.shared}
    rows = [_replica(version, finding, observed, shares.get(finding.region)) for finding in look.replicas]
    named = {row["region"] for row in rows}
    rows += [_replica(version, finding, observed, None) for finding in look.leaving if finding.region not in named]
    return rows


def _replica(version: Version, finding: Finding, observed: Observed, shared: Shared | None) -> Body:
    view, recorded = observed.regions[finding.region], observed.recorded.get(finding.region, Recorded())
    image = finding.image
    done = finding.reason.outcome is Outcome.DONE
    row: Body = {"region": finding.region, "accountId": version.account.account_id}
    if image is not None:
        row |= _image(view, image, recorded)
    elif recorded.image_id:
        # Unreadable, or lost: what was known stays, because the next attempt's number depends on it.
        row |= {"imageId": recorded.image_id, "state": recorded.state or None, "attempt": recorded.attempt}
    elif recorded.attempt > 1:
        row["attempt"] = recorded.attempt
    if shared is not None:
        row["shared"] = shared.finding.reason.outcome is Outcome.DONE
        row["sharedDigest"] = shared.digest or None
    if not done:
        row |= {"reason": str(finding.reason), "message": cut(finding.message)}
    elif shared is not None and shared.finding.reason.outcome is not Outcome.DONE:
        row |= {"reason": str(shared.finding.reason), "message": cut(shared.finding.message)}
    elif finding.aside:
        row["message"] = finding.aside[:1024]
    return {name: value for name, value in row.items() if value is not None}


def _image(view: RegionView, image: Image, recorded: Recorded) -> Body:
    keys, parts = sorted(key_arns(view, image)), snapshots_of(view, image)
    attempt = max(identity.attempt_of(image.tags), recorded.attempt if recorded.image_id == image.image_id else 1)
    row: Body = {
        "imageId": image.image_id,
        "snapshotIds": list(image.snapshot_ids[:MAX_SNAPSHOTS]),
        "state": image.state,
        "attempt": attempt,
    }
    if image.deprecation_epoch_seconds:
        row["deprecationTime"] = timestamp_of(image.deprecation_epoch_seconds)
    if image.deregistration_protection not in ("", "disabled"):
        row["deregistrationProtection"] = image.deregistration_protection
    if since := undo.disabled_since(image):
        row["disabledSince"] = timestamp_of(since)
    if parts or image.encrypted is not None:
        row["encrypted"] = bool(keys) or bool(image.encrypted)
    if parts and image.state != "available":
        # In steps of ten: a status is no progress bar, and each step is a write.
        row["progress"] = min(part.progress for part in parts) // 10 * 10
    if keys:
        row["kmsKeyArn"] = keys[0]
    return row


# --- memory that the next look needs ---


def granted(status: ImageVersionStatus) -> Principals:
    before = status.granted
    if before is None:
        return Principals()
    return Principals(
        frozenset(before.accounts), frozenset(before.organization_arns), frozenset(before.organizational_unit_arns), public=before.public
    )


def _granted(declared: ImageVersion, version: Version, look: Look, observed: Observed) -> Body | None:
    """Whom we have shared with: what is declared, and what was before until no region has it any more."""
    settled = bool(look.shared) and all(shared.finding.reason.outcome is Outcome.DONE for shared in look.shared)
    known = version.sharing.principals if settled else observed.granted
    if not known or not version.sharing.declared:
        return declared.status.granted.to_object() if declared.status.granted and not settled else None
    return {
        "accounts": sorted(known.accounts)[:1000],
        "organizationArns": sorted(known.organization_arns)[:1000],
        "organizationalUnitArns": sorted(known.organizational_unit_arns)[:1000],
        "public": known.public,
    }


def new_attempts(recorded: Mapping[str, Recorded], look: Look) -> dict[str, Recorded]:
    """Attempts beyond the first that are about to be made and are not written down yet, by region."""
    return {
        action.place.region: replace(before, attempt=action.attempt)
        for action in look.actions
        if isinstance(action, CopyImage) and action.attempt > 1
        if action.attempt != (before := recorded.get(action.place.region, Recorded())).attempt
    }


def with_attempts(obj: Body, attempts: Mapping[str, Recorded]) -> Body:
    """The stored status with these attempts, and the images they replace forgotten."""
    status: dict[str, Any] = obj.get("status", {})
    kept = [row for row in status.get("replicas", []) if row["region"] not in attempts]
    rows = [{"region": region, "attempt": recorded.attempt} for region, recorded in attempts.items()]
    return {**status, "replicas": sorted([*kept, *rows], key=lambda row: str(row["region"]))}


# --- words ---


def done_message(version: Version, look: Look) -> str:
    """Ready's message."""
    regions = f"{len(version.replicas)} region{'' if len(version.replicas) == 1 else 's'}"
    reasons = {finding.reason for finding in look.going}
    if reasons == {Reason.RETIRED}:
        return f"nothing is left of version {version.version}"
    if reasons and reasons <= {Reason.DISABLED, Reason.RETIRED}:
        return f"version {version.version} is disabled in {regions}"
    if Reason.STILL_IN_USE in reasons:
        return f"version {version.version} stays, because it is still used"
    what = "available and shared" if version.sharing.declared else "available"
    return f"version {version.version} is {what} in {regions}"


def replicas_message(look: Look) -> str:
    """ReplicasReady's message."""
    ready = sum(finding.reason is Reason.SUCCEEDED for finding in look.replicas)
    return "; ".join((f"{ready}/{len(look.replicas)} regions available", *(finding.aside for finding in look.replicas if finding.aside)))


def sharing_message(version: Version, look: Look) -> str:
    if not version.sharing.declared:
        return look.shared[0].finding.message if look.shared else ""
    count, foreign = len(version.grantees), sorted({name for shared in look.shared for name in shared.foreign.names()})
    whom = "everybody" if version.grantees.public else f"{count} principal{'' if count == 1 else 's'}" if count else "nobody"
    kept = f"; kept though nobody declared it: {', '.join(foreign[:5])}" if foreign else ""
    return f"shared with {whom}{kept}"


def observing(result: ConcernResult, actions: int) -> ConcernResult:
    if result.outcome is Outcome.STALLED:
        return result
    message = f"{actions} changes would be made; status.plan names them, and managementPolicy: Enforce makes them"
    return ConcernResult(result.type, Reason.OBSERVING, message)


def gone_reason(version: Version) -> EventReason:
    return EventReason.DEREGISTERED if version.delete else EventReason.RELEASED


def gone_message(version: Version) -> str:
    if version.delete:
        return f"every image and snapshot of version {version.version} is gone"
    return f"version {version.version} stays in AWS as it is, tagged {identity.RELEASED}"
