"""GoldenImage: decides what. Renders one ImageVersion per version, moves the aliases, reports; the versions send back nothing but status.

Read `GoldenImages.__call__` top to bottom: get, account, share lists, family, channels, aliases, ConfigMap, judge, status.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from goldenami.api import conditions as summary
from goldenami.api.conditions import ConcernResult, ConditionType
from goldenami.api.duration import parse_duration
from goldenami.api.golden_image import GoldenImage
from goldenami.api.image_version import Grants, ImageVersion
from goldenami.api.kinds import FINALIZER, GOLDEN_IMAGE, IMAGE_VERSION, SHARE_LIST, Key
from goldenami.api.reasons import EventReason, Reason
from goldenami.api.reasons import Outcome as Meaning
from goldenami.api.share_list import ShareList
from goldenami.controllers import channels, config_map, family, judge, logs, publish, report
from goldenami.controllers.caretaker import Outcome
from goldenami.controllers.config_map import Kept
from goldenami.controllers.family import Course, Remembered
from goldenami.controllers.publish import Published
from goldenami.controllers.world import World
from goldenami.kube.client import Body
from goldenami.kube.errors import KubeInvalid
from goldenami.kube.status import without_absent
from goldenami.plan.channels import Decision, Standing, named_versions
from goldenami.plan.identity import Owner
from goldenami.plan.values import Account, Place, Problem, RegionView

Children = dict[str, ImageVersion]
"""ImageVersions of one family, by version."""

MIRRORED = (ConditionType.SOURCE_READY, ConditionType.REPLICAS_READY, ConditionType.SHARING_READY)
"""Concerns that the versions own; the GoldenImage repeats the worst of them."""


@dataclass(frozen=True)
class Seen:
    """One GoldenImage as it was read for this look."""

    obj: Body
    declared: GoldenImage

    @property
    def mutable(self) -> bool:
        return self.declared.spec.management_policy == "Enforce" and not self.declared.spec.suspend

    @property
    def asked(self) -> bool:
        """Somebody asked for this look: everything is read again."""
        return self.declared.metadata.asks_for_look(self.declared.status.last_handled_reconcile)


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
        if worst is not None and _SEVERITY.index(worst.outcome) < _SEVERITY.index(self.result.outcome):
            return (worst,)
        return (self.result,) if told else ()

    def outcome(self, published: Outcome) -> Outcome:
        worst = self.kept.problem
        failed = published.failed or any(one is not None and one.outcome is Meaning.RETRYING for one in (worst, self.result))
        pauses = [pause for pause in (published.next_look_seconds, self.kept.next_look_seconds) if pause is not None]
        return Outcome(next_look_seconds=min(pauses, default=None), failed=failed)


@dataclass(frozen=True)
class GoldenImages:
    """The reconciler of GoldenImage."""

    world: World

    def __call__(self, key: Key) -> Outcome:
        obj = self.world.kubernetes.get(GOLDEN_IMAGE, key.namespace, key.name)
        if obj is None:
            return Outcome(gone=True)
        seen = Seen(obj, GoldenImage.from_object(obj))
        logs.observe_generation(seen.declared.generation)
        if seen.declared.deleting:
            return self._delete(seen)
        if seen.declared.spec.suspend:
            return self._suspended(seen)
        account = self.world.accounts.of(seen.declared.spec.account_ref, key.namespace)
        if isinstance(account, Problem):
            return self._stopped(seen, ConditionType.ACCOUNTS_READY, account)
        sharing = self._sharing(seen)
        if isinstance(sharing, Problem):
            # Nobody is added and nobody taken away while it is not known who shall have the image: the versions stay as rendered.
            return self._stopped(seen, ConditionType.SHARING_READY, sharing)
        if seen.mutable:
            seen = Seen(self.world.kubernetes.add_finalizer(GOLDEN_IMAGE, seen.obj), seen.declared)
        return self._converge(seen, account, sharing)

    def _converge(self, seen: Seen, account: Account, sharing: Grants | None) -> Outcome:
        children = self._children(seen)
        views = self._views(seen, account, fresh=seen.asked and not _passed_on(seen, children))
        memory = channels.remember(self.world, seen.declared, account, views)
        # The declared version is rendered from the spec, whatever became of its images.
        named = named_versions(channels.declared_channels(seen.declared), memory.standings.values()) - {seen.declared.spec.version}
        known = family.remembered(self._owner(seen), views, named, self.world.now())
        reused = family.conflict(seen.declared, children, known)
        if reused is not None:
            return self._stopped(seen, ConditionType.SOURCE_READY, reused)
        made_at = {version: found.made_at for version, found in known.items()}
        refused = self._render_all(seen, sharing, children, known, self._course(seen, memory.standings, made_at))
        if refused is not None:
            return self._stopped(seen, ConditionType.SOURCE_READY, refused)
        decisions = channels.decide(self.world, seen.declared, memory, children)
        if not seen.mutable:
            decisions = channels.only_observed(decisions, memory)
        # A channel that has moved changes the stage of the version that it left; only what differs is written.
        moved = {decision.channel.name: decision.standing for decision in decisions if decision.standing.since}
        if moved != memory.standings:
            refused = self._render_all(seen, sharing, children, known, self._course(seen, moved, made_at))
            if refused is not None:
                return self._stopped(seen, ConditionType.SOURCE_READY, refused)
        published = publish.publish(self.world, seen.obj, seen.declared, account, children, decisions, mutable=seen.mutable)
        kept = config_map.keep(self.world, seen.obj, seen.declared, decisions, mutable=seen.mutable)
        return self._report(
            seen, account, children, Moved(decisions, channels.result(decisions, {*children, *known}, views), kept), published
        )

    @staticmethod
    def _course(seen: Seen, standings: Mapping[str, Standing], made_at: Mapping[str, float]) -> Course:
        return Course(channels.declared_channels(seen.declared), standings, made_at)

    def _render_all(
        self, seen: Seen, sharing: Grants | None, children: Children, known: Mapping[str, Remembered], course: Course
    ) -> Problem | None:
        """Renders every version that shall be, into `children`; a Problem for the first that is refused."""
        for version, spec in family.render(seen.declared, sharing, children, known, course).items():
            rendered = self._render(seen, family.body(seen.declared, spec), restored=version in known and version not in children)
            if isinstance(rendered, Problem):
                return rendered
            children[version] = rendered
        return None

    def _owner(self, seen: Seen) -> Owner:
        return Owner(self.world.installation, seen.declared.namespace, seen.declared.name)

    def _sharing(self, seen: Seen) -> Grants | Problem | None:
        """The principals of spec and ShareLists; a list that does not exist yet is waited for, and its appearance wakes this object."""
        names = [reference.name for reference in seen.declared.spec.sharing.share_list_refs] if seen.declared.spec.sharing else []
        found = {name: self.world.kubernetes.get(SHARE_LIST, seen.declared.namespace, name) for name in names}
        missing = sorted(name for name, obj in found.items() if obj is None)
        if missing:
            return Problem(
                Reason.DEPENDENCY_NOT_READY,
                f"ShareList {', '.join(missing)} does not exist in namespace {seen.declared.namespace}; create it, or correct "
                "spec.sharing.shareListRefs. Until then nobody's access changes",
            )
        return family.merged_sharing(seen.declared, [ShareList.from_object(obj) for obj in found.values() if obj is not None])

    def _children(self, seen: Seen) -> Children:
        listed = self.world.kubernetes.list(
            IMAGE_VERSION, seen.declared.namespace, label_selector=f"{family.FAMILY_LABEL}={seen.declared.name}"
        )
        found = [ImageVersion.from_object(obj) for obj in listed]
        return {child.spec.version: child for child in found if child.spec.golden_image == seen.declared.name}

    def _views(self, seen: Seen, account: Account, *, fresh: bool) -> list[RegionView]:
        spec, now = seen.declared.spec, self.world.now()
        interval = parse_duration(spec.interval) if spec.interval else self.world.interval_seconds
        since = now - (0.0 if fresh else report.AT_REST * interval)
        regions = {spec.region, *(replica.region for replica in spec.replicas)}
        places = [Place(account, region) for region in sorted(regions)]
        return list(self.world.inventory.regions(places, not_older_than=since, owner=self._owner(seen)).values())

    def _render(self, seen: Seen, wanted: Body, *, restored: bool) -> ImageVersion | Problem:
        """The ImageVersion as stored, written only where it differs; a Problem where the name belongs to another family."""
        name, namespace = wanted["metadata"]["name"], wanted["metadata"]["namespace"]
        stored = self.world.kubernetes.get(IMAGE_VERSION, namespace, name)
        if stored is not None and stored["spec"].get("goldenImage") != seen.declared.name:
            return Problem(
                Reason.CONFLICT,
                f"ImageVersion {name} belongs to GoldenImage {stored['spec'].get('goldenImage')}; rename one of the two images",
                stalled=True,
            )
        if stored is not None and _same(stored, wanted):
            return ImageVersion.from_object(stored)
        try:
            applied = self.world.kubernetes.apply(IMAGE_VERSION, wanted)
        except KubeInvalid as error:
            return Problem(
                Reason.INVALID_SPEC, f"what spec makes of version {wanted['spec']['version']} is refused: {error.message}", stalled=True
            )
        if stored is None:
            reason = EventReason.VERSION_RESTORED if restored else EventReason.VERSION_CREATED
            self.world.events.record(seen.obj, reason, f"ImageVersion {name}")
        return ImageVersion.from_object(applied)

    # --- what is said ---

    def _report(self, seen: Seen, account: Account, children: Children, moved: Moved, published: Published) -> Outcome:
        declared = seen.declared
        results = (
            ConcernResult(ConditionType.ACCOUNTS_READY, Reason.SUCCEEDED, f"account {account.account_id}"),
            *(_mirrored(kind, declared, children) for kind in MIRRORED),
            *moved.results(seen.declared),
            published.result,
        )
        current = children[declared.spec.version]
        ready = current.status.regions_ready if _current(current) else None
        found = summary.summarize(
            results,
            declared.generation,
            declared.status.conditions,
            datetime.now(UTC),
            done=_done(declared),
        )
        status: Body = {
            "observedGeneration": declared.generation,
            "conditions": [condition.to_object() for condition in found],
            "lastHandledReconcile": _handled(declared, children),
            "version": declared.spec.version,
            "regionsReady": ready or f"0/{len(declared.spec.replicas)}",
            "versions": len(children),
            "channels": channels.rows(moved.decisions),
            "aliases": published.status,
            "configMap": moved.kept.name or None,
            "plan": [*current.status.plan, *report.plan_lines(published.pending)][: report.MAX_PLAN_LINES]
            if declared.spec.management_policy == "Observe"
            else [],
        }
        status = {name: value for name, value in status.items() if value not in (None, [])}
        self.world.tell(GOLDEN_IMAGE, seen.obj, status)
        for decision in moved.decisions:
            if decision.moved_from:
                message = f"{decision.channel.name} names {decision.standing.version}, and no longer {decision.moved_from}"
                self.world.events.record(seen.obj, EventReason.CHANNEL_MOVED, message)
        return moved.outcome(published.outcome)

    def _stopped(self, seen: Seen, kind: ConditionType, problem: Problem) -> Outcome:
        """One concern keeps the object from going on; what the others said last stays said."""
        declared = seen.declared
        all_kinds = (ConditionType.ACCOUNTS_READY, *MIRRORED, ConditionType.CHANNELS_READY, ConditionType.ALIASES_READY)
        others = [other for other in all_kinds if other is not kind]
        results = (
            judge.of_problem(kind, problem),
            *(result for other in others for result in judge.carried(other, declared.status.conditions)),
        )
        found = summary.summarize(results, declared.generation, declared.status.conditions, datetime.now(UTC))
        status = report.with_conditions(seen.obj, declared, found)
        self.world.tell(GOLDEN_IMAGE, seen.obj, status)
        return report.after_problem(problem)

    def _suspended(self, seen: Seen) -> Outcome:
        """The versions inherit the setting, so that none goes on by itself."""
        for child in self._children(seen).values():
            if not child.spec.suspend and not child.deleting:
                spec = child.spec.model_copy(update={"suspend": True})
                self.world.kubernetes.apply(IMAGE_VERSION, family.body(seen.declared, spec))
        declared = seen.declared
        kept = summary.suspended(declared.generation, declared.status.conditions, datetime.now(UTC))
        status = report.with_conditions(seen.obj, declared, kept)
        if self.world.tell(GOLDEN_IMAGE, seen.obj, status):
            self.world.events.record(seen.obj, EventReason.SUSPENDED, "spec.suspend is true: nothing is read or changed until it is false")
        return Outcome()

    # --- an object that goes ---

    def _delete(self, seen: Seen) -> Outcome:
        """The versions first, under their own rules; then the aliases, which until then name images that are still there."""
        if FINALIZER not in seen.declared.metadata.finalizers:
            return Outcome()
        children = self._children(seen)
        for child in children.values():
            self._let_go(seen, child)
        if children:
            return self._still_leaving(seen, children)
        if seen.mutable:
            account = self.world.accounts.of(seen.declared.spec.account_ref, seen.declared.namespace)
            if isinstance(account, Problem):
                return self._stopped(seen, ConditionType.ACCOUNTS_READY, account)
            withdrawn = publish.withdraw(self.world, seen.obj, seen.declared, account)
            if withdrawn is not None:
                return self._stopped(seen, ConditionType.ALIASES_READY, withdrawn)
        self.world.kubernetes.remove_finalizer(GOLDEN_IMAGE, seen.obj)
        return Outcome()

    def _let_go(self, seen: Seen, child: ImageVersion) -> None:
        """Deletes a version under the policy that the GoldenImage has now, which may be newer than the one it was rendered with."""
        spec = seen.declared.spec
        policy = {
            "deletion_policy": spec.deletion_policy,
            "management_policy": spec.management_policy,
            "suspend": spec.suspend,
            "channels": (),
        }
        wanted = child.spec.model_copy(update=policy)
        if wanted != child.spec:
            self.world.kubernetes.apply(IMAGE_VERSION, family.body(seen.declared, wanted))
        if not child.deleting:
            self.world.kubernetes.delete(IMAGE_VERSION, child.namespace, child.name, child.metadata.uid)

    def _still_leaving(self, seen: Seen, children: Children) -> Outcome:
        declared = seen.declared
        told = [
            condition.message
            for child in children.values()
            if (condition := summary.find(child.status.conditions, ConditionType.REPLICAS_READY)) and child.deleting
        ]
        blocked = any(
            condition.reason == Reason.IN_USE
            for child in children.values()
            if (condition := summary.find(child.status.conditions, ConditionType.REPLICAS_READY))
        )
        message = f"waiting for {', '.join(sorted(child.name for child in children.values()))}" + (f": {'; '.join(told)}" if told else "")
        result = ConcernResult(ConditionType.REPLICAS_READY, Reason.IN_USE if blocked else Reason.DELETING, message)
        found = summary.summarize((result,), declared.generation, declared.status.conditions, datetime.now(UTC))
        self.world.tell(GOLDEN_IMAGE, seen.obj, report.with_conditions(seen.obj, declared, found))
        return Outcome(next_look_seconds=report.IN_USE_LOOK_SECONDS)


def _same(stored: Body, wanted: Body) -> bool:
    """Whether the stored ImageVersion says what is wanted already: the API server's additions to metadata do not count."""
    metadata = stored["metadata"]
    return (
        without_absent(stored["spec"]) == without_absent(wanted["spec"])
        and wanted["metadata"]["labels"].items() <= metadata.get("labels", {}).items()
        and wanted["metadata"]["annotations"].items() <= metadata.get("annotations", {}).items()
        and {owner["uid"] for owner in wanted["metadata"]["ownerReferences"]}
        <= {owner["uid"] for owner in metadata.get("ownerReferences", [])}
    )


def _passed_on(seen: Seen, children: Children) -> bool:
    """Whether every version has been asked already: then they read all anew, and further looks until they are done need not."""
    asked = seen.declared.metadata.reconcile_requested
    return bool(children) and all(child.metadata.reconcile_requested == asked for child in children.values())


def _handled(declared: GoldenImage, children: Children) -> str | None:
    """A look that was asked for is one at the versions, too: it is over when theirs are."""
    asked = declared.metadata.reconcile_requested
    done = all(child.status.last_handled_reconcile == asked for child in children.values() if not child.deleting)
    return (asked if done else declared.status.last_handled_reconcile) or None


def _current(child: ImageVersion) -> bool:
    """Whether its status is about the spec it has now."""
    return child.status.observed_generation == child.generation


_SEVERITY = (Meaning.STALLED, Meaning.RETRYING, Meaning.WAITING, Meaning.PROGRESSING, Meaning.DONE)


def _mirrored(kind: ConditionType, declared: GoldenImage, children: Children) -> ConcernResult:
    """The worst that any version says of a concern; of equals, the declared version speaks."""
    order = sorted(children.values(), key=lambda child: child.spec.version != declared.spec.version)
    told = [(child, result) for child in order if not child.deleting for result in _of_child(kind, child)]
    child, worst = min(told, key=lambda pair: _SEVERITY.index(pair[1].outcome))
    if child.spec.version == declared.spec.version:
        return worst
    return ConcernResult(kind, worst.reason, f"version {child.spec.version}: {worst.message}")


def _of_child(kind: ConditionType, child: ImageVersion) -> tuple[ConcernResult, ...]:
    carried = judge.carried(kind, child.status.conditions) if _current(child) else ()
    if carried:
        return carried
    account = judge.carried(ConditionType.ACCOUNTS_READY, child.status.conditions) if _current(child) else ()
    if account and account[0].outcome is not Meaning.DONE:
        return (ConcernResult(kind, account[0].reason, account[0].message),)
    return (ConcernResult(kind, Reason.PROGRESSING, f"ImageVersion {child.name or child.spec.version} has not been looked at yet"),)


def _done(declared: GoldenImage) -> str:
    """Only what was declared is said to be done."""
    spec = declared.spec
    parts = ["available", *(["shared"] if spec.sharing else []), *(["published"] if spec.aliases else [])]
    what = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return f"version {spec.version} is {what} in {len(spec.replicas)} region{'s' if len(spec.replicas) > 1 else ''}"
