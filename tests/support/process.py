"""Operators with settings of their own: another identity in Kubernetes, another name, another way to AWS."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goldenami.local.aws import LocalAws
from support.operator import OperatorProcess

Environment = dict[str, str]


def environment(kubeconfig: Path, aws: LocalAws, account: str, **more: str) -> Environment:
    """Of an operator: everything else comes from the machine."""
    return {**os.environ, **aws.environment(account), "KUBECONFIG": str(kubeconfig), "COLUMNS": "200", **more}


@contextmanager
def running(log: Path, surroundings: Environment, *arguments: str, metrics_port: int = -1) -> Iterator[OperatorProcess]:
    """An operator from its start to its end, which is quick and orderly unless the test ended it before."""
    fixed = ("--interval", "10s", "--metrics-port", str(metrics_port), "--workers", "8")
    process = OperatorProcess(log, (*fixed, *arguments), surroundings).start()
    try:
        yield process
    finally:
        if process.running:
            try:
                process.stop()
            except subprocess.TimeoutExpired:
                process.kill()
