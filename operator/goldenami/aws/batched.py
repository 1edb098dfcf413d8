"""What is read by id, many ids a call: whoever asks while a call is under way is read for by the next one, together with all others."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Generic, TypeVar

from goldenami.aws.dated import Reading, usable
from goldenami.aws.errors import AwsError, FixTheSpec, NotFound, Wait

T = TypeVar("T")

KEPT_SECONDS = 60.0
"""Who wants it newer reads again, and nobody takes a reading that is older than this."""
_OF_ONE_ID = (NotFound, FixTheSpec, Wait)
"""EC2 refuses a call as a whole because of one id: unknown, malformed, or unavailable."""


class Batched(Generic[T]):
    """Values by id, each read again only when somebody wants it newer than it is. Safe to use from several threads.

    `read` makes one call for at most `most` ids and answers for those that exist. At most one such call is in flight. Its date is when it
    *began*, and nobody gets what began before the moment that he names. An error is everybody's of that call; but where one id alone may
    be the reason, each is read by itself then, and has its own answer.
    """

    def __init__(self, read: Callable[[Sequence[str]], Mapping[str, T]], clock: Callable[[], float], *, most: int) -> None:
        self._read = read
        self._clock = clock
        self._most = most
        self._idle = threading.Condition()
        self._wanted: dict[str, None] = {}
        """Somebody waits for these."""
        self._expected: dict[str, None] = {}
        """Somebody will ask for these in a moment."""
        self._flying: tuple[frozenset[str], float] | None = None
        """Ids of the call in flight, and when it began."""
        self._known: dict[str, Reading[Mapping[str, T]]] = {}

    def expect(self, names: Collection[str]) -> None:
        """They are about to be asked for, as from now on: the next call, whoever makes it, reads them along."""
        with self._idle:
            self._expected.update(dict.fromkeys(names))

    def get(self, name: str, not_older_than: float) -> T | None:
        """None: there is no such thing. `not_older_than` in epoch seconds. Raises the AwsError of its reading."""
        names: tuple[str, ...] = ()
        with self._idle:
            while (found := self._fresh(name, not_older_than)) is None and self._flying is not None:
                # The one in flight may not be about this id, or be too old for us; then the next one is ours.
                if name not in self._flying[0] or self._flying[1] < not_older_than:
                    self._wanted[name] = None
                self._idle.wait()
            if found is None:
                names = self._take(name)
        if found is None:
            found = self._read_now(names)
        if found.error is None:
            return (found.value or {}).get(name)
        if found.shared and isinstance(found.error, _OF_ONE_ID):
            return self._alone(name)
        raise found.error

    def _fresh(self, name: str, not_older_than: float) -> Reading[Mapping[str, T]] | None:
        return usable(self._known.get(name), not_older_than, self._clock())

    def _take(self, name: str) -> tuple[str, ...]:
        """Of the next call: who asks, who waits, and who is expected, as far as there is room."""
        names = tuple(dict.fromkeys((name, *self._wanted, *self._expected)))[: self._most]
        for taken in names:
            self._wanted.pop(taken, None)
            self._expected.pop(taken, None)
        self._flying = (frozenset(names), self._clock())
        return names

    def _read_now(self, names: tuple[str, ...]) -> Reading[Mapping[str, T]]:
        began = self._clock()
        done: Reading[Mapping[str, T]] | None = None
        try:
            done = self._reading(names, began)
            return done
        finally:
            with self._idle:
                if done is not None:
                    self._keep(names, done)
                self._flying = None
                self._idle.notify_all()

    def _alone(self, name: str) -> T | None:
        done = self._reading((name,), self._clock())
        with self._idle:
            self._keep((name,), done)
        if done.error is not None:
            raise done.error
        return (done.value or {}).get(name)

    def _reading(self, names: tuple[str, ...], began: float) -> Reading[Mapping[str, T]]:
        try:
            return Reading(self._read(names), None, began, self._clock(), shared=len(names) > 1)
        except AwsError as error:
            return Reading(None, error, began, self._clock(), shared=len(names) > 1)

    def _keep(self, names: Collection[str], done: Reading[Mapping[str, T]]) -> None:
        oldest = self._clock() - KEPT_SECONDS
        kept = {name: known for name, known in self._known.items() if known.ended_epoch_seconds >= oldest}
        # One that was read by itself meanwhile may be newer.
        later = {name for name in names if name in kept and kept[name].began_epoch_seconds > done.began_epoch_seconds}
        self._known = {**kept, **{name: done for name in names if name not in later}}
