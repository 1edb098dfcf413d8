"""What is read by id: who asks at the same time shares a call, nobody gets what began too early, and one bad id spoils nobody's answer."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from goldenami.api.reasons import Reason
from goldenami.aws.batched import KEPT_SECONDS, Batched
from goldenami.aws.errors import AwsError, FixTheSpec, NotFound, Throttled, Unreachable, Wait
from goldenami.plan.values import Problem

PATIENCE_SECONDS = 10.0
PROBLEM = Problem(Reason.AWS_ERROR, "no")


class Shop:
    """Answers each id with the number of its call, knows no `gone`, and waits at a gate while told so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.calls: list[tuple[str, ...]] = []
        self.gate, self.begun = threading.Event(), threading.Event()
        self.gate.set()
        self.fails: Callable[[Sequence[str]], AwsError | None] = lambda _: None
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def read(self, names: Sequence[str]) -> Mapping[str, int]:
        with self._lock:
            self.calls.append(tuple(names))
            number = len(self.calls)
        self.begun.set()
        assert self.gate.wait(PATIENCE_SECONDS)
        if error := self.fails(names):
            raise error
        return {name: number for name in names if name != "gone"}

    def batched(self, most: int = 100) -> Batched[int]:
        return Batched(self.read, self.clock, most=most)


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(20) as pool:
        yield pool


def answers(futures: Mapping[str, "Future[int | None]"]) -> dict[str, object]:
    """What each was answered, or the type of what was raised."""
    told: dict[str, object] = {}
    for name, future in futures.items():
        try:
            told[name] = future.result(PATIENCE_SECONDS)
        except AwsError as error:
            told[name] = type(error)
    return told


def crowd(shop: Shop, threads: ThreadPoolExecutor, batched: Batched[int], names: Sequence[str]) -> dict[str, object]:
    """A first call is under way while all of these ask: nobody's answer is in it."""
    shop.gate.clear()
    first = threads.submit(batched.get, "first", shop.now)
    assert shop.begun.wait(PATIENCE_SECONDS)
    shop.now += 1.0
    batched.expect(names)
    futures = {name: threads.submit(batched.get, name, shop.now) for name in names}
    shop.gate.set()
    assert first.result(PATIENCE_SECONDS) == 1
    return answers(futures)


def test_it_is_read_once_and_again_only_when_it_is_too_old(shop: Shop) -> None:
    batched = shop.batched()
    assert [batched.get("a", 50.0), batched.get("a", 100.0)] == [1, 1]
    shop.now = 150.0
    assert [batched.get("a", 100.0), batched.get("a", 100.1), batched.get("b", 100.0)] == [1, 2, 3]


def test_what_there_is_not_is_none(shop: Shop) -> None:
    assert shop.batched().get("gone", 0.0) is None


def test_who_asks_while_a_call_is_under_way_shares_the_next_one(shop: Shop, threads: ThreadPoolExecutor) -> None:
    names = [f"n{number}" for number in range(10)]
    assert crowd(shop, threads, shop.batched(), names) == dict.fromkeys(names, 2)
    assert (shop.calls[0], set(shop.calls[1])) == (("first",), set(names))
    assert len(shop.calls) == 2


def test_nobody_is_answered_by_a_call_that_began_before_the_moment_that_he_names(shop: Shop, threads: ThreadPoolExecutor) -> None:
    batched = shop.batched()
    shop.gate.clear()
    early = threads.submit(batched.get, "a", shop.now)
    assert shop.begun.wait(PATIENCE_SECONDS)
    shop.now += 1.0
    late = threads.submit(batched.get, "a", shop.now)
    shop.gate.set()
    assert late.result(PATIENCE_SECONDS) == 2
    assert early.result(PATIENCE_SECONDS) in (1, 2)


def test_what_is_expected_is_read_along(shop: Shop) -> None:
    batched = shop.batched()
    batched.expect(["b", "c"])
    assert [batched.get(name, shop.now) for name in "abc"] == [1, 1, 1]
    assert shop.calls == [("a", "b", "c")]
    shop.now += 1.0
    assert batched.get("b", shop.now) == 2
    assert shop.calls[1:] == [("b",)]


def test_a_call_is_about_no_more_than_it_takes_and_the_next_about_the_others(shop: Shop) -> None:
    batched = shop.batched(most=3)
    batched.expect("abcde")
    assert [batched.get(name, shop.now) for name in "eabcd"] == [1, 1, 1, 2, 2]
    assert shop.calls == [("e", "a", "b"), ("c", "d")]


@pytest.mark.parametrize("kind", [NotFound, FixTheSpec, Wait])
def test_one_bad_id_spoils_nobody_s_answer(shop: Shop, threads: ThreadPoolExecutor, kind: type[AwsError]) -> None:
    shop.fails = lambda names: kind(PROBLEM) if "bad" in names else None
    told = crowd(shop, threads, shop.batched(), ["a", "bad", "b"])
    assert told.pop("bad") is kind
    assert all(isinstance(answer, int) for answer in told.values())
    assert sorted(shop.calls[2:]) == [("a",), ("b",), ("bad",)]


@pytest.mark.parametrize("kind", [Throttled, Unreachable])
def test_what_is_no_id_s_fault_is_everybody_s_of_that_call_and_nobody_asks_alone(
    shop: Shop, threads: ThreadPoolExecutor, kind: type[AwsError]
) -> None:
    shop.fails = lambda names: kind(PROBLEM) if "first" not in names else None
    batched = shop.batched()
    assert crowd(shop, threads, batched, ["a", "b", "c"]) == dict.fromkeys("abc", kind)
    assert len(shop.calls) == 2
    shop.fails = lambda _: None
    shop.now += 1.0
    assert batched.get("a", shop.now) == 3


def test_a_bug_in_a_reading_leaves_it_readable(shop: Shop) -> None:
    batched = Batched(lambda names: {names[0]: 1 // (shop.now > 100.0)}, shop.clock, most=10)
    with pytest.raises(ZeroDivisionError):
        batched.get("a", 0.0)
    shop.now += 1.0
    assert batched.get("a", 0.0) == 1


def test_what_is_old_is_forgotten(shop: Shop) -> None:
    batched = shop.batched()
    batched.get("a", 0.0)
    shop.now += KEPT_SECONDS + 1.0
    batched.get("b", 0.0)
    assert batched.get("a", 0.0) == 3
