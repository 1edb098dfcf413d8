"""What there is to ask about images that a listing of ours does not have: whether they exist all the same, name a snapshot, or lie in the
Recycle Bin."""

from collections.abc import Mapping, Sequence

from goldenami.aws import translate
from goldenami.aws.calls import Calls
from goldenami.aws.holding import PAGE, paged
from goldenami.plan.values import Image, Place, Snapshot

_FILTER_VALUES = 200
_BIN_IDS = 20


def existing(calls: Calls, place: Place, image_ids: Sequence[str]) -> tuple[Image, ...]:
    """Those that this account sees, with whatever tags: by filter, since one unknown id would fail the others. Raises AwsError."""
    rows = [
        row
        for start in range(0, len(image_ids), _FILTER_VALUES)
        for row in _described(calls, place, image_ids[start : start + _FILTER_VALUES])
    ]
    return tuple(translate.image(row) for row in rows if row.get("State") != "deregistered")


def naming(calls: Calls, place: Place, snapshot_ids: Sequence[str]) -> Mapping[str, str]:
    """The image that names a snapshot, of those that one does, whatever its tags. Raises AwsError."""
    return {
        part: str(row["ImageId"])
        for start in range(0, len(snapshot_ids), _FILTER_VALUES)
        for row in _described(calls, place, snapshot_ids[start : start + _FILTER_VALUES], by="block-device-mapping.snapshot-id")
        for part in translate.image(row).snapshot_ids
        if part in snapshot_ids and row.get("State") != "deregistered"
    }


def parts(calls: Calls, place: Place, snapshot_ids: Sequence[str]) -> tuple[Snapshot, ...]:
    """Those snapshots of this account that exist, with whatever tags: by filter, as images. Raises AwsError."""
    return tuple(
        translate.snapshot(row)
        for start in range(0, len(snapshot_ids), _FILTER_VALUES)
        for row in _listed(calls, place, snapshot_ids[start : start + _FILTER_VALUES])
    )


def _listed(calls: Calls, place: Place, snapshot_ids: Sequence[str]) -> list[dict[str, object]]:
    return paged(
        lambda more: calls.ec2(
            place,
            "DescribeSnapshots",
            lambda ec2: ec2.describe_snapshots(
                OwnerIds=["self"], Filters=[{"Name": "snapshot-id", "Values": list(snapshot_ids)}], MaxResults=PAGE, **more
            ),
            about=", ".join(snapshot_ids),
        ),
        "Snapshots",
    )


def _described(calls: Calls, place: Place, names: Sequence[str], *, by: str = "image-id") -> list[dict[str, object]]:
    return paged(
        lambda more: calls.ec2(
            place,
            "DescribeImages",
            lambda ec2: ec2.describe_images(
                Filters=[{"Name": by, "Values": list(names)}],
                IncludeDisabled=True,
                IncludeDeprecated=True,
                MaxResults=PAGE,
                **more,
            ),
            about=", ".join(names),
        ),
        "Images",
    )


def binned(calls: Calls, place: Place, image_ids: Sequence[str]) -> Mapping[str, float]:
    """Those that are in the Recycle Bin, from which they may be restored under the same id, and until when, in epoch seconds.

    Raises AwsError.
    """
    found: dict[str, float] = {}
    for start in range(0, len(image_ids), _BIN_IDS):
        some = list(image_ids[start : start + _BIN_IDS])
        answer = calls.ec2(
            place,
            "ListImagesInRecycleBin",
            lambda ec2, some=some: ec2.list_images_in_recycle_bin(ImageIds=some),  # type: ignore[misc]
            about=", ".join(some),
        )
        found |= {row["ImageId"]: translate.epoch_seconds(row.get("RecycleBinExitTime")) for row in answer.get("Images", ())}
    return found
