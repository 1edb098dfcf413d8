"""What is asked about single things: a region's settings, a key, an image, an instance."""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from goldenami.aws import translate
from goldenami.aws.calls import Calls
from goldenami.aws.dated import Dated
from goldenami.aws.errors import AwsError, NotFound, region_not_enabled
from goldenami.aws.holding import FILTER_VALUES, PAGE, paged
from goldenami.plan.patterns import compiled
from goldenami.plan.values import Image, KeyFacts, Place, RegionFacts, Snapshot

FACTS_SECONDS = 600.0
"""Block public access takes up to ten minutes to show, so asking more often tells nothing."""


class Facts:
    """Safe to use from several threads."""

    def __init__(self, calls: Calls, clock: Callable[[], float]) -> None:
        self._calls = calls
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[tuple[Place, str], Dated[Any]] = {}

    def facts(
        self,
        place: Place,
        *,
        kms_key_id: str | None,
        needs_default_encryption: bool,
        needs_default_key: bool,
        needs_public: bool,
        not_older_than: float | None = None,
        is_open: bool = False,
    ) -> RegionFacts:
        """Each part is kept for ten minutes, or not older than asked for. A problem instead of an exception.

        `is_open`: the region has just answered, so nobody has to ask whether it is enabled.
        """
        since = not_older_than
        try:
            if not is_open and place.region in self._calls.closed_regions(place.account, since):
                return RegionFacts(place, problem=region_not_enabled(place, "Preflight").problem)
            by_default = (
                self._keep(place, "encryption", lambda: self._encrypted_by_default(place), since) if needs_default_encryption else None
            )
            return RegionFacts(
                place,
                encrypted_by_default=by_default,
                default_key=self._keep(place, "default key", lambda: self._default_key(place), since)
                if by_default or needs_default_key
                else None,
                key=self.key(place, kms_key_id, since) if kms_key_id else None,
                public_sharing_blocked_by=self._keep(place, "public", lambda: self._public_blocked_by(place), since)
                if needs_public
                else None,
            )
        except AwsError as error:
            return RegionFacts(place, problem=error.problem)

    def key(self, place: Place, key_id: str, not_older_than: float | None = None) -> KeyFacts:
        """By id, ARN or alias. Raises AwsError: FixTheSpec when there is none, FixTheAccess when it may not be seen."""
        facts: KeyFacts = self._keep(place, f"key {key_id}", lambda: self._key(place, key_id), not_older_than)
        return facts

    def image(self, place: Place, image_id: str) -> Image | None:
        """Own, shared or public; None when this account sees no such image. Raises AwsError."""
        try:
            answer = self._calls.ec2(
                place,
                "DescribeImages",
                lambda ec2: ec2.describe_images(ImageIds=[image_id], IncludeDisabled=True, IncludeDeprecated=True),
                about=image_id,
            )
        except AwsError as error:
            # Unavailable: it was deregistered a moment ago.
            if isinstance(error, NotFound) or error.code == "InvalidAMIID.Unavailable":
                return None
            raise
        found = [translate.image(row) for row in answer["Images"] if row.get("State") != "deregistered"]
        return found[0] if found else None

    def image_named(self, place: Place, name: str) -> Image | None:
        """Of this account: whose name it is that is taken."""
        answer = self._calls.ec2(
            place,
            "DescribeImages",
            lambda ec2: ec2.describe_images(
                Owners=["self"], Filters=[{"Name": "name", "Values": [name]}], IncludeDisabled=True, IncludeDeprecated=True
            ),
        )
        found = [translate.image(row) for row in answer["Images"] if row.get("State") != "deregistered"]
        return found[0] if found else None

    def images_matching(self, place: Place, pattern: str, tags: Mapping[str, str], since: float) -> tuple[Image, ...]:
        """Of this account, with these tags, and a name that the pattern matches. Raises AwsError, and PatternError."""
        names = compiled(pattern)

        def read() -> tuple[Image, ...]:
            filters = [{"Name": f"tag:{key}", "Values": [_literally(value)]} for key, value in sorted(tags.items())]
            rows = paged(
                lambda more: self._calls.ec2(
                    place,
                    "DescribeImages",
                    lambda ec2: ec2.describe_images(
                        Owners=["self"], IncludeDisabled=True, IncludeDeprecated=True, MaxResults=PAGE, **_filtered(filters), **more
                    ),
                ),
                "Images",
            )
            # By name before anything is kept of it: the account may hold thousands of others.
            return _present(row for row in rows if names.version_in(row.get("Name", "")) is not None)

        found: tuple[Image, ...] = self._keep(place, f"images like {pattern} {sorted(tags.items())}", read, since)
        return found

    def images_listed(self, place: Place, image_ids: tuple[str, ...], since: float) -> tuple[Image, ...]:
        """Those of them that there are, whoever owns them: by filter, since one unknown id would fail the others. Raises AwsError."""

        def read() -> tuple[Image, ...]:
            found: list[Image] = []
            for ids in (image_ids[start : start + FILTER_VALUES] for start in range(0, len(image_ids), FILTER_VALUES)):
                answer = self._calls.ec2(
                    place,
                    "DescribeImages",
                    lambda ec2, ids=ids: ec2.describe_images(  # type: ignore[misc]  # bound per chunk
                        Filters=[{"Name": "image-id", "Values": list(ids)}], IncludeDisabled=True, IncludeDeprecated=True
                    ),
                    about=", ".join(ids[:3]),
                )
                found += _present(answer["Images"])
            return tuple(found)

        found: tuple[Image, ...] = self._keep(place, f"images {' '.join(image_ids)}", read, since) if image_ids else ()
        return found

    def snapshot(self, place: Place, snapshot_id: str) -> Snapshot | None:
        found = self.snapshots(place, (snapshot_id,))
        return found[0] if found else None

    def snapshots(self, place: Place, snapshot_ids: tuple[str, ...]) -> tuple[Snapshot, ...]:
        """As far as this account may see them: by filter, since one unknown id would fail the others."""
        rows = paged(
            lambda more: self._calls.ec2(
                place,
                "DescribeSnapshots",
                lambda ec2: ec2.describe_snapshots(
                    Filters=[{"Name": "snapshot-id", "Values": list(snapshot_ids)}], MaxResults=PAGE, **more
                ),
                about=", ".join(snapshot_ids),
            ),
            "Snapshots",
        )
        return tuple(translate.snapshot(row) for row in rows)

    def instance(self, place: Place, instance_id: str) -> Image | None:
        """What can rule it out as a source, in an image's words; None when there is none."""
        try:
            answer = self._calls.ec2(
                place, "DescribeInstances", lambda ec2: ec2.describe_instances(InstanceIds=[instance_id]), about=instance_id
            )
        except NotFound:
            return None
        found = [translate.instance(row) for reservation in answer["Reservations"] for row in reservation.get("Instances", ())]
        return found[0] if found else None

    def _keep(self, place: Place, what: str, read: Callable[[], Any], not_older_than: float | None = None) -> Any:
        with self._lock:
            dated = self._kept.setdefault((place, what), Dated(read, self._clock))
        return dated.get(self._clock() - FACTS_SECONDS if not_older_than is None else not_older_than)

    def _encrypted_by_default(self, place: Place) -> bool:
        answer = self._calls.ec2(place, "GetEbsEncryptionByDefault", lambda ec2: ec2.get_ebs_encryption_by_default())
        return bool(answer["EbsEncryptionByDefault"])

    def _default_key(self, place: Place) -> KeyFacts:
        answer = self._calls.ec2(place, "GetEbsDefaultKmsKeyId", lambda ec2: ec2.get_ebs_default_kms_key_id())
        key_id = answer["KmsKeyId"]
        # AWS makes its own key when it is first used: asking KMS for it may say that there is none.
        return KeyFacts(key_id, enabled=True, aws_managed=True) if key_id.endswith("alias/aws/ebs") else self._key(place, key_id)

    def _key(self, place: Place, key_id: str) -> KeyFacts:
        answer = self._calls.kms(place, "DescribeKey", lambda kms: kms.describe_key(KeyId=key_id), about=key_id)
        return translate.key_facts(answer["KeyMetadata"])

    def _public_blocked_by(self, place: Place) -> str:
        answer = self._calls.ec2(place, "GetImageBlockPublicAccessState", lambda ec2: ec2.get_image_block_public_access_state())
        blocked = answer.get("ImageBlockPublicAccessState") == "block-new-sharing"
        return str(answer.get("ManagedBy", "account")) if blocked else ""


def _filtered(filters: list[Any]) -> dict[str, Any]:
    return {"Filters": filters} if filters else {}


def _literally(value: str) -> str:
    """A filter's value without its wildcards."""
    return value.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")


def _present(rows: Iterable[Mapping[str, Any]]) -> tuple[Image, ...]:
    return tuple(translate.image(row) for row in rows if row.get("State") != "deregistered")
