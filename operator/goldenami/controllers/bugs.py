"""A look that ends by a bug is told to whoever describes the object: its status cannot tell, as it is what the last good look left."""

from collections.abc import Mapping

from goldenami.api.kinds import KINDS, Key
from goldenami.api.reasons import EventReason
from goldenami.controllers.caretaker import Outcome, Reconciler
from goldenami.kube.client import Kubernetes
from goldenami.kube.errors import KubeError
from goldenami.kube.events import Events


def telling(reconcilers: Mapping[str, Reconciler], kubernetes: Kubernetes, events: Events) -> dict[str, Reconciler]:
    """The same reconcilers; what one raises is raised further, for the log, the metrics and the next attempt."""
    return {kind: _telling(reconciler, kubernetes, events) for kind, reconciler in reconcilers.items()}


def _telling(reconciler: Reconciler, kubernetes: Kubernetes, events: Events) -> Reconciler:
    def look(key: Key) -> Outcome:
        try:
            return reconciler(key)
        except KubeError:
            raise  # says itself what is the matter, and is none of our making
        except Exception as error:
            _tell(key, error, kubernetes, events)
            raise

    return look


def _tell(key: Key, error: Exception, kubernetes: Kubernetes, events: Events) -> None:
    kind = next(kind for kind in KINDS if kind.kind == key.kind)
    try:
        obj = kubernetes.get(kind, key.namespace, key.name)
    except KubeError:
        return
    if obj is not None:
        # The error's words stay in the log: nobody knows what is in them.
        message = f"a look at it ended by a bug of the operator ({type(error).__name__}) and is tried again; until one goes through, "
        message += "work on it may stand still and its status be out of date. The operator's log has the rest: please report it"
        events.record(obj, EventReason.LOOK_FAILED, message)
