"""GoldenImage: decides what. Renders one ImageVersion per version, moves the aliases, reports; the versions send back nothing but status.

Read `GoldenImages.__call__` top to bottom: get, account, share lists, family, channels, aliases, ConfigMap, orphans, judge, status.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from goldenami.api.conditions import ConditionType
from goldenami.api.duration import parse_duration
from goldenami.api.golden_image import GoldenImage
from goldenami.api.image_version import Grants, ImageVersion
from goldenami.api.kinds import FINALIZER, GOLDEN_IMAGE, IMAGE_VERSION, SHARE_LIST, Key
from goldenami.api.meta import InvalidObjectError
from goldenami.api.reasons import EventReason, Reason
from goldenami.api.share_list import ShareList
from goldenami.controllers import (
    channels,
    config_map,
    family,
    former_accounts,
    golden_image_status,
    logs,
    orphans,
    publish,
    recycle_bin,
    retention,
    timing,
    unfit,
)
from goldenami.controllers.caretaker import Outcome
from goldenami.controllers.families_adopted import Search
from goldenami.controllers.family import Course
from goldenami.controllers.golden_image_status import Moved
from goldenami.controllers.mirror import Children, passed_on
from goldenami.controllers.remembered import remembered
from goldenami.controllers.rendering import Rendering, versions_of
from goldenami.controllers.retained import Retained
from goldenami.controllers.subject import Seen
from goldenami.controllers.world import World
from goldenami.plan import cost
from goldenami.plan.channels import Standing, named_versions
from goldenami.plan.identity import Owner
from goldenami.plan.retention import GOING
from goldenami.plan.values import Account, Place, Problem, RegionView


@dataclass(frozen=True)
class GoldenImages:
    """The reconciler of GoldenImage."""

    world: World

    def __call__(self, key: Key) -> Outcome:
        obj = self.world.kubernetes.get(GOLDEN_IMAGE, key.namespace, key.name)
        if obj is None:
            return Outcome(gone=True)
        try:
            seen = Seen(obj, GoldenImage.from_object(obj))
        except InvalidObjectError as error:
            return unfit.tell(self.world, GOLDEN_IMAGE, obj, ConditionType.SOURCE_READY, error)
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

    def _converge(self, seen: Seen[GoldenImage], account: Account, sharing: Grants | None) -> Outcome:
        versions = versions_of(self.world, seen.declared)
        children = versions.children
        views = self._views(seen, account, fresh=seen.asked and not passed_on(seen, children))
        memory = channels.remember(self.world, seen.declared, account, views)
        # The declared version is rendered from the spec, whatever became of its images.
        named = named_versions(channels.declared_channels(seen.declared), memory.standings.values()) - {seen.declared.spec.version}
        recalled = remembered(self._owner(seen), views, named, self.world.now())
        search = Search(self.world, seen, account, views, children, recalled.versions)
        adoption = search.find(fresh=seen.asked and not passed_on(seen, children))
        known = adoption.known
        reused = family.conflict(seen.declared, children, known)
        if reused is not None:
            return self._stopped(seen, ConditionType.SOURCE_READY, reused)
        rendering = Rendering(self.world, seen, sharing, known, versions)
        made_at = {version: found.made_at for version, found in known.items()}
        course = self._course(seen, memory.standings, made_at)
        retained = self._retained(seen, account, children, views, course)
        suspended = golden_image_status.was_suspended(seen, children)
        refused = rendering.all(children, course, retained)
        if suspended:
            self.world.events.record(seen.obj, EventReason.RESUMED, "spec.suspend is true no longer: work goes on")
        if seen.declared.spec.version in refused:
            return self._stopped(seen, ConditionType.SOURCE_READY, refused[seen.declared.spec.version])
        decisions = channels.decide(self.world, seen.declared, memory, children, refused)
        if not seen.mutable:
            decisions = channels.only_observed(decisions, memory)
        # A channel that has moved changes the stage of the version that it left; only what differs is written.
        moved = {decision.channel.name: decision.standing for decision in decisions if decision.standing.since}
        if moved != memory.standings:
            course = self._course(seen, moved, made_at)
            retained = self._retained(seen, account, children, views, course)
            refused = rendering.all(children, course, retained)
            if seen.declared.spec.version in refused:
                return self._stopped(seen, ConditionType.SOURCE_READY, refused[seen.declared.spec.version])
        published = publish.publish(self.world, seen.obj, seen.declared, account, children, decisions, mutable=seen.mutable)
        kept = config_map.keep(self.world, seen.obj, seen.declared, decisions, mutable=seen.mutable)
        for version in retention.remove_retired(self.world, seen.obj, children, retained, mutable=seen.mutable):
            del children[version]
        told = Moved(decisions, channels.result(decisions, {*children, *known}, views), kept)
        everywhere = self._everywhere(seen, account, children, views)
        left = orphans.look(self.world, seen, account, children, everywhere, retained.policy)
        held = cost.of_family(self._owner(seen), everywhere, orphans.borrowed(self.world, account, children))
        amiss = (*recalled.problems({*children, *refused, seen.declared.spec.version}), *refused.values())
        outcome = golden_image_status.tell(self.world, seen, account, children, told, published, retained, held, left, adoption, amiss)
        recycle_bin.tell(self.world, seen.obj, account, children, self._interval_seconds(seen))
        return outcome

    def _everywhere(self, seen: Seen[GoldenImage], account: Account, children: Children, views: list[RegionView]) -> list[RegionView]:
        """Where the versions are, besides where they are declared now: from listings that the versions read."""
        told = {row.region for child in children.values() for row in child.status.replicas}
        elsewhere = (told | {child.spec.region for child in children.values()}) - {view.place.region for view in views}
        since = self.world.now() - timing.AT_REST * self._interval_seconds(seen)
        places = [Place(account, region) for region in sorted(elsewhere)]
        return [*views, *self.world.inventory.regions(places, not_older_than=since, owner=self._owner(seen)).values()]

    def _retained(self, seen: Seen[GoldenImage], account: Account, children: Children, views: list[RegionView], course: Course) -> Retained:
        interval = self._interval_seconds(seen)
        since = self.world.now() - timing.AT_REST * interval
        views = [*views, *former_accounts.views(self.world, seen.declared, account, children, not_older_than=since)]
        return retention.decide(self.world, seen.declared, children, views, course, interval)

    def _interval_seconds(self, seen: Seen[GoldenImage]) -> float:
        interval = seen.declared.spec.interval
        return parse_duration(interval) if interval else self.world.interval_seconds

    @staticmethod
    def _course(seen: Seen[GoldenImage], standings: Mapping[str, Standing], made_at: Mapping[str, float]) -> Course:
        return Course(channels.declared_channels(seen.declared), standings, made_at)

    def _owner(self, seen: Seen[GoldenImage]) -> Owner:
        return Owner(self.world.installation, seen.declared.namespace, seen.declared.name)

    def _sharing(self, seen: Seen[GoldenImage]) -> Grants | Problem | None:
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
        lists: list[ShareList] = []
        for obj in found.values():
            share_list = unfit.read(ShareList, obj, "Until then nobody's access changes") if obj else None
            if isinstance(share_list, Problem):
                return share_list
            lists += [share_list] if share_list else []
        return family.merged_sharing(seen.declared, lists)

    def _views(self, seen: Seen[GoldenImage], account: Account, *, fresh: bool) -> list[RegionView]:
        spec, now = seen.declared.spec, self.world.now()
        since = now - (0.0 if fresh else timing.AT_REST * self._interval_seconds(seen))
        regions = {spec.region, *(replica.region for replica in spec.replicas)}
        places = [Place(account, region) for region in sorted(regions)]
        return list(self.world.inventory.regions(places, not_older_than=since, owner=self._owner(seen)).values())

    def _stopped(self, seen: Seen[GoldenImage], kind: ConditionType, problem: Problem) -> Outcome:
        return golden_image_status.stopped(self.world, seen, kind, problem)

    def _suspended(self, seen: Seen[GoldenImage]) -> Outcome:
        """The versions inherit the setting, so that none goes on by itself."""
        going_on = [one for one in versions_of(self.world, seen.declared).children.values() if not one.spec.suspend and not one.deleting]
        for child in going_on:
            spec = child.spec.model_copy(update={"suspend": True})
            self.world.kubernetes.apply(IMAGE_VERSION, family.body(seen.declared, spec))
        return golden_image_status.suspended(self.world, seen, stopped=bool(going_on))

    # --- an object that goes ---

    def _delete(self, seen: Seen[GoldenImage]) -> Outcome:
        """The versions first, under their own rules; then the aliases, which until then name images that are still there."""
        if FINALIZER not in seen.declared.metadata.finalizers:
            return Outcome()
        versions = versions_of(self.world, seen.declared)
        waiting = former_accounts.withdraw(self.world, seen.obj, seen.declared, versions.children) if seen.mutable else {}
        for version, child in versions.children.items():
            if version not in waiting:
                self._let_go(seen, child)
        if versions.children or versions.unfit:
            amiss = (*versions.unfit.values(), *dict.fromkeys(waiting.values()))
            return golden_image_status.still_leaving(self.world, seen, versions.children, amiss)
        if seen.mutable:
            account = self.world.accounts.of(seen.declared.spec.account_ref, seen.declared.namespace)
            if isinstance(account, Problem):
                return self._stopped(seen, ConditionType.ACCOUNTS_READY, account)
            withdrawn = publish.withdraw(self.world, seen.obj, seen.declared, account)
            if withdrawn is not None:
                return self._stopped(seen, ConditionType.ALIASES_READY, withdrawn)
        self.world.kubernetes.remove_finalizer(GOLDEN_IMAGE, seen.obj)
        return Outcome()

    def _let_go(self, seen: Seen[GoldenImage], child: ImageVersion) -> None:
        """Deletes a version under the policy that the GoldenImage has now, which may be newer than the one it was rendered with."""
        spec = seen.declared.spec
        policy = {
            "deletion_policy": spec.deletion_policy,
            "management_policy": spec.management_policy,
            "suspend": spec.suspend,
            "channels": (),
            # What was on its way out leaves under the same rules as the others.
            "stage": None if child.spec.stage in GOING else child.spec.stage,
        }
        wanted = child.spec.model_copy(update=policy)
        if wanted != child.spec:
            self.world.kubernetes.apply(IMAGE_VERSION, family.body(seen.declared, wanted))
        if not child.deleting:
            self.world.kubernetes.delete(IMAGE_VERSION, child.namespace, child.name, child.metadata.uid)
