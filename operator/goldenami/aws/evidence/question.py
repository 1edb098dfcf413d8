"""What every source of evidence is asked, and what is read together for the images of a place that are asked about at the same time."""

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from goldenami.aws.batched import Batched
from goldenami.aws.calls import Calls
from goldenami.aws.dated import Dated
from goldenami.plan.evidence import Rules, Testimony
from goldenami.plan.identity import Owner
from goldenami.plan.values import Image, Place

T = TypeVar("T")


class Listings:
    """Listings that are the same for every image of a place, and readings of many images at once. Safe to use from several threads.

    Whoever wants one takes a reading that began after it was asked: images that go at the same time share it, and none trusts an old one.
    """

    def __init__(self, place: Place, calls: Calls, clock: Callable[[], float]) -> None:
        self.place = place
        self.calls = calls
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, Dated[Any]] = {}
        self._batched: dict[str, Batched[Any]] = {}
        self._memory: dict[str, dict[Any, Any]] = {}

    def get(self, what: str, read: Callable[[], T], since: float) -> T:
        """Not older than `since`, in epoch seconds. Raises AwsError."""
        with self._lock:
            dated: Dated[T] = self._kept.setdefault(what, Dated(read, self._clock))
        return dated.get(since)

    def by_id(self, what: str, read: Callable[[Sequence[str]], Mapping[str, T]], most: int) -> Batched[T]:
        """What is not listed but asked for by id, at most so many ids a call. `what` names `read`: the first that is given is kept."""
        with self._lock:
            batched: Batched[T] = self._batched.setdefault(what, Batched(read, self._clock, most=most))
        return batched

    def each(
        self, what: str, names: Collection[str], read: Callable[[Collection[str]], Mapping[str, str]], since: float
    ) -> Mapping[str, str]:
        """Of these names what exists, not older than `since`: only what is older is read, all of it together. Raises AwsError."""
        known: dict[str, tuple[float, str | None]] = self.memory(what)
        with self._lock:
            missing = [name for name in names if name not in known or known[name][0] < since]
        if missing:
            began = self._clock()
            found = read(missing)
            with self._lock:
                known.update({name: (began, found.get(name)) for name in missing})
        with self._lock:
            return {name: value for name in names if (value := known[name][1]) is not None}

    def memory(self, what: str) -> dict[Any, Any]:
        """What is kept from reading to reading under this name. Whoever uses it from several threads sets and takes single entries only."""
        with self._lock:
            return self._memory.setdefault(what, {})


@dataclass(frozen=True)
class Asked:
    """What whoever wants the evidence has to say: about whose image, how much, and what AWS does not know."""

    owner: Owner
    version: str
    rules: Rules
    since: float
    """Nothing that was read before counts, in epoch seconds: when this look began, or something was last done to the image."""
    shared: bool = True
    """Whether other accounts may launch it, or could until we took that away."""
    mutable: bool = True
    """Whether anything may be made in AWS: a report of the use in other accounts has to be."""
    family_goes: bool = False
    """Its GoldenImage is being deleted, and deletes its own aliases after its images."""
    aliases_move: bool = False
    """The version stays and only this image goes: our own aliases that name it are about to be moved, or withdrawn."""


@dataclass(frozen=True)
class Question:
    """Who uses this image?"""

    listings: Listings
    image: Image
    """As it is now: what it tells of itself is evidence, and not older than the rest."""
    asked: Asked
    now: float
    """Epoch seconds."""

    @property
    def calls(self) -> Calls:
        return self.listings.calls

    @property
    def place(self) -> Place:
        return self.listings.place

    @property
    def rules(self) -> Rules:
        return self.asked.rules

    @property
    def since(self) -> float:
        return self.asked.since


Ask = Callable[[Question], Testimony]
"""One source. It may raise AwsError: what could not be read is then its problem, and never "nobody"."""
