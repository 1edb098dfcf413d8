"""The sweep: finds what the watch missed, above all deletions (kopf reports none after it had to list anew).

Reads metadata only; pure comparison, and the answers are sightings like the watch's own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from goldenami.api.kinds import KINDS, Key
from goldenami.kube.client import Body, Kubernetes
from goldenami.kube.intake import collections_watched, kinds_within_reach
from goldenami.kube.seen import How, Seen, deleted, seen_object


def uids_listed(kind: str, items: Iterable[Body]) -> dict[Key, str]:
    """The uid of every listed object."""
    return {Key(kind, item["metadata"].get("namespace", ""), item["metadata"]["name"]): item["metadata"]["uid"] for item in items}


def missed_deletions(known: Mapping[Key, str], listed: Mapping[Key, str]) -> list[Seen]:
    """A deletion for each known uid that is no longer listed, also where a new object has taken its name."""
    return [deleted(key, uid) for key, uid in sorted(known.items()) if listed.get(key) != uid]


def missed_objects(known: Mapping[Key, str], listed: Mapping[Key, str]) -> list[Key]:
    """The keys of listed objects that are unknown, or known as an earlier incarnation."""
    return [key for key, uid in sorted(listed.items()) if known.get(key) != uid]


def sweep(kubernetes: Kubernetes, namespaces: Sequence[str], known: Callable[[], Mapping[Key, str]]) -> list[Seen]:
    """Compare what is known with what is stored. Raises KubeError; then nothing is concluded.

    `known` is called before the list for deletions (what is learnt meanwhile must not look deleted), and after it for objects (what is
    learnt meanwhile is not missed).
    """
    kinds = kinds_within_reach(kubernetes, namespaces)
    names = {kind.kind for kind in kinds}
    before = {key: uid for key, uid in known().items() if key.kind in names}
    listed: dict[Key, str] = {}
    for kind, namespace in collections_watched(kinds, namespaces):
        listed |= uids_listed(kind.kind, kubernetes.list_metadata(kind, namespace or None))
    return [*missed_deletions(before, listed), *_found(kubernetes, missed_objects(known(), listed))]


def _found(kubernetes: Kubernetes, keys: Iterable[Key]) -> Iterable[Seen]:
    by_name = {kind.kind: kind for kind in KINDS}
    objects = ((key, kubernetes.get(by_name[key.kind], key.namespace, key.name)) for key in keys)
    return [seen_object(key.kind, How.ADDED, obj) for key, obj in objects if obj is not None]
