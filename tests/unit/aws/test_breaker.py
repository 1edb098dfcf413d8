"""The breaker: a place that does not answer is left alone for a while, and only it."""

from goldenami.aws.calls import Breaker
from goldenami.plan.values import Account, Place

DEAD, ALIVE = (Place(Account("", "111122223333"), region) for region in ("eu-west-3", "us-east-1"))


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


def silent(time: Time, failures: int) -> Breaker:
    breaker = Breaker(time.monotonic)
    for _ in range(failures):
        breaker.failed(DEAD, "ec2")
    return breaker


def test_one_lost_answer_is_no_silence() -> None:
    assert silent(Time(), 2).check(DEAD, "ec2") == 0.0


def test_after_three_in_a_row_others_need_not_try() -> None:
    breaker = silent(Time(), 3)
    assert breaker.check(DEAD, "ec2") == 1.0
    assert (breaker.check(DEAD, "ssm"), breaker.check(ALIVE, "ec2")) == (0.0, 0.0)


def test_then_one_may_try_at_a_time() -> None:
    time = Time()
    breaker = silent(time, 3)
    time.now = 1.0
    assert [breaker.check(DEAD, "ec2") for _ in range(3)] == [0.0, 1.0, 1.0]


def test_the_pause_doubles_up_to_half_a_minute() -> None:
    time = Time()
    breaker = silent(time, 3)
    pauses = []
    for _ in range(8):
        pauses.append(breaker.check(DEAD, "ec2"))
        time.now += pauses[-1]
        breaker.check(DEAD, "ec2")
        breaker.failed(DEAD, "ec2")
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_an_answer_ends_it() -> None:
    breaker = silent(Time(), 5)
    breaker.answered(DEAD, "ec2")
    assert breaker.check(DEAD, "ec2") == 0.0
    breaker.failed(DEAD, "ec2")
    assert breaker.check(DEAD, "ec2") == 0.0
