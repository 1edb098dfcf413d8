"""CopyImage and CopySnapshot: called in the destination, finished or failed later by the lab's clock.

CopyImage does not look whether a name is taken; what keeps a repeated call from copying twice is its client token. CopySnapshot has none.
"""

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import botocore.session

from goldenami.local.aws import key_access, kms, lab
from goldenami.local.aws.ec2 import encryption, errors, render, tagging
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.making import checked_name, new_image, traits
from goldenami.local.aws.ec2.records import COPY_FAILED, KEY_NOT_ACCESSIBLE, Image, Mapping, Reason, Snapshot, SnapshotState, State
from goldenami.local.aws.ec2.snapshots import complete, fail, new_snapshot
from goldenami.local.aws.ec2.tagging import RESERVED_PREFIX
from goldenami.local.aws.ec2.visibility import find_snapshot, registered_image, restorable

STORAGE_DENIED = "You do not have permission to access the storage of this ami"


def fail_next_copies(region: str, count: int = 1) -> None:
    """Lets the next AMI copies into a region end as failed, with a StateReason."""
    failing = lab.current().settings.fail_copies
    failing[region] = failing.get(region, 0) + count


def copy_seconds(call: Call, source_region: str) -> float:
    """How long a copy between two regions takes: the same for a pair in every run with the same seed."""
    settings = call.lab.settings
    return settings.copy_seconds * (1 + (settings.copy_spread - 1) * call.lab.draw("copy", source_region, call.region))


# CopyImage


@dataclass(frozen=True)
class _Request:
    source: Image
    name: str
    image_tags: MappingOf[str, str]
    snapshot_tags: MappingOf[str, str]


def copy_image(call: Call) -> MappingOf[str, Any]:
    name = checked_name(call)
    source_region = call.required("SourceRegion")
    image_tags, snapshot_tags = tagging.specified(call, "image", "snapshot")
    encryption.check_key_parameters(call)
    known: MappingOf[str, Any] | None = call.replay()
    if known is not None:
        call.confirm()
        return known
    source = _copyable(call, source_region)
    image_tags = {**_copied_tags(call, source), **image_tags}
    tagging.check_count(image_tags)
    call.confirm()
    _check_storage(call, source)
    _check_slots(call)
    answer = {"imageId": _start(call, _Request(source, name, image_tags, snapshot_tags)).id}
    call.remember(answer)
    return answer


@cache
def _known_regions() -> frozenset[str]:
    session = botocore.session.get_session()
    return frozenset(
        region for partition in session.get_available_partitions() for region in session.get_available_regions("ec2", partition)
    )


def _check_region(region: str) -> None:
    if region not in _known_regions():
        raise errors.Refused("InvalidRegion", f"The region '{region}' is not valid")


def _copyable(call: Call, source_region: str) -> Image:
    _check_region(source_region)
    source = registered_image(call, call.required("SourceImageId"), region=source_region)
    if source.state is not State.AVAILABLE:
        raise errors.image_unavailable(source.id, source.state.value)
    if source.owner != call.account and (source.product_codes or source.billing_products):
        what = "from AWS Marketplace" if source.product_codes else "with EC2 BillingProduct codes"
        raise errors.Refused("InvalidRequest", f"Images {what} cannot be copied to another AWS account")
    if call.flag("Encrypted") is False and any(mapping.encrypted for mapping in source.mappings):
        raise errors.invalid_value("An encrypted image cannot be copied to an unencrypted one")
    return source


def _check_storage(call: Call, source: Image) -> None:
    """Copying reads the snapshots: launch permission is not enough, each must be restorable by the caller, and so must its key."""
    for snapshot in call.store.snapshots_of(source):
        if not restorable(call, snapshot) or not _key_admits(call, snapshot):
            raise errors.Refused("InvalidRequest", STORAGE_DENIED)


def _key_admits(call: Call, snapshot: Snapshot) -> bool:
    """Whether the caller is let in by the source's key. A key that is gone or disabled shows later, in the failed copy."""
    info = None if snapshot.kms_key is None else kms.key_info(snapshot.owner, snapshot.region, snapshot.kms_key)
    return info is None or key_access.admits(info, call.account, key_access.READING)


def _check_slots(call: Call) -> None:
    quota = call.lab.settings.concurrent_copies_quota
    if len(call.store.copying[call.account, call.region]) >= quota:
        raise errors.Refused("ResourceLimitExceeded", f"Too many AMI copies in progress. The limit is {quota} for this destination region.")


def _copied_tags(call: Call, source: Image) -> dict[str, str]:
    """With CopyImageTags: the caller's own tags of the source, or of someone else's image those that are shared."""
    if not call.flag("CopyImageTags"):
        return {}
    tags = source.tags if source.owner == call.account else render.shared_tags(source.tags)
    return {key: value for key, value in tags.items() if not key.startswith(RESERVED_PREFIX)}


def _start(call: Call, request: _Request) -> Image:
    source, seconds = request.source, copy_seconds(call, request.source.region)
    image_id = call.store.new_id("ami")
    mappings = tuple(_mapping(call, mapping, request, image_id, seconds) for mapping in source.mappings)
    image = new_image(
        call, request.name, id=image_id, mappings=mappings, tags=request.image_tags, made_by=call.action,
        description=call.text("Description"), root_device_name=source.root_device_name,
        source_image=source.id, source_region=source.region, **traits(source),
    )  # fmt: skip
    doomed = lab.doomed(call.lab.settings.fail_copies, call.region)
    call.store.copying[call.account, call.region].add(image.id)
    call.store.at(call.now + seconds, lambda now: _finish(call, image, source, now, doomed=doomed))
    return image


def _mapping(call: Call, mapping: Mapping, request: _Request, image_id: str, seconds: float) -> Mapping:
    """A source's mapping with a new snapshot, which is pending as long as the image; a blank volume stays blank."""
    original = call.store.snapshots[request.source.region].get(mapping.snapshot_id or "")
    if original is None:
        return mapping
    seal = encryption.seal_of_copy(call, original, force=call.flag("Encrypted"))
    snapshot = new_snapshot(
        call, seconds=seconds, volume_size=original.volume_size, full_bytes=original.full_bytes, completes=False, copied=True,
        encrypted=seal.encrypted, kms_key=seal.key, tags=request.snapshot_tags, product_codes=original.product_codes,
        completion_minutes=call.number("SnapshotCopyCompletionDurationMinutes"),
        description=f"Copied for DestinationAmi {image_id} from SourceAmi {request.source.id} for SourceSnapshot {original.id}. "
        f"Task created on {int(call.now * 1000):,}.",
    )  # fmt: skip
    return replace(mapping, snapshot_id=snapshot.id, encrypted=seal.encrypted)


def _finish(call: Call, image: Image, source: Image, now: float, *, doomed: bool) -> None:
    """The keys are looked at here, not when the call came: the source's and the copy's own."""
    call.store.copying[image.owner, image.region].discard(image.id)
    snapshots = call.store.snapshots_of(image)
    reason = COPY_FAILED if doomed else _broken_key(call, source, snapshots)
    for snapshot in snapshots:
        _settle(call, snapshot, reason, now)
    if image.state is State.PENDING:  # a copy that was deregistered meanwhile leaves its snapshots behind
        image.reason = reason
        image.state = State.FAILED if reason else State.AVAILABLE


def _settle(call: Call, snapshot: Snapshot, reason: Reason | None, now: float) -> None:
    if reason is None:
        complete(call, snapshot, now)
    else:
        fail(call, snapshot, reason.message)


def _broken_key(call: Call, source: Image, snapshots: list[Snapshot]) -> Reason | None:
    new_keys = all(encryption.accessible(call.account, call.region, snapshot.kms_key, key_access.SEALING) for snapshot in snapshots)
    old_keys = all(_still_readable(call, snapshot) for snapshot in call.store.snapshots_of(source))
    return None if new_keys and old_keys else KEY_NOT_ACCESSIBLE


def _still_readable(call: Call, snapshot: Snapshot) -> bool:
    if snapshot.kms_key is None:
        return True
    info = kms.key_info(snapshot.owner, snapshot.region, snapshot.kms_key)
    return info is not None and info.enabled and key_access.admits(info, call.account, key_access.READING)


# CopySnapshot


def copy_snapshot(call: Call) -> MappingOf[str, Any]:
    source = _copyable_snapshot(call)
    (tags,) = tagging.specified(call, "snapshot")
    encryption.check_key_parameters(call)
    if call.flag("Encrypted") is False:
        raise errors.invalid_value("Value (false) for parameter encrypted is invalid. Omit it to keep the source's encryption.")
    call.confirm()
    if not _key_admits(call, source):
        raise errors.Refused("InvalidRequest", "You do not have permission to access the key of this snapshot")
    _check_snapshot_slots(call)
    seal = encryption.seal_of_copy(call, source, force=call.flag("Encrypted"))
    snapshot = new_snapshot(
        call, seconds=copy_seconds(call, source.region), volume_size=source.volume_size, full_bytes=source.full_bytes, completes=False,
        copied=True, encrypted=seal.encrypted, kms_key=seal.key, tags=tags, product_codes=source.product_codes,
        completion_minutes=call.number("CompletionDurationMinutes"), description=call.text("Description") or "",
    )  # fmt: skip
    call.store.copying_snapshots[call.account, call.region].add(snapshot.id)
    call.store.at(snapshot.due_at, lambda now: _finish_snapshot(call, snapshot, source, now))
    return {"snapshotId": snapshot.id, "tagSet": render.tag_set(tags)}


def _copyable_snapshot(call: Call) -> Snapshot:
    source_region = call.required("SourceRegion")
    _check_region(source_region)
    source = find_snapshot(call, call.required("SourceSnapshotId"), region=source_region)
    if source.state is not SnapshotState.COMPLETED:
        raise errors.Refused("IncorrectState", f"Snapshot {source.id} is in invalid state - {source.state.value}")
    return source


def _check_snapshot_slots(call: Call) -> None:
    quota = call.lab.settings.concurrent_snapshot_copies_quota
    if len(call.store.copying_snapshots[call.account, call.region]) >= quota:
        raise errors.Refused(
            "ResourceLimitExceeded", f"Too many snapshot copies in progress. The limit is {quota} for this destination region."
        )


def _finish_snapshot(call: Call, snapshot: Snapshot, source: Snapshot, now: float) -> None:
    readable = _still_readable(call, source) and encryption.accessible(call.account, call.region, snapshot.kms_key, key_access.SEALING)
    _settle(call, snapshot, None if readable else KEY_NOT_ACCESSIBLE, now)
