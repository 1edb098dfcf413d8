"""Lanes: no place takes more than its part of the threads."""

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


def test_what_was_accepted_before_the_end_is_done() -> None:
    lanes, gate = Lanes(workers=1, per_place=1), threading.Event()
    first = lanes.submit(DEAD, lambda: gate.wait(PATIENCE_SECONDS))
    second = lanes.submit(DEAD, lambda: 2)
    threading.Timer(0.05, gate.set).start()
    lanes.close()
    assert (first.result(0), second.result(PATIENCE_SECONDS)) == (True, 2)
