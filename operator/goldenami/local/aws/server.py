"""An HTTP/1.1 server for the shell, with connections that stay open.

werkzeug's own server closes the connection after each answer, which costs a new TCP connection per call; SDKs pool theirs. Binds to
127.0.0.1 unless told otherwise: signatures are not checked, so whoever reaches it may do anything in it.
"""

import contextlib
import io
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import unquote

from goldenami.local.aws.answers import DroppedConnectionError, Headers
from goldenami.local.aws.calls import Environ

HOST = "127.0.0.1"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - only where somebody asks for it
Application = Callable[[Environ, Callable[[str, Headers], Any]], Iterable[bytes]]
_HOP_BY_HOP = frozenset({"connection", "content-length", "transfer-encoding", "keep-alive"})


class Server(ThreadingHTTPServer):
    """Serves one WSGI application, a thread per connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, application: Application, port: int = 0, address: str = HOST) -> None:
        super().__init__((address, port), _Handler)
        self.application = application
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        return int(self.socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Where this machine reaches it."""
        address = str(self.socket.getsockname()[0])
        return f"http://{HOST if address == EVERYWHERE else address}:{self.port}"

    def start(self) -> None:
        """Serves from a thread of its own."""
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, name="local-aws", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Closes the port and every open connection."""
        if self._thread is not None:
            self.shutdown()
            self._thread.join()
            self._thread = None
        self.server_close()
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def opened(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away in mid-answer is no error of ours; anything else keeps its traceback."""
        if not isinstance(sys.exc_info()[1], (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "AmazonEC2"
    sys_version = ""

    def setup(self) -> None:
        super().setup()
        cast("Server", self.server).opened(self.connection)

    def finish(self) -> None:
        cast("Server", self.server).closed(self.connection)
        with contextlib.suppress(OSError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the audit is the log
        pass

    def _serve(self) -> None:
        server = cast("Server", self.server)
        started: list[tuple[str, Headers]] = []
        try:
            body = b"".join(server.application(self._environ(), lambda status, headers: started.append((status, headers))))
        except DroppedConnectionError:
            self.close_connection = True
            return
        status, headers = started[-1]
        self._write(status, headers, body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = do_OPTIONS = _serve  # noqa: N815

    def _write(self, status: str, headers: Headers, body: bytes) -> None:
        """One write for the whole answer: two would wait for each other's acknowledgement."""
        kept = [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP]
        length = (
            next((value for name, value in headers if name.lower() == "content-length"), str(len(body)))
            if self.command == "HEAD"
            else str(len(body))
        )
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in kept), f"Content-Length: {length}"]
        if self.close_connection:
            lines.append("Connection: close")
        head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
        self.wfile.write(head if self.command == "HEAD" else head + body)

    def _environ(self) -> Environ:
        path, _, query = self.path.partition("?")
        body = self._read_body()
        environ: Environ = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "RAW_URI": self.path,
            "REQUEST_URI": self.path,
            "QUERY_STRING": query,
            "SERVER_NAME": HOST,
            "SERVER_PORT": str(cast("Server", self.server).port),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in self.headers.items():
            key = name.upper().replace("-", "_")
            if key == "CONTENT_TYPE":
                environ[key] = value
            elif key not in {"CONTENT_LENGTH", "TRANSFER_ENCODING"}:
                environ[f"HTTP_{key}"] = value
        return environ

    def _read_body(self) -> bytes:
        """All of it. A client that went away before has asked for nothing: what came would be a whole call, with fewer arguments.

        Raises DroppedConnectionError.
        """
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return b"".join(iter(self._read_chunk, b""))
        return self._read(int(self.headers.get("Content-Length") or 0))

    def _read_chunk(self) -> bytes:
        line = self.rfile.readline()
        if not line.endswith(b"\n"):
            raise DroppedConnectionError
        chunk = self._read(int(line.split(b";")[0], 16))
        self.rfile.readline()
        return chunk

    def _read(self, size: int) -> bytes:
        read = self.rfile.read(size)
        if len(read) < size:
            raise DroppedConnectionError
        return read
