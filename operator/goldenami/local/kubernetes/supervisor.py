"""A small process of its own that keeps the control plane's programs, and outlives whoever started it just long enough to end them.

Run as a script by `processes.py`, with nothing but the standard library, so that it starts in milliseconds:

    python -I -S supervisor.py OWNER_PID [FOLDER_TO_REMOVE]

It reads one JSON request per line and answers each with one line, {"id": …, "ok": value} or {"id": …, "error": text}:

    {"id": 1, "do": "start", "with": {"name": …, "argv": […], "cwd": …, "log": …, "env": {…}}}    answers with the process id
    {"id": 2, "do": "kill", "with": {"name": …}}                                      and waits for its end
    {"id": 3, "do": "signal", "with": {"name": …, "number": …}}
    {"id": 4, "do": "ended", "with": {}}                                              answers {name: exit code} of those nobody killed

Its standard input is a pipe whose other end only the owner holds: when the owner ends, however it ends, the pipe closes, and everything is
killed. An owner's forked child may hold that end open too, so the parent's process id is watched as well. Killing, not asking: the data is
thrown away, and kube-apiserver takes up to a minute to say goodbye to its watches.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

OWNER_CHECK_SECONDS = 0.5
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


class Supervisor:
    """The programs by name; a name can be started again once its program has ended."""

    def __init__(self) -> None:
        self._programs: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, argv: list[str], cwd: str, log: str, env: dict[str, str] | None = None) -> int:
        with open(log, "ab") as output:
            self._programs[name] = subprocess.Popen(  # noqa: S603 (the owner says what to run)
                argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, preexec_fn=die_with_supervisor()
            )
        return self._programs[name].pid

    def kill(self, name: str) -> None:
        program = self._programs.pop(name, None)
        if program is not None:
            program.kill()
            program.wait()

    def signal(self, name: str, number: int) -> None:
        self._programs[name].send_signal(number)

    def ended(self) -> dict[str, int]:
        codes = {name: program.poll() for name, program in self._programs.items()}
        return {name: code for name, code in codes.items() if code is not None}

    def kill_all(self) -> None:
        for program in self._programs.values():
            program.kill()
        for program in self._programs.values():
            program.wait()

    def answer(self, line: bytes) -> dict[str, Any]:
        request = json.loads(line)
        try:
            return {"id": request["id"], "ok": getattr(self, request["do"])(**request["with"])}
        except (OSError, KeyError) as error:
            return {"id": request["id"], "error": f"{type(error).__name__}: {error}"}


def die_with_supervisor() -> Callable[[], None] | None:
    """On Linux the kernel kills the programs should the supervisor itself be killed.

    The kernel looks at the thread that started a program, not at the process; there is only one here, so the signal cannot come too early.
    """
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class TerminatedError(Exception):
    """Somebody asked the supervisor itself to end."""


def terminated(_number: int, _frame: FrameType | None) -> None:
    raise TerminatedError


def serve(supervisor: Supervisor, owner: int) -> None:
    """Answers requests until the owner is gone."""
    pending = b""
    while os.getppid() == owner:
        readable, _, _ = select.select([0], [], [], OWNER_CHECK_SECONDS)
        if not readable:
            continue
        chunk = os.read(0, 65536)
        if not chunk:
            return
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            os.write(1, json.dumps(supervisor.answer(line)).encode() + b"\n")


def main(owner: int, folder: str | None) -> None:
    supervisor = Supervisor()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, terminated)
    try:
        serve(supervisor, owner)
    except (TerminatedError, BrokenPipeError):
        pass
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        supervisor.kill_all()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
