"""Retention: which versions of a family are kept, and at which stage the others are. Owns a GoldenImage's condition RetentionReady.

Only what to do is decided here. Whether an image may be disabled or deregistered is asked again, with evidence, by whoever does it
(`goldenami.plan.stages`).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from semver import Version

from goldenami.api.fields import Stage
from goldenami.plan.desired import DISABLE_FOR_SECONDS

DAY_SECONDS = 86_400.0
TELLING_SECONDS = 2 * DAY_SECONDS
"""EC2 tells launches a day late: an image younger than two days that was never launched may have been (trap 23 of the research)."""
DEFAULT_SHARE = 0.1
TURN_SECONDS = 3600.0
"""How long one that had its turn, and had to stay, leaves it to others: what is used for months is not asked about every few minutes."""
GOING: frozenset[Stage | None] = frozenset({"Disabled", "Retired"})


@dataclass(frozen=True)
class Policy:
    """Which versions are kept; what is None keeps nothing."""

    keep_last: int | None = None
    keep_for_seconds: float | None = None
    keep_if_launched_within_seconds: float | None = None
    deprecate_after_seconds: float | None = None
    most_per_run: int | None = None
    share_per_run: float | None = None
    """Of the family, between 0 and 1; neither of both: a tenth."""
    disable_for_seconds: float = DISABLE_FOR_SECONDS

    @property
    def limited(self) -> bool:
        """Whether it says what is kept at all: without a limit nothing goes by it."""
        return any(limit is not None for limit in (self.keep_last, self.keep_for_seconds, self.keep_if_launched_within_seconds))


@dataclass(frozen=True)
class Member:
    """One version of the family, as it is now. Times are epoch seconds."""

    version: str
    made_at: float = 0.0
    """When its first image was made; 0: not known."""
    last_launched: float = 0.0
    """When EC2 says that one of its images was launched last; 0: never, or not told yet."""
    stage: Stage | None = None
    """The stage it was given before."""
    disabled_since: float = 0.0
    """Since when all of its images are, or were, disabled; 0: not all of them are."""
    noted: bool = False
    """That moment is written down, and counts for its pass when nothing is left to tell it."""
    held: str = ""
    """Why it stays whatever the policy says: `it is declared`, `channel stable names it`, `keep is true`."""
    expires_at: float | None = None
    whole: bool = True
    """It has an image that is or can be made available in every region it is declared for."""
    gone: bool = False
    """Nothing is left of it in AWS."""
    partly_gone: bool = False
    """Some of its images are deregistered: to keep the others would be to make those anew."""
    kept: bool = False
    """On its way, and found to be used, or too young to be known unused: it stays for now. What nobody can tell yet is none of it, unless
    that has been so for days."""
    settled: bool = True
    """Whether its ImageVersion has looked at the stage that it has; until then it may still do what it was told before."""
    deprecated: bool = False
    """Retention, and no rollback, has deprecated it."""
    restored: bool = True
    """Its ImageVersion has looked at the stage that it has, and none of its images is disabled or deprecated."""
    tried_at: float = 0.0
    """When it left its turn to others, because it was kept; 0: it did not."""


@dataclass(frozen=True)
class Verdict:
    """What becomes of one version."""

    version: str
    stage: Stage | None
    """None: retention says nothing about it."""
    why: str = ""
    tried_at: float = 0.0
    """When it left its turn to others; 0: it did not."""


def decide(members: Iterable[Member], policy: Policy | None, now: float, pass_seconds: float, *, spent: int = 0) -> tuple[Verdict, ...]:
    """One verdict for each member, the oldest first.

    `pass_seconds`: how long a pass over the family is, within which only so many go. `spent`: versions that went in the present one, and of
    which not even an object is left.
    """
    family = sorted(members, key=lambda member: (Version.parse(member.version), member.made_at))
    candidates = {member.version: why for member in family if (why := _candidate(member, family, policy, now))}
    turns = _turns(family, candidates.keys(), Pass(per_run(policy, len(family)), now, pass_seconds, spent))
    return tuple(_verdict(member, candidates.get(member.version, ""), turns, policy, now, pass_seconds) for member in family)


# --- who is a candidate ---


def _candidate(member: Member, family: Sequence[Member], policy: Policy | None, now: float) -> str:
    """Why the version may go; empty while anything keeps it."""
    if member.held:
        return ""
    if _expired(member, now):
        return "it has expired"
    if member.stage in GOING and not member.made_at:
        # No image is left to tell its age: to keep it now would be to make it anew.
        return "nothing is left of it"
    if policy is None or not policy.limited:
        return ""
    return "" if any(keeps(member, family, policy, now) for keeps in _LIMITS) else "no limit of the policy keeps it"


def _expired(member: Member, now: float) -> bool:
    return not member.held and member.expires_at is not None and member.expires_at <= now


def _among_the_last(member: Member, family: Sequence[Member], policy: Policy, now: float) -> bool:
    """`family` is in the order of SemVer, and of creation where only what follows a + differs.

    Only what can be launched counts: a new version that is not made yet, or never will be, pushes no good one out.
    """
    if policy.keep_last is None:
        return False
    higher = family[family.index(member) + 1 :]
    return sum(one.whole and not _expired(one, now) for one in higher) < policy.keep_last


def _young(member: Member, _family: Sequence[Member], policy: Policy, now: float) -> bool:
    # Not known how old: then it is not known to be old.
    return policy.keep_for_seconds is not None and (not member.made_at or now - member.made_at < policy.keep_for_seconds)


def _launched(member: Member, _family: Sequence[Member], policy: Policy, now: float) -> bool:
    within = policy.keep_if_launched_within_seconds
    if within is None:
        return False
    if member.last_launched:
        return now - member.last_launched < within
    return now - member.made_at < TELLING_SECONDS


_LIMITS = (_among_the_last, _young, _launched)


# --- how many go at once ---


@dataclass(frozen=True)
class Pass:
    """The pass over a family that is under way. `spent`: as for `decide`."""

    most: int
    now: float
    seconds: float
    spent: int = 0

    def takes_room(self, member: Member) -> bool:
        """Whether one on its way may go dark in this pass, or has. That nobody can tell yet whether it may is no reason to send others
        after it: when the report arrives, or the permission is given, they would all go at once."""
        if member.disabled_since:
            return self.now - member.disabled_since < self.seconds
        return not member.gone and not (member.kept and member.partly_gone)

    def may_try(self, member: Member) -> bool:
        return not member.tried_at or self.now - member.tried_at >= max(self.seconds, TURN_SECONDS)


@dataclass(frozen=True)
class _Turns:
    """Whose turn it is to go: those that are on their way and stay so, and those that join them while there is room."""

    admitted: frozenset[str]
    yielding: frozenset[str]
    """On their way until now, and kept: others wait for their turn."""


def _turns(family: Sequence[Member], candidates: Collection[str], run: Pass) -> _Turns:
    on_their_way = [member for member in family if member.version in candidates and member.stage in GOING]
    taking = [member for member in on_their_way if run.takes_room(member)]
    # What was called back may go dark all the same, until it has heard of it.
    unheard = [member for member in family if member.stage not in GOING and not member.settled]
    taken = run.spent + len(taking) + len(unheard)
    waiting = [member for member in family if member.version in candidates and member.stage not in GOING and member.settled]
    # The oldest first; those that had their turn after all others, in turn.
    queue = sorted(filter(run.may_try, waiting), key=lambda member: member.tried_at)
    joining = queue[: max(0, run.most - taken)]
    wanted = len(queue) - len(joining) + max(0, taken - run.most)
    yielding = [member.version for member in taking if member.kept and not member.partly_gone][:wanted]
    return _Turns(frozenset(member.version for member in (*on_their_way, *joining)).difference(yielding), frozenset(yielding))


def per_run(policy: Policy | None, size: int) -> int:
    """How many versions go at most in one pass over a family of this size; never none, or nothing would ever go."""
    if policy is not None and policy.most_per_run is not None:
        return policy.most_per_run
    share = policy.share_per_run if policy is not None and policy.share_per_run is not None else DEFAULT_SHARE
    return max(1, int(size * share))


# --- at which stage ---


def _verdict(member: Member, why: str, turns: _Turns, policy: Policy | None, now: float, pass_seconds: float) -> Verdict:
    if member.version in turns.admitted:
        return Verdict(member.version, _going(member, policy, now, pass_seconds), why)
    if member.version in turns.yielding:
        return Verdict(member.version, "Deprecated", f"{why}, but for now it stays; others have their turn", now)
    if why and member.tried_at:
        return Verdict(member.version, "Deprecated", f"{why}; it is looked at again in a later pass", member.tried_at)
    if why:
        # One that was deprecated on its way stays so, though nobody remembers when it left its turn to others.
        deprecated = member.deprecated or _outlived(member, policy, now)
        return Verdict(member.version, "Deprecated" if deprecated else None, f"{why}; it goes in a later pass")
    if _outlived(member, policy, now):
        return Verdict(member.version, "Deprecated", "it is older than deprecateAfter")
    # What was on its way and is wanted again gets everything back, its deprecation taken away included: until that has been done.
    taken = member.stage in GOING or member.deprecated or (member.stage == "Active" and not member.restored)
    return Verdict(member.version, "Active" if taken else None, member.held)


def _going(member: Member, policy: Policy | None, now: float, pass_seconds: float) -> Stage:
    """Deregistered only what has been disabled, everywhere, for long enough, and will be counted for the pass in which it was."""
    wait, dark_for = (policy or Policy()).disable_for_seconds, now - member.disabled_since
    over = member.gone or (bool(member.disabled_since) and dark_for >= wait and (member.noted or dark_for >= pass_seconds))
    # Once begun, regions that are gone already would look as if the rest had not been disabled for long enough.
    return "Retired" if over or member.stage == "Retired" else "Disabled"


def _outlived(member: Member, policy: Policy | None, now: float) -> bool:
    after = policy.deprecate_after_seconds if policy is not None else None
    return after is not None and not member.held and bool(member.made_at) and now - member.made_at >= after


def merged(channels: Stage | None, retention: Stage | None) -> Stage | None:
    """What channels and retention make of one version together: what a channel names is never retired, and a rollback's mark stays."""
    if retention in GOING:
        return retention
    if retention == "Deprecated" or channels == "Deprecated":
        return "Deprecated"
    return channels or retention
