"""The sweep goes on, whatever becomes of one of them."""

from __future__ import annotations

import asyncio
import http.server
import threading
from pathlib import Path

import pytest
import yaml

from goldenami.controllers import operator
from goldenami.controllers.attention import Attention
from goldenami.controllers.caretaker import Outcome
from goldenami.controllers.caretakers import Caretakers
from goldenami.controllers.operator import Operator
from goldenami.controllers.settings import Settings


@pytest.fixture
def process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    """One that has not been started; nobody answers where its kubeconfig leads to."""
    return unstarted("http://127.0.0.1:1", tmp_path, monkeypatch)


def unstarted(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:
    path = folder / "kubeconfig"
    parts = {"clusters": [{"name": "it", "cluster": {"server": server}}], "users": [{"name": "me", "user": {}}]}
    contexts = [{"name": "it", "context": {"cluster": "it", "user": "me"}}]
    path.write_text(yaml.safe_dump({"current-context": "it", "contexts": contexts, **parts}))
    monkeypatch.setenv("KUBECONFIG", str(path))
    return Operator(Settings(installation="test", metrics_port=-1), lambda _: {})


async def swept(process: Operator) -> None:
    async def nothing(_: object) -> Outcome:
        return Outcome()

    await process._sweep(Attention(Caretakers({}, run=nothing)))


def test_a_loop_that_is_busy_for_too_long_is_no_reason_to_sweep_no_more(
    process: Operator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(operator, "LOOP_SECONDS", 0.0)
    busy = asyncio.new_event_loop()  # it never turns
    process._loop = busy
    asyncio.run(swept(process))
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
        process = unstarted(f"http://127.0.0.1:{server.server_port}", tmp_path, monkeypatch)

        async def run() -> None:
            process._loop = asyncio.get_running_loop()
            await swept(process)

        asyncio.run(run())
        server.shutdown()
    (told,) = (record for record in caplog.records if "the sweep failed and is repeated later: KeyError" in record.getMessage())
    assert told.exc_info
