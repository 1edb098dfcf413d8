"""XML as EC2 writes it: whole answers, errors, and the rows of images and snapshots.

Rows are written by hand and kept on their record, because a listing of a thousand images must not walk a model a thousand times.
"""

from collections.abc import Mapping as MappingOf
from collections.abc import Sequence
from datetime import datetime
from html import escape
from typing import Any
from uuid import uuid4

from goldenami.local.aws.ec2.errors import Refused
from goldenami.local.aws.ec2.records import Image, Mapping, Snapshot, SnapshotState, iso

NAMESPACE = "http://ec2.amazonaws.com/doc/2016-11-15/"
SHARED_TAG_PREFIX = "ec2:SharedTag/"


class Xml(str):
    """Text that is XML already."""

    __slots__ = ()


def document(action: str, answer: "MappingOf[str, Any] | Xml") -> str:
    """The body of a successful answer; names in `answer` are the wire's (`imageId`), lists become `<item>`s."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<{action}Response xmlns="{NAMESPACE}"><requestId>{uuid4()}</requestId>'
        f"{_content(answer)}</{action}Response>"
    )


def error_document(refused: Refused) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<Response><Errors><Error>'
        f"<Code>{escape(refused.code, quote=False)}</Code><Message>{escape(refused.message, quote=False)}</Message>"
        f"</Error></Errors><RequestID>{uuid4()}</RequestID></Response>"
    )


def element(name: str, value: Any) -> str:
    """Nothing at all for None."""
    return "" if value is None else f"<{name}>{_content(value)}</{name}>"


def elements(**values: Any) -> Xml:
    return Xml("".join([element(name, value) for name, value in values.items()]))


def _content(value: Any) -> str:
    if isinstance(value, Xml):
        return value
    if isinstance(value, str):
        return escape(value, quote=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    if isinstance(value, MappingOf):
        return "".join([element(name, each) for name, each in value.items()])
    if isinstance(value, list | tuple):
        return "".join([element("item", each) for each in value])
    return str(value)


def listing(name: str, rows: Sequence[str], next_token: str | None) -> Xml:
    """The answer of a Describe call from rendered rows."""
    return Xml(f"<{name}>{''.join(rows)}</{name}>{element('nextToken', next_token)}")


def tag_set(tags: MappingOf[str, str]) -> Xml | None:
    return Xml("".join([f"<item>{elements(key=key, value=value)}</item>" for key, value in tags.items()])) if tags else None


def image_row(image: Image, *, viewer: str, now: float) -> str:
    """An image as `viewer` sees it: others see neither its tags, but the shared ones, nor when it was launched."""
    owner = viewer == image.owner
    key = "owner" if owner else "other"
    row = image.rows.get(key)
    if row is None:
        row = f"<item>{_image(image, owner=owner, now=now)}</item>"
        if image.cooldown_until is None or now >= image.cooldown_until:  # its protection reads otherwise when the cooldown ends
            image.rows[key] = row
    return row


def _image(image: Image, *, owner: bool, now: float) -> str:
    return elements(
        imageId=image.id,
        imageLocation=image.location,
        imageState=image.state.value,
        imageOwnerId=image.owner,
        creationDate=iso(image.created_at),
        isPublic=image.permission.public,
        productCodes=_product_codes(image.product_codes),
        architecture=image.architecture,
        imageType="machine",
        kernelId=image.kernel,
        ramdiskId=image.ramdisk,
        platform=image.platform,
        platformDetails=image.platform_details,
        usageOperation=image.usage_operation,
        blockDeviceMapping=[block_device(mapping) for mapping in image.shown_mappings],
        description=image.description,
        enaSupport=image.ena,
        freeTierEligible=False,
        hypervisor="xen",
        imageOwnerAlias=image.owner_alias,
        name=image.name,
        rootDeviceName=image.root_device_name,
        rootDeviceType=image.root_device_type,
        sriovNetSupport=image.sriov,
        stateReason=None if image.reason is None else {"code": image.reason.code, "message": image.reason.message},
        tagSet=tag_set(image.tags if owner else shared_tags(image.tags)),
        virtualizationType=image.virtualization,
        bootMode=image.boot_mode,
        tpmSupport=image.tpm,
        imdsSupport=image.imds,
        deprecationTime=None if image.deprecate_at is None else iso(image.deprecate_at),
        deregistrationProtection=image.protection_at(now),
        sourceInstanceId=image.source_instance,
        sourceImageId=image.source_image,
        sourceImageRegion=image.source_region,
        lastLaunchedTime=iso(image.last_launched_at) if owner and image.last_launched_at is not None else None,
    )


def shared_tags(tags: MappingOf[str, str]) -> dict[str, str]:
    """The tags that whoever may launch an image can read."""
    return {key: value for key, value in tags.items() if key.startswith(SHARED_TAG_PREFIX)}


def _product_codes(codes: tuple[str, ...]) -> list[dict[str, str]] | None:
    return [{"productCode": code, "type": "marketplace"} for code in codes] or None


def block_device(mapping: Mapping) -> dict[str, Any]:
    if mapping.virtual_name is not None:
        return {"deviceName": mapping.device_name, "virtualName": mapping.virtual_name}
    return {
        "deviceName": mapping.device_name,
        "ebs": elements(
            deleteOnTermination=mapping.delete_on_termination,
            iops=mapping.iops,
            snapshotId=mapping.snapshot_id,
            volumeSize=mapping.volume_size,
            volumeType=mapping.volume_type,
            throughput=mapping.throughput,
            encrypted=mapping.encrypted,
        ),
    }


def snapshot_row(snapshot: Snapshot, *, viewer: str, now: float) -> str:
    key = "owner" if viewer == snapshot.owner else "other"
    row = snapshot.rows.get(key)
    if row is None:
        row = f"<item>{snapshot_content(snapshot, viewer=viewer, now=now)}</item>"
        if snapshot.state is not SnapshotState.PENDING:  # a pending one's progress moves with the clock
            snapshot.rows[key] = row
    return row


def progress(snapshot: Snapshot, now: float) -> str:
    """Rises with the clock from 0% to 99%; 100% is for completed ones."""
    if snapshot.state is SnapshotState.COMPLETED:
        return "100%"
    span = max(snapshot.due_at - snapshot.started_at, 0.001)
    return f"{min(99, int(100 * max(0.0, now - snapshot.started_at) / span))}%"


def snapshot_content(snapshot: Snapshot, *, viewer: str, now: float) -> Xml:
    completed = snapshot.state is SnapshotState.COMPLETED
    return elements(
        snapshotId=snapshot.id,
        volumeId=snapshot.volume_id,
        status=snapshot.state.value,
        statusMessage=snapshot.state_message,
        startTime=iso(snapshot.started_at),
        progress=progress(snapshot, now),
        ownerId=snapshot.owner,
        ownerAlias=snapshot.owner_alias,
        description=snapshot.description,
        volumeSize=snapshot.volume_size,
        encrypted=snapshot.encrypted,
        kmsKeyId=snapshot.kms_key,
        tagSet=tag_set(snapshot.tags) if viewer == snapshot.owner else None,
        storageTier="standard",
        transferType=transfer_type(snapshot),
        completionDurationMinutes=snapshot.completion_minutes,
        completionTime=iso(snapshot.completed_at) if snapshot.completed_at is not None else None,
        fullSnapshotSizeInBytes=snapshot.full_bytes if completed else None,
    )


def transfer_type(snapshot: Snapshot) -> str | None:
    """Only copies have one."""
    if not snapshot.copied:
        return None
    return "standard" if snapshot.completion_minutes is None else "time-based"
