"""Hosting the shell: one server in this process, or (`python -m goldenami.local.aws`) in one that ends with its standard input."""

import argparse
import json
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from goldenami.local.aws import lab, services
from goldenami.local.aws.clock import Clock
from goldenami.local.aws.lab import Lab
from goldenami.local.aws.server import HOST, Server
from goldenami.local.aws.shell import Shell


@dataclass
class Hosted:
    server: Server
    shell: Shell

    @property
    def url(self) -> str:
        return self.server.url

    def stop(self) -> None:
        global _hosted
        self.shell.holds.close()
        self.server.stop()
        self.shell.close()
        _hosted = None


_hosted: Hosted | None = None


def host(*, port: int = 0, address: str = HOST, clock_scale: float = 1.0, audit_file: Path | None = None) -> Hosted:
    """Starts an empty local AWS in this process and returns once it answers.

    Raises RuntimeError where one runs already: moto's state belongs to the process. OSError where nobody can listen or write there.
    """
    global _hosted
    if _hosted is not None:
        raise RuntimeError(f"this process hosts a local AWS already, at {_hosted.url}: stop that first, or start one as a subprocess")
    current = Lab(clock=Clock(scale=clock_scale))
    lab.install(current)
    shell = Shell(current, audit_file=audit_file)
    services.reset(None)
    shell.warm_up()
    server = Server(shell, port, address)
    server.start()
    _hosted = Hosted(server, shell)
    return _hosted


def main(*, ready: Callable[[], None]) -> None:
    """Announces its address as one JSON line, and ends when standard input does. `ready` is called once it answers."""
    parser = argparse.ArgumentParser(prog="python -m goldenami.local.aws", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--address", default=HOST)
    parser.add_argument("--clock-scale", type=float, default=1.0)
    parser.add_argument("--audit-file", type=Path)
    options = parser.parse_args()
    # A Ctrl-C reaches the whole terminal group: the parent decides, and we still serve while it cleans up.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    hosted = host(port=options.port, address=options.address, clock_scale=options.clock_scale, audit_file=options.audit_file)
    ready()
    announce, sys.stdout = sys.stdout, sys.stderr  # moto prints; the pipe to the parent is for one line only
    announce.write(json.dumps({"url": hosted.url}) + "\n")
    announce.flush()
    threading.Thread(target=_watch_parent, args=(ended,), daemon=True).start()
    ended.wait()
    hosted.stop()


def _watch_parent(ended: threading.Event) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    ended.set()
