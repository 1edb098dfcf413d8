"""A proxy in front of a real API server that breaks things on demand: refused requests, errors inside a watch stream, streams cut short.

Plain HTTP on its own side, the administrator's certificate on the other; everything it is not told to break passes unchanged.
"""

from __future__ import annotations

import http.client
import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from kubernetes.client import Configuration
from kubernetes.config import load_kube_config

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host", "accept-encoding"}


@dataclass
class Stream:
    """A watch that is running through the proxy."""

    path: str
    wire: BufferedIOBase
    lock: threading.Lock = field(default_factory=threading.Lock)
    cut: bool = False

    def send(self, data: bytes) -> None:
        with self.lock, suppress(OSError, ValueError):
            self.wire.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wire.flush()


@dataclass
class FaultyProxy:
    """What is broken at the moment. Paths are matched by a part of them."""

    url: str = ""
    kubeconfig: Path = Path()
    refusals: dict[str, tuple[int, dict[str, str]]] = field(default_factory=dict)
    trickling: set[str] = field(default_factory=set)
    streams: list[Stream] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def refuse(self, part: str, status: int, headers: dict[str, str] | None = None) -> None:
        """From now on answer requests to such paths with this status."""
        self.refusals[part] = (status, headers or {})

    def trickle(self, part: str) -> None:
        """From now on answer requests to such paths with an answer that never ends: a byte each time before anybody's patience is over."""
        self.trickling.add(part)

    def allow(self, part: str) -> None:
        """Let them pass again."""
        self.refusals.pop(part, None)
        self.trickling.discard(part)

    def watches(self, part: str) -> list[Stream]:
        """The watches that run now."""
        return [stream for stream in list(self.streams) if part in stream.path]

    def fail_streams(self, part: str, code: int) -> int:
        """Send an ERROR event into such watches, and end them; how many there were."""
        error = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": "told to fail", "reason": "Test"}
        line = json.dumps({"type": "ERROR", "object": error}).encode() + b"\n"
        found = self.watches(part)
        for stream in found:
            stream.cut = True
            stream.send(line)
        return len(found)


@contextmanager
def faulty_proxy(kubeconfig: Path, folder: Path) -> Iterator[FaultyProxy]:
    """A proxy for the API server of that kubeconfig; its own kubeconfig is in `folder`."""
    configuration = Configuration()
    load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]  # no annotations there
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    token = configuration.get_api_key_with_prefix("BearerToken")
    proxy = FaultyProxy()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy, urlsplit(configuration.host), context, str(token)))
    server.daemon_threads = True
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    proxy.kubeconfig = folder / "proxy-kubeconfig"
    proxy.kubeconfig.write_text(yaml.safe_dump(_kubeconfig(proxy.url)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


def _kubeconfig(url: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "proxy",
        "clusters": [{"name": "proxy", "cluster": {"server": url}}],
        "users": [{"name": "proxy", "user": {}}],
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "proxy"}}],
    }


def _handler(proxy: FaultyProxy, upstream: Any, context: ssl.SSLContext, authorization: str) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            for part, (status, headers) in list(proxy.refusals.items()):
                if part in self.path:
                    proxy.refused.append(self.path)
                    self.answer(status, headers, b'{"kind":"Status","apiVersion":"v1","status":"Failure","message":"told to refuse"}')
                    return
            if any(part in self.path for part in proxy.trickling):
                self.trickle()
                return
            self.forward(body)

        def trickle(self) -> None:
            self.close_connection = True
            with suppress(OSError):
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Filler: ")
                while any(part in self.path for part in proxy.trickling):
                    self.wfile.write(b".")
                    time.sleep(0.05)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 -- the base class's names

        def forward(self, body: bytes) -> None:
            connection = http.client.HTTPSConnection(upstream.hostname, upstream.port, context=context, timeout=400)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            headers["Authorization"] = authorization
            try:
                connection.request(self.command, self.path, body or None, headers)
                response = connection.getresponse()
            except OSError:
                self.close_connection = True
                return
            if "watch=true" in self.path and response.status == 200:
                self.stream(response)
            else:
                kept = {name: value for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP}
                self.answer(response.status, kept, response.read())
            connection.close()

        def stream(self, response: http.client.HTTPResponse) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.flush()
            self.close_connection = True
            stream = Stream(self.path, self.wfile)
            proxy.streams.append(stream)
            try:
                with suppress(OSError, http.client.HTTPException):
                    while not stream.cut and (line := response.readline()):
                        if not stream.cut:
                            stream.send(line)
            finally:
                proxy.streams.remove(stream)

        def answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class named it
            pass

    return Handler
