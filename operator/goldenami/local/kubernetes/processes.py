"""The owner's side of `supervisor.py`: programs that end when this process ends, whatever ends it."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from .errors import ControlPlaneError

SUPERVISOR = Path(__file__).with_name("supervisor.py")


class Processes:
    """Programs by name, kept by a supervisor in a session of its own, so that a terminal's Ctrl-C reaches them only through us.

    Leaving the context kills them all and removes `folder`. The same happens when this process is killed. Safe to use from several threads.
    """

    def __init__(self, *, remove_folder: Path | None = None) -> None:
        folder = [] if remove_folder is None else [str(remove_folder)]
        argv = [sys.executable, "-I", "-S", str(SUPERVISOR), str(os.getpid()), *folder]
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._supervisor = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)  # noqa: S603 (our own script)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def start(self, name: str, argv: Sequence[str | Path], *, cwd: Path, log: Path, environment: Mapping[str, str] | None = None) -> None:
        """Starts a program under that name; its output is appended to `log`. Without an `environment` it has ours."""
        env = None if environment is None else dict(environment)
        self._ask("start", name=name, argv=[str(word) for word in argv], cwd=str(cwd), log=str(log), env=env)

    def kill(self, name: str) -> None:
        """Kills it and returns once it is gone; nothing to do for a name that does not run."""
        self._ask("kill", name=name)

    def terminate(self, name: str) -> None:
        """Asks it to end, and does not wait; `ended` tells when it has."""
        self._ask("signal", name=name, number=int(signal.SIGTERM))

    def pause(self, name: str) -> None:
        """Freezes it: connections stay open and get no answer."""
        self._ask("signal", name=name, number=int(signal.SIGSTOP))

    def resume(self, name: str) -> None:
        self._ask("signal", name=name, number=int(signal.SIGCONT))

    def ended(self) -> dict[str, int]:
        """The exit codes of programs that ended without being killed by us, by name."""
        codes: dict[str, int] = self._ask("ended")
        return codes

    def close(self) -> None:
        """Kills everything and waits until it is gone. Safe to repeat."""
        with self._lock:
            if self._supervisor.stdin is not None:
                self._supervisor.stdin.close()
            self._supervisor.wait()
            if self._supervisor.stdout is not None:
                self._supervisor.stdout.close()

    def _ask(self, operation: str, **arguments: Any) -> Any:
        with self._lock:
            answer = self._exchange({"do": operation, "with": arguments})
        if "error" in answer:
            raise ControlPlaneError(f"the control plane's supervisor cannot {operation} {arguments.get('name', '')}: {answer['error']}")
        return answer["ok"]

    def _exchange(self, request: dict[str, Any]) -> dict[str, Any]:
        """Numbered, because a Ctrl-C between a request and its answer leaves an answer behind for the next one to skip."""
        requests, answers = self._supervisor.stdin, self._supervisor.stdout
        number = next(self._numbers)
        try:
            assert requests is not None
            assert answers is not None
            requests.write(json.dumps({"id": number, **request}).encode() + b"\n")
            requests.flush()
            for line in answers:
                answer: dict[str, Any] = json.loads(line)
                if answer["id"] == number:
                    return answer
        except (OSError, ValueError) as error:
            raise ControlPlaneError("the control plane has been stopped: its supervisor no longer runs") from error
        raise ControlPlaneError("the control plane has been stopped: its supervisor no longer runs")


class OthersProcesses(Processes):
    """Programs that another process has started: only that one may start, stop or pause them, and knows whether they have ended."""

    def __init__(self) -> None:
        """Nothing of its own."""

    def close(self) -> None:
        """They go on."""

    def _ask(self, operation: str, **arguments: Any) -> Any:
        if operation == "ended":
            return {}
        raise ControlPlaneError(
            f"another process has started this control plane, and only that one may {operation} {arguments.get('name', '')}"
        )
