"""A proxy before the API server that can stop one write, right before or right after it is carried out.

The operator under test reaches it by plain HTTP; it speaks to the API server with the administrator's certificate. Watches are passed on as
they come.
"""

from __future__ import annotations

import base64
import http.client
import re
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
NOT_COUNTED = ("/leases", "/events")
"""The Lease is renewed by the clock, and Events are written by a thread of their own: neither is a step of the work."""

HOLD_SECONDS = 60.0
_PASSED_ON = ("accept", "content-type", "user-agent")


class Gate:
    """Which writes there were, and the one to stop."""

    def __init__(self) -> None:
        self.act = ""
        """What is going on. Writes are counted by act: how often a status was written before depends on timing."""
        self.seen: dict[str, list[str]] = {}
        """The writes of each act: `PATCH imageversions/web-1.0.0/status #2`."""
        self.passed = 0
        """How many of all of them have been carried out, or refused."""
        self.struck = threading.Event()
        self._let_go = threading.Event()
        self._target: tuple[str, str, str] | None = None
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def stop_at(self, act: str, write: str, when: Literal["before", "after"]) -> None:
        """The next write to stop; `write` as in `seen`."""
        self.struck.clear()
        self._let_go.clear()
        self._target = (act, write, when)

    def give_way(self) -> None:
        """Lets go of the write that is held, and stops no more."""
        self._target = None
        self._let_go.set()

    def passes(self, name: str) -> tuple[str, str]:
        """Its act, and the write named by its occurrence there."""
        with self._lock:
            act = self.act
            self._counts[act, name] += 1
            write = f"{name} #{self._counts[act, name]}"
            self.seen.setdefault(act, []).append(write)
            return act, write

    def hold(self, write: tuple[str, str], when: str) -> bool:
        """True when this was the write to stop; returns once the process that asked for it is gone."""
        if self._target != (*write, when) or self.struck.is_set():
            return False
        self.struck.set()
        self._let_go.wait(HOLD_SECONDS)
        return True


@contextmanager
def proxy(kubeconfig: Path, namespace: str, folder: Path) -> Iterator[tuple[Path, Gate]]:
    """A kubeconfig that leads through a new proxy, and its gate."""
    gate, upstream = Gate(), _Upstream(kubeconfig)
    handler = type("Handler", (_Handler,), {"gate": gate, "upstream": upstream})
    server = _Server(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    path = folder / "proxied.kubeconfig"
    path.write_text(yaml.safe_dump(_kubeconfig(f"http://127.0.0.1:{server.server_address[1]}", namespace)))
    try:
        yield path, gate
    finally:
        gate.give_way()
        server.shutdown()
        server.server_close()


def _kubeconfig(url: str, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "proxied",
        "clusters": [{"name": "proxied", "cluster": {"server": url}}],
        "users": [{"name": "proxied", "user": {}}],
        "contexts": [{"name": "proxied", "context": {"cluster": "proxied", "user": "proxied", "namespace": namespace}}],
    }


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Silent: connections of a killed process end as they may."""


class _Upstream:
    """Connections to the API server, as its administrator."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        parts = urlsplit(cluster["server"])
        self._host, self._port = str(parts.hostname), int(parts.port or 443)
        self._context = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        self.authorization = f"Bearer {user['token']}"

    def connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._host, self._port, context=self._context, timeout=400)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    gate: Gate
    upstream: _Upstream
    _connection: http.client.HTTPSConnection | None = None
    """To the API server, for as long as the one that it answers: a handshake for each request took both sides longer than most requests."""

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        counted = self.command in WRITES and not any(part in self.path for part in NOT_COUNTED)
        write = self.gate.passes(_name(self.command, self.path)) if counted else None
        if write and self.gate.hold(write, "before"):
            self.close_connection = True
            return
        try:
            self._exchange(body, write)
        except (OSError, http.client.HTTPException):
            self.close_connection = True
        finally:
            self.gate.passed += bool(write)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer  # noqa: N815 - http.server looks for these names

    def finish(self) -> None:
        if self._connection is not None:
            self._connection.close()
        super().finish()

    def _exchange(self, body: bytes, write: tuple[str, str] | None) -> None:
        if self._connection is None:
            self._connection = self.upstream.connect()
        connection = self._connection
        headers = {name: value for name, value in self.headers.items() if name.lower() in _PASSED_ON}
        headers["Authorization"] = self.upstream.authorization
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        if "watch=true" in self.path:
            self._pass_on_as_it_comes(answer)
            return
        content = answer.read()
        if write and self.gate.hold(write, "after"):
            self.close_connection = True
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type", "application/json"))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _pass_on_as_it_comes(self, answer: http.client.HTTPResponse) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type", "application/json"))
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while part := answer.read1(65536):
            self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: Any) -> None:
        """Silent."""


def _name(method: str, path: str) -> str:
    """`PATCH imageversions/web-1.0.0/status`: without group, version and namespace."""
    bare = urlsplit(path).path
    return f"{method} " + re.sub(r"^/apis?/([^/]+/)?v[0-9a-z]+/(namespaces/[^/]+/)?", "", bare)
