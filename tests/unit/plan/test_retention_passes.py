"""Passes of retention, played: whoever uses what, and whenever reports arrive, no more versions go dark in a pass than it admits."""

from dataclasses import dataclass

from hypothesis import example, given
from hypothesis import strategies as st

from goldenami.api.fields import Stage
from goldenami.plan.retention import GOING, Member, Policy, decide

BEGINNING = 1_800_000_000.0
PASS = 600.0
BLOCKED = 2 * 86_400.0
OLD = 4


@dataclass
class Version:
    """One ImageVersion and its images, as its own looks make them."""

    name: str
    stage: Stage | None = None
    heard: Stage | None = None
    """The stage at its last look."""
    in_use: bool = False
    pending: bool = False
    kept: bool = False
    dark_at: float = 0.0
    noted: float = 0.0
    tried_at: float = 0.0
    turn_since: float = 0.0
    gone: bool = False

    def act(self, now: float) -> None:
        """By the stage that it has heard of."""
        if self.heard not in GOING:
            self.dark_at, self.kept = 0.0, False
        elif not self.dark_at:
            self.kept = self.in_use
            self.dark_at = 0.0 if self.in_use or self.pending else now
        elif self.heard == "Retired":
            self.gone = True


@dataclass
class Play:
    policy: Policy
    versions: list[Version]
    now: float = BEGINNING

    def look(self, *, dies: bool = False) -> None:
        """The GoldenImage's; the process may die before what it found is written down."""
        spent = sum(one.gone and self.now - one.noted < PASS for one in self.versions)
        there = {one.name: one for one in self.versions if not one.gone}
        members = [*map(self.member, there.values()), Member("9.0.0", made_at=1.0, held="it is declared")]
        for verdict in decide(members, self.policy, self.now, PASS, spent=spent):
            if one := there.get(verdict.version):
                one.turn_since = (one.turn_since or self.now) if verdict.stage in GOING else 0.0
                one.stage = verdict.stage
                if not dies:
                    one.tried_at, one.noted = verdict.tried_at, one.dark_at

    def member(self, one: Version) -> Member:
        current, going = one.heard == one.stage, one.stage in GOING
        unheard = not going and not current
        blocked = one.pending and not one.dark_at and 0 < one.turn_since <= self.now - BLOCKED
        return Member(
            one.name,
            made_at=1.0,
            stage=one.stage,
            disabled_since=one.dark_at,
            noted=one.noted == one.dark_at,
            kept=going and current and (one.kept or blocked),
            settled=not unheard,
            tried_at=one.tried_at or (self.now if unheard and one.kept else 0.0),
        )

    def dark(self) -> list[str]:
        """Versions that cannot be launched any more since this pass."""
        return [one.name for one in self.versions if one.dark_at and self.now - one.dark_at < PASS]


EVENTS = ("look", "look", "die", "hear", "hear", "act late", "use", "free", "ask", "report", "wait", "pass", "hour", "days")
ALL = range(OLD)
LOOK = [("look", 0)]
AT_ONCE, A_WEEK = (Policy(keep_last=1, most_per_run=1, disable_for_seconds=seconds) for seconds in (0.0, 7 * 86_400.0))
policies = st.builds(Policy, keep_last=st.just(1), most_per_run=st.integers(1, 2), disable_for_seconds=st.sampled_from([0.0, 60.0, 6e5]))


def every(event: str, *numbers: int) -> list[tuple[str, int]]:
    return [(event, number) for number in numbers or ALL]


@given(policies, st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, OLD - 1)), max_size=60))
# All of them wait for reports, and the reports arrive together.
@example(AT_ONCE, [*every("ask"), *[*LOOK, *every("hear")] * 4, *every("report"), *every("hear")])
# All of them are in use, have had their turns, and are free together.
@example(A_WEEK, [*every("use"), *[*LOOK, *every("hear")] * 9, *every("free"), *every("hear")])
# Nobody can tell of any of them for days, so that they have turns, and then all can be told about together.
@example(A_WEEK, [*every("ask"), *[*LOOK, *every("hear"), ("days", 0)] * 5, *every("report"), *every("hear")])
# The first is called back, and the second has its turn, before the first has heard of it; then it is free.
@example(A_WEEK, [("use", 0), *LOOK, ("hear", 0), *LOOK, *LOOK, ("hear", 1), ("free", 0), ("act late", 0)])
# The first is gone, its object too, while the pass is not over.
@example(AT_ONCE, [*LOOK, ("hear", 0), *LOOK, *LOOK, ("hear", 0), *LOOK, *every("hear")])
# And nobody had the time to write down when it was disabled.
@example(AT_ONCE, [*LOOK, ("hear", 0), ("die", 0), ("hear", 0), *LOOK, *every("hear")])
def test_no_more_go_dark_in_a_pass_than_it_admits(policy: Policy, events: list[tuple[str, int]]) -> None:
    play = Play(policy, [Version(f"1.{number}.0") for number in range(OLD)])
    for event, number in events:
        one = play.versions[number]
        match event:
            case "look" | "die":
                play.look(dies=event == "die")
            case "hear":
                one.heard = one.stage
                one.act(play.now)
            case "act late":
                one.act(play.now)
            case "use" | "free":
                one.in_use = event == "use" and not one.dark_at
            case "ask" | "report":
                one.pending = event == "ask"
            case "wait" | "pass" | "hour" | "days":
                play.now += {"wait": 1.0, "pass": PASS, "hour": 3600.0, "days": BLOCKED}[event]
        assert len(play.dark()) <= (policy.most_per_run or 0)


@given(st.sets(st.integers(0, OLD - 1)), st.integers(1, 2))
def test_everybody_has_a_turn_and_who_is_free_goes(in_use: set[int], most: int) -> None:
    """Within as many passes as there are versions, whoever holds on to theirs."""
    _assert_all_others_go([Version(f"1.{n}.0", in_use=n in in_use) for n in range(OLD)], most, PASS)


@given(st.sets(st.integers(0, OLD - 1)), st.integers(1, 2))
def test_one_of_which_nobody_can_tell_for_days_leaves_its_turn_to_others(unknown: set[int], most: int) -> None:
    _assert_all_others_go([Version(f"1.{n}.0", pending=n in unknown) for n in range(OLD)], most, BLOCKED)


def _assert_all_others_go(versions: list[Version], most: int, pause: float) -> None:
    play = Play(Policy(keep_last=1, most_per_run=most), versions)
    stay = {one.name for one in versions if one.in_use or one.pending}
    for _ in range(OLD):
        for _ in range(3 * OLD):
            play.look()
            for one in play.versions:
                one.heard = one.stage
                one.act(play.now)
        play.now += pause
    assert {one.name for one in play.versions if one.dark_at} == {one.name for one in versions} - stay
