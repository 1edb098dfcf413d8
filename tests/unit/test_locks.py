"""The check of the locks that `make verify` runs."""

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("runtime.txt", "local.txt", "dev.txt")


def _loaded() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_of_locks", ROOT / "requirements" / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHECK = _loaded()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The locks as they are, to be spoilt."""
    copied = tmp_path / "requirements"
    copied.mkdir()
    for name in LOCKS:
        shutil.copy(ROOT / "requirements" / name, copied / name)
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return copied


def test_the_locks_are_of_this_project(folder: Path) -> None:
    assert CHECK.check(folder) == []


@pytest.mark.parametrize(
    ("line", "becomes", "told"),
    [
        pytest.param('  "semver>=3.0.4,<4",', '  "semver>=4",', "semver==3.", id="a limit that was raised"),
        pytest.param('  "semver>=3.0.4,<4",', '  "semver>=3.0.4,<4",\n  "cronsim>=2",', "cronsim is missing", id="one that was added"),
    ],
)
def test_a_project_that_went_ahead_is_told_in_every_lock(folder: Path, line: str, becomes: str, told: str) -> None:
    project = folder.parent / "pyproject.toml"
    text = project.read_text()
    assert line in text
    project.write_text(text.replace(line, becomes))
    found = CHECK.check(folder)
    assert [each.split(":")[0] for each in found] == list(LOCKS)
    assert all(told in each for each in found)


def test_locks_that_disagree_are_told(folder: Path) -> None:
    lock = folder / "runtime.txt"
    text = lock.read_text()
    version = CHECK.read(text)["boto3"]
    (pinned,) = version
    lock.write_text(text.replace(f"boto3=={pinned}", "boto3==1.44.99"))
    assert CHECK.check(folder) == [f"local.txt: boto3 is {pinned}, and elsewhere 1.44.99"]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("--index-url https://pypi.example.test/simple", id="an index"),
        pytest.param("--extra-index-url https://pypi.example.test/simple", id="another index"),
        pytest.param("--find-links https://example.test/wheels", id="a place to look"),
        pytest.param("kopf @ https://example.test/kopf-1.45.2-py3-none-any.whl", id="an address in place of a version"),
        pytest.param("kopf==1.45.2", id="a pin without a hash"),
        pytest.param("-e .", id="something that is installed from here"),
    ],
)
def test_a_lock_holds_nothing_but_pins_with_hashes(folder: Path, line: str) -> None:
    lock = folder / "dev.txt"
    lock.write_text(f"{line}\n{lock.read_text()}")
    assert f"dev.txt: {line!r} is no pin with hashes" in CHECK.check(folder)
