"""One place as the inventory holds it: its images and snapshots, read by paged listings that everybody shares."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from goldenami.aws import translate
from goldenami.aws.batched import Batched
from goldenami.aws.calls import Calls
from goldenami.aws.dated import Dated
from goldenami.aws.errors import AwsError
from goldenami.aws.ledger import Ledger
from goldenami.plan.identity import OWNER, RELEASED, VERSION, Owner, owner_of, released_by, unpacked
from goldenami.plan.values import Image, Place, RegionView, Snapshot

if TYPE_CHECKING:
    from mypy_boto3_ec2.type_defs import FilterTypeDef

PAGE = 200
"""Rows a page: the answer of a thousand holds the interpreter for 0.2 s while it is parsed."""
FILTER_VALUES = 200
"""Values that one filter of EC2 takes."""
ASSUMED_EARLIER_SECONDS = 0.001
"""What is assumed is older than what is read at that moment, so that a listing asked for then is made."""
_BAD_TOKENS = ("InvalidPaginationToken", "InvalidNextToken", "InvalidParameterValue")
OURS: "list[FilterTypeDef]" = [{"Name": "tag-key", "Values": [OWNER, RELEASED]}]


def paged(read: Callable[[dict[str, Any]], Mapping[str, Any]], rows: str, each: Callable[[Any], Any] = lambda row: row) -> list[Any]:
    """All rows of a listing, each as `each` makes of it while its page is at hand. A token that EC2 no longer takes starts it again from
    page one, once.
    """
    try:
        return _pages(read, rows, each)
    except AwsError as error:
        if error.code not in _BAD_TOKENS:
            raise
        return _pages(read, rows, each)


def _pages(read: Callable[[dict[str, Any]], Mapping[str, Any]], rows: str, each: Callable[[Any], Any]) -> list[Any]:
    found: list[Any] = []
    more: dict[str, Any] = {}
    while True:
        answer = read(more)
        found.extend(map(each, answer.get(rows, ())))
        if not answer.get("NextToken"):
            return found
        more = {"NextToken": answer["NextToken"]}


class Holding:
    """Safe to use from several threads. `problem` of a view says that a listing failed; the lists are empty then."""

    def __init__(self, place: Place, calls: Calls, clock: Callable[[], float]) -> None:
        self.place = place
        self._calls = calls
        self._clock = clock
        self._lock = threading.Lock()
        self._images: Ledger[Image] = Ledger(lambda image: replace(image, state="lost"))
        self._snapshots: Ledger[Snapshot] = Ledger(lambda snapshot: snapshot)
        self._image_of: dict[str, str] = {}
        self._images_read = Dated(self._read_images, clock)
        self._snapshots_read = Dated(self._read_snapshots, clock)
        self.by_id = Batched(self._read_by_id, clock, most=FILTER_VALUES)
        """Images of this account as EC2 shows them by their ids, whosever they are and without our own writes."""
        self._whole: RegionView | None = None
        self._changed: set[tuple[Owner, str]] = set()

    def read_images(self, not_older_than: float) -> None:
        """Reads the images where the last listing is older. Raises what AWS said."""
        self._images_read.get(not_older_than)

    def read_image(self, image_id: str, not_older_than: float) -> Image | None:
        """One of ours, by its id and with our own writes; from now on every view has it so. Raises what AWS said."""
        self.by_id.get(image_id, not_older_than)
        return self.image(image_id)

    def read(self, images_not_older_than: float, snapshots_not_older_than: float) -> None:
        """Reads what is older than asked. Raises what AWS said."""
        self.read_images(images_not_older_than)
        self._assume_no_snapshots()
        self._snapshots_read.get(snapshots_not_older_than)

    def is_fresh(self, images_not_older_than: float, snapshots_not_older_than: float) -> bool:
        """Whether `read` has nothing to read."""
        return self._images_read.is_fresh(images_not_older_than) and self._snapshots_read.is_fresh(snapshots_not_older_than)

    def _assume_no_snapshots(self) -> None:
        """A place that is found without any image of ours is taken to hold no snapshot of ours either, until the next resync lists them.

        What a crash may have left there is found then, and is in nobody's way before. Who asks for a listing from now on gets one.
        """
        images = self._images_read.peek()
        if self._snapshots_read.peek() is None and images and not self._images.values:
            self._snapshots_read.assume(None, images[1] - ASSUMED_EARLIER_SECONDS)

    @property
    def answers(self) -> bool:
        """Whether EC2 answered there when it was asked last."""
        return self._images_read.last_was_good()

    def view(self, owner: Owner | None = None, version: str | None = None) -> RegionView:
        """Of everybody, or what one owner (and version) owns or released: that one stays cheap however much the place holds."""
        with self._lock:
            if owner is not None:
                return self._part(str(owner), version)
            if self._whole is None or self._whole.read_epoch_seconds != self._read_at(self._images_read):
                self._whole = self._view(tuple(self._images.values.values()), dict(self._snapshots.values))
            return self._whole

    def _view(self, images: tuple[Image, ...], snapshots: Mapping[str, Snapshot]) -> RegionView:
        return RegionView(
            self.place,
            images,
            snapshots,
            self._read_at(self._images_read),
            snapshots_read_epoch_seconds=self._read_at(self._snapshots_read),
        )

    @staticmethod
    def _read_at(dated: Dated[None]) -> float:
        known = dated.peek()
        return known[1] if known else 0.0

    def _part(self, owner: str, version: str | None) -> RegionView:
        images = tuple(image for _, image in self._images.of(owner, version))
        snapshots = dict(self._snapshots.of(owner, version))
        for image in images:
            snapshots |= {name: self._snapshots.values[name] for name in image.snapshot_ids if name in self._snapshots.values}
        return self._view(images, snapshots)

    def owners(self) -> set[Owner]:
        """Whose images are there, as last listed."""
        with self._lock:
            return {owner for image in self._images.values.values() if (owner := owner_of(image.tags))}

    def image(self, image_id: str) -> Image | None:
        with self._lock:
            return self._images.values.get(image_id)

    def snapshot(self, snapshot_id: str) -> Snapshot | None:
        with self._lock:
            return self._snapshots.values.get(snapshot_id)

    def key_arns(self, image: Image) -> frozenset[str]:
        """The keys that encrypt it, as far as its snapshots are listed."""
        with self._lock:
            parts = (self._snapshots.values.get(name) for name in image.snapshot_ids)
            return frozenset(part.kms_key_arn for part in parts if part and part.kms_key_arn)

    def image_of(self, snapshot_id: str) -> Image | None:
        """The image that a snapshot belongs to."""
        with self._lock:
            return self._images.values.get(self._image_of.get(snapshot_id, ""))

    def has_vanished(self, image_id: str) -> bool:
        with self._lock:
            return image_id in self._images.vanished

    def fold_created(self, image: Image) -> None:
        with self._lock:
            self._images.created(image.image_id, image, self._clock())
            self._whole = None

    def fold_changed(self, image_id: str, change: Callable[[Image], Image]) -> None:
        with self._lock:
            self._images.changed(image_id, change, self._clock())
            self._whole = None

    def fold_tags(self, resource_ids: tuple[str, ...], change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
        """On images and snapshots alike. What was not ours before, and may be now, is read when somebody looks next."""
        with self._lock:
            if any(name not in self._images.values and name not in self._snapshots.values for name in resource_ids):
                self._images_read.expire()
                self._snapshots_read.expire()
            for name in resource_ids:
                self._images.changed(name, lambda image: replace(image, tags=unpacked(change(image.tags))), self._clock())
                self._snapshots.changed(name, lambda snapshot: replace(snapshot, tags=unpacked(change(snapshot.tags))), self._clock())
            self._whole = None

    def fold_gone(self, resource_id: str) -> None:
        """An image or a snapshot."""
        with self._lock:
            ledger = self._images if resource_id.startswith("ami-") else self._snapshots
            ledger.gone(resource_id, self._clock())
            self._whole = None

    def take_changes(self) -> set[tuple[Owner, str]]:
        """Whose images or snapshots changed since this was asked last, by listings and not by our own writes."""
        with self._lock:
            changed, self._changed = self._changed, set()
            return changed

    def _read_images(self) -> None:
        began = self._clock()
        images: list[Image] = paged(
            lambda more: self._calls.ec2(
                self.place,
                "DescribeImages",
                lambda ec2: ec2.describe_images(
                    Owners=["self"], Filters=OURS, IncludeDisabled=True, IncludeDeprecated=True, MaxResults=PAGE, **more
                ),
            ),
            "Images",
            translate.image,
        )
        # A deregistered image is listed for a while, and is nothing any more.
        listing = {image.image_id: image for image in images if image.state != "deregistered"}
        with self._lock:
            self._note(self._images.merge(listing, began))
            self._image_of = {snapshot: name for name, image in self._images.values.items() for snapshot in image.snapshot_ids}
            self._whole = None

    def _read_by_id(self, image_ids: Sequence[str]) -> Mapping[str, Image]:
        """By filter, since one unknown id would fail the others."""
        began = self._clock()
        answer = self._calls.ec2(
            self.place,
            "DescribeImages",
            lambda ec2: ec2.describe_images(
                Owners=["self"], Filters=[{"Name": "image-id", "Values": list(image_ids)}], IncludeDisabled=True, IncludeDeprecated=True
            ),
        )
        found = {row["ImageId"]: translate.image(row) for row in answer["Images"] if row.get("State") != "deregistered"}
        ours = {name: image for name, image in found.items() if image.tags.keys() & {OWNER, RELEASED}}
        with self._lock:
            self._note(self._images.merge_some(image_ids, ours, began))
            self._whole = None
        return found

    def _read_snapshots(self) -> None:
        began = self._clock()
        snapshots: list[Snapshot] = paged(
            lambda more: self._calls.ec2(
                self.place,
                "DescribeSnapshots",
                lambda ec2: ec2.describe_snapshots(OwnerIds=["self"], Filters=OURS, MaxResults=PAGE, **more),
            ),
            "Snapshots",
            translate.snapshot,
        )
        listing = {snapshot.snapshot_id: snapshot for snapshot in snapshots}
        with self._lock:
            differences = self._snapshots.merge(listing, began)
            # A copy's progress wakes nobody: who waits for it looks by itself.
            self._note([(old, new) for old, new in differences if not (old and new) or replace(old, progress=new.progress) != new])
            self._whole = None

    def _note(self, differences: "list[tuple[Image | None, Image | None]] | list[tuple[Snapshot | None, Snapshot | None]]") -> None:
        for pair in differences:
            for value in pair:
                owner = value and (owner_of(value.tags) or released_by(value.tags))
                if value and owner:
                    self._changed.add((owner, value.tags.get(VERSION, "")))
