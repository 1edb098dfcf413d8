"""Who refers to whom, read off the specs: an object that changes, appears or vanishes wakes exactly its users.

References are kept by name, so a user of something that does not exist yet is found when it appears. Pure bookkeeping.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from goldenami.api.kinds import AWS_ACCOUNT, GOLDEN_IMAGE, IMAGE_VERSION, RETENTION_POLICY, SHARE_LIST, Key
from goldenami.kube.seen import NAMESPACE

Spec = Mapping[str, Any]

PARENTS = {IMAGE_VERSION.kind: GOLDEN_IMAGE.kind}
"""Kind of a child -> kind of its parent: anything that happens to a child, a status write too, is news for its parent."""


def references_of(key: Key, spec: Spec) -> tuple[Key, ...]:
    """What the object needs to know about, without duplicates, in the order of its spec."""
    find = FINDERS.get(key.kind)
    return tuple(dict.fromkeys(find(key, spec))) if find is not None else ()


def _of_golden_image(key: Key, spec: Spec) -> Iterator[Key]:
    for reference in _list(_dict(spec, "sharing"), "shareListRefs"):
        yield from _named(SHARE_LIST.kind, key.namespace, reference)
    yield from _named(RETENTION_POLICY.kind, key.namespace, _dict(spec, "retentionPolicyRef"))
    yield from _account(key, spec)


def _of_image_version(key: Key, spec: Spec) -> Iterator[Key]:
    yield from _named(GOLDEN_IMAGE.kind, key.namespace, {"name": spec.get("goldenImage")})
    yield from _account(key, spec)


def _account(key: Key, spec: Spec) -> Iterator[Key]:
    for account in _named(AWS_ACCOUNT.kind, "", _dict(spec, "accountRef")):
        yield account
        # An AWSAccount admits namespaces by their labels: whoever names one depends on its own namespace too.
        yield Key(NAMESPACE, "", key.namespace)


FINDERS: Mapping[str, Callable[[Key, Spec], Iterator[Key]]] = {
    GOLDEN_IMAGE.kind: _of_golden_image,
    IMAGE_VERSION.kind: _of_image_version,
}


def _named(kind: str, namespace: str, reference: Any) -> Iterator[Key]:
    name = reference.get("name") if isinstance(reference, Mapping) else None
    if isinstance(name, str) and name:
        yield Key(kind, namespace, name)


def _dict(spec: Spec, name: str) -> Spec:
    # The API server has checked the shape; an object stored under an older definition must still not stop the intake.
    value = spec.get(name)
    return value if isinstance(value, Mapping) else {}


def _list(spec: Spec, name: str) -> Iterable[Any]:
    value = spec.get(name)
    return value if isinstance(value, list) else ()


class References:
    """The index, in both directions."""

    def __init__(self) -> None:
        self._needs: dict[Key, tuple[Key, ...]] = {}
        self._users: dict[Key, set[Key]] = {}

    def update(self, user: Key, needs: Iterable[Key]) -> None:
        """From now on `user` refers to these, and to nothing else."""
        self.forget(user)
        wanted = tuple(needs)
        if wanted:
            self._needs[user] = wanted
        for needed in wanted:
            self._users.setdefault(needed, set()).add(user)

    def forget(self, user: Key) -> None:
        """It refers to nothing any more; those who refer to it stay its users."""
        for needed in self._needs.pop(user, ()):
            users = self._users[needed]
            users.discard(user)
            if not users:
                del self._users[needed]

    def users_of(self, needed: Key) -> tuple[Key, ...]:
        """Who refers to it, in a stable order."""
        return tuple(sorted(self._users.get(needed, ())))

    def parent_of(self, child: Key) -> Key | None:
        """The object whose business the child is; None for kinds without one."""
        parent_kind = PARENTS.get(child.kind)
        return next((needed for needed in self._needs.get(child, ()) if needed.kind == parent_kind), None)
