"""An event loop whose clock jumps: hours of waiting take no real time, and every moment is exact to the microsecond."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import looptime

T = TypeVar("T")


def on_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine on a fresh loop that starts at 0 s."""
    with asyncio.Runner(loop_factory=lambda: looptime.new_event_loop(start=0, noop_cycles=2)) as runner:
        return runner.run(main)
