"""Starting a local AWS: in a process of its own, in this one, or alone for a person.

The subprocess ends when its standard input closes, which the kernel does however the parent ends: nothing is left running after Ctrl-C,
SIGTERM or kill -9.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

import boto3
from botocore.config import Config

from goldenami.local.aws.access import SECRET_ACCESS_KEY, access_key_of
from goldenami.local.aws.client import LabControl

START_SECONDS = 60.0  # one on a free machine; a loaded one takes several
STOP_SECONDS = 5.0
DEFAULT_REGION = "us-east-1"
LOOPBACK = "127.0.0.1"


_making = threading.Lock()  # boto3 sessions are not made for threads


@cache
def _session() -> boto3.Session:
    """One for all servers of a process: it keeps the parsed models, a tenth of a second each."""
    return boto3.Session()


class StartError(Exception):
    """The server did not come up; the message holds what it said."""


class LocalAws:
    """A running local AWS, to be used in a `with`. By default a subprocess, so that its work does not take this process's interpreter."""

    def __init__(self, endpoint_url: str, stop: "contextlib.ExitStack") -> None:
        self.endpoint_url = endpoint_url
        self.lab = LabControl(endpoint_url)
        self._stack = stop
        self._clients: dict[tuple[str, str, str], Any] = {}

    @classmethod
    def start(
        cls,
        *,
        in_process: bool = False,
        port: int = 0,
        address: str = LOOPBACK,
        clock_scale: float = 1.0,
        audit_file: Path | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Self:
        """Starts one on a free port (or the given one). `address` is one of this machine's, `settings` are fields of `lab.Settings`.

        Raises StartError where it does not come up. In process there can be one at a time, and it begins empty.
        """
        with contextlib.ExitStack() as stack:
            starter = _start_thread if in_process else _start_process
            url = starter(stack, port=port, address=address, clock_scale=clock_scale, audit_file=audit_file)
            aws = cls(url, stack.pop_all())
        if settings:
            aws.lab.settings(**settings)
        return aws

    def stop(self) -> None:
        """Ends it. May be called twice."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.stop()

    def environment(self, account: str = "111111111111", region: str = DEFAULT_REGION) -> dict[str, str]:
        """What to set so that any SDK, the aws CLI or Terraform acts in this account of the local AWS."""
        return environment(self.endpoint_url, account, region)

    def client(self, service: str, region: str = DEFAULT_REGION, account: str = "111111111111") -> Any:
        """A boto3 client without retries: a test wants to see the first answer."""
        with _making:
            key = (service, region, account)
            if key not in self._clients:
                self._clients[key] = _session().client(
                    service,  # type: ignore[call-overload]  # its overloads are literals
                    region_name=region,
                    endpoint_url=self.endpoint_url,
                    aws_access_key_id=access_key_of(account),
                    aws_secret_access_key=SECRET_ACCESS_KEY,
                    config=Config(
                        retries={"total_max_attempts": 1, "mode": "standard"}, proxies={}, max_pool_connections=50, read_timeout=120
                    ),
                )
            return self._clients[key]


def environment(endpoint_url: str, account: str, region: str) -> dict[str, str]:
    """The standard variables of the AWS SDKs. The access key names the account (see `goldenami.local.aws.access`)."""
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_ACCESS_KEY_ID": access_key_of(account),
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_SESSION_TOKEN": "",  # one left over from a real session would be sent along
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def serve(
    *,
    port: int = 0,
    address: str = LOOPBACK,
    clock_scale: float = 1.0,
    audit_file: Path | None = None,
    seed: bool = False,
    account: str = "111111111111",
    out: TextIO | None = None,
) -> None:
    """Runs one alone until Ctrl-C or SIGTERM, and prints the lines to evaluate in another shell. For `goldenami local aws`.

    Raises StartError where it can neither listen at the address nor write the file.
    """
    out = out or sys.stdout
    with contextlib.ExitStack() as stack:
        try:
            url = _start_thread(stack, port=port, address=address, clock_scale=clock_scale, audit_file=audit_file)
        except OSError as error:
            raise StartError(_refused(error, address, port)) from error
        aws = LocalAws(url, stack.pop_all())
    with aws:
        seeded = aws.lab.seed() if seed else {}
        print("\n".join(_welcome(aws, account, seeded)), file=out, flush=True)
        _wait_for_signal()


def _refused(error: OSError, address: str, port: int) -> str:
    if error.filename:
        return f"{error.filename} cannot be written ({error.strerror}): name another file by --audit-file"
    return (
        f"the local AWS cannot listen on {address}, port {port or 'any'} ({error.strerror}): stop what listens there, or choose another "
        "--port, or an --address of this machine"
    )


def _welcome(aws: LocalAws, account: str, seeded: Mapping[str, Any]) -> list[str]:
    return [
        f"# A local AWS is at {aws.endpoint_url}. In another shell, for account {account}:",
        "unset AWS_PROFILE",
        *(f"export {name}={value}" for name, value in aws.environment(account).items()),
        "# Another account: AWS_ACCESS_KEY_ID=AKIA0000<its 12 digits>. Control and audit: curl $AWS_ENDPOINT_URL/_lab/audit",
        *(f"# seeded {name}: {value}" for name, value in seeded.items()),
        "# Ctrl-C ends it.",
    ]


def _wait_for_signal() -> None:
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ended.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _start_thread(stack: contextlib.ExitStack, *, port: int, address: str, clock_scale: float, audit_file: Path | None) -> str:
    from goldenami.local.aws import hosting

    hosted = hosting.host(port=port, address=address, clock_scale=clock_scale, audit_file=audit_file)
    stack.callback(hosted.stop)
    return hosted.url


def _start_process(stack: contextlib.ExitStack, *, port: int, address: str, clock_scale: float, audit_file: Path | None) -> str:
    command = [sys.executable, "-m", "goldenami.local.aws", "--port", str(port), "--address", address]
    command += ["--clock-scale", str(clock_scale)]
    if audit_file:
        command += ["--audit-file", str(audit_file)]
    package_root = str(Path(__file__).parents[3])
    path = os.pathsep.join(filter(None, (package_root, os.environ.get("PYTHONPATH"))))
    # A session of its own: a terminal's Ctrl-C would interrupt it in the middle of its imports, and that is the parent's to decide.
    process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}, start_new_session=True
    )
    stack.callback(_end, process)
    return _announced_url(process)


def _announced_url(process: "subprocess.Popen[str]") -> str:
    """The first line of the child's standard output."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], START_SECONDS)
    line = process.stdout.readline() if ready else ""
    if not ready:
        raise StartError(f"the local AWS did not answer within {START_SECONDS:.0f} s")
    if not line:
        raise StartError(f"the local AWS ended at its start with status {process.wait(STOP_SECONDS)}; its standard error says why")
    return str(json.loads(line)["url"])


def _end(process: "subprocess.Popen[str]") -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
