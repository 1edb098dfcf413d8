"""Where the image core keeps its records, by account and region, and what is going to happen to them.

One store per server process. Whoever reads or changes it holds `lock`; whatever is due by the lab's clock happens in `settle`, in the order
of its due times, before a call looks.
"""

import heapq
import itertools
import random
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from goldenami.local.aws import lab
from goldenami.local.aws.ec2.recipes import Recipe
from goldenami.local.aws.ec2.records import AccountSettings, Image, ImportTask, Retained, Snapshot, State, UsageReport
from goldenami.local.aws.ec2.retention import Rule

Place = tuple[str, str]  # account, region


@dataclass(frozen=True)
class Token:
    """A client token's first use: the parameters then, and the answer."""

    parameters: str
    answer: Any


class Store:
    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.images: dict[str, dict[str, Image]] = defaultdict(dict)  # by region
        self.owned: dict[Place, dict[str, Image]] = defaultdict(dict)
        self.snapshots: dict[str, dict[str, Snapshot]] = defaultdict(dict)
        self.owned_snapshots: dict[Place, dict[str, Snapshot]] = defaultdict(dict)
        self.settings: dict[Place, AccountSettings] = defaultdict(AccountSettings)
        self.tokens: dict[tuple[str, str, str, str], Token] = {}  # action, account, region, token
        self.copying: dict[Place, set[str]] = defaultdict(set)  # images on their way, by destination
        self.copying_snapshots: dict[Place, set[str]] = defaultdict(set)
        self.rules: dict[Place, dict[str, Rule]] = defaultdict(dict)  # of the Recycle Bin, by their ids
        self.retained: dict[Place, dict[str, Retained]] = defaultdict(dict)  # what is in the Recycle Bin
        self.recipes: dict[Place, dict[str, Recipe]] = defaultdict(dict)  # EC2 Image Builder's, by their ARNs
        self.launched: dict[str, float] = {}  # instance id: when, by the lab's clock
        self.reports: dict[Place, dict[str, UsageReport]] = defaultdict(dict)  # of image usage
        self.imports: dict[Place, dict[str, ImportTask]] = defaultdict(dict)
        self._users: dict[str, set[str]] = defaultdict(set)  # snapshot id: ids of the images that refer to it
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._sequence = itertools.count(1)
        self._ids = random.Random()  # noqa: S311 - ids need to differ, not to be secret

    def next_sequence(self) -> int:
        return next(self._sequence)

    def new_id(self, prefix: str) -> str:
        """A fresh id in EC2's long form, `ami-` or `snap-` and 17 hexadecimal digits."""
        return f"{prefix}-{self._ids.getrandbits(68):017x}"

    def at(self, due_at: float, happen: Callable[[float], None]) -> None:
        """Lets something happen at a time of the lab's clock; it is told its due time."""
        heapq.heappush(self._due, (due_at, next(self._sequence), happen))

    def settle(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            due_at, _, happen = heapq.heappop(self._due)
            happen(due_at)

    def add_image(self, image: Image) -> None:
        self.images[image.region][image.id] = image
        self.owned[image.owner, image.region][image.id] = image
        for snapshot_id in image.snapshot_ids:
            self._users[snapshot_id].add(image.id)

    def add_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshots[snapshot.region][snapshot.id] = snapshot
        self.owned_snapshots[snapshot.owner, snapshot.region][snapshot.id] = snapshot

    def snapshots_of(self, image: Image) -> list[Snapshot]:
        """The snapshots behind an image, as far as they exist."""
        held = self.snapshots[image.region]
        return [held[snapshot_id] for snapshot_id in image.snapshot_ids if snapshot_id in held]

    def users_of(self, snapshot_id: str) -> frozenset[str]:
        """The ids of the images, registered or disabled, that refer to a snapshot."""
        return frozenset(self._users.get(snapshot_id, ()))

    def release_snapshots(self, image: Image, now: float) -> None:
        """The image refers to its snapshots no more."""
        for snapshot in self.snapshots_of(image):
            self._users[snapshot.id].discard(image.id)
            if not self._users[snapshot.id]:
                snapshot.released_at = now

    def remove_image(self, image: Image) -> None:
        self.images[image.region].pop(image.id, None)
        self.owned[image.owner, image.region].pop(image.id, None)
        self.copying[image.owner, image.region].discard(image.id)

    def remove_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshots[snapshot.region].pop(snapshot.id, None)
        self.owned_snapshots[snapshot.owner, snapshot.region].pop(snapshot.id, None)
        self.copying_snapshots[snapshot.owner, snapshot.region].discard(snapshot.id)
        self._users.pop(snapshot.id, None)

    def holder_of_name(self, account: str, region: str, name: str) -> Image | None:
        """The image that keeps a name from being registered again; a failed or disabled one keeps it too, and one in the Recycle Bin.

        The last is not documented. It counts against the quota of images, so the harsher reading is that it keeps its name as well.
        """
        registered = (image for image in self.owned[account, region].values() if image.state is not State.DEREGISTERED)
        binned = (each.record for each in self.retained[account, region].values() if isinstance(each.record, Image))
        return next((image for image in itertools.chain(registered, binned) if image.name == name), None)

    def public_images(self, account: str, region: str) -> int:
        return sum(image.permission.public for image in self.owned[account, region].values())

    def forget(self, account: str | None) -> None:
        """Drops one account's records and settings, or everything."""
        with self.lock:
            if account is None:
                self._clear()
            else:
                self._forget_account(account)

    def _clear(self) -> None:
        held: Iterable[Any] = (
            self.images, self.owned, self.snapshots, self.owned_snapshots, self.settings,
            self.tokens, self.copying, self.copying_snapshots, self.rules, self.retained, self.recipes, self.reports, self.imports,
            self.launched,
            self._users, self._due,
        )  # fmt: skip
        for each in held:
            each.clear()

    def _forget_account(self, account: str) -> None:
        for (owner, _), images in list(self.owned.items()):
            if owner == account:
                for image in list(images.values()):
                    self.release_snapshots(image, image.created_at)
                    self.remove_image(image)
        for (owner, _), snapshots in list(self.owned_snapshots.items()):
            if owner == account:
                for snapshot in list(snapshots.values()):
                    self.remove_snapshot(snapshot)
        by_place: Iterable[dict[Place, Any]] = (self.settings, self.rules, self.retained, self.recipes, self.reports, self.imports)
        for held in by_place:
            for place in [place for place in held if place[0] == account]:
                del held[place]
        for key in [key for key in self.tokens if key[1] == account]:
            del self.tokens[key]


STORE = Store()


def settled() -> Store:
    """The store, with everything that is due by the lab's clock done. The caller holds its lock."""
    STORE.settle(lab.current().clock.now())
    return STORE
