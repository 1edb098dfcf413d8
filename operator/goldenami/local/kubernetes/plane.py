"""A Kubernetes control plane on this machine: etcd, kube-apiserver and kube-controller-manager, for as long as a `with` block lasts.

Real programs, real certificates, RBAC on; no nodes, so nothing runs pods. Each instance has its own folder and port, and any number of them
run side by side. Whatever ends the process that started one, nothing of it stays behind.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import yaml

from . import commands
from .audit import POLICY, AuditEntry, entries, has_marker
from .errors import ControlPlaneError, KubectlError
from .folder import claimed
from .identities import CONTROLLER_MANAGER, LOOPBACK, Identities, groups_of
from .lookup import find_programs
from .processes import OthersProcesses, Processes
from .programs import Programs

ETCD, APISERVER, MANAGER = "etcd", "kube-apiserver", "kube-controller-manager"
START_SECONDS = 120.0  # a machine that is busy compiling takes long; an idle one needs 3
POLL_SECONDS = 0.02
PROBE_SECONDS = 5.0
LOG_TAIL_LINES = 15


class ControlPlane:
    """A running control plane; made by `ControlPlane.start()`, or found by `ControlPlane.attach()`."""

    def __init__(self, *, programs: Programs, folder: Path, processes: Processes, port: int, record: bool) -> None:
        self.folder = folder
        self.url = f"https://{LOOPBACK}:{port}"
        self.kubectl = programs.kubectl
        self.audit_log = folder / "audit.log"
        self._programs = programs
        self._processes = processes
        self._port = port
        self._record = record
        self._identities = Identities(folder / "identities", url=self.url)
        self.kubeconfig = folder / "kubeconfig"
        self._tls = ssl.create_default_context(cafile=self._identities.authority_certificate)
        self._tls.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does by itself, so that a certificate it refuses shows everywhere
        self._audit_policy = folder / "audit-policy.yaml"

    @classmethod
    @contextmanager
    def start(cls, directory: Path | None = None, *, audit: bool = True, programs: Programs | None = None) -> Iterator[Self]:
        """An empty control plane, ready to use; stopped when the block ends.

        With a `directory` its files (kubeconfig, logs/, audit.log) are there and stay there; else in a temporary folder that is removed.
        `audit` keeps a log of requests (cheap: one line each). `programs` default to what `find_programs()` finds, downloads or builds.
        Raises ControlPlaneError with the reason, and the log of the program that failed.
        """
        found = programs or find_programs()
        with _folder(directory) as folder, _reserved_port() as port, Processes(remove_folder=None if directory else folder) as processes:
            plane = cls(programs=found, folder=folder, processes=processes, port=port, record=audit)
            plane._write_files()
            plane._start_all()
            yield plane

    @classmethod
    def attach(cls, folder: Path, *, programs: Programs | None = None) -> Self:
        """The one that another process has started, with its files in that folder; usable as long as that process keeps it.

        Everything can be asked of it; stopping, pausing or wiping it raises ControlPlaneError.
        """
        server = yaml.safe_load((folder / "kubeconfig").read_text(encoding="utf-8"))["clusters"][0]["cluster"]["server"]
        port, record = int(server.rpartition(":")[2]), (folder / "audit.log").exists()
        return cls(programs=programs or find_programs(), folder=folder, processes=OthersProcesses(), port=port, record=record)

    @property
    def collects_garbage(self) -> bool:
        """Whether there is a controller manager; the published envtest archive has none."""
        return self._programs.kube_controller_manager is not None

    def kubeconfig_for(self, user: str, groups: Sequence[str] | None = None) -> Path:
        """A kubeconfig that identifies its bearer as that user, by a client certificate.

        A service account (`system:serviceaccount:NAMESPACE:NAME`) is in the groups Kubernetes gives it unless others are named.
        """
        return self._identities.kubeconfig(user, groups_of(user) if groups is None else groups)

    def run_kubectl(
        self, *words: str | Path, stdin: str | None = None, kubeconfig: Path | None = None, timeout_seconds: float = 120
    ) -> str:
        """What kubectl printed; KubectlError with its error text when it failed. As the administrator unless a kubeconfig is given."""
        environment = {
            **_environment(),
            "KUBECONFIG": str(kubeconfig or self.kubeconfig),
            "KUBECACHEDIR": str(self.folder / "kubectl-cache"),
        }
        argv = [str(word) for word in (self.kubectl, *words)]
        done = subprocess.run(  # noqa: S603 (our own kubectl)
            argv, input=stdin or "", env=environment, capture_output=True, text=True, check=False, timeout=timeout_seconds
        )
        if done.returncode != 0:
            raise KubectlError(done.stderr.strip() or f"kubectl {words[0] if words else ''} ended with code {done.returncode}")
        return done.stdout

    def audit(self, about: str = "") -> list[AuditEntry]:
        """Every request for a resource that was answered until now, oldest first; watches appear when they end.

        With `about`, a name perhaps, those only in which this text is: a log of many tests is long.
        """
        if not self._record:
            raise ControlPlaneError("this control plane keeps no audit log; it was started with audit=False")
        # The line of a request may be written just after its answer: one more request, once logged, comes after all of them.
        marker = f"marker={uuid.uuid4()}"
        self._get(f"/version?{marker}")
        self._wait_until(lambda: has_marker(self.audit_log, marker), "the audit log does not catch up")
        return list(entries(self.audit_log, about))

    def pause_apiserver(self) -> None:
        """Freezes it: connections stay open and get no answer."""
        self._processes.pause(APISERVER)

    def resume_apiserver(self) -> None:
        self._processes.resume(APISERVER)

    def stop_apiserver(self) -> None:
        """Kills it: connections break, and new ones are refused. Its port stays reserved."""
        self._processes.kill(APISERVER)

    def start_apiserver(self) -> None:
        """Starts it on the same port, with the same certificates and data, and returns once it is ready."""
        argv = commands.kube_apiserver(
            self._programs,
            self._identities,
            port=self._port,
            audit_policy=self._audit_policy,
            audit_log=self.audit_log if self._record else None,
        )
        self._processes.start(APISERVER, argv, cwd=self._etcd_folder, log=self._log(APISERVER), environment=_environment())
        self._wait_until(lambda: self._answers("/readyz"), "kube-apiserver does not get ready")

    def restart_controller_manager(self) -> None:
        """Makes it look at once which kinds there are; nothing to do where there is none.

        Its garbage collector learns of new CRDs only every 30 seconds (k8s.io/kubernetes/cmd/kube-controller-manager/app, Sync).
        """
        self._processes.kill(MANAGER)
        self._start_controller_manager()

    def wipe(self) -> None:
        """Throws all objects away, as when etcd is lost, and starts empty at the same address with the same certificates."""
        for name in (MANAGER, APISERVER, ETCD):
            self._processes.kill(name)
        shutil.rmtree(self._etcd_folder)
        self._start_all()

    def failure(self) -> str | None:
        """Why the control plane no longer works, if a program of it has ended by itself."""
        for name, code in self._processes.ended().items():
            return f"{name} has ended (exit code {code}). The end of its log:\n{self._log_tail(name)}"
        return None

    def _write_files(self) -> None:
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_bytes(self._identities.admin_kubeconfig_text())
        self._audit_policy.write_text(POLICY, encoding="utf-8")
        (self.folder / "logs").mkdir(exist_ok=True)

    @property
    def _etcd_folder(self) -> Path:
        return self.folder / "etcd"

    def _start_all(self) -> None:
        self._start_etcd()
        self.start_apiserver()
        self._start_controller_manager()

    def _start_etcd(self) -> None:
        self._etcd_folder.mkdir(mode=0o700)
        etcd = commands.etcd(self._programs)
        self._processes.start(ETCD, etcd, cwd=self._etcd_folder, log=self._log(ETCD), environment=_environment())
        self._wait_until((self._etcd_folder / commands.ETCD_SOCKET).exists, "etcd does not get ready")

    def _start_controller_manager(self) -> None:
        program = self._programs.kube_controller_manager
        if program is None:
            return
        kubeconfig = self._identities.kubeconfig(CONTROLLER_MANAGER, [])
        argv = commands.kube_controller_manager(program, self._identities, kubeconfig=kubeconfig)
        self._processes.start(MANAGER, argv, cwd=self.folder, log=self._log(MANAGER), environment=_environment())
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self._wait_until(lambda: self._answers(account), "kube-controller-manager does not make service accounts")

    def _answers(self, path: str) -> bool:
        try:
            return self._get(path) == http.client.OK
        except (OSError, http.client.HTTPException):
            return False

    def _get(self, path: str) -> int:
        connection = http.client.HTTPSConnection(LOOPBACK, self._port, timeout=PROBE_SECONDS, context=self._tls)
        try:
            headers = {"User-Agent": "goldenami-local", "Authorization": f"Bearer {self._identities.admin_token}"}
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def _wait_until(self, condition: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not condition():
            if (failure := self.failure()) is not None:
                raise ControlPlaneError(failure)
            if time.monotonic() > deadline:
                logs = "\n".join(self._log_tail(name) for name in (APISERVER, MANAGER) if self._log(name).exists())
                raise ControlPlaneError(f"{otherwise} within {START_SECONDS:.0f} s. The end of the logs:\n{logs}")
            time.sleep(POLL_SECONDS)

    def _log(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def _log_tail(self, name: str) -> str:
        return "\n".join(self._log(name).read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_TAIL_LINES:])


def _environment() -> dict[str, str]:
    """How Go runs the programs, unless our own environment says otherwise.

    Its collector took a sixth of what the servers computed, in heaps of a tenth of a gigabyte: it may let them grow, to a bound. And on
    one thread they do the same work with a seventh less (etcd: a fifth; at rest: a third), for none is woken to hand the work on to; their
    clients need the other processors. kubectl computes 0.11 s instead of 0.15.
    """
    return {"GOGC": "400", "GOMEMLIMIT": "1GiB", "GOMAXPROCS": "1", **os.environ}


@contextmanager
def _folder(directory: Path | None) -> Iterator[Path]:
    if directory is not None:
        with claimed(directory.absolute()) as folder:
            yield folder
        return
    folder = Path(tempfile.mkdtemp(prefix="goldenami-kubernetes-"))
    try:
        yield folder
    finally:
        # The supervisor has removed it already, unless it was never started.
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _reserved_port() -> Iterator[int]:
    """A free port that nobody else gets while the block lasts, though nothing listens on it yet.

    The socket is bound, never listens, and lets kube-apiserver (--permit-port-sharing) bind beside it. So there is no moment between
    finding a free port and using it, and no other program takes the port while kube-apiserver is stopped.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((LOOPBACK, 0))
        port: int = holder.getsockname()[1]
        yield port
