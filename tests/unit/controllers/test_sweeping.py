"""The sweep goes on, whatever becomes of one of them."""

from __future__ import annotations

import asyncio
import http.server
import threading
from pathlib import Path

import pytest
import yaml

from goldenami.controllers import sweeping
from goldenami.controllers.attention import Attention
from goldenami.controllers.caretaker import Outcome
from goldenami.controllers.caretakers import Caretakers
from goldenami.controllers.metrics import Metrics
from goldenami.controllers.sweeping import Sweeping
from goldenami.kube.client import Kubernetes
from goldenami.kube.connection import load_configuration


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kubernetes:
    """Where nobody answers."""
    return client_of("http://127.0.0.1:1", tmp_path, monkeypatch)


def client_of(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Kubernetes:
    path = folder / "kubeconfig"
    parts = {"clusters": [{"name": "it", "cluster": {"server": server}}], "users": [{"name": "me", "user": {}}]}
    contexts = [{"name": "it", "context": {"cluster": "it", "user": "me"}}]
    path.write_text(yaml.safe_dump({"current-context": "it", "contexts": contexts, **parts}))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return Kubernetes(load_configuration(connections=1))


async def sweeping_of(kubernetes: Kubernetes) -> Sweeping:
    async def nothing(_: object) -> Outcome:
        return Outcome()

    return Sweeping(kubernetes, Attention(Caretakers({}, run=nothing)), Metrics(), namespaces=(), every_seconds=1e6)


def test_a_loop_that_is_busy_for_too_long_is_no_reason_to_sweep_no_more(
    nobody: Kubernetes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sweeping, "LOOP_SECONDS", 0.0)
    busy = asyncio.new_event_loop()  # it never turns again
    made = busy.run_until_complete(sweeping_of(nobody))
    asyncio.run(made.once())
    busy.run_until_complete(asyncio.sleep(0))
    busy.close()
    assert "the sweep failed and is repeated later: the main loop was busy" in caplog.text


class Nonsense(http.server.BaseHTTPRequestHandler):
    """JSON, as a Kubernetes API server sends it, and nothing that one would say."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'{"items": [{}], "metadata": {}}')

    def log_message(self, *_: object) -> None: ...


def test_an_answer_that_nobody_expected_is_no_reason_to_sweep_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nonsense) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        kubernetes = client_of(f"http://127.0.0.1:{server.server_port}", tmp_path, monkeypatch)

        async def run() -> None:
            await (await sweeping_of(kubernetes)).once()

        asyncio.run(run())
        server.shutdown()
    (told,) = (record for record in caplog.records if "the sweep failed and is repeated later: KeyError" in record.getMessage())
    assert told.exc_info
