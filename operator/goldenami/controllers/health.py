"""/healthz, /readyz and /metrics, served by threads of their own: they answer while everything else is stuck, which is their point."""

import http.server
import threading
from collections.abc import Callable
from dataclasses import dataclass

Check = Callable[[], str | None]
"""None when all is well, else what is not, for people."""

PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


class PortUnusable(Exception):  # noqa: N818 -- says what is the matter, as the others do
    """Nobody can listen where the settings say; the message says what to do."""


@dataclass(frozen=True)
class Page:
    """An answer."""

    status: int
    content_type: str
    body: bytes


class HealthServer:
    """Listens from construction to `close`; `port` is the real one where 0 was asked for."""

    def __init__(self, *, host: str, port: int, alive: Check, ready: Check, metrics: Callable[[], bytes]) -> None:
        pages: dict[str, Callable[[], Page]] = {
            "/healthz": lambda: _judged(alive()),
            "/readyz": lambda: _judged(ready()),
            "/metrics": lambda: Page(200, PROMETHEUS_TEXT, metrics()),
        }
        try:
            self._server = http.server.ThreadingHTTPServer((host, port), _handler(pages))
        except OSError as error:
            advice = "stop what listens there, or choose another port by --metrics-port (0: a free one, -1: none)"
            raise PortUnusable(f"/metrics and the probes cannot be served on port {port} ({error.strerror}): {advice}") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.1}, name="health", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


def _judged(problem: str | None) -> Page:
    text = "ok" if problem is None else problem
    return Page(200 if problem is None else 503, "text/plain; charset=utf-8", f"{text}\n".encode())


def _handler(pages: dict[str, Callable[[], Page]]) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        """One request; unknown paths are 404."""

        timeout = 10

        def do_GET(self) -> None:
            make = pages.get(self.path.partition("?")[0])
            page = make() if make is not None else Page(404, "text/plain; charset=utf-8", b"not found\n")
            self.send_response(page.status)
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class named it
            """Probes every few seconds are no news."""

    return Handler
