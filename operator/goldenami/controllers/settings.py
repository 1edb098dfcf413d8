"""What whoever runs the operator may set. The command line fills it from flags and environment variables; nothing here reads either."""

import os
import socket
from dataclasses import dataclass, field

from goldenami.controllers.logs import LogFormat
from goldenami.kube.connection import own_namespace


def own_identity() -> str:
    """Who holds the Lease: the pod's name, or host name and process id outside a cluster.

    A container that restarts inside its pod keeps the name and so takes its own Lease back at once.
    """
    return os.environ.get("POD_NAME") or f"{socket.gethostname()}-{os.getpid()}"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one operator process."""

    installation: str
    """First part of the owner tag in AWS: the same name in a new cluster finds its images again."""

    namespaces: tuple[str, ...] = ()
    """Serve only these; empty means all."""

    interval_seconds: float = 600.0
    """Resync of objects that name no interval themselves."""

    workers: int = 16
    """Reconciles at once."""

    metrics_port: int = 8080
    """/metrics, /healthz and /readyz; 0 picks a free port, -1 serves none."""

    metrics_host: str = "0.0.0.0"  # noqa: S104 -- kubelet and Prometheus come from outside the pod

    log_format: LogFormat = "json"

    leader_election: bool = True
    """False only for a process that is certain to be alone."""

    lease_namespace: str = field(default_factory=own_namespace)
    lease_name: str = "goldenami-operator"
    identity: str = field(default_factory=own_identity)

    sweep_seconds: float = 600.0
    """How often deletions that the watch missed are looked for."""

    grace_seconds: float = 25.0
    """How long running reconciles may take after SIGTERM. Below the pod's terminationGracePeriodSeconds, 30 by default."""
