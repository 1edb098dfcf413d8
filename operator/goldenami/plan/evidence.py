"""Evidence: what is known of an image's users right before something irreversible is done to it, and what speaks against doing it.

Every source of a closed list has to testify. Evidence that is stale, missing, forbidden or contradicts itself blocks and says so; it never
passes. The sources themselves are in `goldenami.aws.evidence`, but for what the image tells of itself, which is here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from goldenami.api.reasons import Outcome, Reason
from goldenami.plan.values import Image, Problem

STALE_SECONDS = 60.0
"""Evidence that is older belongs to another moment than the step it shall allow."""
LAUNCH_LAG_SECONDS = 48 * 3600.0
"""EC2 tells of a launch a day late, and only since the image exists: what it does not tell means nothing before twice that."""
MAX_USERS = 16
"""Users that one source names; the others are counted by nobody, since one is enough to keep the image."""
SHOWN = 3


class Source(StrEnum):
    """Who testifies. The list is closed: an image may go only when every one of them has spoken."""

    INSTANCES = "Instances"
    """Instances in any state but terminated."""
    LAUNCH_TEMPLATES = "LaunchTemplates"
    """Versions of launch templates, with or without an Auto Scaling group."""
    AUTO_SCALING_GROUPS = "AutoScalingGroups"
    """Groups by the template version that they name, overrides included, and by their instances; also groups of size 0."""
    LAUNCH_CONFIGURATIONS = "LaunchConfigurations"
    """The older form of a template, with or without a group."""
    PARAMETERS = "Parameters"
    """SSM parameters of data type aws:ec2:image whose value it is, our aliases included, and templates that say `resolve:ssm:`."""
    IMAGE_RECIPES = "ImageRecipes"
    """Recipes of Image Builder that are built on it."""
    REFERENCES = "References"
    """EC2's own DescribeImageReferences."""
    LAST_LAUNCHED = "LastLaunched"
    """LastLaunchedTime."""
    USAGE_REPORTS = "UsageReports"
    """EC2's reports of the use in other accounts."""
    GOLDEN_IMAGES = "GoldenImages"
    """Other GoldenImages, and their versions, whose source it, or one of its snapshots, is."""
    CHANNELS = "Channels"
    """Channels of its GoldenImage that name its version."""


@dataclass(frozen=True)
class Testimony:
    """What one source says of one image: exactly one of users, a problem, pending, or none of it: the source knows no user."""

    source: Source
    users: tuple[str, ...] = ()
    """Short sentences, as `instance i-0abc` and `launch template lt-0abc:3`; at most MAX_USERS."""
    problem: Problem | None = None
    """Why the source could not be asked, or cannot be believed."""
    pending: bool = False
    """Not to be told yet: a report is being made, or an alias of ours is about to move. The note says which."""
    pending_since_epoch_seconds: float = 0.0
    note: str = ""
    """What is waited for, or why the source did not have to be asked."""


@dataclass(frozen=True)
class Evidence:
    """Everything that was found out about one image."""

    image_id: str
    gathered_epoch_seconds: float
    """Of the oldest reading in it."""
    testimonies: tuple[Testimony, ...] = ()

    @property
    def users(self) -> tuple[str, ...]:
        """Each once; a launch template without its version is the same as with one."""
        named = list(dict.fromkeys(user for testimony in self.testimonies for user in testimony.users))
        return tuple(user for user in named if not any(other.startswith(f"{user}:") for other in named))

    @property
    def problem(self) -> Problem | None:
        """The first; what a person has to do comes before what passes, and that before what is no fault."""
        problems = [testimony.problem for testimony in self.testimonies if testimony.problem]
        return min(problems, key=lambda problem: (not problem.stalled, problem.reason is Reason.TOO_YOUNG), default=None)

    @property
    def pending(self) -> bool:
        return any(testimony.pending for testimony in self.testimonies)

    @property
    def pending_since_epoch_seconds(self) -> float:
        """Of the longest; 0 where nothing says since when."""
        return min((each.pending_since_epoch_seconds for each in self.testimonies if each.pending), default=0.0)

    @property
    def missing(self) -> tuple[Source, ...]:
        """Sources that said nothing at all."""
        heard = {testimony.source for testimony in self.testimonies}
        return tuple(source for source in Source if source not in heard)

    @property
    def complete(self) -> bool:
        return not (self.missing or self.problem or self.pending)


@dataclass(frozen=True)
class Rules:
    """How much is asked. The defaults ask for the most that an explicit deletion needs."""

    template_versions: int | None = None
    """How many of a launch template's newest versions count; None: all. The default, the latest, and those that groups name always do."""
    usage_reports: bool = True
    """Whether the use of a shared image in other accounts has to be reported; otherwise it is not asked about."""
    keep_if_launched_within_seconds: float | None = None
    """A launch that is not longer ago is a user."""
    policy: bool = False
    """Retirement by policy, which nobody asked for by name: then a launch time that is missing or too young blocks, and channels keep."""


@dataclass(frozen=True)
class Objection:
    """Why an image stays for now."""

    reason: Reason
    message: str
    outcome: Outcome
    """Progressing while a report is made; otherwise retried, or stalled where a person must act."""


def objection(evidence: Evidence, now: float) -> Objection | None:
    """What speaks against the step, or None: every source has testified, a moment ago, that nobody uses the image.

    A user is told first: whatever else is unknown, the image stays.
    """
    if users := evidence.users:
        told = f"it is used by {listed(users)}; it goes when they no longer refer to it"
        return Objection(Reason.IN_USE, told, Reason.IN_USE.outcome)
    if now - evidence.gathered_epoch_seconds > STALE_SECONDS:
        return _incomplete("what is known of its users is too old; it is looked for again")
    if evidence.missing:
        return _incomplete(f"not everything was asked who uses it: {', '.join(evidence.missing)} said nothing")
    if evidence.problem and evidence.problem.reason is Reason.TOO_YOUNG:
        return Objection(Reason.TOO_YOUNG, evidence.problem.message, Reason.TOO_YOUNG.outcome)
    if evidence.problem:
        outcome = Outcome.STALLED if evidence.problem.stalled else Outcome.RETRYING
        return _incomplete(f"who uses it cannot be told. {_told(evidence, stalled=evidence.problem.stalled)}", outcome)
    if evidence.pending:
        notes = dict.fromkeys(each.note for each in evidence.testimonies if each.pending)
        return _incomplete("; ".join(notes), Outcome.PROGRESSING)
    return None


def _incomplete(message: str, outcome: Outcome = Outcome.RETRYING) -> Objection:
    return Objection(Reason.EVIDENCE_INCOMPLETE, message, outcome)


def _told(evidence: Evidence, *, stalled: bool) -> str:
    """The problems that decide, a few of them: where a person must act, those alone."""
    found = [f"{each.source}: {each.problem.message}" for each in evidence.testimonies if each.problem and each.problem.stalled is stalled]
    return "; ".join(found[:SHOWN])


def listed(users: Iterable[str]) -> str:
    """The first three, and how many more."""
    named = tuple(users)
    return ", ".join(named[:SHOWN]) + (f" and {len(named) - SHOWN} more" if len(named) > SHOWN else "")


# --- what needs no source but the image itself ---


def last_launched(image: Image, rules: Rules, now: float) -> Testimony:
    """EC2 tells of a launch a day late: silence about a young image is no answer, and nobody has asked for this image to go by name."""
    launched = image.last_launched_epoch_seconds
    within = rules.keep_if_launched_within_seconds
    if within is not None and launched and now - launched < within:
        return Testimony(Source.LAST_LAUNCHED, users=(f"a launch within {days(within)}",))
    if rules.policy and now - max(launched, image.created_epoch_seconds) < LAUNCH_LAG_SECONDS:
        since = "launched" if launched else "made"
        told = f"it was {since} less than 48 hours ago, and EC2 tells of launches a day late; it is looked at again"
        return Testimony(Source.LAST_LAUNCHED, problem=Problem(Reason.TOO_YOUNG, told))
    return Testimony(Source.LAST_LAUNCHED)


def channels(names: Iterable[str], rules: Rules, *, declared: bool = False, edited: bool = False) -> Testimony:
    """A channel keeps the version that it names from being retired; not a region that is no longer declared, nor a second copy.

    `declared`: its GoldenImage declares this version. `edited`: it says something that nobody has looked at yet, and that may keep it.
    """
    if not rules.policy:
        return Testimony(Source.CHANNELS)
    users = (*(["its GoldenImage, which declares it"] if declared else []), *(f"channel {name}" for name in sorted(names)))[:MAX_USERS]
    if edited and not users:
        return Testimony(Source.CHANNELS, pending=True, note="its GoldenImage was edited, and is looked at first")
    return Testimony(Source.CHANNELS, users)


def days(seconds: float) -> str:
    """`30 days`; `36 hours` where it is no whole number of them."""
    return f"{seconds / 86400:.0f} days" if seconds % 86400 == 0 else f"{seconds / 3600:.0f} hours"
