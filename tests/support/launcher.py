"""Starts operator processes quickly: a process that has imported everything forks one for each request.

What runs is the real command line in a process of its own, with its own pid to kill and the interpreter's own end; only the second of
imports is saved. Run as a module, it reads a JSON object a line from standard input: {"module", "arguments", "environment", "log"} is
answered by the pid, {"ended": pid} by the exit code, or null while that process runs. It ends with its input, and ends what it started.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

_WATCHED = "--watched"


class Launcher:
    """The forking process, seen from a test. Safe to use from several threads."""

    def __init__(self, *, watched: bool = False) -> None:
        """What is watched is waited for by its `Launched`; else a process that has ended is gone at once, and nobody knows how it ended."""
        # As a module, because a script's own folder comes first on the path, and `operator.py` in it would hide the standard library's.
        path = filter(None, (str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH")))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        command = [sys.executable, "-m", "support.launcher", *([_WATCHED] if watched else [])]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self._asking = threading.Lock()

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    def stop(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._process.stdout.close()

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
        """The pid of a new operator."""
        return self._start("goldenami", ("operator", *arguments), environment, log)

    def launch(self, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> Launched:
        """`python -m module`, its output at the log's end. The launcher has to be one that watches."""
        log.touch()  # there to be read at once
        return Launched(self, self._start(module, arguments, environment, log), (module, *arguments))

    def exit_code_of(self, pid: int) -> int | None:
        """None while it runs. To be asked until a code is given, and no more: then the pid may be another's."""
        code: int | None = self._ask({"ended": pid})
        return code

    def _start(self, module: str, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
        return int(self._ask({"module": module, "arguments": list(arguments), "environment": dict(environment), "log": str(log)}))

    def _ask(self, request: Mapping[str, Any]) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._asking:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())


@cache
def launcher() -> Launcher:
    """The one of this process, which watches."""
    found = Launcher(watched=True)
    atexit.register(found.stop)
    return found


class Launched:
    """A process of the launcher's, with what `subprocess.Popen` offers. Its pid is its own until `poll` or `wait` has told its end."""

    def __init__(self, launcher: Launcher, pid: int, command: Sequence[str]) -> None:
        self.pid = pid
        self.args = tuple(command)
        self.returncode: int | None = None
        self._launcher = launcher

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        if self.returncode is None:
            self.returncode = self._launcher.exit_code_of(self.pid)
        return self.returncode

    def wait(self, timeout: float = 60.0) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        deadline = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.02)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _serve() -> Mapping[str, Any] | None:
    """Returns in a new process, with what it is to become, and None in this one when its input has ended."""
    import kopf  # noqa: F401 - imported for the children
    import kubernetes  # noqa: F401

    import goldenami.controllers.operator
    import goldenami.controllers.reconcilers  # noqa: F401
    from goldenami.aws.sessions import Sessions

    # AWS's models are kept for all sessions of a process, and handed down.
    Sessions().preload()
    gc.collect()
    gc.freeze()  # else each child's garbage collector goes through all of it, and gets a copy by that
    if _WATCHED not in sys.argv:
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    children: list[int] = []
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        if "ended" in request:
            print(json.dumps(_exit_code_of(request["ended"], children)), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            return request
        children.append(pid)
        print(pid, flush=True)
    for pid in children:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return None


def _exit_code_of(pid: int, children: list[int]) -> int | None:
    """What has ended stays a zombie, and its pid nobody else's, until it is asked for."""
    ended, status = os.waitpid(pid, os.WNOHANG)
    if not ended:
        return None
    children.remove(pid)
    return os.waitstatus_to_exitcode(status)


def _become(request: Mapping[str, Any]) -> None:
    """This process is another from here on, and ends as that one would."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv = [request["module"], *request["arguments"]]
    runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    wanted = _serve()
    if wanted is not None:
        _become(wanted)
