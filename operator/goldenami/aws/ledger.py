"""What a place holds: the last listing, with our own writes folded in until a listing shows them. No I/O.

EC2 lists a new id late, and goes on listing a removed one for a while (EC2 API reference, "Eventual consistency"); a listing that began
before a write knows nothing of it. So a write is kept beside the listing until one that began well after it has been read.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Generic, Protocol, TypeVar

from goldenami.plan.identity import OWNER, RELEASED, VERSION, released_as

LOST_SECONDS = 600.0
"""A created id that no listing shows for this long is lost."""
SETTLE_SECONDS = 5.0
"""A listing that began this soon after a change may still show what was before it."""
LINGER_SECONDS = 120.0
"""A removed id may be listed this long."""


class Tagged(Protocol):
    @property
    def tags(self) -> Mapping[str, str]: ...


V = TypeVar("V", bound=Tagged)
Key = tuple[str, str]


def key_of(tags: Mapping[str, str]) -> Key:
    """(owner, version): whose it is, or who released it."""
    return (tags.get(OWNER) or released_as(tags.get(RELEASED, "")), tags.get(VERSION, ""))


class _Kind(Enum):
    CREATED = "created"
    CHANGED = "changed"
    GONE = "gone"


@dataclass
class _Fold(Generic[V]):
    kind: _Kind
    at: float
    value: V | None = None
    change: Callable[[V], V] | None = None


class Ledger(Generic[V]):
    """Values by id, and their ids by (owner, version). Not safe for threads by itself; times are epoch seconds.

    `lost` makes the value that stands for a created id that never showed up.
    """

    def __init__(self, lost: Callable[[V], V]) -> None:
        self._lost = lost
        self.values: dict[str, V] = {}
        self.vanished: set[str] = set()
        """Ids that were listed once and are no more."""
        self._folds: dict[str, list[_Fold[V]]] = {}
        self._ids: dict[str, dict[str, dict[str, None]]] = {}
        self._was_listed = False
        self._listed_at = 0.0
        self._read_at: dict[str, float] = {}
        """Of those that were read by their ids since the last listing began."""

    def of(self, owner: str, version: str | None = None) -> Iterable[tuple[str, V]]:
        """Of one owner, or of one of its versions."""
        versions = self._ids.get(owner, {})
        chosen = versions.values() if version is None else [versions.get(version, {})]
        return [(name, self.values[name]) for names in chosen for name in names]

    def created(self, name: str, value: V, at: float) -> None:
        if name in self.values:
            return  # The same answer to a repeated call.
        self._folds[name] = [_Fold(_Kind.CREATED, at, value)]
        self._put(name, value)

    def changed(self, name: str, change: Callable[[V], V], at: float) -> None:
        value = self.values.get(name)
        if value is None:
            return
        folds = self._folds.setdefault(name, [])
        for fold in folds:
            if fold.kind is _Kind.CREATED and fold.value is not None:
                fold.value = change(fold.value)
        folds.append(_Fold(_Kind.CHANGED, at, change=change))
        self._put(name, change(value))

    def gone(self, name: str, at: float) -> None:
        self._folds[name] = [_Fold(_Kind.GONE, at)]
        self.vanished.add(name)
        self._drop(name)

    def merge(self, listing: Mapping[str, V], began: float) -> list[tuple[V | None, V | None]]:
        """Takes a listing that began then: what differs from before, as (old, new). The first listing differs from nothing."""
        before, first = self.values, not self._was_listed
        now = dict(listing)
        for name in list(self._folds):
            value, self._folds[name] = self._folded(name, now.get(name), began)
            _set(now, name, value)
        self._folds = {name: folds for name, folds in self._folds.items() if folds}
        self._listed_at = began
        self._read_at = {name: at for name, at in self._read_at.items() if at > began}
        for name in self._read_at:
            _set(now, name, before.get(name))
        # What is the same stays the same object: ten thousand images are not made anew every ten minutes.
        self.values = {name: old if (old := before.get(name)) and _same(old, value) else value for name, value in now.items()}
        self._was_listed = True
        self.vanished |= before.keys() - self.values.keys()
        self.vanished -= self.values.keys()
        self._index()
        if first:
            return []
        names = (name for name in before.keys() | self.values.keys() if before.get(name) is not self.values.get(name))
        pairs = ((before.get(name), self.values.get(name)) for name in names)
        return [(old, new) for old, new in pairs if old != new]

    def merge_some(self, names: Iterable[str], found: Mapping[str, V], began: float) -> list[tuple[V | None, V | None]]:
        """Takes a reading of these alone that began then: what differs from before, as (old, new).

        Our own writes are kept until a listing shows them: EC2 may know an id here that it does not list yet.
        """
        differences: list[tuple[V | None, V | None]] = []
        for name in names:
            old = self.values.get(name)
            if began < max(self._listed_at, self._read_at.get(name, 0.0)):
                continue  # What is known is newer.
            value, _ = self._folded(name, found.get(name), began)
            self._read_at[name] = began
            if value is not None:
                self._put(name, old if old is not None and _same(old, value) else value)
                self.vanished.discard(name)
            elif old is not None:
                self._drop(name)
                self.vanished.add(name)
            if value != old:
                differences.append((old, value))
        return differences

    def _folded(self, name: str, read: V | None, began: float) -> tuple[V | None, list[_Fold[V]]]:
        """What was read then with our own writes in it, and those that are still to be kept."""
        kept: list[_Fold[V]] = []
        value = read
        for fold in self._folds.get(name, ()):
            if fold.kind is _Kind.CREATED and read is None and fold.value is not None:
                value = self._lost(fold.value) if began - fold.at >= LOST_SECONDS else fold.value
                kept.append(fold)
            elif fold.kind is _Kind.CHANGED and fold.change is not None and began <= fold.at + SETTLE_SECONDS:
                # On a created value the change has been made already; the same change twice is one.
                value = fold.change(value) if value is not None else None
                kept.append(fold)
            elif fold.kind is _Kind.GONE and began <= fold.at + LINGER_SECONDS:
                value = None
                kept.append(fold)
        return value, kept

    def _put(self, name: str, value: V) -> None:
        self._drop(name)
        self.values[name] = value
        self._file(name, value)

    def _drop(self, name: str) -> None:
        old = self.values.pop(name, None)
        if old is not None:
            owner, version = key_of(old.tags)
            self._ids[owner][version].pop(name, None)

    def _index(self) -> None:
        self._ids = {}
        for name, value in self.values.items():
            self._file(name, value)

    def _file(self, name: str, value: V) -> None:
        owner, version = key_of(value.tags)
        self._ids.setdefault(owner, {}).setdefault(version, {})[name] = None


def _set(values: dict[str, V], name: str, value: V | None) -> None:
    if value is None:
        values.pop(name, None)
    else:
        values[name] = value


def _same(old: V, new: V) -> bool:
    """In everything, also what a comparison leaves out because it is no change worth telling, as when an image was launched last."""
    return vars(old) == vars(new)
