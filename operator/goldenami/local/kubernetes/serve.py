"""A control plane for a person: up until Ctrl-C."""

from __future__ import annotations

import shlex
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from .errors import ControlPlaneError
from .plane import ControlPlane

LOOK_SECONDS = 1.0


def serve(directory: Path | None = None) -> None:
    """Starts a control plane, prints the line that makes kubectl use it, and returns after Ctrl-C or SIGTERM, when all is stopped.

    Call it from the main thread. Raises ControlPlaneError when the control plane cannot start, or a program of it ends.
    """
    stop = threading.Event()

    def asked_to_stop(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    with ControlPlane.start(directory) as plane:
        try:
            for number in previous:
                signal.signal(number, asked_to_stop)
            _print(f"export KUBECONFIG={shlex.quote(str(plane.kubeconfig))}")
            _print(f"# Kubernetes is ready at {plane.url}; kubectl is {plane.kubectl}. Ctrl-C stops it and forgets everything in it.")
            while not stop.wait(LOOK_SECONDS):
                if (failure := plane.failure()) is not None:
                    raise ControlPlaneError(failure)
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def _print(line: str) -> None:
    # Flushed, so that a script that reads the first line through a pipe gets it.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
