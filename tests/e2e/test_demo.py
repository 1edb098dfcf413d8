"""`goldenami demo` as somebody runs it: a process, its output, its exit code, and nothing of it left behind, however it ends."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from goldenami.local.aws.client import LabControl
from goldenami.local.kubernetes import Programs
from support.operator import eventually

START_SECONDS = 60.0
END_SECONDS = 20.0
STORY_SECONDS = 180.0
EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE = "ami-0a1b2c3d4e5f60718"

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="asks /proc for what is left running")


@dataclass
class Demo:
    """One run. Its descendants are known by a variable of their environment, in whatever session they are."""

    process: subprocess.Popen[bytes]
    mark: str
    folder: Path
    """Where it puts its temporary files."""
    output: Path

    def said(self) -> str:
        return self.output.read_text()

    def wait_for(self, text: str, *, seconds: float = START_SECONDS) -> None:
        def heard() -> bool:
            assert self.process.poll() is None or text in self.said(), f"the demo ended before it said {text!r}:\n{self.said()}"
            return text in self.said()

        eventually(heard, f"the line {text!r}", seconds=seconds, told=self.said)

    def code(self, *, seconds: float = END_SECONDS) -> int:
        """The exit code, once it has ended."""
        return eventually(lambda: None if (code := self.process.poll()) is None else (code,), "the end", seconds=seconds, told=self.said)[0]

    def running(self) -> list[str]:
        """The command lines of every process of it."""
        return [line for folder in Path("/proc").glob("[0-9]*") if (line := self._command_line(folder)) is not None]

    def _command_line(self, process: Path) -> str | None:
        try:
            if self.mark.encode() in (process / "environ").read_bytes():
                return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it ended meanwhile, or is somebody else's
            return None
        return None

    def assert_nothing_left(self) -> None:
        eventually(lambda: not self.running(), "the end of every process", seconds=END_SECONDS, told=lambda: "\n".join(self.running()))
        eventually(lambda: not any(self.folder.iterdir()), "the removal of every file", seconds=END_SECONDS)


class Demos:
    """Starts demos, each with its own folder for temporary files; ends those that a failed test leaves."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started: list[Demo] = []

    def start(self, *arguments: str | Path, terminal: int | None = None) -> Demo:
        mark = f"goldenami-demo-{uuid.uuid4()}"
        temporary, output = self._folder / mark, self._folder / f"{mark}.txt"
        temporary.mkdir()
        environment = {**os.environ, "TMPDIR": str(temporary), "TEST_MARK": mark, "AWS_PROFILE": "not-there", "TERM": "xterm-256color"}
        argv = [sys.executable, "-m", "goldenami", "demo", *map(str, arguments)]
        with output.open("wb") as file:
            target = file if terminal is None else terminal
            process = subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL, stdout=target, stderr=target)
        self._started.append(Demo(process, mark, temporary, output))
        return self._started[-1]

    def end(self) -> None:
        for demo in self._started:
            demo.process.kill()
            demo.process.wait()


@pytest.fixture(scope="module")
def demos(programs: Programs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demos]:
    """The programs are there already: what is tested is the demo, not a build."""
    started = Demos(tmp_path_factory.mktemp("demos"))
    yield started
    started.end()


@pytest.fixture(scope="module", autouse=True)
def whole_story(demos: Demos) -> Demo:
    """Of all examples. Begun first and judged last, because it mostly waits for copies; the others run meanwhile."""
    return demos.start("--copy-seconds", "1")


def manifest(folder: Path, **spec: Any) -> Path:
    """A manifest of one GoldenImage in one region, in the namespace that is always there."""
    base = {"version": "1.0.0", "region": "us-east-1", "source": {"image": {"id": SOURCE}}, "replicas": [{"region": "us-east-1"}]}
    image = {"apiVersion": "goldenami.dev/v1alpha1", "kind": "GoldenImage", "metadata": {"name": "tiny", "namespace": "default"}}
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({**image, "spec": {**base, **spec}}))
    return path


def golden_images() -> list[str]:
    documents = [document for path in EXAMPLES.glob("*.yaml") for document in yaml.safe_load_all(path.read_text())]
    return [document["metadata"]["name"] for document in documents if document["kind"] == "GoldenImage"]


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        pytest.param(
            {"source": {"image": {"id": "ami-00000000000000000"}}},
            ["GoldenImage tiny", "ami-00000000000000000", "SourceNotFound", "operator's log"],
            id="a source that does not exist is named, with the condition's reason and the end of the log",
        ),
        pytest.param(
            {"version": "one"}, ["kubectl apply", "spec.version", "SemVer"], id="what the API server refuses is said in its words"
        ),
    ],
)
def test_what_cannot_become_ready_fails_with_the_reason(demos: Demos, tmp_path: Path, spec: dict[str, Any], told: list[str]) -> None:
    demo = demos.start("--examples", manifest(tmp_path, **spec))
    assert demo.code(seconds=STORY_SECONDS) == 1, demo.said()
    assert [text for text in told if text not in demo.said()] == [], demo.said()
    demo.assert_nothing_left()


@pytest.mark.parametrize(
    ("moment", "number", "code"),
    [
        pytest.param("goldenami demo", signal.SIGTERM, 128 + signal.SIGTERM, id="SIGTERM while it starts"),
        pytest.param("is pending", signal.SIGINT, 128 + signal.SIGINT, id="Ctrl-C in the middle of a copy"),
        pytest.param("is pending", signal.SIGKILL, -signal.SIGKILL, id="kill -9 in the middle of a copy"),
    ],
)
def test_nothing_is_left_however_it_ends(demos: Demos, tmp_path: Path, moment: str, number: signal.Signals, code: int) -> None:
    demo = demos.start("--examples", manifest(tmp_path), "--copy-seconds", "60")
    demo.wait_for(moment)
    demo.process.send_signal(number)
    assert demo.code() == code, demo.said()
    demo.assert_nothing_left()


def test_on_a_terminal_it_stays_up_until_ctrl_c(demos: Demos, tmp_path: Path) -> None:
    master, terminal = pty.openpty()
    os.set_blocking(master, False)
    demo = demos.start("--examples", manifest(tmp_path), "--copy-seconds", "4", terminal=terminal)
    os.close(terminal)
    seen = bytearray()

    def shows(text: str) -> bool:
        try:
            while chunk := os.read(master, 65536):
                seen.extend(chunk)
        except (BlockingIOError, OSError):  # nothing more now; at its end a terminal answers with an error
            pass
        return text in seen.decode(errors="replace")

    eventually(lambda: shows("Ctrl-C ends everything"), "the end of the story", seconds=STORY_SECONDS, told=seen.decode)
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", seen.decode(errors="replace"))
    progress = [int(percent) for percent in re.findall(r"━+ +(\d+) %", drawn)]
    assert any(0 < percent < 100 for percent in progress), drawn
    (environment,) = {Path(found) for found in re.findall(r"source (/\S+/env)", seen.decode())}
    exports = environment.read_text()
    assert f"export KUBECONFIG={environment.parent}" in exports
    (endpoint,) = re.findall(r"^export AWS_ENDPOINT_URL=(\S+)$", exports, re.MULTILINE)
    assert LabControl(endpoint).healthy()
    demo.process.send_signal(signal.SIGINT)
    eventually(
        lambda: shows("nothing is left behind") and demo.process.poll() is not None, "the end", seconds=END_SECONDS, told=seen.decode
    )
    os.close(master)
    assert demo.process.returncode == 0, seen.decode()
    demo.assert_nothing_left()


def test_every_example_becomes_ready_and_what_is_broken_is_repaired(whole_story: Demo) -> None:
    demo = whole_story
    assert demo.code(seconds=STORY_SECONDS) == 0, demo.said()
    said = demo.said()
    for name in golden_images():
        assert f"GoldenImage {name} is Ready" in said
    breakages = re.findall(r"Somebody (.*)\n.*\$ aws ec2 (\S+)", said)
    assert [operation for _, operation in breakages] == ["modify-image-attribute", "modify-image-attribute", "deregister-image"], said
    assert len(re.findall(r"✓ repaired after \d+\.\d s: ami-", said)) == len(breakages), said
    demo.assert_nothing_left()


def test_a_version_is_promoted_and_left_again_and_the_oldest_goes_once_nobody_uses_it(whole_story: Demo) -> None:
    demo = whole_story
    assert demo.code(seconds=STORY_SECONDS) == 0, demo.said()
    said = demo.said()
    typed = re.findall(r"\$ (kubectl -n images patch \S+ \S+|aws ec2 (?:run|terminate)-instances)", said)
    app, policy = "kubectl -n images patch gi app", "kubectl -n images patch rp standard"
    assert typed == [app, app, app, "aws ec2 run-instances", policy, "aws ec2 terminate-instances"], said
    stable = "/golden/app/stable names"
    moved = re.findall(rf"✓ .* s: {stable} (\S+) in 2 regions, by (\d) calls of PutParameter and none of CopyImage(.*)", said)
    assert moved == [("1.2.0", "2", "."), ("1.1.0", "2", "; 1.2.0 is deprecated now.")], said
    (instance,) = re.findall(r"✓ launched after .* s: (i-\w+) runs", said)
    assert re.search(rf"✓ refused after .* s: ami-\w+ in eu-west-1 stays: it is used by instance {instance}", said), said
    refused, gone = said.index("✓ refused"), said.index("✓ gone")
    assert "app 1.0.0 in eu-west-1: ami-" in said[refused:gone]
    assert re.search(r"✓ gone after .* s: 2 AMIs and 2 snapshots of 1.0.0; 1.1.0 and 1.2.0 stay", said), said
