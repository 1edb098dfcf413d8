"""Where the API server is and who we are there: KUBECONFIG (or ~/.kube/config), else the pod's service account.

The one place that reads them, so that the client and the intake always talk to the same cluster as the same user.
"""

import os
from pathlib import Path

import kubernetes.client
import kubernetes.config
import urllib3
import yaml

from goldenami.kube.errors import KubeForbidden

SERVICE_ACCOUNT_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

READS = frozenset({"GET"})
# A kept-alive connection may be closed by the server just as it is reused: one more try for reads.
# Writes are repeated by the next reconcile, never here.
RETRIES = urllib3.Retry(total=2, connect=2, read=1, status=0, redirect=0, other=0, allowed_methods=READS)

# What has to be over in time is asked once: each further try waits as long as the first.
ONCE = urllib3.Retry(0)

# What the library's loader stumbles over in a file that is YAML, and no kubeconfig: it looks at no types.
MISSHAPEN = (TypeError, AttributeError, KeyError, IndexError, ValueError)


def load_configuration(*, connections: int = 32) -> kubernetes.client.Configuration:
    """The connection settings of this process. Raises KubeForbidden when there are none. Token files are re-read as they rotate."""
    configuration = kubernetes.client.Configuration()
    try:
        _load(configuration)
    except (kubernetes.config.ConfigException, yaml.YAMLError, OSError, *MISSHAPEN) as error:
        advice = "set KUBECONFIG to a kubeconfig file, or run inside a cluster with a service account"
        named = f"KUBECONFIG={path}: " if (path := os.environ.get("KUBECONFIG")) else ""
        why = "it is not a kubeconfig" if isinstance(error, MISSHAPEN) else " ".join(str(error).split())
        raise KubeForbidden("NoCredentials", f"no way to reach a Kubernetes cluster is configured ({named}{why}): {advice}") from error
    configuration.retries = RETRIES
    configuration.connection_pool_maxsize = connections
    return configuration


def _load(configuration: kubernetes.client.Configuration) -> None:
    in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ and "KUBECONFIG" not in os.environ
    # The library's loaders have no annotations, hence the ignores.
    if in_cluster:
        kubernetes.config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    else:
        # Said explicitly: the library remembers KUBECONFIG from when it was imported.
        path = os.environ.get("KUBECONFIG")
        kubernetes.config.load_kube_config(path, client_configuration=configuration, persist_config=False)  # type: ignore[no-untyped-call]


def own_namespace(default: str = "default") -> str:
    """The namespace of this pod: POD_NAMESPACE where the downward API gives it; `default` outside a cluster."""
    if given := os.environ.get("POD_NAMESPACE"):
        return given
    try:
        return SERVICE_ACCOUNT_NAMESPACE.read_text().strip() or default
    except OSError:
        return default
