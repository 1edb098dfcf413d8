"""Services that all workers of a run share, kept by a process of its own: it is started by the worker that needs them first, and ends when
nobody uses them any more.

The kernel lets go of a worker's locks, however it ends, so nothing is left behind. Run as a module with the name of a keeping and the run's
folder, it says on one line what is there, and waits.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO

from goldenami.local.aws import LocalAws
from goldenami.local.kubernetes import ControlPlane
from support.operator import command_of
from support.serving import serve_kinds

Said = Mapping[str, str]

OPERATOR_WORKERS = 16
"""All workers' tests are looked after by one operator."""


@contextmanager
def kept(name: str, folder: Path) -> Iterator[Said]:
    """What the keeper of that name has said, which is there for as long as the block lasts. `folder` is the run's."""
    with (folder / f"{name}-users").open("a+", encoding="utf-8") as users:
        with (folder / f"{name}-starts").open("a", encoding="utf-8") as starts:
            fcntl.flock(starts, fcntl.LOCK_EX)
            fcntl.flock(users, fcntl.LOCK_SH)  # a keeper that is about to end is waited for
            users.seek(0)
            said = users.read() or _started(name, folder)
        yield json.loads(said)
        fcntl.flock(users, fcntl.LOCK_UN)  # said, since a fork of this process may hold the file open


def _started(name: str, folder: Path) -> str:
    path = filter(None, (str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH")))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    log = folder / f"{name}.log"
    with log.open("ab") as out:
        # A session of its own: Ctrl-C is for the workers, and it ends with the last of them.
        process = subprocess.Popen(
            [sys.executable, "-m", "support.keeper", name, str(folder)],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=out, start_new_session=True, text=True,
        )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        said = process.stdout.readline()
    if not said:
        raise AssertionError(f"the keeper of {name} has ended ({process.wait(10)}):\n{log.read_text()[-2000:]}")
    threading.Thread(target=process.wait, daemon=True).start()  # else it would stay as a zombie
    return said


@contextmanager
def _bare(folder: Path) -> Iterator[Said]:
    """A control plane with our kinds, and no operator that serves all of it."""
    with ControlPlane.start() as plane:
        serve_kinds(plane)
        yield {"plane": str(plane.folder)}


@contextmanager
def _served(folder: Path) -> Iterator[Said]:
    """Another one, and an operator that serves all of its namespaces; each AWSAccount says itself which AWS it is in."""
    with ControlPlane.start() as plane, LocalAws.start() as aws:
        serve_kinds(plane)
        arguments, environment = command_of(plane, aws, account="999999999999", workers=OPERATOR_WORKERS)
        log = folder / "operator.log"
        with log.open("ab") as out:
            process = subprocess.Popen([sys.executable, "-m", "goldenami", *arguments], env=environment, stdout=out, stderr=out)
        threading.Thread(target=process.wait, daemon=True).start()  # once it has ended its pid is nobody's
        try:
            yield {"plane": str(plane.folder), "log": str(log), "pid": str(process.pid)}
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


KEEPINGS: Mapping[str, Callable[[Path], AbstractContextManager[Said]]] = {"bare": _bare, "served": _served}


def _until_nobody_uses_it(users: IO[str]) -> None:
    fcntl.flock(users, fcntl.LOCK_EX)


def main(name: str, folder: Path) -> None:
    with (folder / f"{name}-users").open("a+", encoding="utf-8") as users:
        with KEEPINGS[name](folder) as said:
            users.write(json.dumps(said))
            users.flush()
            print(json.dumps(said), flush=True)
            _until_nobody_uses_it(users)
        users.truncate(0)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
