"""Where the measurements happen: a control plane, a local AWS, operator processes; what they are asked, and how it is printed.

Everything runs for real and at once on this machine, so an absolute time says as much about the machine as about the operator. What is
compared is measured in one run; medians are quoted where there is more than one value.
"""

import contextlib
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import kubernetes.client
import kubernetes.config

from goldenami.api.kinds import GOLDEN_IMAGE, KINDS, Kind
from goldenami.kube.client import APPLY_PATCH, Body, Kubernetes, path_of
from goldenami.local.aws import LocalAws
from goldenami.local.aws.client import AuditedCall
from goldenami.local.kubernetes import ControlPlane

T = TypeVar("T")
CRDS = Path(__file__).resolve().parents[1] / "crds"
NAMESPACE = "images"
HOME = "us-east-1"
REGIONS = (
    HOME, "us-east-2", "us-west-1", "us-west-2", "eu-west-1",
    "eu-west-2", "eu-central-1", "ap-northeast-1", "ap-southeast-1", "ap-southeast-2",
)  # fmt: skip
POLL_SECONDS = 0.02
TICKS = os.sysconf("SC_CLK_TCK")


class TooLongError(Exception):
    """Something that is measured did not happen."""


def wait_for(question: Callable[[], T | None], what: str, *, seconds: float = 120.0, pause: float = POLL_SECONDS) -> T:
    """The first answer that is neither None nor False. Raises TooLongError."""
    deadline = time.monotonic() + seconds
    while (answer := question()) is None or answer is False:
        if time.monotonic() > deadline:
            raise TooLongError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(pause)
    return answer


# --- rows ---


@dataclass(frozen=True)
class Row:
    """One number beside its target; `met` None where there is none."""

    what: str
    value: str
    target: str = ""
    met: bool | None = None

    @classmethod
    def at_most(cls, what: str, value: float, limit: float, unit: str = "") -> "Row":
        return cls(what, f"{value:.2f}{unit}", f"≤ {limit:g}{unit}", value <= limit)

    @classmethod
    def at_least(cls, what: str, value: float, limit: float, unit: str = "") -> "Row":
        return cls(what, f"{value:.0f}{unit}", f"≥ {limit:g}{unit}", value >= limit)


def show(title: str, rows: Sequence[Row]) -> None:
    """A table; PASS or MISSED where there is a target."""
    print(f"\n{title}")
    width = max(len(row.what) for row in rows)
    values = max(len(row.value) for row in rows)
    targets = max(len(row.target) for row in rows)
    for row in rows:
        verdict = "" if row.met is None else "PASS" if row.met else "MISSED"
        print(f"  {row.what:<{width}}  {row.value:>{values}}  {row.target:<{targets}}  {verdict}".rstrip())
    sys.stdout.flush()


def side_by_side(title: str, columns: Mapping[str, Counter[str]]) -> None:
    """Counts by operation, a column each, and their totals."""
    print(f"\n{title}")
    operations = sorted({name for counts in columns.values() for name in counts})
    width = max(len(name) for name in (*operations, "total"))
    heads = [max(len(head), 6) for head in columns]
    print(f"  {'':<{width}}  " + "  ".join(f"{head:>{size}}" for head, size in zip(columns, heads, strict=True)))
    for name in operations:
        print(f"  {name:<{width}}  " + "  ".join(f"{c[name]:>{size}}" for c, size in zip(columns.values(), heads, strict=True)))
    print(f"  {'total':<{width}}  " + "  ".join(f"{c.total():>{size}}" for c, size in zip(columns.values(), heads, strict=True)))
    sys.stdout.flush()


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def machine() -> str:
    """Its size, and how busy it is."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "?"
    )
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{os.cpu_count()} × {model}, {memory:.0f} GiB, Python {platform.python_version()}; load average {load}"


# --- a process ---


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def rss_mib(pid: int) -> float:
    """What of a process is in memory now."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@dataclass(frozen=True)
class Page:
    """What one scrape of metrics said."""

    text: str

    def sum(self, name: str, **labels: str) -> float:
        """Of a metric's series that carry these labels; 0 where there is none."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = (line for line in self.text.splitlines() if line.startswith((name + "{", name + " ")))
        return sum(float(line.rpartition(" ")[2]) for line in lines if all(part in line for part in wanted))

    @property
    def idle(self) -> bool:
        """Whether nothing is looked at or due."""
        return not self.sum("workqueue_depth") and not self.sum("controller_runtime_active_workers")


@dataclass
class Operator:
    """One `goldenami operator`."""

    process: subprocess.Popen[bytes]
    log: Path
    port: int
    started: float = field(default_factory=time.monotonic)

    @property
    def pid(self) -> int:
        return self.process.pid

    def metrics(self) -> "Page":
        """A scrape; an empty page while there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
                return Page(answer.read().decode())
        except OSError:
            return Page("")

    @property
    def active(self) -> bool:
        """Whether it holds the Lease."""
        return self.metrics().sum("leader_election_master_status") == 1

    @property
    def serves_metrics(self) -> bool:
        return self.metrics().sum("controller_runtime_max_concurrent_reconciles") > 0

    def end(self, *, kill: bool = False) -> float:
        """Seconds that its end took."""
        began = time.monotonic()
        (self.process.kill if kill else self.process.terminate)()
        self.process.wait(40)
        return time.monotonic() - began

    def tail(self) -> str:
        return "\n".join(self.log.read_text().splitlines()[-20:])


# --- the stage ---


@dataclass(eq=False)
class Stage:
    """A control plane with our kinds, and a local AWS. Namespaces and accounts are taken one by one, so that parts do not meet."""

    plane: ControlPlane
    aws: LocalAws
    folder: Path
    _taken: int = 0

    @cached_property
    def kubernetes(self) -> Kubernetes:
        configuration = kubernetes.client.Configuration()
        kubernetes.config.load_kube_config(str(self.plane.kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
        return Kubernetes(configuration)

    def number(self) -> int:
        self._taken += 1
        return self._taken

    def account(self) -> str:
        return str(400_000_000_000 + self.number())

    def corner(self) -> "Corner":
        """A namespace and accounts of its own."""
        namespace = f"{NAMESPACE}-{self.number()}"
        self.plane.run_kubectl("create", "namespace", namespace)
        return Corner(self, namespace, self.account(), (self.account(), self.account()))


@dataclass
class Corner:
    """One measurement's part of the stage."""

    stage: Stage
    namespace: str
    account: str
    partners: tuple[str, str]
    installation: str = "bench"

    @contextlib.contextmanager
    def operator(self, *, interval: str = "10m", name: str = "operator") -> Iterator[Operator]:
        """A running operator with default settings, which serves this namespace and works in this account; active when it is yielded."""
        operator = self.start(interval=interval, name=name)
        try:
            wait_for(lambda: operator.active, "the operator active")
            yield operator
        finally:
            if operator.process.poll() is None:
                operator.end()

    def start(self, *, interval: str = "10m", name: str = "operator") -> Operator:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        environment = {
            **os.environ, **self.stage.aws.environment(self.account), "KUBECONFIG": str(self.stage.plane.kubeconfig),
            "POD_NAME": f"{name}-{self.stage.number()}", "POD_NAMESPACE": self.namespace,
        }  # fmt: skip
        command = [
            sys.executable, "-m", "goldenami", "operator", "--installation", self.installation, "--namespace", self.namespace,
            "--interval", interval, "--metrics-port", str(port),
        ]  # fmt: skip
        log = self.stage.folder / f"{self.namespace}-{name}.log"
        with log.open("ab") as out:
            began = time.monotonic()
            return Operator(subprocess.Popen(command, env=environment, stdout=out, stderr=out), log, port, began)

    # Kubernetes

    def golden_image(self, name: str, source: str, regions: Sequence[str], **spec: Any) -> Body:
        """Shared with both partners, with one alias; `spec` replaces or adds fields."""
        full: Body = {
            "version": "1.0.0",
            "source": {"image": {"id": source}},
            "region": HOME,
            "replicas": [{"region": region} for region in regions],
            "sharing": {"accounts": list(self.partners)},
            "aliases": [{"parameter": "/golden/{image}/{channel}"}],
            "tags": {"team": "platform"},
            **spec,
        }
        return {"apiVersion": "goldenami.dev/v1alpha1", "kind": "GoldenImage", "metadata": {"name": name}, "spec": full}

    def apply(self, obj: Body) -> None:
        """As `kubectl apply --server-side`."""
        path = path_of(_kind(obj["kind"]), self.namespace, obj["metadata"]["name"])
        query = {"fieldManager": "kubectl", "force": "true"}
        self.stage.kubernetes.call("PATCH", path, query=query, body=obj, content_type=APPLY_PATCH)

    def is_ready(self, name: str) -> bool:
        return _is_ready(self.stage.kubernetes.get(GOLDEN_IMAGE, self.namespace, name) or {})

    def ready_count(self) -> int:
        return sum(_is_ready(obj) for obj in self.stage.kubernetes.list(GOLDEN_IMAGE, self.namespace))

    # AWS

    def client(self, service: str, region: str, account: str = "") -> Any:
        return self.stage.aws.client(service, region=region, account=account or self.account)

    def newest_call(self) -> int:
        """The sequence number of the last call by anybody."""
        return max((call.sequence for call in self.stage.aws.lab.audit_calls(account=self.account)), default=0)

    def calls(self, since: int = 0) -> list[AuditedCall]:
        return self.stage.aws.lab.audit_calls(account=self.account, since=since)

    def quiet(self, seconds: float = 2.5) -> None:
        """Until nobody has called AWS for so long."""
        last, at = self.newest_call(), time.monotonic()
        while time.monotonic() - at < seconds:
            time.sleep(0.1)
            if (newest := self.newest_call()) != last:
                last, at = newest, time.monotonic()


def _kind(name: str) -> Kind:
    return next(kind for kind in KINDS if kind.kind == name)


def _is_ready(obj: Body) -> bool:
    current = obj.get("metadata", {}).get("generation")
    rows = obj.get("status", {}).get("conditions", [])
    return any(row["type"] == "Ready" and row["status"] == "True" and row["observedGeneration"] == current for row in rows)


@contextlib.contextmanager
def stage(folder: Path) -> Iterator[Stage]:
    """Starts both local services; the AWS one answers at once and copies at once until a part sets it otherwise."""
    with ControlPlane.start() as plane, LocalAws.start() as aws:
        plane.run_kubectl("apply", "--server-side", "-f", CRDS)
        plane.run_kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", CRDS)
        yield Stage(plane, aws, folder)


def kubernetes_writes(plane: ControlPlane, namespace: str) -> Counter[str]:
    """The operator's own, but for its Lease, as `verb resource/subresource`."""
    counted: Counter[str] = Counter()
    for entry in plane.audit():
        ours = entry["userAgent"].startswith("goldenami/") and entry.get("namespace") == namespace
        if ours and entry["verb"] in {"create", "update", "patch", "delete"} and entry["resource"] != "leases":
            counted[f"{entry['verb']} {entry['resource']}/{entry.get('subresource') or ''}"] += 1
    return counted


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def compact(obj: object) -> str:
    return json.dumps(obj, separators=(",", ":"))
