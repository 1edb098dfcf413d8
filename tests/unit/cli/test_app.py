"""The command line where parts of it are not installed."""

import subprocess
import sys

import pytest

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
