"""The command line: `goldenami operator|crds|demo|local`. Imports of a command's machinery happen when it runs, so that `--help` answers at once."""

from goldenami.cli.app import main

__all__ = ["main"]
