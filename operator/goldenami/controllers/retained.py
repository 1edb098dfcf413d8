"""What retention makes of a family in one look, as the versions are rendered by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from goldenami.api.fields import Stage
from goldenami.api.golden_image import RetiringStatus
from goldenami.api.image_version import Retirement
from goldenami.api.reasons import Reason
from goldenami.api.retention_policy import RetentionPolicySpec
from goldenami.plan import retention
from goldenami.plan.retention import Verdict
from goldenami.plan.values import Problem


@dataclass(frozen=True)
class Kept:
    """Why a version that may go stays for now, as its ImageVersion said when it was asked last."""

    reason: Reason
    message: str


@dataclass(frozen=True)
class Retained:
    """What retention makes of the family in this look."""

    declared: bool
    """Anything is said about retention at all, or something is on its way out."""
    policy: RetentionPolicySpec | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    """By version; without one a version keeps the stage it has."""
    since: Mapping[str, float] = field(default_factory=dict)
    """Since when all images of a version are disabled, in epoch seconds; 0 while they are not."""
    gone: frozenset[str] = frozenset()
    """Versions of which nothing is left in AWS."""
    kept: Mapping[str, Kept] = field(default_factory=dict)
    """By version: of those that left their turn to others, because they are used or too young."""
    before: Mapping[str, RetiringStatus] = field(default_factory=dict)
    """By version: what was said last of those on their way."""
    pass_seconds: float = 0.0
    problem: Problem | None = None
    """Why nothing was decided."""

    def stage(self, version: str, by_channels: Stage | None, before: Stage | None) -> Stage | None:
        """Of one version, together with what the channels make of it."""
        if self.problem is not None:
            return before if before in retention.GOING else by_channels or before
        verdict = self.verdicts.get(version)
        return retention.merged(by_channels, verdict.stage if verdict else None)

    def retirement(self, before: Retirement | None) -> Retirement | None:
        """What an ImageVersion has to know of the policy; as before while the policy cannot be read."""
        policy = self.policy
        if policy is None:
            return before if self.problem is not None else None
        found = Retirement(
            disable_for=policy.retire.disable_for if policy.retire else None,
            deregistration_protection=policy.deregistration_protection,
            evidence=policy.evidence,
            keep_if_launched_within=policy.keep_if_launched_within,
        )
        return found if found != Retirement() else None


EVERYTHING = Retained(declared=False)
"""Nothing is said: every version is kept."""
