"""Readings that are shared: at most one in flight, and nobody gets one that began too early."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from goldenami.api.reasons import Reason
from goldenami.aws.dated import Dated
from goldenami.aws.errors import Unreachable
from goldenami.plan.values import Problem

PATIENCE_SECONDS = 10.0


class Readings:
    """Counts, and waits at a gate while told so."""

    def __init__(self) -> None:
        self.now, self.count, self.most_at_once, self._at_once = 100.0, 0, 0, 0
        self.gate, self.begun, self._lock = threading.Event(), threading.Event(), threading.Lock()
        self.error: Unreachable | None = None
        self.gate.set()

    def clock(self) -> float:
        return self.now

    def read(self) -> int:
        with self._lock:
            self.count += 1
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            value = self.count
        self.begun.set()
        assert self.gate.wait(PATIENCE_SECONDS)
        with self._lock:
            self._at_once -= 1
        if self.error:
            raise self.error
        return value


def test_a_value_is_read_once_and_again_only_when_it_is_too_old() -> None:
    readings = Readings()
    dated = Dated(readings.read, readings.clock)
    assert [dated.get(50.0), dated.get(100.0)] == [1, 1]
    readings.now = 200.0
    assert [dated.get(100.0), dated.get(150.0), dated.get(200.0)] == [1, 2, 2]
    assert dated.peek() == (2, 200.0)


def test_a_crowd_shares_one_reading() -> None:
    readings = Readings()
    readings.gate.clear()
    dated = Dated(readings.read, readings.clock)
    with ThreadPoolExecutor(20) as threads:
        futures = [threads.submit(dated.get, 100.0) for _ in range(20)]
        assert readings.begun.wait(PATIENCE_SECONDS)
        readings.gate.set()
        assert {future.result(PATIENCE_SECONDS) for future in futures} == {1}
    assert readings.count == 1


def test_who_needs_it_newer_than_the_one_in_flight_waits_for_the_next() -> None:
    readings = Readings()
    readings.gate.clear()
    dated = Dated(readings.read, readings.clock)
    with ThreadPoolExecutor(20) as threads:
        early = [threads.submit(dated.get, 100.0) for _ in range(5)]
        assert readings.begun.wait(PATIENCE_SECONDS)
        readings.now = 101.0
        late = [threads.submit(dated.get, 101.0) for _ in range(5)]
        readings.gate.set()
        assert {future.result(PATIENCE_SECONDS) for future in late} == {2}
        assert {future.result(PATIENCE_SECONDS) for future in early} <= {1, 2}
    assert (readings.count, readings.most_at_once) == (2, 1)


def test_a_failure_is_shared_and_the_last_good_value_stays() -> None:
    readings = Readings()
    dated = Dated(readings.read, readings.clock)
    dated.get(0.0)
    readings.now, readings.error = 200.0, Unreachable(Problem(Reason.REGION_UNREACHABLE, "no answer"))
    for _ in range(2):
        with pytest.raises(Unreachable):
            dated.get(200.0)
    assert readings.count == 2
    assert dated.peek() == (1, 100.0)
    readings.now = 202.1
    with pytest.raises(Unreachable):
        dated.get(0.0)
    assert readings.count == 3
    readings.now, readings.error = 300.0, None
    assert dated.get(300.0) == 4


def test_a_bug_in_a_reading_leaves_it_readable() -> None:
    readings = Readings()
    dated = Dated(lambda: 1 // (readings.count and 1), readings.clock)
    with pytest.raises(ZeroDivisionError):
        dated.get(0.0)
    readings.count = 1
    assert dated.get(0.0) == 1


def test_what_is_assumed_serves_until_somebody_wants_it_newer() -> None:
    readings = Readings()
    dated = Dated(readings.read, readings.clock)
    dated.assume(0, 99.0)
    assert (dated.get(99.0), dated.peek(), readings.count) == (0, (0, 99.0), 0)
    assert (dated.get(99.5), readings.count) == (1, 1)
    dated.assume(0, 500.0)
    assert dated.get(99.5) == 1


def test_the_last_reading_tells_whether_there_was_an_answer() -> None:
    readings = Readings()
    dated = Dated(readings.read, readings.clock)
    assert not dated.last_was_good()
    dated.get(0.0)
    assert dated.last_was_good()
    readings.now, readings.error = 200.0, Unreachable(Problem(Reason.REGION_UNREACHABLE, "no answer"))
    with pytest.raises(Unreachable):
        dated.get(200.0)
    assert not dated.last_was_good()
