"""The programs built from `hack/controlplane`, as one executable with a link for each name."""

from __future__ import annotations

import hashlib
import signal
import subprocess
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from .cache import Cache
from .errors import UnavailableError
from .programs import ALL
from .progress import Advance, package_bar, say
from .toolchain import Toolchain, find_toolchain
from .versions import KUBERNETES

EXECUTABLE = "controlplane"
ERROR_LINES = 20

# Without symbols and debugging data it compiles a little faster and takes 131 MB instead of 190.
COMPILE = ["-trimpath", "-buildvcs=false", "-gcflags=all=-dwarf=false"]


def module_beside_the_package() -> Path | None:
    """`hack/controlplane` of the source checkout this package is imported from; None for an installed package."""
    folder = Path(__file__).resolve().parents[4] / "hack" / "controlplane"
    return folder if (folder / "go.mod").exists() else None


def sources_hash(module: Path) -> str:
    """Changes with everything a build depends on: the module's files, and how it is built."""
    digest = hashlib.sha256(" ".join([*COMPILE, link_flags()]).encode())
    for path in sorted([*module.glob("*.go"), module / "go.mod", module / "go.sum"]):
        digest.update(f"\0{path.name}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def link_flags() -> str:
    """Stripped, and with the version that a release of Kubernetes would report."""
    major, minor, _ = KUBERNETES.removeprefix("v").split(".")
    values = {"gitVersion": KUBERNETES, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return " ".join(["-s -w", *(f"-X {package}.{name}={value}" for package in packages for name, value in values.items())])


def build(folder: Path, *, module: Path | None, cache: Cache) -> None:
    """Puts all programs into that folder. Raises UnavailableError, with the end of what the compiler said."""
    if module is None:
        raise UnavailableError("a build needs hack/controlplane, which is beside goldenami only in a checkout of its sources")
    toolchain = find_toolchain(module, cache)
    total = _packages_to_compile(module, toolchain)
    with package_bar("building Kubernetes (some minutes, once)", total) as advance:
        argv: list[str | Path] = [toolchain.go, "build", "-v", *COMPILE, "-ldflags", link_flags(), "-o", folder / EXECUTABLE, "."]
        with subprocess.Popen(argv, cwd=module, env=toolchain.environment, stderr=subprocess.PIPE, text=True) as compiler:  # noqa: S603 (go)
            try:
                said = _follow(compiler.stderr or (), advance)
            except BaseException:
                # Not a kill: go passes an interrupt on to its compilers, and what they finished stays in its cache.
                compiler.send_signal(signal.SIGINT)
                raise
    if compiler.returncode != 0:
        raise UnavailableError(f"the build of {module} failed:\n{said}")
    for name in ALL:
        (folder / name).symlink_to(EXECUTABLE)
    for key in toolchain.disposable:
        cache.remove(key)


def _packages_to_compile(module: Path, toolchain: Toolchain) -> int:
    """How many packages Go's cache does not hold yet. Fetches the modules that are missing."""
    say("fetching the Go modules of Kubernetes")
    argv: list[str | Path] = [toolchain.go, "list", "-deps", *COMPILE, "-f", "{{if .Stale}}{{.ImportPath}}{{end}}", "."]
    done = subprocess.run(argv, cwd=module, env=toolchain.environment, capture_output=True, text=True, check=False)  # noqa: S603 (go)
    if done.returncode != 0:
        raise UnavailableError(f"go cannot list the packages of {module}: {_end_of(done.stderr.splitlines())}")
    return len(done.stdout.split())


def _follow(lines: Iterable[str], advance: Advance) -> str:
    """Counts the packages that `go build -v` names, one per line; gives back the end of everything else it said."""
    said: deque[str] = deque(maxlen=ERROR_LINES)
    for line in map(str.rstrip, lines):
        if " " in line or not line:
            said.append(line)
        else:
            advance(1)
    return "\n".join(said)


def _end_of(lines: list[str]) -> str:
    return "\n".join(lines[-ERROR_LINES:])
