"""The engine's promises, on virtual time: one look at a time, coalesced wake-ups, exact deadlines, isolation, drain."""

import asyncio
import itertools
import random
import tracemalloc
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldenami.api.kinds import Key
from goldenami.controllers.caretaker import Outcome, Pace
from goldenami.controllers.caretakers import Caretakers
from goldenami.kube.errors import KubeUnavailable
from support.virtual_time import on_virtual_time

WEB = Key("GoldenImage", "images", "web")
DATABASE = Key("GoldenImage", "images", "database")
PARTNERS = Key("ShareList", "images", "partners")

EXACT = Pace(resync_seconds=600, resync_jitter=0, backoff_jitter=0)


@dataclass
class Bench:
    """A reconciler that takes time, fails on demand and remembers when it ran; and the caretakers over it."""

    takes_seconds: float = 0.0
    takes_by_key: dict[Key, float] = field(default_factory=dict)
    outcome: Callable[[Key], Outcome] = lambda _key: Outcome()
    looks: dict[Key, list[float]] = field(default_factory=lambda: defaultdict(list))
    running: dict[Key, int] = field(default_factory=lambda: defaultdict(int))
    most_at_once: int = 0
    overlaps: int = 0

    def caretakers(self, *, workers: int = 4, pace: Pace = EXACT, seed: int = 1) -> Caretakers:
        return Caretakers({"GoldenImage": self.reconcile}, run=self.run, workers=workers, pace=pace, chance=random.Random(seed))

    def reconcile(self, key: Key) -> Outcome:
        self.looks[key].append(asyncio.get_running_loop().time())
        self.key = key
        return self.outcome(key)

    async def run(self, work: Callable[[], Outcome]) -> Outcome:
        # The look counts as begun when its work is handed to a thread; here the thread is a pause on the virtual clock.
        outcome_or_error: Outcome | Exception
        try:
            outcome_or_error = work()
        except Exception as error:  # noqa: BLE001 -- handed on below, once the time it took has passed
            outcome_or_error = error
        key = self.key
        self.running[key] += 1
        self.overlaps += self.running[key] > 1
        self.most_at_once = max(self.most_at_once, sum(self.running.values()))
        await asyncio.sleep(self.takes_by_key.get(key, self.takes_seconds))
        self.running[key] -= 1
        if isinstance(outcome_or_error, Exception):
            raise outcome_or_error
        return outcome_or_error


def at(*moments: float) -> Any:
    return pytest.approx(list(moments), abs=1e-4)


def during(seconds: float, scene: Callable[[], Awaitable[None] | None]) -> None:
    async def main() -> None:
        result = scene()
        if result is not None:
            await result
        await asyncio.sleep(seconds)

    on_virtual_time(main())


def test_a_woken_object_is_looked_at_at_once() -> None:
    bench = Bench()
    during(1, lambda: bench.caretakers().wake(WEB))
    assert bench.looks[WEB] == at(0)


def test_a_kind_without_a_reconciler_is_nobodys_business() -> None:
    bench = Bench()

    async def scene() -> None:
        caretakers = bench.caretakers()
        caretakers.wake(PARTNERS)
        assert PARTNERS not in caretakers

    on_virtual_time(scene())


def test_many_wakeups_before_a_look_make_one_look() -> None:
    bench = Bench()

    def scene() -> None:
        caretakers = bench.caretakers()
        for _ in range(100):
            caretakers.wake(WEB)

    during(1, scene)
    assert bench.looks[WEB] == at(0)


def test_any_number_of_wakeups_during_a_look_make_exactly_one_more() -> None:
    bench = Bench(takes_seconds=10)

    async def scene() -> None:
        caretakers = bench.caretakers()
        caretakers.wake(WEB)
        await asyncio.sleep(2)
        for _ in range(50):
            caretakers.wake(WEB)
        await asyncio.sleep(30)

    on_virtual_time(scene())
    assert bench.looks[WEB] == at(0, 10)


def test_an_object_waiting_for_a_worker_is_still_looked_at_once() -> None:
    bench = Bench(takes_seconds=10)

    async def scene() -> None:
        caretakers = bench.caretakers(workers=1)
        caretakers.wake(WEB)
        await asyncio.sleep(1)
        for _ in range(10):
            caretakers.wake(DATABASE)
            await asyncio.sleep(0.5)
        await asyncio.sleep(60)

    on_virtual_time(scene())
    assert bench.looks == {WEB: at(0), DATABASE: at(10)}


def test_at_rest_an_object_is_looked_at_once_per_interval() -> None:
    bench = Bench()
    during(1900, lambda: bench.caretakers().wake(WEB))
    assert bench.looks[WEB] == at(0, 600, 1200, 1800)


def test_an_objects_own_interval_wins_over_the_default() -> None:
    bench = Bench()

    def scene() -> None:
        caretakers = bench.caretakers()
        caretakers.set_interval(WEB, 60)
        caretakers.wake(WEB)

    during(130, scene)
    assert bench.looks[WEB] == at(0, 60, 120)


def test_resyncs_stay_within_ten_percent_of_the_interval_and_differ() -> None:
    bench = Bench()
    during(600 * 200, lambda: bench.caretakers(pace=Pace(resync_seconds=600)).wake(WEB))
    looks = bench.looks[WEB]
    pauses = [after - before for before, after in itertools.pairwise(looks)]
    assert all(540 - 1e-3 <= pause <= 660 + 1e-3 for pause in pauses)
    assert max(pauses) - min(pauses) > 60


@pytest.mark.parametrize(
    ("outcome", "second_look"),
    [
        pytest.param(Outcome(), 600, id="nothing pending: at the resync"),
        pytest.param(Outcome(next_look_seconds=15), 15, id="pending work: at the next look"),
        pytest.param(Outcome(next_look_seconds=5000), 600, id="a next look after the resync: at the resync"),
        pytest.param(Outcome(failed=True), 1, id="failed: at the first backoff"),
        pytest.param(Outcome(failed=True, next_look_seconds=0.5), 0.5, id="failed, with a next look before the backoff: at the next look"),
        pytest.param(Outcome(failed=True, next_look_seconds=30), 1, id="failed, with a next look after the backoff: at the backoff"),
        pytest.param(Outcome(next_look_seconds=0), 0, id="a next look at once"),
    ],
)
def test_the_earliest_deadline_wins(outcome: Outcome, second_look: float) -> None:
    bench = Bench()
    bench.outcome = lambda key: outcome if len(bench.looks[key]) == 1 else Outcome()
    during(700, lambda: bench.caretakers().wake(WEB))
    assert bench.looks[WEB][:2] == at(0, second_look)


def test_waking_soon_never_postpones_what_is_planned() -> None:
    bench = Bench()

    async def scene() -> None:
        caretakers = bench.caretakers()
        caretakers.wake_soon(WEB, 5)
        caretakers.wake_soon(WEB, 50)
        caretakers.wake_soon(WEB, 2)
        await asyncio.sleep(100)

    on_virtual_time(scene())
    assert bench.looks[WEB] == at(2)


def test_failures_back_off_exponentially_up_to_five_minutes() -> None:
    bench = Bench(outcome=lambda _key: Outcome(failed=True))
    during(1200, lambda: bench.caretakers(pace=Pace(resync_seconds=36000, resync_jitter=0, backoff_jitter=0)).wake(WEB))
    assert bench.looks[WEB] == at(0, 1, 3, 7, 15, 31, 63, 127, 255, 511, 811, 1111)


def test_a_success_resets_the_backoff() -> None:
    bench = Bench()
    bench.outcome = lambda key: Outcome(failed=len(bench.looks[key]) != 4, next_look_seconds=100 if len(bench.looks[key]) == 4 else None)
    during(109.5, lambda: bench.caretakers().wake(WEB))
    # 0, 1, 3 fail; 7 succeeds and asks for 100 s; 107 fails and starts over with 1 s.
    assert bench.looks[WEB] == at(0, 1, 3, 7, 107, 108)


def test_the_resync_is_never_later_than_the_backoff_allows() -> None:
    bench = Bench(outcome=lambda _key: Outcome(failed=True))
    during(1000, lambda: bench.caretakers(pace=Pace(resync_seconds=60, resync_jitter=0, backoff_jitter=0)).wake(WEB))
    pauses = [after - before for before, after in itertools.pairwise(bench.looks[WEB])]
    assert max(pauses) <= 60 + 1e-3


@given(failures=st.integers(1, 10_000), seed=st.integers())
def test_a_backoff_stays_within_twenty_percent_of_its_value(failures: int, seed: int) -> None:
    exact = min(300.0, 2.0 ** min(failures - 1, 20))
    assert 0.8 * exact <= Pace().backoff_seconds(failures, random.Random(seed)) <= 1.2 * exact


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(RuntimeError("a bug"), id="a bug in the reconciler"),
        pytest.param(KubeUnavailable("Unavailable", "the API server is away"), id="an API server that is away"),
    ],
)
def test_an_exception_is_a_failure_of_this_object_alone(fault: Exception) -> None:
    bench = Bench()

    def outcome(key: Key) -> Outcome:
        if key == WEB:
            raise fault
        return Outcome(next_look_seconds=10)

    def scene() -> None:
        caretakers = bench.caretakers()
        caretakers.wake(WEB)
        caretakers.wake(DATABASE)

    bench.outcome = outcome
    during(20.5, scene)
    assert bench.looks == {WEB: at(0, 1, 3, 7, 15), DATABASE: at(0, 10, 20)}


def test_one_slow_object_delays_no_other_while_there_are_workers() -> None:
    bench = Bench(takes_by_key={WEB: 10_000})

    def scene() -> None:
        caretakers = bench.caretakers(workers=2)
        caretakers.wake(WEB)
        caretakers.wake(DATABASE)

    during(1300, scene)
    assert bench.looks == {WEB: at(0), DATABASE: at(0, 600, 1200)}


def test_never_more_looks_at_once_than_workers() -> None:
    bench = Bench(takes_seconds=1)

    def scene() -> None:
        caretakers = bench.caretakers(workers=3)
        for number in range(20):
            caretakers.wake(Key("GoldenImage", "images", f"web-{number}"))

    during(30, scene)
    assert bench.most_at_once == 3
    assert len(bench.looks) == 20


def test_a_gone_object_is_forgotten() -> None:
    bench = Bench(outcome=lambda _key: Outcome(gone=True))

    async def scene() -> None:
        caretakers = bench.caretakers()
        caretakers.wake(WEB)
        await asyncio.sleep(2000)
        assert len(caretakers) == 0

    on_virtual_time(scene())
    assert bench.looks[WEB] == at(0)


def test_an_object_created_again_while_its_predecessor_is_found_gone_is_looked_at() -> None:
    bench = Bench(takes_seconds=10)
    bench.outcome = lambda key: Outcome(gone=len(bench.looks[key]) == 1)

    async def scene() -> None:
        caretakers = bench.caretakers()
        caretakers.wake(WEB)
        await asyncio.sleep(5)
        caretakers.wake(WEB)
        await asyncio.sleep(100)
        assert WEB in caretakers

    on_virtual_time(scene())
    assert bench.looks[WEB] == at(0, 10)


def test_an_object_created_again_when_its_predecessor_was_just_found_gone_is_looked_at() -> None:
    """The sighting waits in the loop while the last look ends: then nobody looks after the object any more, and is not forgotten yet."""
    bench = Bench()
    bench.outcome = lambda key: Outcome(gone=len(bench.looks[key]) == 1)

    async def scene() -> None:
        async def run(work: Callable[[], Outcome]) -> Outcome:
            outcome = await bench.run(work)
            if outcome.gone:
                asyncio.get_running_loop().call_soon(caretakers.wake, WEB)
            return outcome

        caretakers = Caretakers({"GoldenImage": bench.reconcile}, run=run, pace=EXACT)
        caretakers.wake(WEB)
        await asyncio.sleep(1)
        assert WEB in caretakers

    on_virtual_time(scene())
    assert bench.looks[WEB] == at(0, 0)


@pytest.mark.parametrize(
    ("objects", "last_look"),
    [
        pytest.param(1, 0, id="one object starts at once"),
        pytest.param(100, 0.99, id="a hundred objects within a second"),
        pytest.param(1000, 9.99, id="a thousand objects within ten seconds"),
        pytest.param(10_000, 59.994, id="ten thousand objects within a minute"),
    ],
)
def test_a_start_is_a_ramp(objects: int, last_look: float) -> None:
    bench = Bench()

    def scene() -> None:
        keys = [Key("GoldenImage", "images", f"web-{number:05}") for number in range(objects)]
        bench.caretakers(workers=64).wake_ramped(keys)

    during(70, scene)
    first_looks = [looks[0] for looks in bench.looks.values()]
    assert len(first_looks) == objects
    assert first_looks == sorted(first_looks)
    assert first_looks[-1] == pytest.approx(last_look, abs=1e-3)


def test_ramps_of_several_batches_follow_each_other_within_a_minute() -> None:
    bench = Bench()

    def scene() -> None:
        caretakers = bench.caretakers(workers=64)
        for batch in range(4):
            caretakers.wake_ramped([Key("GoldenImage", "images", f"web-{batch}-{number}") for number in range(2500)])

    during(70, scene)
    assert max(looks[0] for looks in bench.looks.values()) <= 60
    assert sum(looks[0] < 1 for looks in bench.looks.values()) <= 101


def test_after_a_drain_nothing_begins_and_what_ran_has_finished() -> None:
    bench = Bench(takes_seconds=10)

    async def scene() -> None:
        caretakers = bench.caretakers(workers=1)
        caretakers.wake(WEB)
        caretakers.wake(DATABASE)
        await asyncio.sleep(3)
        started = asyncio.get_running_loop().time()
        assert await caretakers.drain(25) == []
        assert asyncio.get_running_loop().time() - started == pytest.approx(7, abs=1e-3)
        caretakers.wake(WEB)
        caretakers.wake(Key("GoldenImage", "images", "new"))
        await asyncio.sleep(2000)

    on_virtual_time(scene())
    assert bench.looks == {WEB: at(0)}


def test_a_drain_at_rest_takes_no_time() -> None:
    bench = Bench()

    async def scene() -> None:
        caretakers = bench.caretakers()
        for number in range(1000):
            caretakers.wake(Key("GoldenImage", "images", f"web-{number}"))
        await asyncio.sleep(1)
        assert await caretakers.drain(25) == []
        assert asyncio.get_running_loop().time() == pytest.approx(1, abs=1e-3)
        assert len(caretakers) == 0

    on_virtual_time(scene())


def test_a_drain_names_what_still_runs_when_the_grace_period_is_over() -> None:
    bench = Bench(takes_by_key={WEB: 100})

    async def scene() -> None:
        caretakers = bench.caretakers()
        caretakers.wake(WEB)
        caretakers.wake(DATABASE)
        await asyncio.sleep(1)
        assert await caretakers.drain(25) == [WEB]

    on_virtual_time(scene())


@dataclass(frozen=True)
class Wake:
    key: Key
    at_seconds: float
    after_seconds: float


KEYS = [Key("GoldenImage", "images", name) for name in ("a", "b", "c")]
WAKES = st.builds(Wake, st.sampled_from(KEYS), st.integers(0, 400).map(float), st.sampled_from([0.0, 0.0, 3.0, 40.0]))


@settings(max_examples=150, deadline=None)
@given(wakes=st.lists(WAKES, max_size=30), takes=st.sampled_from([0.0, 0.3, 7.0, 90.0]), workers=st.integers(1, 3), seed=st.integers(0, 50))
def test_whatever_happens_each_wakeup_is_followed_by_a_look_and_no_object_is_looked_at_twice_at_once(
    wakes: list[Wake], takes: float, workers: int, seed: int
) -> None:
    chance = random.Random(seed)
    bench = Bench(takes_seconds=takes)
    bench.outcome = lambda _key: chance.choice([Outcome(), Outcome(failed=True), Outcome(next_look_seconds=chance.choice([1, 30]))])

    async def scene() -> None:
        caretakers = bench.caretakers(workers=workers, pace=Pace(), seed=seed)
        loop = asyncio.get_running_loop()
        for wake in wakes:
            loop.call_at(wake.at_seconds, caretakers.wake_soon, wake.key, wake.after_seconds)
        await asyncio.sleep(5000)

    on_virtual_time(scene())
    assert bench.overlaps == 0
    assert bench.most_at_once <= workers
    for wake in wakes:
        assert any(moment >= wake.at_seconds - 1e-4 for moment in bench.looks[wake.key])


def test_an_object_at_rest_costs_little_memory() -> None:
    bench = Bench()

    async def scene() -> int:
        caretakers = bench.caretakers()
        keys = [Key("GoldenImage", "images", f"web-{number}") for number in range(1000)]
        tracemalloc.start()
        caretakers.wake_ramped(keys)
        await asyncio.sleep(100)
        used, _peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return used

    used = on_virtual_time(scene())
    # Ten thousand objects shall fit into 300 MB beside everything else.
    assert used / 1000 < 6_000


def test_a_wakeup_from_another_thread_arrives() -> None:
    bench = Bench()

    async def scene() -> Coroutine[Any, Any, None] | None:
        caretakers = bench.caretakers()
        await asyncio.to_thread(caretakers.wake_threadsafe, WEB)
        await asyncio.sleep(1)
        return None

    on_virtual_time(scene())
    assert len(bench.looks[WEB]) == 1


def test_a_wakeup_after_the_end_is_ignored() -> None:
    bench = Bench()

    async def scene() -> Caretakers:
        return bench.caretakers()

    caretakers = on_virtual_time(scene())
    caretakers.wake_threadsafe(WEB)
    assert bench.looks == {}
