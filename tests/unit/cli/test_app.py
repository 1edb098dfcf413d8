"""The command line: where parts of it are not installed, and what the operator's options and variables mean."""

import os
import runpy
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer.main

from goldenami.cli import main
from goldenami.cli.app import app, settings_of
from goldenami.controllers.settings import Settings

ROOT = Path(__file__).resolve().parents[3]
WITHOUT = """
import sys
sys.modules[sys.argv[1]] = None  # as where it is not installed
sys.argv[:] = ["goldenami", *sys.argv[2:]]
from goldenami.cli import main
main()
"""


@pytest.mark.parametrize(
    ("missing", "command"),
    [
        pytest.param("goldenami.local", ("local", "aws"), id="the image has no local AWS"),
        pytest.param("goldenami.local", ("local", "kubernetes"), id="the image has no control plane"),
        pytest.param("goldenami.cli.demo", ("demo",), id="the image has no demo"),
        pytest.param("moto", ("local", "aws"), id="the extra is not installed"),
    ],
)
def test_a_command_that_is_not_installed_says_where_it_is(missing: str, command: tuple[str, ...]) -> None:
    ended = subprocess.run([sys.executable, "-c", WITHOUT, missing, *command], capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(f"goldenami: {missing}")
    assert "from a checkout" in ended.stderr
    assert ended.stderr.count("\n") == 1


def told(*arguments: str) -> Settings:
    """What `goldenami operator` with these arguments, and the environment as it is, would run with."""
    commands: Any = typer.main.get_command(app)
    with commands.commands["operator"].make_context("operator", list(arguments)) as context:
        return settings_of(**context.params)


@pytest.mark.parametrize(
    ("flag", "text", "meant"),
    [
        pytest.param("installation", "prod", {"installation": "prod"}, id="installation"),
        pytest.param("namespace", "images", {"namespaces": ("images",)}, id="one namespace"),
        pytest.param("namespace", "images,web", {"namespaces": ("images", "web")}, id="a list of namespaces"),
        pytest.param("namespace", "", {"namespaces": ()}, id="an empty list is all of them"),
        pytest.param("interval", "90s", {"interval_seconds": 90.0}, id="interval"),
        pytest.param("workers", "3", {"workers": 3}, id="workers"),
        pytest.param("metrics-port", "9090", {"metrics_port": 9090}, id="metrics port"),
        pytest.param("log-format", "text", {"log_format": "text"}, id="log format"),
    ],
)
def test_each_option_is_a_variable_that_a_flag_overrides(
    monkeypatch: pytest.MonkeyPatch, flag: str, text: str, meant: dict[str, Any]
) -> None:
    variable = f"GOLDENAMI_{flag.upper().replace('-', '_')}"
    assert told() == Settings(installation="default")
    expected = replace(Settings(installation="default"), **meant)
    assert told(f"--{flag}", text) == expected
    monkeypatch.setenv(variable, text)
    assert told() == expected
    monkeypatch.setenv(variable, "1")
    assert told(f"--{flag}", text) == expected


@pytest.mark.skipif(shutil.which("make") is None, reason="asks make")
def test_make_demo_is_the_command_that_the_tests_of_the_demo_run() -> None:
    """They start it as a module, which is the same function as the installed script's."""
    alone = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    asked = subprocess.run(["make", "-n", "demo"], cwd=ROOT, env=alone, capture_output=True, text=True, check=True, timeout=60)
    # What comes before, if anything, is the setup that is implied.
    assert asked.stdout.splitlines()[-1] == ".venv/bin/goldenami demo"
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts["goldenami"] == f"{main.__module__.removesuffix('.app')}:{main.__name__}"
    assert runpy.run_module("goldenami.__main__", run_name="imported")["main"] is main
