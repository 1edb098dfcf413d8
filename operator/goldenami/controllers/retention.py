"""The retention of a family: from policy, versions and what AWS holds of them to the stage of each, and back to status and condition."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from goldenami.api.conditions import ConditionType, find
from goldenami.api.duration import parse_duration
from goldenami.api.fields import Stage
from goldenami.api.golden_image import DEFAULT_CHANNEL, GoldenImage, RetiringStatus
from goldenami.api.image_version import ImageVersion
from goldenami.api.kinds import IMAGE_VERSION, RETENTION_POLICY
from goldenami.api.reasons import EventReason, Reason
from goldenami.api.retention_policy import RetentionPolicy, RetentionPolicySpec
from goldenami.controllers import recycle_bin, retiring, unfit
from goldenami.controllers.family import Course
from goldenami.controllers.mirror import Children, is_current
from goldenami.controllers.remembered import GONE
from goldenami.controllers.retained import Kept, Retained
from goldenami.controllers.world import World
from goldenami.kube.client import Body
from goldenami.plan import channels, deprecation, expiry, identity, retention, undo
from goldenami.plan.candidates import SETTLED
from goldenami.plan.desired import DISABLE_FOR_SECONDS
from goldenami.plan.identity import Owner
from goldenami.plan.retention import Member, Policy
from goldenami.plan.values import Image, Problem, RegionView

KEPT = frozenset({Reason.STILL_IN_USE, Reason.TOO_YOUNG, Reason.TOO_MANY_TAGS})
"""What an ImageVersion says of images that have been asked about, and stay for now."""
_REASONS = frozenset(reason.value for reason in Reason)


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
    before = {row.version: row for row in declared.status.retiring}
    said = policy is not None or bool(declared.spec.versions) or any(child.spec.stage in retention.GOING for child in children.values())
    if isinstance(policy, Problem):
        return Retained(declared=True, before=before, pass_seconds=pass_seconds, problem=policy)
    unread = next((view.problem for view in views if view.problem), None)
    if unread is not None:
        problem = Problem(unread.reason, f"which versions go is not decided: {unread.message}", unread.stalled)
        return Retained(said, policy, before=before, pass_seconds=pass_seconds, problem=problem)
    members, now = _members(world, declared, children, views, course, before), world.now()
    spent = sum(retiring.went(row, now, pass_seconds) for version, row in before.items() if version not in children)
    verdicts = retention.decide(members, _plan(policy) if policy else None, now, pass_seconds, spent=spent)
    tried = (verdict.version for verdict in verdicts if verdict.tried_at)
    return Retained(
        said or any(verdict.stage in retention.GOING or verdict.tried_at for verdict in verdicts),
        policy,
        {verdict.version: verdict for verdict in verdicts},
        {member.version: member.disabled_since for member in members},
        frozenset(member.version for member in members if member.gone),
        {version: kept for version in tried if (kept := _kept(children.get(version), before.get(version)))},
        before,
        pass_seconds,
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


def _members(
    world: World,
    declared: GoldenImage,
    children: Children,
    views: Iterable[RegionView],
    course: Course,
    before: Mapping[str, RetiringStatus],
) -> list[Member]:
    owner = Owner(world.installation, declared.namespace, declared.name)
    images: dict[str, list[tuple[str, Image]]] = {version: [] for version in children}
    for view in views:
        for image in view.images:
            if identity.owner_of(image.tags) == owner and image.state not in GONE and (version := image.tags.get(identity.VERSION)):
                images.setdefault(version, []).append((view.place.region, image))
    members = []
    for version in filter(_known, images):
        child, row, regions = children.get(version), before.get(version), {region for region, _ in images[version]}
        found = [image for _, image in images[version]]
        member = _on_its_way(_member(declared, version, found, child, course), child, row, regions, world.now())
        settled = {region for region, image in images[version] if image.state in SETTLED}
        members.append(_given_back(replace(member, whole=_shall_be(child) <= settled if child else bool(settled)), child, found))
    return members


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
    )


def _shall_be(child: ImageVersion) -> set[str]:
    return {replica.region for replica in child.spec.replicas}


def _on_its_way(member: Member, child: ImageVersion | None, row: RetiringStatus | None, regions: Collection[str], now: float) -> Member:
    """With what its ImageVersion said last, and what was written down of it before."""
    if child is None:
        return member
    noted, said, current = retiring.since(row), find(child.status.conditions, ConditionType.RETENTION_READY), is_current(child)
    told = said.reason if said is not None and current else ""
    # As its own look says: a listing that lacks an image may only be late.
    gone = not regions and told == Reason.RETIRED
    going = child.spec.stage in retention.GOING
    # Only a version on its way says anything of its retention.
    unheard = not going and said is not None and not current
    blocked = not member.disabled_since and retiring.is_blocked(row, said, now)
    stays = said is not None and (said.reason in KEPT or blocked)
    left_its_turn = now if unheard and stays else 0.0
    return replace(
        member,
        disabled_since=noted if gone else member.disabled_since,
        noted=bool(noted) and noted == member.disabled_since,
        gone=gone,
        partly_gone=child.spec.stage == "Retired" and not _shall_be(child) <= set(regions),
        kept=going and current and stays,
        settled=not unheard,
        tried_at=0.0 if going else retiring.tried_at(row) or left_its_turn,
    )


def _given_back(member: Member, child: ImageVersion | None, images: Iterable[Image]) -> Member:
    """With what became of a deprecation or more that was taken back."""
    if child is None:
        return member
    left = any(image.state == "disabled" or deprecation.lasts(image) for image in images)
    return replace(member, deprecated=child.spec.deprecated_by == "Retention", restored=is_current(child) and not left)


def _kept(child: ImageVersion | None, row: RetiringStatus | None) -> Kept | None:
    """Why one that left its turn to others stays: as it just said, or did when it left it."""
    said = find(child.status.conditions, ConditionType.RETENTION_READY) if child is not None else None
    if said is not None and (said.reason in KEPT or (said.status == "False" and said.reason in _REASONS)):
        return Kept(Reason(said.reason), said.message)
    return Kept(Reason(row.reason), row.message or "") if row is not None and row.reason in _REASONS else None


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
            recycle_bin.note(world, obj, child)
            world.events.record(obj, EventReason.VERSION_RETIRED, f"nothing is left of version {child.spec.version}")
    return tuple(child.spec.version for child in over)


def _is_over(child: ImageVersion) -> bool:
    told = find(child.status.conditions, ConditionType.RETENTION_READY)
    return child.spec.stage == "Retired" and is_current(child) and told is not None and told.reason == Reason.RETIRED
