"""Whether the locks are of the pyproject.toml beside them: asks no index, so that `make verify` can.

Each requirement has to be in the lock at a version that it allows, and a wider lock has to agree with the narrower one. A lock holds pins
and their hashes, and nothing else: an index, or where else to look, is for whoever installs to say.
"""

import itertools
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

HERE = Path(__file__).parent
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", re.MULTILINE)
PINNED = re.compile(r"[A-Za-z0-9._-]+(\[[^]]*\])?==[^ ;\\]+( ;[^\\]+)?( --hash=sha256:[0-9a-f]{64})+")

Lock = Mapping[str, frozenset[str]]
"""Versions by name; several where they depend on the Python."""


def read(text: str) -> Lock:
    """What a lock pins."""
    found: dict[str, frozenset[str]] = {}
    for name, version in PIN.findall(text):
        key = canonicalize_name(name)
        found[key] = found.get(key, frozenset()) | {version}
    return found


def strangers(text: str) -> Iterator[str]:
    """A sentence for each line of a lock, its continuations included, that is no pin with hashes."""
    whole = re.sub(r" *\\\n +", " ", text).splitlines()
    yield from (f"{line[:80]!r} is no pin with hashes" for line in whole if line and not PINNED.fullmatch(line))


def problems(requirements: Sequence[str], lock: Lock) -> Iterator[str]:
    """A sentence for each requirement that the lock does not meet."""
    for text in requirements:
        requirement = Requirement(text)
        versions = lock.get(canonicalize_name(requirement.name), frozenset())
        if not versions:
            yield f"{requirement.name} is missing"
        for version in sorted(versions):
            if not requirement.specifier.contains(version, prereleases=True):
                yield f"{requirement.name}=={version} is not {requirement.specifier}"


def disagreements(narrow: Lock, wide: Lock) -> Iterator[str]:
    """A sentence for each pin that a lock which includes another one has not taken over."""
    for name in sorted(narrow):
        if wide.get(name) != narrow[name]:
            yield f"{name} is {', '.join(sorted(wide.get(name, ()))) or 'missing'}, and elsewhere {', '.join(sorted(narrow[name]))}"


def check(folder: Path) -> list[str]:
    """What is wrong with the locks in `folder`, of the pyproject.toml above it."""
    project = tomllib.loads((folder.parent / "pyproject.toml").read_text())
    runtime = project["project"]["dependencies"]
    local = [*runtime, *project["project"]["optional-dependencies"]["local"]]
    development = [*local, *project["dependency-groups"]["dev"]]
    names = ("runtime.txt", "local.txt", "dev.txt")
    texts = {name: (folder / name).read_text() for name in names}
    locks = {name: read(text) for name, text in texts.items()}
    told = [f"{name}: {stranger}" for name, text in texts.items() for stranger in strangers(text)]
    told += [
        f"{name}: {problem}"
        for name, wanted in zip(names, (runtime, local, development), strict=True)
        for problem in problems(wanted, locks[name])
    ]
    told += [f"{wide}: {each}" for narrow, wide in itertools.pairwise(names) for each in disagreements(locks[narrow], locks[wide])]
    return told


if __name__ == "__main__":
    wrong = check(HERE)
    for line in wrong:
        print(f"requirements/{line}", file=sys.stderr)
    if wrong:
        sys.exit("the locks are not of this pyproject.toml: run `make lock`")
