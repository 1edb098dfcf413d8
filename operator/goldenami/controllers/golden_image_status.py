"""What a GoldenImage's status says, and when to look again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from goldenami.api import conditions as summary
from goldenami.api.conditions import ConcernResult, ConditionType
from goldenami.api.fields import PLAN_LINE_LENGTH
from goldenami.api.golden_image import GoldenImage
from goldenami.api.image_version import ImageVersion
from goldenami.api.kinds import GOLDEN_IMAGE
from goldenami.api.reasons import EventReason, Reason
from goldenami.api.reasons import Outcome as Meaning
from goldenami.controllers import channels, judge, report, retiring, timing
from goldenami.controllers.adoption_told import Adoption
from goldenami.controllers.caretaker import Outcome
from goldenami.controllers.config_map import Kept
from goldenami.controllers.mirror import MIRRORED, SEVERITY, Children, handled, is_current, mirrored
from goldenami.controllers.orphans import Left
from goldenami.controllers.publish import Published
from goldenami.controllers.retained import Retained
from goldenami.controllers.subject import Seen
from goldenami.controllers.world import World
from goldenami.kube.client import Body
from goldenami.plan.actions import Action
from goldenami.plan.channels import Decision
from goldenami.plan.cost import Storage
from goldenami.plan.values import Account, Problem

CHANNELS_TOLD = 3
"""Channels that Ready's message names."""


@dataclass(frozen=True)
class Moved:
    """What became of the channels in this look."""

    decisions: tuple[Decision, ...]
    result: ConcernResult
    kept: Kept

    def results(self, declared: GoldenImage) -> tuple[ConcernResult, ...]:
        """ChannelsReady, where anything of it is declared: `current` alone moves with the replicas, which have a condition."""
        told = declared.spec.channels or declared.spec.publish or self.result.outcome in (Meaning.STALLED, Meaning.RETRYING)
        worst = self.kept.problem
        if worst is not None and SEVERITY.index(worst.outcome) < SEVERITY.index(self.result.outcome):
            return (worst,)
        return (self.result,) if told else ()

    def outcome(self, published: Outcome) -> Outcome:
        worst = self.kept.problem
        failed = published.failed or any(one is not None and one.outcome is Meaning.RETRYING for one in (worst, self.result))
        pauses = [pause for pause in (published.next_look_seconds, self.kept.next_look_seconds) if pause is not None]
        return Outcome(next_look_seconds=min(pauses, default=None), failed=failed)


def tell(
    world: World,
    seen: Seen[GoldenImage],
    account: Account,
    children: Children,
    moved: Moved,
    published: Published,
    retained: Retained,
    held: Storage,
    left: Left,
    adoption: Adoption,
    amiss: Sequence[Problem],
) -> Outcome:
    """The status after a look that came to its end. `amiss`: versions and images that nothing could be made of; the others went on."""
    declared = seen.declared
    source, *others = (mirrored(kind, declared, children) for kind in MIRRORED)
    results = (
        ConcernResult(ConditionType.ACCOUNTS_READY, Reason.SUCCEEDED, f"account {account.account_id}"),
        *adoption.results,
        judge.with_problems(source, amiss),
        *others,
        *moved.results(seen.declared),
        published.result,
        *retiring.results(retained, children),
    )
    current = children[declared.spec.version]
    ready = current.status.regions_ready if is_current(current) else None
    found = summary.summarize(results, declared.generation, declared.status.conditions, datetime.now(UTC), done=_done(declared))
    status: Body = {
        "observedGeneration": declared.generation,
        "conditions": [condition.to_object() for condition in found],
        "lastHandledReconcile": handled(declared, children),
        "version": declared.spec.version,
        "regionsReady": ready or f"0/{len(declared.spec.replicas)}",
        "versions": len(children),
        "channels": channels.rows(moved.decisions),
        "aliases": published.status,
        "configMap": moved.kept.name or None,
        "retiring": retiring.rows(retained, children, world.now()),
        "refusedImages": adoption.rows(),
        "plan": adoption.planned(_plan(current, children, (*published.pending, *left.pending)))
        if declared.spec.management_policy == "Observe"
        else [],
        **report.storage(held, declared.status.storage),
        **left.status,
    }
    status = {name: value for name, value in status.items() if value not in (None, [])}
    world.tell(GOLDEN_IMAGE, seen.obj, status)
    for decision in moved.decisions:
        if decision.moved_from:
            message = f"{decision.channel.name} names {decision.standing.version}, and no longer {decision.moved_from}"
            world.events.record(seen.obj, EventReason.CHANNEL_MOVED, message)
    outcome = moved.outcome(published.outcome)
    pauses = [pause for pause in (outcome.next_look_seconds, retiring.next_look_seconds(retained, children, world.now())) if pause]
    return adoption.outcome(replace(outcome, next_look_seconds=min(pauses, default=None)))


def stopped(world: World, seen: Seen[GoldenImage], kind: ConditionType, problem: Problem) -> Outcome:
    """One concern keeps the object from going on; what the others said last stays said."""
    declared = seen.declared
    owned = (ConditionType.CHANNELS_READY, ConditionType.ALIASES_READY, ConditionType.RETENTION_READY)
    adopted = (ConditionType.ADOPTION_READY,) if declared.spec.adopt else ()
    all_kinds = (ConditionType.ACCOUNTS_READY, *adopted, *MIRRORED, *owned)
    others = [other for other in all_kinds if other is not kind]
    results = (
        judge.of_problem(kind, problem),
        *(result for other in others for result in judge.kept(other, declared.status.conditions)),
    )
    found = summary.summarize(results, declared.generation, declared.status.conditions, datetime.now(UTC))
    world.tell(GOLDEN_IMAGE, seen.obj, report.with_conditions(seen.obj, declared, found))
    return timing.after_problem(problem)


def suspended(world: World, seen: Seen[GoldenImage], *, stopped: bool) -> Outcome:
    """`stopped`: versions that went on until now. An edit of one that is suspended is no news."""
    declared, before = seen.declared, {condition.type for condition in seen.declared.status.conditions}
    kept = summary.suspended(declared.generation, declared.status.conditions, datetime.now(UTC))
    world.tell(GOLDEN_IMAGE, seen.obj, report.with_conditions(seen.obj, declared, kept, looked=False))
    if stopped or before != {condition.type for condition in kept}:
        world.events.record(seen.obj, EventReason.SUSPENDED, "spec.suspend is true: nothing is read or changed until it is false")
    return Outcome()


def was_suspended(seen: Seen[GoldenImage], children: Children) -> bool:
    """Until this look: its versions still are, or where there are none its status says so."""
    ready = summary.find(seen.declared.status.conditions, ConditionType.READY)
    return any(child.spec.suspend for child in children.values()) or (ready is not None and ready.reason == Reason.SUSPENDED)


def still_leaving(world: World, seen: Seen[GoldenImage], children: Children, amiss: Sequence[Problem]) -> Outcome:
    """The versions of a deleted GoldenImage are not gone yet. `amiss`: of those that cannot be read, what keeps them."""
    declared = seen.declared
    last = {child.name: summary.find(child.status.conditions, ConditionType.REPLICAS_READY) for child in children.values()}
    told = [said.message for child in children.values() if (said := last[child.name]) and child.deleting]
    kept = (Reason.IN_USE, Reason.EVIDENCE_INCOMPLETE)
    blocked = next((reason for reason in kept if any(said is not None and said.reason == reason for said in last.values())), None)
    message = f"waiting for {', '.join(sorted(last))}" + (f": {'; '.join(told)}" if told else "")
    result = judge.with_problems(ConcernResult(ConditionType.REPLICAS_READY, blocked or Reason.DELETING, message), amiss)
    found = summary.summarize((result,), declared.generation, declared.status.conditions, datetime.now(UTC))
    world.tell(GOLDEN_IMAGE, seen.obj, report.with_conditions(seen.obj, declared, found))
    return Outcome(next_look_seconds=timing.IN_USE_LOOK_SECONDS)


def _plan(current: ImageVersion, children: Children, own: tuple[Action, ...]) -> list[str]:
    """Of the declared version, of the others by their names, and of aliases and orphans."""
    others = [child for _, child in sorted(children.items()) if child is not current]
    told = [f"version {child.spec.version}: {line}"[:PLAN_LINE_LENGTH] for child in others for line in child.status.plan]
    return [*current.status.plan, *told, *report.plan_lines(own)][: report.MAX_PLAN_LINES]


def _done(declared: GoldenImage) -> str:
    """Only what was declared is said to be done. With channels another version may be published than the declared one."""
    spec = declared.spec
    parts = ["available", *(["shared"] if spec.sharing else []), *(["published"] if spec.aliases and not spec.channels else [])]
    what = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    names = [f"{channel.name} names {channel.version}" for channel in spec.channels[:CHANNELS_TOLD]]
    more = f" and {len(spec.channels) - CHANNELS_TOLD} channels more" if len(spec.channels) > CHANNELS_TOLD else ""
    told = f"version {spec.version} is {what} in {len(spec.replicas)} region{'s' if len(spec.replicas) > 1 else ''}"
    return f"{told}; {', '.join(names)}{more}" if names else told
