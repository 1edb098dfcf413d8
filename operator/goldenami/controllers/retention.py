"""The retention of a family: from policy, versions and what AWS holds of them to the stage of each, and back to status and condition."""

from collections.abc import Iterable, Sequence

from goldenami.api.conditions import ConcernResult, ConditionType, cut, find, timestamp_of
from goldenami.api.duration import parse_duration
from goldenami.api.fields import Stage
from goldenami.api.golden_image import DEFAULT_CHANNEL, GoldenImage
from goldenami.api.image_version import ImageVersion
from goldenami.api.kinds import IMAGE_VERSION, RETENTION_POLICY
from goldenami.api.reasons import EventReason, Reason
from goldenami.api.reasons import Outcome as Meaning
from goldenami.api.retention_policy import RetentionPolicy, RetentionPolicySpec
from goldenami.controllers import judge, unfit
from goldenami.controllers.family import Course
from goldenami.controllers.mirror import Children, is_current
from goldenami.controllers.remembered import GONE
from goldenami.controllers.retained import Retained
from goldenami.controllers.world import World
from goldenami.kube.client import Body
from goldenami.plan import channels, expiry, identity, retention, undo
from goldenami.plan.desired import DISABLE_FOR_SECONDS
from goldenami.plan.identity import Owner
from goldenami.plan.retention import Member, Policy
from goldenami.plan.values import Image, Problem, RegionView

BLOCKED = (Reason.STILL_IN_USE, Reason.TOO_YOUNG, Reason.EVIDENCE_INCOMPLETE, Reason.TOO_MANY_TAGS, Reason.ACCESS_DENIED)
TOLD = 5
ROWS = 256


def policy_of(world: World, declared: GoldenImage) -> RetentionPolicySpec | Problem | None:
    """The policy that is written in the GoldenImage, or named there; None: everything is kept."""
    if declared.spec.retention is not None:
        return declared.spec.retention
    reference = declared.spec.retention_policy_ref
    if reference is None:
        return None
    obj = world.kubernetes.get(RETENTION_POLICY, declared.namespace, reference.name)
    if obj is None:
        return Problem(
            Reason.DEPENDENCY_NOT_READY,
            f"RetentionPolicy {reference.name} does not exist in namespace {declared.namespace}; create it, or correct "
            "spec.retentionPolicyRef. Until then every version stays at its stage",
        )
    policy = unfit.read(RetentionPolicy, obj, "Until then every version stays at its stage")
    return policy if isinstance(policy, Problem) else policy.spec


def decide(
    world: World, declared: GoldenImage, children: Children, views: Sequence[RegionView], course: Course, pass_seconds: float
) -> Retained:
    """Which versions are kept, and the stage of the others; nothing new where the policy, or a region, cannot be read."""
    policy = policy_of(world, declared)
    said = policy is not None or bool(declared.spec.versions) or any(child.spec.stage in retention.GOING for child in children.values())
    if isinstance(policy, Problem):
        return Retained(declared=True, problem=policy)
    unread = next((view.problem for view in views if view.problem), None)
    if unread is not None:
        return Retained(said, policy, problem=Problem(unread.reason, f"which versions go is not decided: {unread.message}", unread.stalled))
    members = _members(world, declared, children, views, course)
    verdicts = retention.decide(members, _plan(policy) if policy else None, world.now(), pass_seconds)
    return Retained(
        said or any(verdict.stage in retention.GOING for verdict in verdicts),
        policy,
        {verdict.version: verdict for verdict in verdicts},
        {member.version: member.disabled_since for member in members},
        frozenset(member.version for member in members if member.gone),
    )


def _plan(policy: RetentionPolicySpec) -> Policy:
    def seconds(period: str | None) -> float | None:
        return parse_duration(period) if period is not None else None

    most, wait = policy.max_per_run, seconds(policy.retire.disable_for if policy.retire else None)
    return Policy(
        keep_last=policy.keep_last,
        keep_for_seconds=seconds(policy.keep_for),
        keep_if_launched_within_seconds=seconds(policy.keep_if_launched_within),
        deprecate_after_seconds=seconds(policy.deprecate_after),
        most_per_run=most if isinstance(most, int) else None,
        share_per_run=int(most.removesuffix("%")) / 100 if isinstance(most, str) else None,
        disable_for_seconds=DISABLE_FOR_SECONDS if wait is None else wait,
    )


# --- the family as it is ---


def _members(world: World, declared: GoldenImage, children: Children, views: Iterable[RegionView], course: Course) -> list[Member]:
    owner = Owner(world.installation, declared.namespace, declared.name)
    images: dict[str, list[Image]] = {version: [] for version in children}
    for view in views:
        for image in view.images:
            if identity.owner_of(image.tags) == owner and image.state not in GONE and (version := image.tags.get(identity.VERSION)):
                images.setdefault(version, []).append(image)
    return [_member(declared, version, found, children.get(version), course) for version, found in images.items() if _known(version)]


def _known(version: str) -> bool:
    """A tag may say anything; the API admits SemVer only."""
    try:
        channels.precedence(version)
    except ValueError:
        return False
    return True


def _member(declared: GoldenImage, version: str, images: Sequence[Image], child: ImageVersion | None, course: Course) -> Member:
    said = next((row for row in declared.spec.versions if row.version == version), None)
    since = [undo.disabled_since(image) for image in images]
    told = find(child.status.conditions, ConditionType.RETENTION_READY) if child is not None and is_current(child) else None
    before: Stage | None = child.spec.stage if child else "Disabled" if any(map(undo.by_stage, images)) else None
    # Tags of adopted images say it in the spec that was rendered.
    until = (said.expires_at if said else None) or (child.spec.expires_at if child and child.spec.adopt else None)
    expires = expiry.parse(until) if until else None
    return Member(
        version,
        made_at=min((image.created_epoch_seconds for image in images), default=0.0),
        last_launched=max((image.last_launched_epoch_seconds for image in images), default=0.0),
        stage=before,
        disabled_since=max(since) if since and all(since) else 0.0,
        held=_held(declared, version, course, keep=bool(said and said.keep)),
        expires_at=expires.timestamp() if expires else None,
        # As its own look says: a listing that lacks an image may only be late.
        gone=not images and told is not None and told.reason == Reason.RETIRED,
        blocked=told is not None and told.reason in BLOCKED,
    )


def _held(declared: GoldenImage, version: str, course: Course, *, keep: bool) -> str:
    if version == declared.spec.version:
        return "it is declared"
    names = channels.names_of(version, course.channels, course.standings)
    if names:
        return f"channel {names[0]} names it" if names[0] != DEFAULT_CHANNEL else "it is the current one"
    return "keep is true" if keep else ""


# --- what is left of those that went ---


def remove_retired(world: World, obj: Body, children: Children, retained: Retained, *, mutable: bool) -> tuple[str, ...]:
    """Deletes the objects of versions of which nothing is left in AWS; the versions that are removed."""
    over = [child for version, child in children.items() if mutable and _is_over(child) and version in retained.gone]
    for child in over:
        if not child.deleting:
            world.kubernetes.delete(IMAGE_VERSION, child.namespace, child.name, child.metadata.uid)
            world.events.record(obj, EventReason.VERSION_RETIRED, f"nothing is left of version {child.spec.version}")
    return tuple(child.spec.version for child in over)


def _is_over(child: ImageVersion) -> bool:
    told = find(child.status.conditions, ConditionType.RETENTION_READY)
    return child.spec.stage == "Retired" and is_current(child) and told is not None and told.reason == Reason.RETIRED


# --- what is said ---


def results(retained: Retained, children: Children) -> tuple[ConcernResult, ...]:
    """RetentionReady, where there is anything to say."""
    if not retained.declared:
        return ()
    if retained.problem is not None:
        return (judge.of_problem(ConditionType.RETENTION_READY, retained.problem),)
    told = [(child, result) for child in children.values() if (result := _said(child)) and not child.deleting]
    faults = [(child, result) for child, result in told if result.outcome in (Meaning.STALLED, Meaning.RETRYING)]
    if faults:
        child, fault = faults[0]
        message = f"version {child.spec.version}: {fault.message}"
        return (ConcernResult(ConditionType.RETENTION_READY, fault.reason, message, fault.outcome_override),)
    going = sorted((child.spec.version for child, _ in told), key=channels.precedence)
    used = [child.spec.version for child, result in told if result.reason is Reason.STILL_IN_USE]
    kept = len(children) - len(going)
    parts = [f"{kept} version{'' if kept == 1 else 's'} kept"]
    if going:
        parts.append(f"on the way out: {_listed(going)}")
    young = [child.spec.version for child, result in told if result.reason is Reason.TOO_YOUNG]
    if young:
        parts.append(f"too young to be known unused: {_listed(sorted(young, key=channels.precedence))}")
    if used:
        parts.append(f"still in use: {_listed(sorted(used, key=channels.precedence))}; status.retiring says by whom")
    reason = Reason.STILL_IN_USE if used else Reason.TOO_YOUNG if young else Reason.SUCCEEDED
    return (ConcernResult(ConditionType.RETENTION_READY, reason, ", ".join(parts)),)


def _said(child: ImageVersion) -> ConcernResult | None:
    if child.spec.stage not in retention.GOING:
        return None
    found = judge.carried(ConditionType.RETENTION_READY, child.status.conditions) if is_current(child) else ()
    return found[0] if found else ConcernResult(ConditionType.RETENTION_READY, Reason.RETIRING, "not looked at yet")


def rows(retained: Retained, children: Children) -> list[Body]:
    """`status.retiring`: versions that are not kept, oldest first."""
    found = sorted(children.values(), key=lambda child: channels.precedence(child.spec.version))
    return [_row(retained, child) for child in found if child.spec.stage not in (None, "Active") and not child.deleting][:ROWS]


def next_look_seconds(retained: Retained, children: Children, now: float) -> float | None:
    """When the first of the disabled versions has been so for long enough."""
    disabled = [child for child in children.values() if child.spec.stage == "Disabled"]
    pauses = [_after(retained, child) - now for child in disabled if _after(retained, child) > now]
    return min(pauses) + 1.0 if pauses else None


def _after(retained: Retained, child: ImageVersion) -> float:
    """When its images are deregistered at the earliest, in epoch seconds; 0 while that is not known."""
    since = retained.since.get(child.spec.version, 0.0)
    wait = child.spec.retirement.disable_for if child.spec.retirement else None
    return since + (DISABLE_FOR_SECONDS if wait is None else parse_duration(wait)) if since else 0.0


def _row(retained: Retained, child: ImageVersion) -> Body:
    version, verdict, said = child.spec.version, retained.verdicts.get(child.spec.version), _said(child)
    since, after = retained.since.get(version, 0.0), _after(retained, child)
    message = said.message if said and said.message else verdict.why if verdict else ""
    row: Body = {"version": version, "stage": child.spec.stage, "message": cut(message) or None}
    if after and child.spec.stage in retention.GOING:
        row |= {"since": timestamp_of(since), "deregisteredAfter": timestamp_of(after)}
    return {name: value for name, value in row.items() if value is not None}


def _listed(versions: Sequence[str]) -> str:
    return ", ".join(versions[:TOLD]) + (f" and {len(versions) - TOLD} more" if len(versions) > TOLD else "")
