"""The command line: `goldenami operator|crds|demo|local`. What a command needs is imported when it runs: `--help` answers at once."""

from goldenami.cli.app import main

__all__ = ["main"]
