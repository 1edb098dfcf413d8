"""Which Kubernetes runs here, and what this machine is called in the names of its releases."""

import platform
import sys

KUBERNETES = "v1.36.3"  # as in hack/controlplane/go.mod; a test holds them together
KUBERNETES_MINOR = KUBERNETES.rpartition(".")[0]


def go_platform() -> tuple[str, str]:
    """Operating system and architecture as Go and Kubernetes' releases spell them, such as ("linux", "amd64")."""
    machine = platform.machine().lower()
    return sys.platform, {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
