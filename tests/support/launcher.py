"""Starts operator processes quickly: a process that has imported everything forks one for each request.

What runs is the real command line in a process of its own, with its own pid to kill; only the second of imports is saved. Run as a module,
it reads a JSON object a line from standard input ({"arguments", "environment", "log"}), answers with the pid, and ends with its input.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType


class Launcher:
    """The forking process, seen from a test. Safe to use from several threads."""

    def __init__(self) -> None:
        # As a module, because a script's own folder comes first on the path, and `operator.py` in it would hide the standard library's.
        path = filter(None, (str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH")))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        command = [sys.executable, "-m", "support.launcher"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self._asking = threading.Lock()

    def __enter__(self) -> Launcher:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)

    def start(self, arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
        """The pid of a new operator."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"arguments": list(arguments), "environment": dict(environment), "log": str(log)}
        with self._asking:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())


def _serve() -> None:
    import kopf  # noqa: F401 - imported for the children
    import kubernetes  # noqa: F401

    import goldenami.controllers.operator
    import goldenami.controllers.reconcilers  # noqa: F401
    from goldenami.aws.sessions import Sessions

    # AWS's models are kept for all sessions of a process, and handed down.
    Sessions().preload()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps
    children: list[int] = []
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(request)
        children.append(pid)
        print(pid, flush=True)
    for pid in children:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _become(request: dict[str, object]) -> None:
    """This process is the operator from here on."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    log = os.open(str(request["log"]), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.environ.clear()
    os.environ.update(request["environment"])  # type: ignore[call-overload]
    sys.argv = ["goldenami", "operator", *request["arguments"]]  # type: ignore[misc]
    from goldenami.cli import main

    code = 1
    try:
        main()
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve()
