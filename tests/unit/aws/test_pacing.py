"""Pacing: our share of AWS's buckets, on a clock that only moves when somebody sleeps."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldenami.aws.errors import Throttled
from goldenami.aws.pacing import Bucket, Limit, Pacer, limit_of
from goldenami.plan.values import Account, Place

PARIS = Place(Account("", "111122223333"), "eu-west-3")
TOKYO = Place(Account("", "111122223333"), "ap-northeast-1")
OTHER = Place(Account("other", "444455556666"), "eu-west-3")


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def pacer(time: Time, *, patience_seconds: float = 2.0) -> Pacer:
    return Pacer(monotonic=time.monotonic, sleep=time.sleep, patience_seconds=patience_seconds)


@pytest.mark.parametrize(
    ("action", "limit"),
    [
        pytest.param("ec2.CopyImage", Limit(100, 1), id="copies come back one a second"),
        pytest.param("ec2.ModifyImageAttribute", Limit(100, 5), id="sharing"),
        pytest.param("ec2.CreateTags", Limit(100, 10), id="tagging"),
        pytest.param("ec2.CreateImage", Limit(50, 5), id="other writes"),
        pytest.param("ec2.DescribeImages", Limit(100, 20), id="reads"),
        pytest.param("ssm.GetParameters", Limit(40, 40), id="parameters"),
    ],
)
def test_aws_s_numbers(action: str, limit: Limit) -> None:
    assert limit_of(action) == limit


def calls_within(seconds: float, action: str, *, place: Place = PARIS) -> int:
    """How many calls get through when somebody asks without pause."""
    time = Time()
    paced = pacer(time)
    for count in itertools.count():
        try:
            paced.acquire(place, action)
        except Throttled as error:
            time.sleep(error.retry_after_seconds or 0.0)
        if time.now > seconds:
            return count
    raise AssertionError


def test_half_of_the_bucket_and_half_of_the_refill_are_ours() -> None:
    # 50 at once, then one each two seconds.
    assert 79 <= calls_within(60.0, "ec2.CopyImage") <= 81


def use_up(paced: Pacer) -> None:
    for _ in range(1000):
        paced.acquire(PARIS, "ec2.CopyImage")


def test_nothing_waits_while_there_are_tokens() -> None:
    time = Time()
    paced = pacer(time)
    for _ in range(50):
        paced.acquire(PARIS, "ec2.CopyImage")
    assert time.now == 0.0


def test_a_turn_that_is_far_away_is_refused_with_a_moment_to_come_back() -> None:
    time = Time()
    paced = pacer(time, patience_seconds=1.0)
    for _ in range(50):
        paced.acquire(PARIS, "ec2.CopyImage")
    with pytest.raises(Throttled) as raised:
        paced.acquire(PARIS, "ec2.CopyImage")
    assert raised.value.retry_after_seconds == pytest.approx(2.0)
    assert raised.value.problem.reason == "Queued"


def test_a_crowd_is_sent_back_one_by_one() -> None:
    time = Time()
    paced = pacer(time, patience_seconds=1.0)
    for _ in range(50):
        paced.acquire(PARIS, "ec2.CopyImage")
    moments = []
    for _ in range(10):
        with pytest.raises(Throttled) as raised:
            paced.acquire(PARIS, "ec2.CopyImage")
        moments.append(raised.value.retry_after_seconds or 0.0)
    for moment in moments:
        time.now = moment
        paced.acquire(PARIS, "ec2.CopyImage")
    assert time.now == pytest.approx(20.0)


@pytest.mark.parametrize("elsewhere", [pytest.param(TOKYO, id="another region"), pytest.param(OTHER, id="another account")])
def test_one_place_never_delays_another(elsewhere: Place) -> None:
    time = Time()
    paced = pacer(time)
    paced.throttled(PARIS, "ec2.CopyImage")
    with pytest.raises(Throttled):
        use_up(paced)
    before = time.now
    paced.acquire(elsewhere, "ec2.CopyImage")
    paced.acquire(PARIS, "ec2.DescribeImages")
    assert time.now == before


def test_an_account_reached_by_two_names_has_one_bucket() -> None:
    time = Time()
    paced = pacer(time, patience_seconds=0.0)
    for _ in range(50):
        paced.acquire(PARIS, "ec2.CopyImage")
    with pytest.raises(Throttled):
        paced.acquire(Place(Account("again", "111122223333"), "eu-west-3"), "ec2.CopyImage")


def test_a_throttle_answer_empties_the_bucket_and_slows_it_for_a_while() -> None:
    bucket = Bucket(Limit(10, 2), now=0.0)
    bucket.slow_down(0.0)
    assert bucket.take(0.0, 10.0) == pytest.approx(1.0)
    fresh = Bucket(Limit(10, 2), now=0.0)
    fresh.slow_down(0.0)
    for moment in (0.1, 0.2, 0.3):
        fresh.slow_down(moment)  # Answers to calls that were under way: one lesson.
    assert fresh.take(0.3, 10.0) == pytest.approx(1.0)
    fresh.slow_down(5.0)
    assert fresh.take(5.0, 10.0) == pytest.approx(2.0)


def test_it_recovers() -> None:
    bucket = Bucket(Limit(1, 1), now=0.0)
    bucket.slow_down(0.0)
    assert bucket.take(1000.0, 0.0) == 0.0
    assert bucket.take(1000.0, 10.0) == pytest.approx(1.0)


@given(
    st.lists(st.floats(min_value=0.0, max_value=5.0), max_size=200),
    st.floats(min_value=1.0, max_value=20.0),
    st.floats(min_value=0.1, max_value=10.0),
    st.floats(min_value=0.0, max_value=3.0),
)
def test_never_more_than_burst_and_refill_in_any_window(gaps: list[float], burst: float, per_second: float, patience: float) -> None:
    bucket, now, taken = Bucket(Limit(burst, per_second), now=0.0), 0.0, []
    for gap in gaps:
        now += gap
        wait = bucket.take(now, patience)
        if wait is not None:
            assert wait <= patience
            taken.append(now + wait)
    taken.sort()
    for first, last in itertools.combinations(range(len(taken)), 2):
        allowed = burst + (taken[last] - taken[first]) * per_second
        assert last - first + 1 <= allowed + 1e-6
