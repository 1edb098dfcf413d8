"""Who may launch our images, copy their snapshots and use their keys: read one resource a call, remembered, and audited by turns.

EC2 tells launch permissions for one image a call and has no listing of them, so they are read when somebody asks, kept in step with our own
writes, and looked at again by an audit that reads the longest unread ones within a budget; first those that this process has never read.
"""

import math
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from goldenami.aws import translate
from goldenami.aws.calls import Calls
from goldenami.aws.errors import AwsError, ShuttingDown, Throttled, Unreachable
from goldenami.aws.refusals import Refusals
from goldenami.plan.values import NOBODY, Grants, Image, KeyGrant, Place, Principals


@dataclass(frozen=True)
class _Record:
    """`read_at`: when the oldest part was read or written by us. `audited_at`: when all of it was last read."""

    launch: Principals
    snapshots: Mapping[str, Principals]
    read_at: float
    audited_at: float
    born: bool = False
    """Made by this process, so snapshots that are not named here are nobody's yet."""

    def covers(self, snapshot_ids: Iterable[str]) -> bool:
        return self.born or self.snapshots.keys() >= set(snapshot_ids)


@dataclass(frozen=True)
class _Key:
    grants: tuple[KeyGrant, ...]
    aws_managed: bool
    """Made by AWS for the account: what it encrypts cannot be shared."""
    read_at: float
    audited_at: float
    image_ids: frozenset[str] = field(default_factory=frozenset)


class Permissions:
    """Of one place. Safe to use from several threads."""

    def __init__(self, place: Place, calls: Calls, clock: Callable[[], float]) -> None:
        self._place = place
        self._calls = calls
        self._clock = clock
        self._lock = threading.Lock()
        self._images: dict[str, _Record] = {}
        self._keys: dict[str, _Key] = {}
        self._unread: set[str] = set()
        """Images of which something is unknown that somebody relies on."""
        self.refusals = Refusals(clock)
        self._tried: dict[str, float] = {}
        """When the audit last turned to an image or a key, whatever came of it: one that cannot be read is not in the others' way."""

    def get(self, image: Image, key_arns: Iterable[str], not_older_than: float) -> Grants:
        """Reads what is unknown or older. Raises AwsError."""
        record = self._images.get(image.image_id)
        if record is None or record.read_at < not_older_than or not record.covers(image.snapshot_ids):
            record = self._read_image(image)
        keys = {arn: self._key(arn, image.image_id, not_older_than) for arn in key_arns}
        with self._lock:
            self._unread.discard(image.image_id)
        return self._told(record, image.snapshot_ids, keys)

    def cached(self, image: Image, key_arns: Iterable[str], *, relied_on: bool) -> Grants | None:
        """None when any part of it is unknown: nothing is read. What is relied on all the same is read by the next audit."""
        record = self._images.get(image.image_id)
        keys = {arn: self._keys.get(arn) for arn in key_arns}
        if record is None or not record.covers(image.snapshot_ids) or not all(keys.values()):
            if relied_on:
                with self._lock:
                    self._unread.add(image.image_id)
            return None
        for arn in keys:
            self._concerns(arn, image.image_id)
        return self._told(record, image.snapshot_ids, {arn: key for arn, key in keys.items() if key})

    @staticmethod
    def _told(record: _Record, snapshot_ids: Iterable[str], keys: Mapping[str, _Key]) -> Grants:
        return Grants(
            record.launch,
            {name: record.snapshots.get(name, NOBODY) for name in snapshot_ids},
            {arn: key.grants for arn, key in keys.items()},
            frozenset(arn for arn, key in keys.items() if key.aws_managed),
        )

    def born(self, image_id: str) -> None:
        """A new image is nobody's but its owner's: there is nothing to read."""
        now = self._clock()
        with self._lock:
            self._images.setdefault(image_id, _Record(NOBODY, {}, now, now, born=True))

    def launch_changed(self, image_id: str, change: Callable[[Principals], Principals]) -> None:
        """Our own write. What was not known stays unknown."""
        self._change(image_id, lambda record: replace(record, launch=change(record.launch)))

    def snapshot_changed(self, image_id: str, snapshot_id: str, change: Callable[[Principals], Principals]) -> None:
        def with_snapshot(record: _Record) -> _Record:
            return replace(record, snapshots={**record.snapshots, snapshot_id: change(record.snapshots.get(snapshot_id, NOBODY))})

        self._change(image_id, with_snapshot)

    def key_changed(self, arn: str, change: Callable[[tuple[KeyGrant, ...]], tuple[KeyGrant, ...]]) -> None:
        with self._lock:
            if key := self._keys.get(arn):
                self._keys[arn] = replace(key, grants=change(key.grants), read_at=max(key.read_at, self._clock()))

    def forget(self, name: str) -> None:
        """An image id or a key ARN: what is known of it may be wrong, because an answer was lost, or because it is gone."""
        with self._lock:
            self._images.pop(name, None)
            self._keys.pop(name, None)

    def audit(self, images: Mapping[str, Image], keys_of: Callable[[Image], Iterable[str]], budget: int) -> list[Image]:
        """Reads what was never read, then again what was read longest ago, within `budget` calls or one that needs more.

        The images whose permissions turned out to be different, or are known from now on: their owners have something to compare.
        """
        told: list[Image] = []
        left = budget
        for name in self._by_age(images):
            image = images.get(name)
            cost = self._cost(image, keys_of(image)) if image else 1
            if left < budget and cost > left:
                break
            left -= cost
            self._tried[name] = self._clock()
            try:
                told += self._audit_image(image, keys_of(image)) if image else self._audit_key(name, images)
            except (Throttled, Unreachable, ShuttingDown):
                break
            except AwsError:
                # It is gone, or nobody may read it: that is for whoever looks after it to find out.
                continue
        return told

    def _by_age(self, images: Mapping[str, Image]) -> list[str]:
        with self._lock:
            self._unread &= images.keys()
            for gone in self._images.keys() - images.keys():
                del self._images[gone]
            ages = {name: record.audited_at for name, record in self._images.items()} | dict.fromkeys(self._unread, -math.inf)
            ages = {name: age for name, age in ages.items() if images[name].state == "available"}
            ages |= {arn: key.audited_at for arn, key in self._keys.items() if key.image_ids & images.keys()}
            self._tried = {name: at for name, at in self._tried.items() if name in ages}
            ages = {name: max(age, self._tried.get(name, age)) for name, age in ages.items()}
        return sorted(ages, key=lambda name: (ages[name], name))

    def _cost(self, image: Image, key_arns: Iterable[str]) -> int:
        """Calls that the audit of an image takes: of a key that is new, two."""
        return 1 + len(image.snapshot_ids) + (2 * len(set(key_arns) - self._keys.keys()) if image.image_id in self._unread else 0)

    def _audit_image(self, image: Image, key_arns: Iterable[str]) -> list[Image]:
        before = self._images.get(image.image_id)
        if image.image_id in self._unread:
            self.get(image, key_arns, not_older_than=-math.inf)
            return [image]
        after = self._read_image(image)
        snapshots = {name: before.snapshots.get(name, NOBODY) for name in image.snapshot_ids} if before else after.snapshots
        return [image] if before and (before.launch, snapshots) != (after.launch, after.snapshots) else []

    def _audit_key(self, arn: str, images: Mapping[str, Image]) -> list[Image]:
        before = self._keys.get(arn)
        after = self._read_key(arn, before.image_ids if before else frozenset())
        if before is None or set(before.grants) == set(after.grants):
            return []
        return [images[name] for name in sorted(after.image_ids) if name in images]

    def _change(self, image_id: str, change: Callable[[_Record], _Record]) -> None:
        with self._lock:
            if record := self._images.get(image_id):
                self._images[image_id] = replace(change(record), read_at=max(record.read_at, self._clock()))

    def _read_image(self, image: Image) -> _Record:
        began, known = self._clock(), self._images.get(image.image_id)
        answer = self._calls.ec2(
            self._place,
            "DescribeImageAttribute",
            lambda ec2: ec2.describe_image_attribute(ImageId=image.image_id, Attribute="launchPermission"),
            about=image.image_id,
        )
        launch = translate.principals(answer.get("LaunchPermissions", ()))
        record = _Record(launch, {name: self._read_snapshot(name) for name in image.snapshot_ids}, began, began)
        with self._lock:
            # A write of ours meanwhile is newer than what was read: then the next to ask reads again.
            if self._images.get(image.image_id) is known:
                self._images[image.image_id] = record
        return record

    def _read_snapshot(self, snapshot_id: str) -> Principals:
        answer = self._calls.ec2(
            self._place,
            "DescribeSnapshotAttribute",
            lambda ec2: ec2.describe_snapshot_attribute(SnapshotId=snapshot_id, Attribute="createVolumePermission"),
            about=snapshot_id,
        )
        return translate.principals(answer.get("CreateVolumePermissions", ()))

    def _key(self, arn: str, image_id: str, not_older_than: float) -> _Key:
        key = self._keys.get(arn)
        if key is None or key.read_at < not_older_than:
            key = self._read_key(arn, key.image_ids if key else frozenset())
        self._concerns(arn, image_id)
        return key

    def _concerns(self, arn: str, image_id: str) -> None:
        """Whose owner is told when the key's grants change."""
        with self._lock:
            key = self._keys.get(arn)
            if key and image_id not in key.image_ids:
                self._keys[arn] = replace(key, image_ids=key.image_ids | {image_id})

    def _read_key(self, arn: str, image_ids: frozenset[str]) -> _Key:
        began, known = self._clock(), self._keys.get(arn)
        rows: list[object] = []
        marker: dict[str, str] = {}
        while True:
            answer = self._calls.kms(
                self._place,
                "ListGrants",
                lambda kms, more=marker: kms.list_grants(KeyId=arn, Limit=100, **more),  # type: ignore[misc]  # bound per page
                about=arn,
            )
            rows += answer.get("Grants", ())
            if not answer.get("Truncated"):
                break
            marker = {"Marker": answer["NextMarker"]}
        managed = known.aws_managed if known else self._is_aws_managed(arn)
        key = _Key(tuple(translate.key_grant(row) for row in rows), managed, began, began, image_ids)  # type: ignore[arg-type]
        with self._lock:
            if self._keys.get(arn) is known:
                self._keys[arn] = key
        return key

    def _is_aws_managed(self, arn: str) -> bool:
        answer = self._calls.kms(self._place, "DescribeKey", lambda kms: kms.describe_key(KeyId=arn), about=arn)
        return translate.key_facts(answer["KeyMetadata"]).aws_managed
