"""Lanes: no place takes more than its part of the threads."""

import contextvars
import threading

from goldenami.aws.lanes import Lanes
from goldenami.plan.values import Account, Place

PATIENCE_SECONDS = 10.0
DEAD, ALIVE = (Place(Account("", "111122223333"), region) for region in ("eu-west-3", "us-east-1"))


def test_a_place_that_hangs_leaves_threads_to_the_others() -> None:
    lanes, gate = Lanes(workers=4, per_place=2), threading.Event()
    hanging = [lanes.submit(DEAD, lambda: gate.wait(PATIENCE_SECONDS)) for _ in range(20)]
    assert [lanes.submit(ALIVE, lambda: 1).result(PATIENCE_SECONDS) for _ in range(10)] == [1] * 10
    assert not any(future.done() for future in hanging)
    gate.set()
    assert all(future.result(PATIENCE_SECONDS) for future in hanging)
    lanes.close()


def test_map_keeps_the_order_and_raises_what_was_raised() -> None:
    lanes = Lanes(workers=2)
    assert list(lanes.map(lambda place: place.region, [DEAD, ALIVE])) == [DEAD, ALIVE]
    lanes.close()


def test_a_place_that_hangs_holds_up_no_answer_about_the_others() -> None:
    lanes, gate, came = Lanes(workers=2), threading.Event(), threading.Event()

    def work(place: Place) -> str:
        if place == DEAD:
            gate.wait(PATIENCE_SECONDS)
            came.set()
        return place.region

    assert lanes.map_patiently(work, [DEAD, ALIVE], 1.0, lambda place: "late") == {DEAD: "late", ALIVE: ALIVE.region}
    assert lanes.map_patiently(work, [DEAD, ALIVE], 3600.0, lambda place: "late") == {
        DEAD: "late",
        ALIVE: ALIVE.region,
    }  # not waited for twice
    gate.set()
    assert came.wait(PATIENCE_SECONDS)  # its work went on
    assert lanes.map_patiently(work, [DEAD], 0.0, lambda place: "late") == {DEAD: DEAD.region}  # nobody else waits for it
    lanes.close()


def test_what_is_at_hand_takes_no_thread_and_one_place_beside_it_is_waited_for_no_longer_than_others() -> None:
    lanes, gate = Lanes(workers=2), threading.Event()

    def work(place: Place) -> int:
        if place == DEAD:
            gate.wait(PATIENCE_SECONDS)
        return threading.get_ident()

    found = lanes.map_patiently(work, [DEAD, ALIVE], 0.1, lambda _: 0, at_hand=lambda place: place == ALIVE)
    assert found == {DEAD: 0, ALIVE: threading.get_ident()}
    gate.set()
    lanes.close()


def test_what_was_accepted_before_the_end_is_done() -> None:
    lanes, gate = Lanes(workers=1, per_place=1), threading.Event()
    first = lanes.submit(DEAD, lambda: gate.wait(PATIENCE_SECONDS))
    second = lanes.submit(DEAD, lambda: 2)
    threading.Timer(0.05, gate.set).start()
    lanes.close()
    assert (first.result(0), second.result(PATIENCE_SECONDS)) == (True, 2)


def test_work_in_a_lane_keeps_the_context_of_whoever_asked_also_after_waiting_for_its_turn() -> None:
    asked_by: contextvars.ContextVar[str] = contextvars.ContextVar("asked_by", default="nobody")
    lanes, gate = Lanes(workers=1, per_place=1), threading.Event()
    blocking = lanes.submit(DEAD, lambda: gate.wait(PATIENCE_SECONDS))
    token = asked_by.set("web")
    waiting = lanes.submit(DEAD, asked_by.get)
    asked_by.reset(token)
    gate.set()
    assert (blocking.result(PATIENCE_SECONDS), waiting.result(PATIENCE_SECONDS)) == (True, "web")
    lanes.close()
