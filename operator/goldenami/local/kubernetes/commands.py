"""The command lines of the control plane's programs.

Pure: paths in, words out. etcd listens on Unix sockets in its own folder, so it needs no port and nobody else on the machine reaches it.
"""

from __future__ import annotations

from pathlib import Path

from .identities import LOOPBACK, SERVICE_NAME, SERVICE_RANGE, Identities
from .programs import Programs

# etcd names a socket as it names a host, so the file in its working folder has a port in its name.
ETCD_SOCKET = "client.sock:0"
ETCD_PEER_SOCKET = "peer.sock:0"

# What has work on a cluster without nodes. Fewer controllers mean a faster start: each one waits for caches of its own.
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
)


def etcd(programs: Programs) -> list[str | Path]:
    """Runs in the folder of its sockets. It never waits for the disk: whatever ends the machine ends these data anyway."""
    return [
        programs.etcd,
        "--name=goldenami",
        "--data-dir=data",
        "--unsafe-no-fsync",
        "--log-level=warn",
        f"--listen-client-urls=unix://{ETCD_SOCKET}",
        f"--advertise-client-urls=unix://{ETCD_SOCKET}",
        f"--listen-peer-urls=unix://{ETCD_PEER_SOCKET}",
        f"--initial-advertise-peer-urls=unix://{ETCD_PEER_SOCKET}",
        f"--initial-cluster=goldenami=unix://{ETCD_PEER_SOCKET}",
    ]


def kube_apiserver(
    programs: Programs, identities: Identities, *, port: int, audit_policy: Path, audit_log: Path | None
) -> list[str | Path]:
    """Runs in etcd's folder. It shares its port with the socket that keeps the port for it while it is stopped."""
    return [
        programs.kube_apiserver,
        f"--etcd-servers=unix://{ETCD_SOCKET}",
        f"--bind-address={LOOPBACK}",
        f"--advertise-address={LOOPBACK}",
        f"--secure-port={port}",
        "--permit-port-sharing",
        f"--tls-cert-file={identities.server_certificate}",
        f"--tls-private-key-file={identities.server_key}",
        f"--client-ca-file={identities.authority_certificate}",
        f"--token-auth-file={identities.tokens}",
        f"--service-account-issuer=https://{SERVICE_NAME}.cluster.local",
        f"--service-account-key-file={identities.signing_public_key}",
        f"--service-account-signing-key-file={identities.signing_key}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        "--authorization-mode=RBAC",
        # The kubernetes service needs no endpoints: nothing here runs in pods, and a loopback address is refused as one.
        "--endpoint-reconciler-type=none",
        "--profiling=false",
        # It is the only API server: it need not tell others of itself every ten seconds, nor look for them. And nobody reads how many
        # objects of each kind there are, for which it asks etcd every minute. Together that is a tenth of what it computes at rest.
        "--feature-gates=APIServerIdentity=false,UnknownVersionInteroperabilityProxy=false",
        "--etcd-count-metric-poll-period=0",
        "--etcd-db-metric-poll-interval=0",
        *_audit(audit_policy, audit_log),
    ]


def kube_controller_manager(program: Path, identities: Identities, *, kubeconfig: Path) -> list[str | Path]:
    """Without a port: that it works is seen by what it does."""
    return [
        program,
        f"--kubeconfig={kubeconfig}",
        f"--controllers={','.join(CONTROLLERS)}",
        "--leader-elect=false",
        "--use-service-account-credentials",
        f"--root-ca-file={identities.authority_certificate}",
        f"--service-account-private-key-file={identities.signing_key}",
        "--secure-port=0",
        # The defaults (20 and 30) make hundreds of garbage-collected objects take a minute.
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def _audit(policy: Path, log: Path | None) -> list[str]:
    if log is None:
        return []
    # Without a size it would be cut at 100 MB, and what was counted before would be gone.
    return [f"--audit-policy-file={policy}", f"--audit-log-path={log}", "--audit-log-maxsize=4096"]
