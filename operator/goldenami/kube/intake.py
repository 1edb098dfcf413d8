"""Intake: kopf lists and watches in a thread of its own, and hands over what it sees; it writes nothing and decides nothing.

`on.event` handlers only: they cost no API write, no finalizer and no annotation. When kopf ends by itself (an error in a stream, a
refused list), it is started again as soon as the API server answers and serves our kinds; only repeated failure against a server that
answers ends the process.
"""

import asyncio
import contextvars
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import kopf

from goldenami.api.kinds import GROUP, KINDS, VERSION, Kind
from goldenami.kube.client import Kubernetes, path_of
from goldenami.kube.errors import KubeError, KubeForbidden, KubeUnavailable
from goldenami.kube.kopf_settings import kopf_settings, login
from goldenami.kube.seen import HOW_BY_EVENT_TYPE, NAMESPACE, Seen, seen_object

LOG = logging.getLogger(__name__)

NAME_FOR_PEERS = "goldenami"
"""Never told to anybody, as there are no peers. Without one kopf asks for the user's name, which a container's number does not have."""

Sink = Callable[[Seen], None]
"""Called in the intake's thread: must hand over at once and never block."""


@dataclass(frozen=True)
class Endurance:
    """How much failure the intake puts up with."""

    backoff_base_seconds: float = 1.0
    backoff_cap_seconds: float = 30.0
    failures: int = 8
    """Failures in a row, against an API server that answers, that end the process (about two minutes with these pauses)."""
    stable_seconds: float = 60.0
    """A run this long makes earlier failures forgotten."""
    poll_seconds: float = 1.0
    """How often the API server is asked whether it serves our kinds, while it does not."""
    ending_seconds: float = 1.0
    """How long what is left of a run is waited for, twice, before it is let go of."""


class Intake:
    """One thread, restarted inside; `start` once, `stop` once."""

    def __init__(
        self,
        kubernetes: Kubernetes,
        *,
        sink: Sink,
        gave_up: Callable[[str], None],
        restarted: Callable[[], None] = lambda: None,
        namespaces: Sequence[str] = (),
        endurance: Endurance | None = None,
    ) -> None:
        self._kubernetes = kubernetes
        self._sink = sink
        self._gave_up = gave_up
        self._restarted = restarted
        self._namespaces = tuple(namespaces)
        self._endurance = endurance if endurance is not None else Endurance()
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_kopf: asyncio.Event | None = None
        self._lock = threading.Lock()
        self._beat_at = time.monotonic()
        self._thread = threading.Thread(target=self._supervise, name="intake", daemon=True)

    def start(self) -> None:
        """Begin to list and watch."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end; returns at once."""
        self._stopping.set()
        with self._lock:
            if self._loop is not None and self._stop_kopf is not None:
                self._loop.call_soon_threadsafe(self._stop_kopf.set)

    def join(self, timeout_seconds: float) -> bool:
        """Whether it ended within this time."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def silent_seconds(self) -> float:
        """How long its event loop has not turned: large means stuck."""
        return time.monotonic() - self._beat_at

    # The supervisor ----------------------------------------------------------------------------------------------------------------------

    def _supervise(self) -> None:
        failures = 0
        while wait_until_served(self._kubernetes, self._stopping, self._endurance.poll_seconds, beat=self._beat):
            started = time.monotonic()
            problem = self._run_once()
            if self._stopping.is_set():
                return
            failures = 1 if time.monotonic() - started >= self._endurance.stable_seconds else failures + 1
            if failures >= self._endurance.failures:
                self._gave_up(problem)
                return
            self._pause(failures, problem)

    def _pause(self, failures: int, problem: str) -> None:
        pause = min(self._endurance.backoff_cap_seconds, self._endurance.backoff_base_seconds * 2 ** (failures - 1))
        LOG.warning("the watch on Kubernetes ended and starts again in %g s: %s", pause, problem)
        self._restarted()
        self._beat()
        self._stopping.wait(pause)

    def _run_once(self) -> str:
        """Run kopf on a loop of its own until one of its tasks ends; why it did."""
        loop = asyncio.new_event_loop()
        # Complaints of tasks that are let go of at the end.
        loop.set_exception_handler(lambda _loop, context: LOG.debug("intake: %s", context.get("message")))
        try:
            loop.run_until_complete(self._operate())
        except KubeError as error:
            return error.message
        except Exception as error:  # noqa: BLE001 -- whatever ends kopf, the answer is the same: start it again
            return f"{type(error).__name__}: {error}"
        finally:
            self._let_go(loop)
        return "it stopped without an error"

    def _let_go(self, loop: asyncio.AbstractEventLoop) -> None:
        """End what still runs, for a bounded time.

        kopf's own ending (`kopf.operator`, `run_tasks`) waits 5 s, and then without limit, for watchers that may have swallowed their
        cancellation (seen with 1.45.2 when another watch had failed): the process would live on and see nothing.
        """
        with self._lock:
            self._loop = None
        for _ in range(2):
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks, timeout=self._endurance.ending_seconds))
        loop.close()

    async def _operate(self) -> None:
        stop_kopf = asyncio.Event()
        with self._lock:
            self._loop, self._stop_kopf = asyncio.get_running_loop(), stop_kopf
        self._beat()
        watch_labels = self._may_watch_namespaces()
        kinds = kinds_within_reach(self._kubernetes, self._namespaces)
        if len(kinds) < len(KINDS):
            LOG.info("AWSAccounts may not be listed: objects here work in the operator's own AWS account")
        tasks = await kopf.spawn_tasks(
            registry=make_registry(self._sink, kinds, watch_namespaces=watch_labels),
            settings=kopf_settings(),
            stop_flag=stop_kopf,
            standalone=True,
            identity=cast("Any", NAME_FOR_PEERS),
            clusterwide=not self._namespaces,
            namespaces=self._namespaces,
        )
        heart = asyncio.create_task(self._keep_beating())
        if self._stopping.is_set():
            stop_kopf.set()
        done, _pending = await asyncio.wait({*tasks, heart}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    def _may_watch_namespaces(self) -> bool:
        allowed = self._kubernetes.may_list("/api/v1/namespaces")
        if not allowed:
            LOG.info("namespaces may not be watched: a changed label reaches the users of an AWSAccount at their next resync")
        return allowed

    async def _keep_beating(self) -> None:
        while True:
            self._beat()
            await asyncio.sleep(1.0)

    def _beat(self) -> None:
        self._beat_at = time.monotonic()


def wait_until_served(
    kubernetes: Kubernetes, stopping: threading.Event, poll_seconds: float = 1.0, *, beat: Callable[[], None] = lambda: None
) -> bool:
    """Block until the API server answers and serves all our kinds (their definitions are Established); False when stopped before.

    kopf would start without them, warn once, and never notice them later.
    """
    told = ""
    while not stopping.is_set():
        beat()
        missing = _why_not_served(kubernetes)
        if missing is None:
            return True
        if missing != told:
            LOG.warning("waiting: %s", missing)
            told = missing
        stopping.wait(poll_seconds)
    return False


def _why_not_served(kubernetes: Kubernetes) -> str | None:
    try:
        missing = sorted({kind.plural for kind in KINDS} - kubernetes.served_plurals())
    except KubeUnavailable as error:
        return f"{error.message}. It is tried again; if it should be there, check the address and the certificate authority in KUBECONFIG"
    except KubeForbidden as error:
        return error.message if error.reason == "Unauthorized" else f"{error.message}: check which user KUBECONFIG names"
    except KubeError as error:
        return error.message
    if not missing:
        return None
    advice = "install the CustomResourceDefinitions (kubectl apply -f crds/)"
    return f"the API server does not serve {', '.join(missing)} in {GROUP}/{VERSION}: {advice}"


def make_registry(sink: Sink, kinds: Sequence[Kind], *, watch_namespaces: bool) -> kopf.OperatorRegistry:
    """A registry of our own, so that nothing registered elsewhere in the process takes part. A login, and `on.event` handlers."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(login)
    for kind in kinds:
        kopf.on.event(GROUP, VERSION, kind.plural, registry=registry, id=kind.singular)(_handler(kind.kind, sink))
    if watch_namespaces:
        kopf.on.event("", "v1", "namespaces", registry=registry, id="namespace")(_handler(NAMESPACE, sink))
    return registry


def _handler(kind: str, sink: Sink) -> Callable[..., Any]:
    async def seen(event: Mapping[str, Any], **_: Any) -> None:
        # Not in kopf's context, which holds the whole object: whatever is begun in a context keeps it, and a caretaker lives for months.
        contextvars.Context().run(sink, seen_object(kind, HOW_BY_EVENT_TYPE[event["type"]], event["object"]))

    return seen


def kinds_within_reach(kubernetes: Kubernetes, namespaces: Sequence[str]) -> tuple[Kind, ...]:
    """Our kinds; of an operator that serves some namespaces, with a Role in each, the cluster's only as far as it may list them."""
    return tuple(kind for kind in KINDS if kind.namespaced or not namespaces or kubernetes.may_list(path_of(kind, "")))


def collections_watched(kinds: Sequence[Kind], namespaces: Sequence[str]) -> list[tuple[Kind, str]]:
    """Every (kind, namespace) that is listed and watched; an empty namespace is the whole cluster."""
    return [(kind, namespace) for kind in kinds for namespace in (namespaces if kind.namespaced and namespaces else ("",))]
