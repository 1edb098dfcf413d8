"""What is typed in a fresh checkout: each target of make sets up what it needs, and CI runs what the README says."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
INSTALLS = "-m pip install"


def planned(folder: Path, target: str) -> list[str]:
    """The command lines that make would run there, whatever a make that runs these tests has been told."""
    environment = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}}
    done = subprocess.run(["make", "--dry-run", target], cwd=folder, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What make looks at, without a virtual environment."""
    (tmp_path / "requirements").mkdir()
    for name in ("Makefile", "pyproject.toml", "requirements/dev.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def set_up(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    (checkout / ".venv" / ".installed").touch()


@pytest.mark.parametrize(
    ("target", "runs"),
    [
        pytest.param("demo", "goldenami demo", id="demo"),
        pytest.param("test", "-m pytest", id="test"),
        pytest.param("verify", "crds --output crds --defaults docs/defaults.md --check", id="verify"),
        pytest.param("crds", "crds --output crds --defaults docs/defaults.md", id="crds"),
        pytest.param("bench", "-m bench", id="bench"),
        pytest.param("sweep", "--sweep=all", id="sweep"),
    ],
)
def test_a_target_sets_up_first_and_only_once(checkout: Path, target: str, runs: str) -> None:
    lines = planned(checkout, target)
    setup = [number for number, line in enumerate(lines) if INSTALLS in line]
    assert setup
    assert all("--require-hashes" in lines[number] or "--no-deps" in lines[number] for number in setup)
    assert runs in lines[-1]
    set_up(checkout)
    again = planned(checkout, target)
    assert [line for line in again if INSTALLS in line] == []
    assert again[-1] == lines[-1]


def test_setup_again_does_nothing(checkout: Path) -> None:
    assert [line for line in planned(checkout, "setup") if INSTALLS in line]
    set_up(checkout)
    assert [line for line in planned(checkout, "setup") if INSTALLS in line] == []


def test_what_is_locked_anew_is_installed_anew(checkout: Path) -> None:
    set_up(checkout)
    installed = (checkout / ".venv" / ".installed").stat().st_mtime
    os.utime(checkout / "requirements" / "dev.txt", (installed + 60, installed + 60))
    assert [line for line in planned(checkout, "test") if INSTALLS in line]


def test_ci_runs_the_checks_and_then_what_the_readme_says() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    commands = [line for line in script.splitlines() if line and not line.startswith(("#", "set ", "cd "))]
    assert commands == ["make verify", "make test"]
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert [block.strip() for block in blocks[:2]] == ["make demo", "make test"]


def test_the_folder_operator_is_no_package() -> None:
    """It would hide the standard library's `operator` from whatever starts beside it."""
    assert not (ROOT / "operator" / "__init__.py").exists()
