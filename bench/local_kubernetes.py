"""The local control plane: how soon it is there, its programs being built."""

import statistics
import time

from bench.stage import Row, show

from goldenami.local.kubernetes import ControlPlane, find_programs

STARTS = 3


def measure() -> None:
    """Starts planes of its own, one after the other; the search for the programs is not counted."""
    programs = find_programs()
    seconds = []
    for _ in range(STARTS):
        began = time.monotonic()
        with ControlPlane.start(programs=programs):
            seconds.append(time.monotonic() - began)
    show(
        "Local Kubernetes, programs built", [Row.at_most(f"start until ready ({STARTS} runs, median)", statistics.median(seconds), 5, " s")]
    )
