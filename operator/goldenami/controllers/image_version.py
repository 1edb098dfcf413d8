"""ImageVersion: makes AWS hold one version, from its own spec alone, and reports per replica.

Read `ImageVersions.__call__` top to bottom: get, account, finalizer, look and act, judge, status.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from goldenami.api import conditions as summary
from goldenami.api.conditions import ConcernResult, ConditionType
from goldenami.api.duration import parse_duration
from goldenami.api.image_version import ImageVersion
from goldenami.api.kinds import FINALIZER, IMAGE_VERSION, Key
from goldenami.api.meta import InvalidObjectError
from goldenami.api.reasons import EventReason, Reason
from goldenami.controllers import evidence_status, judge, logs, news, report, timing, translate, unfit
from goldenami.controllers.caretaker import Outcome
from goldenami.controllers.gather import Freshness, Gatherer
from goldenami.controllers.news import Acted
from goldenami.controllers.subject import Seen
from goldenami.controllers.world import World
from goldenami.kube.client import Body
from goldenami.kube.status import write_status
from goldenami.plan import whole
from goldenami.plan.desired import Version
from goldenami.plan.observed import Observed
from goldenami.plan.values import Account, Problem
from goldenami.plan.whole import Failures, Look

MAX_STEPS = 4
"""Times that one look acts and looks again. What needs longer, as a copy does, is left to a later look."""


@dataclass(frozen=True)
class ImageVersions:
    """The reconciler of ImageVersion."""

    world: World

    def __call__(self, key: Key) -> Outcome:
        obj = self.world.kubernetes.get(IMAGE_VERSION, key.namespace, key.name)
        if obj is None:
            return Outcome(gone=True)
        try:
            seen = Seen(obj, ImageVersion.from_object(obj))
        except InvalidObjectError as error:
            return unfit.tell(self.world, IMAGE_VERSION, obj, ConditionType.SOURCE_READY, error)
        logs.observe_generation(seen.declared.generation)
        if seen.declared.deleting:
            return self._delete(seen)
        if seen.declared.spec.suspend:
            return self._suspended(seen)
        account = self.world.accounts.of(seen.declared.spec.account_ref, key.namespace)
        if isinstance(account, Problem):
            return self._without_account(seen, account)
        if seen.mutable:
            # Before the first write to AWS: what is made from here on is cleaned up, or released, when the object goes.
            seen = Seen(self.world.kubernetes.add_finalizer(IMAGE_VERSION, seen.obj), seen.declared)
        return self._converge(seen, account)

    # --- an object that shall exist ---

    def _converge(self, seen: Seen[ImageVersion], account: Account) -> Outcome:
        version = translate.version(seen.declared, account, self.world.installation)
        gatherer = self._gatherer(seen, version)
        look, observed, acted = self._step(seen, gatherer, whole.look)
        results = self._results(version, look)
        status = report.image_version(seen.declared, version, look, observed, self._conditions(seen, results, version, look), acted)
        self._tell(seen, status, look, acted)
        return timing.next_look(look, observed, self.world.now(), mutable=seen.mutable)

    def _step(
        self, seen: Seen[ImageVersion], gatherer: Gatherer, decide: Callable[[Version, Observed], Look]
    ) -> tuple[Look, Observed, list[Acted]]:
        """Looks and acts until there is nothing left to do now, or something failed. The look it ends with says what failed."""
        acted: list[Acted] = []
        failures: Failures = ()
        look, observed = gatherer.look(decide)
        for _ in range(MAX_STEPS):
            if not look.actions or failures or not seen.mutable:
                break
            self._record_attempts(seen, gatherer, look)
            result = self.world.perform(seen.obj, look.actions)
            failures = result.failures
            acted.append(Acted(look, result, evidence_status.proof(look, observed)))
            gatherer.forget_evidence()
            look, observed = gatherer.look(decide)
        return look.with_failures(failures), observed, acted

    def _record_attempts(self, seen: Seen[ImageVersion], gatherer: Gatherer, look: Look) -> None:
        """A further attempt is written down before it is made: its number is part of the client token (design §4)."""
        attempts = report.new_attempts(gatherer.recorded, look)
        if not attempts:
            return
        for region, attempt in attempts.items():
            gatherer.recorded[region] = attempt
        status = report.with_attempts(seen.obj, attempts)
        write_status(self.world.kubernetes, IMAGE_VERSION, seen.obj, status)
        seen.obj["status"] = status

    def _gatherer(self, seen: Seen[ImageVersion], version: Version) -> Gatherer:
        status = seen.declared.status
        return Gatherer(
            inventory=self.world.inventory,
            version=version,
            regions=version.regions | {version.home_region} | {replica.region for replica in status.replicas},
            freshness=self._freshness(seen),
            recorded=translate.recorded(status),
            recorded_source_image_id=(status.source.image_id or "") if status.source else "",
            granted=report.granted(status) | version.sharing.principals,
            tag_keys=frozenset(status.tag_keys),
            asked=seen.asked,
            dependents=self.world.dependents,
            mutable=seen.mutable,
            leaving=seen.declared.deleting or version.going,
            now=self.world.now,
        )

    def _freshness(self, seen: Seen[ImageVersion]) -> Freshness:
        """How old the listings may be: asked for, not at all; while work runs, as old as a poll; at rest, as old as the interval."""
        declared, now = seen.declared, self.world.now()
        if declared.deleting and declared.spec.stage == "Retired" and not seen.asked:
            # Its family removes it because nothing was left of it a moment ago, as many others.
            return Freshness(now - timing.CHANGED_SECONDS, now - timing.CHANGED_SECONDS)
        if seen.asked or declared.deleting:
            return Freshness(now, now)
        interval = parse_duration(declared.spec.interval) if declared.spec.interval else self.world.interval_seconds
        if declared.status.observed_generation < 0:
            # Nothing was ever said of it: what is decided from its snapshots asks for them.
            return Freshness(now - timing.CHANGED_SECONDS, now - timing.AT_REST * interval)
        if declared.generation != declared.status.observed_generation:
            return Freshness(now - timing.CHANGED_SECONDS, now - timing.CHANGED_SECONDS)
        if evidence_status.waits_for_a_report(declared):
            # It may go when the report is there, and only after each of its images was read by its id.
            return Freshness(now - timing.CHANGED_SECONDS, now - timing.AT_REST * interval)
        if not summary.is_true(declared.status.conditions, ConditionType.READY):
            return Freshness(now - timing.POLL_SECONDS, now - timing.AT_REST * interval, progress=True)
        return Freshness(now - timing.AT_REST * interval, now - timing.AT_REST * interval)

    def _results(self, version: Version, look: Look) -> tuple[ConcernResult, ...]:
        done = {
            ConditionType.SOURCE_READY: look.source.message if look.source else "",
            ConditionType.REPLICAS_READY: report.replicas_message(look),
            ConditionType.SHARING_READY: report.sharing_message(version, look),
        }
        account = ConcernResult(ConditionType.ACCOUNTS_READY, Reason.SUCCEEDED, f"account {version.account.account_id}")
        return (
            account,
            *(
                judge.retention(findings) if kind is ConditionType.RETENTION_READY else judge.concern(kind, findings, done[kind])
                for kind, findings in look.concerns.items()
                if findings or not version.going
            ),
        )

    def _conditions(
        self, seen: Seen[ImageVersion], results: tuple[ConcernResult, ...], version: Version, look: Look
    ) -> tuple[summary.Condition, ...]:
        if not seen.mutable and look.actions:
            results = (*results[:-1], report.observing(results[-1], len(look.actions)))
        return summary.summarize(
            results,
            seen.declared.generation,
            seen.declared.status.conditions,
            datetime.now(UTC),
            done=report.done_message(version, look),
        )

    def _tell(self, seen: Seen[ImageVersion], status: Body, look: Look, acted: Sequence[Acted]) -> None:
        self.world.tell(IMAGE_VERSION, seen.obj, status)
        for reason, message in news.of(seen.declared, acted, look):
            self.world.events.record(seen.obj, reason, message)

    # --- objects that cannot be worked on now ---

    def _suspended(self, seen: Seen[ImageVersion]) -> Outcome:
        declared = seen.declared
        kept = summary.suspended(declared.generation, declared.status.conditions, datetime.now(UTC))
        status = report.with_conditions(seen.obj, declared, kept, looked=False)
        self.world.tell(IMAGE_VERSION, seen.obj, status)
        if declared.generation != declared.status.observed_generation:
            self.world.events.record(seen.obj, EventReason.SUSPENDED, "spec.suspend is true: nothing is read or changed until it is false")
        return Outcome()

    def _without_account(self, seen: Seen[ImageVersion], problem: Problem) -> Outcome:
        declared = seen.declared
        results = (
            judge.of_problem(ConditionType.ACCOUNTS_READY, problem),
            *(
                result
                for kind in (ConditionType.SOURCE_READY, ConditionType.REPLICAS_READY, ConditionType.SHARING_READY)
                for result in judge.carried(kind, declared.status.conditions)
            ),
        )
        found = summary.summarize(results, declared.generation, declared.status.conditions, datetime.now(UTC))
        status = report.with_conditions(seen.obj, declared, found)
        self.world.tell(IMAGE_VERSION, seen.obj, status)
        return timing.after_problem(problem)

    # --- an object that goes ---

    def _delete(self, seen: Seen[ImageVersion]) -> Outcome:
        if FINALIZER not in seen.declared.metadata.finalizers:
            return Outcome()
        if not seen.mutable:
            how = "suspended" if seen.declared.spec.suspend else "only observed"
            self.world.events.record(seen.obj, EventReason.RELEASED, f"deleted while {how}: everything stays in AWS as it is")
            self.world.kubernetes.remove_finalizer(IMAGE_VERSION, seen.obj)
            return Outcome()
        account = self.world.accounts.of(seen.declared.spec.account_ref, seen.declared.namespace)
        if isinstance(account, Problem):
            return self._without_account(seen, account)
        version = translate.version(seen.declared, account, self.world.installation)
        look, observed, acted = self._step(seen, self._gatherer(seen, version), whole.look_at_leaving)
        if not look.leaving:
            self.world.events.record(seen.obj, report.gone_reason(version), report.gone_message(version))
            self.world.kubernetes.remove_finalizer(IMAGE_VERSION, seen.obj)
            return Outcome()
        return self._still_leaving(seen, version, look, observed, acted)

    def _still_leaving(self, seen: Seen[ImageVersion], version: Version, look: Look, observed: Observed, acted: Sequence[Acted]) -> Outcome:
        declared = seen.declared
        result = judge.concern(ConditionType.REPLICAS_READY, look.leaving, "")
        if result.outcome is Reason.SUCCEEDED.outcome:
            result = ConcernResult(ConditionType.REPLICAS_READY, Reason.DELETING, result.message or "being released")
        shared = [one.finding for one in look.shared]
        sharing = [judge.concern(ConditionType.SHARING_READY, shared, "what is not declared any more is taken back")] if shared else []
        found = summary.summarize((result, *sharing), declared.generation, declared.status.conditions, datetime.now(UTC))
        status = report.image_version(declared, version, look, observed, found, acted)
        self._tell(seen, status, look, acted)
        return timing.next_look(look, observed, self.world.now(), mutable=seen.mutable)
