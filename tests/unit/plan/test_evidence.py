"""Evidence: an image goes only when every source has just said that nobody uses it; whatever else it is, it stays and says why."""

import pytest

from goldenami.api.reasons import Outcome, Reason
from goldenami.plan.evidence import Evidence, Objection, Rules, Source, Testimony, channels, last_launched, objection
from goldenami.plan.values import Problem
from support.plan import NOW, evidence, golden_ami, unused, used

DENIED = Problem(Reason.ACCESS_DENIED, "DescribeInstances is not allowed in eu-west-3", stalled=True)
THROTTLED = Problem(Reason.THROTTLED, "DescribeInstances is throttled in eu-west-3")
HOUR = 3600.0


def judged(*testimonies: Testimony, at: float = NOW) -> Objection | None:
    return objection(evidence("ami-1", *testimonies, at=at), NOW)


def test_an_image_that_no_source_knows_a_user_of_may_go() -> None:
    assert objection(unused(), NOW) is None
    assert unused().complete


@pytest.mark.parametrize("source", Source)
class TestEverySource:
    def test_keeps_the_image_by_a_user(self, source: Source) -> None:
        found = judged(Testimony(source, users=("somebody",)))
        assert found is not None
        assert (found.reason, found.outcome) == (Reason.IN_USE, Outcome.RETRYING)
        assert "somebody" in found.message

    def test_keeps_the_image_by_a_problem_that_passes(self, source: Source) -> None:
        found = judged(Testimony(source, problem=THROTTLED))
        assert found is not None
        assert (found.reason, found.outcome) == (Reason.EVIDENCE_INCOMPLETE, Outcome.RETRYING)
        assert source in found.message
        assert THROTTLED.message in found.message

    def test_keeps_the_image_and_asks_for_a_person_where_it_is_forbidden(self, source: Source) -> None:
        found = judged(Testimony(source, problem=DENIED))
        assert found is not None
        assert (found.reason, found.outcome) == (Reason.EVIDENCE_INCOMPLETE, Outcome.STALLED)

    def test_keeps_the_image_while_it_makes_a_report(self, source: Source) -> None:
        found = judged(Testimony(source, pending=True))
        assert found is not None
        assert (found.reason, found.outcome) == (Reason.EVIDENCE_INCOMPLETE, Outcome.PROGRESSING)

    def test_keeps_the_image_by_saying_nothing(self, source: Source) -> None:
        silent = Evidence("ami-1", NOW, tuple(Testimony(other) for other in Source if other is not source))
        found = objection(silent, NOW)
        assert found is not None
        assert (found.reason, silent.complete) == (Reason.EVIDENCE_INCOMPLETE, False)
        assert source in found.message


def test_evidence_of_another_moment_blocks() -> None:
    assert judged(at=NOW - 59) is None
    found = judged(at=NOW - 61)
    assert found is not None
    assert found.reason is Reason.EVIDENCE_INCOMPLETE


def test_a_user_is_told_before_what_is_unknown() -> None:
    found = judged(Testimony(Source.INSTANCES, users=("instance i-1",)), Testimony(Source.LAUNCH_TEMPLATES, problem=DENIED), at=0)
    assert found is not None
    assert found.reason is Reason.IN_USE


def test_what_a_person_must_do_is_told_before_what_passes() -> None:
    found = judged(Testimony(Source.INSTANCES, problem=THROTTLED), Testimony(Source.LAUNCH_TEMPLATES, problem=DENIED))
    assert found is not None
    assert found.outcome is Outcome.STALLED
    assert THROTTLED.message not in found.message


def test_three_users_are_named_and_the_others_counted() -> None:
    found = objection(used("ami-1", *(f"instance i-{number}" for number in range(5))), NOW)
    assert found is not None
    assert "instance i-0, instance i-1, instance i-2 and 2 more" in found.message


def test_what_several_sources_name_is_one_user() -> None:
    known = evidence(
        "ami-1",
        Testimony(Source.INSTANCES, users=("instance i-1", "launch template lt-1")),
        Testimony(Source.LAUNCH_TEMPLATES, users=("launch template lt-1:3", "instance i-1")),
    )
    assert known.users == ("instance i-1", "launch template lt-1:3")


# --- what the image itself tells ---

POLICY = Rules(policy=True)


@pytest.mark.parametrize(
    ("made_ago", "launched_ago", "rules", "expected"),
    [
        pytest.param(HOUR, None, Rules(), "silent", id="whoever deletes a young image by name may"),
        pytest.param(HOUR, HOUR, Rules(), "silent", id="also one that was launched: its instances are asked about"),
        pytest.param(47 * HOUR, None, POLICY, "problem", id="a policy does not trust the silence about a young image"),
        pytest.param(49 * HOUR, None, POLICY, "silent", id="after 48 hours a launch would be known"),
        pytest.param(500 * HOUR, 47 * HOUR, POLICY, "problem", id="one launched yesterday may have been launched today"),
        pytest.param(500 * HOUR, 49 * HOUR, POLICY, "silent", id="one launched before that was not"),
        pytest.param(500 * HOUR, 49 * HOUR, Rules(keep_if_launched_within_seconds=30 * 24 * HOUR), "user", id="launched within the limit"),
        pytest.param(900 * HOUR, 721 * HOUR, Rules(keep_if_launched_within_seconds=30 * 24 * HOUR), "silent", id="launched before it"),
        pytest.param(900 * HOUR, None, Rules(keep_if_launched_within_seconds=30 * 24 * HOUR), "silent", id="never launched"),
    ],
)
def test_last_launched(made_ago: float, launched_ago: float | None, rules: Rules, expected: str) -> None:
    launched = NOW - launched_ago if launched_ago is not None else 0.0
    image = golden_ami(created_epoch_seconds=NOW - made_ago, last_launched_epoch_seconds=launched)
    found = last_launched(image, rules, NOW)
    assert ("user" if found.users else "problem" if found.problem else "silent") == expected


def test_a_channel_keeps_what_a_policy_would_retire_and_not_what_is_no_longer_declared() -> None:
    assert channels({"stable", "beta"}, POLICY).users == ("channel beta", "channel stable")
    assert channels({"stable"}, Rules()).users == ()


def test_what_its_golden_image_says_by_now_counts_although_it_was_not_rendered_yet() -> None:
    assert channels((), POLICY, declared=True).users == ("its GoldenImage, which declares it",)
    assert channels((), POLICY, edited=True).pending
    assert not channels((), POLICY).pending
    assert channels((), Rules(), declared=True, edited=True) == Testimony(Source.CHANNELS)
