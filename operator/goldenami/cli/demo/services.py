"""What the demo runs: a control plane, a local AWS, and the real operator between them. Whatever ends this process, none of it stays.

The operator is given an environment of its own, so that it sees neither the person's AWS settings nor their clusters.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from goldenami.api.aws_account import AWSAccount
from goldenami.api.golden_image import GoldenImage
from goldenami.api.image_version import ImageVersion
from goldenami.api.kinds import AWS_ACCOUNT, GOLDEN_IMAGE, IMAGE_VERSION
from goldenami.cli.demo import past
from goldenami.cli.demo.errors import DemoError
from goldenami.cli.demo.picture import Picture, picture
from goldenami.kube.client import Kubernetes
from goldenami.kube.connection import load_configuration
from goldenami.kube.errors import KubeUnavailable
from goldenami.local.aws.local import LocalAws
from goldenami.local.kubernetes import ControlPlane, KubectlError, Programs
from goldenami.local.kubernetes.processes import Processes

OPERATOR = "operator"
HOME_ACCOUNT = "111111111111"
INSTALLATION = "demo"
INTERVAL = "4s"
"""Between two comparisons with AWS. Ten minutes is the default; who watches a demo shall see drift noticed at once."""
IMAGE_SECONDS = 5.0
STOP_SECONDS = 10.0
LOG_TAIL_LINES = 12
LOOPBACK = "127.0.0.1,localhost"


@dataclass(frozen=True)
class Services:
    """Everything that runs, and the questions the story asks of it."""

    plane: ControlPlane
    aws: LocalAws
    kubernetes: Kubernetes
    processes: Processes
    log: Path

    def look(self) -> Picture | None:
        """How things stand in Kubernetes; None where the API server did not answer just now."""
        try:
            images = [GoldenImage.from_object(each) for each in self.kubernetes.list(GOLDEN_IMAGE)]
            versions = [ImageVersion.from_object(each) for each in self.kubernetes.list(IMAGE_VERSION)]
            accounts = [AWSAccount.from_object(each) for each in self.kubernetes.list(AWS_ACCOUNT)]
        except KubeUnavailable:
            return None
        return picture(images, versions, accounts)

    def apply(self, manifests: Path) -> None:
        """Raises DemoError with what kubectl says is wrong with them."""
        try:
            self.plane.run_kubectl("apply", "-f", manifests)
        except KubectlError as error:
            raise DemoError(f"kubectl apply -f {manifests} was refused:\n{error}") from error

    def check(self) -> None:
        """Raises DemoError where something that must run has ended."""
        if (failure := self.plane.failure()) is not None:
            raise DemoError(failure)
        if (code := self.processes.ended().get(OPERATOR)) is not None:
            raise DemoError(f"the operator has ended (exit code {code}). The end of its log:\n{self.log_tail()}")
        if not self.aws.lab.healthy():
            raise DemoError("the local AWS has ended")

    def log_tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(lines[-LOG_TAIL_LINES:]) or "(it is empty)"

    def write_environment(self) -> Path:
        """A file for another shell to source, after which kubectl and any AWS tool speak to what runs here."""
        path = self.plane.folder / "env"
        exports = {"KUBECONFIG": str(self.plane.kubeconfig), **self.aws.environment(HOME_ACCOUNT), **_direct(os.environ)}
        lines = ["unset AWS_PROFILE", *(f"export {name}={shlex.quote(value)}" for name, value in exports.items())]
        if shutil.which("kubectl") is None:
            lines.append(f'export PATH="$PATH":{shlex.quote(str(self.plane.kubectl.parent))}')
        path.write_text("\n".join(["# KUBECONFIG and the AWS variables of the goldenami demo that made this file.", *lines, ""]))
        return path


def forget_own_aws_settings() -> None:
    """From here on this process and its children know nothing of the person's AWS accounts: no profile can break or misdirect the demo."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull)
    os.environ.update(_direct(os.environ))


def _direct(environment: Mapping[str, str]) -> dict[str, str]:
    """A proxy is for the world outside."""
    known = environment.get("NO_PROXY") or environment.get("no_proxy")
    everything = ",".join(filter(None, (known, LOOPBACK))) if not known or LOOPBACK not in known else known
    return {"NO_PROXY": everything, "no_proxy": everything}


@contextmanager
def started(programs: Programs, crds: Path, *, copy_seconds: float) -> Iterator[Services]:
    """Everything started, seeded and ready for manifests; ended with the block. Raises ControlPlaneError, StartError or LabError."""
    with ExitStack() as stack:
        aws = _begin_aws(stack, copy_seconds)
        plane = stack.enter_context(ControlPlane.start(programs=programs))
        processes, log = _begin_operator(stack, plane, aws.result())
        # Meanwhile the operator imports its libraries, and then waits for our kinds to be served.
        plane.run_kubectl("apply", "--server-side", "-f", crds)
        plane.run_kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", crds)
        yield Services(plane, aws.result(), _connected(stack, plane), processes, log)


def _begin_aws(stack: ExitStack, copy_seconds: float) -> Future[LocalAws]:
    """Starts beside the control plane, which takes as long; stopped at the end, or as soon as it has started."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="local-aws")
    starting = pool.submit(_seeded_aws, copy_seconds)

    def stop() -> None:
        pool.shutdown()
        if starting.exception() is None:
            starting.result().stop()

    stack.callback(stop)
    return starting


def _seeded_aws(copy_seconds: float) -> LocalAws:
    with ExitStack() as stack:
        aws = stack.enter_context(
            LocalAws.start(
                settings={"copy_seconds": copy_seconds, "image_seconds": min(IMAGE_SECONDS, copy_seconds), "usage_report_seconds": 1.0}
            )
        )
        aws.lab.seed()
        past.sow(aws, HOME_ACCOUNT, INSTALLATION)
        stack.pop_all()
        return aws


def _connected(stack: ExitStack, plane: ControlPlane) -> Kubernetes:
    os.environ["KUBECONFIG"] = str(plane.kubeconfig)
    # The client library puts the kubeconfig's keys into temporary files, which a killed process leaves: this folder goes even then.
    tempfile.tempdir = str(plane.folder)
    try:
        kubernetes = Kubernetes(load_configuration())
    finally:
        tempfile.tempdir = None
    stack.callback(kubernetes.close)
    return kubernetes


def _begin_operator(stack: ExitStack, plane: ControlPlane, aws: LocalAws) -> tuple[Processes, Path]:
    """Its processes, by the name OPERATOR, and its log."""
    log = plane.folder / "logs" / "operator.log"
    processes = stack.enter_context(Processes())
    arguments = ["--installation", INSTALLATION, "--interval", INTERVAL, "--metrics-port", "-1", "--log-format", "text"]
    own = {"KUBECONFIG": str(plane.kubeconfig), "TMPDIR": str(plane.folder)}
    environment = {**os.environ, **aws.environment(HOME_ACCOUNT), **own}
    argv = [sys.executable, "-m", "goldenami", "operator", *arguments]
    processes.start(OPERATOR, argv, cwd=plane.folder, log=log, environment=environment)
    stack.callback(_end_operator, processes)
    return processes, log


def _end_operator(processes: Processes) -> None:
    """Asked to end, as Kubernetes would; killed by its supervisor where it does not."""
    processes.terminate(OPERATOR)
    deadline = time.monotonic() + STOP_SECONDS
    with contextlib.suppress(KeyError):
        while OPERATOR not in processes.ended() and time.monotonic() < deadline:
            time.sleep(0.05)
