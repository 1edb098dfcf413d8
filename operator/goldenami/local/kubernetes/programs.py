"""The programs a control plane consists of, and how a folder with them looks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

REQUIRED = ("etcd", "kube-apiserver", "kubectl")
CONTROLLER_MANAGER = "kube-controller-manager"
ALL = (*REQUIRED, CONTROLLER_MANAGER)


@dataclass(frozen=True)
class Programs:
    """Paths of executables. Without a controller manager nothing collects garbage, ends namespaces or makes service accounts."""

    etcd: Path
    kube_apiserver: Path
    kubectl: Path
    kube_controller_manager: Path | None


def missing_in(folder: Path) -> list[str]:
    """The required programs that are not there, or cannot be executed."""
    return [name for name in REQUIRED if not _executable(folder / name)]


def programs_in(folder: Path) -> Programs:
    """What is in a folder that lacks none of the required programs."""
    manager = folder / CONTROLLER_MANAGER
    return Programs(
        etcd=folder / "etcd",
        kube_apiserver=folder / "kube-apiserver",
        kubectl=folder / "kubectl",
        kube_controller_manager=manager if _executable(manager) else None,
    )


def _executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
