"""VM Import: ImportSnapshot and ImportImage, their tasks, and CancelImportTask.

A task runs on the lab's clock, then ends as completed, or as deleted where it failed or was cancelled: EC2 has no other word for a failure.
S3 is not looked at: a disk that is named is taken to be there and to be sound, unless the lab is told to let the next imports fail.
TagSpecifications tag the task and nothing else; what it makes has no tags, which is the harsher reading for whoever has to find it again.
Sources: EC2 API reference and VM Import/Export user guide. Assumed: the code for a task that cannot be cancelled any more.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from goldenami.local.aws import lab
from goldenami.local.aws.ec2 import encryption, errors, filters, paging, render, tagging
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.making import new_image
from goldenami.local.aws.ec2.records import ImportedDisk, ImportTask, State
from goldenami.local.aws.ec2.records import Mapping as DeviceMapping
from goldenami.local.aws.ec2.snapshots import GIB, complete, new_snapshot
from goldenami.local.aws.ec2.visibility import find_snapshot

SNAPSHOT, IMAGE = "import-snap", "import-ami"
SNAPSHOT_FORMATS = frozenset({"VHD", "VMDK", "RAW"})
IMAGE_FORMATS = SNAPSHOT_FORMATS | {"OVA", "VHDX"}
VOLUME_GIB = 8
KEPT_SECONDS = 7 * 86400  # tasks are described for so long after they ended (VM Import/Export user guide)
SNAPSHOT_STAGES = ("pending", "downloading/converting", "completing")
IMAGE_STAGES = ("pending", "converting", "updating", "booting", "preparing ami")
_TASK_ID = re.compile(r"import-(?:snap|ami)-(?:[0-9a-z]{8}|[0-9a-f]{17})")

# Asking


def import_snapshot(call: Call) -> render.Xml:
    """The snapshot that comes of it is described as made by the service: the caller's words stay on the task."""
    known: render.Xml | None = call.replay()
    if known is not None:
        return known
    disk = _disk(call, call.params.get("DiskContainer") or {}, SNAPSHOT_FORMATS)
    encryption.check_key_parameters(call)
    (tags,) = tagging.specified(call, "import-snapshot-task")
    call.confirm()
    task = _begun(call, SNAPSHOT, [disk], tags, seconds=call.lab.settings.import_seconds)
    answer = render.Xml(_snapshot_row(call, task))
    call.remember(answer)
    return answer


def import_image(call: Call) -> render.Xml:
    known: render.Xml | None = call.replay()
    if known is not None:
        return known
    disks = [_disk(call, each, IMAGE_FORMATS) for each in call.params.get("DiskContainers") or ()]
    if not disks:
        raise errors.missing_parameter("DiskContainers")
    for name, allowed in (("Architecture", {"i386", "x86_64"}), ("Platform", {"Windows", "Linux"}), ("Hypervisor", {"xen"})):
        if call.text(name) not in {None, *allowed}:
            raise errors.invalid_value(f"Value ({call.text(name)}) for parameter {name} is invalid: one of {sorted(allowed)} is expected")
    encryption.check_key_parameters(call)
    (tags,) = tagging.specified(call, "import-image-task")
    call.confirm()
    task = _begun(call, IMAGE, disks, tags, seconds=call.lab.settings.import_seconds)
    answer = render.Xml(_image_row(call, task))
    call.remember(answer)
    return answer


def _disk(call: Call, container: Mapping[str, Any], formats: frozenset[str]) -> ImportedDisk:
    bucket = container.get("UserBucket") or {}
    disk = ImportedDisk(
        format=str(container.get("Format") or "").upper(), url=container.get("Url"), bucket=bucket.get("S3Bucket"), key=bucket.get("S3Key"),
        snapshot_id=container.get("SnapshotId"), description=container.get("Description"), device_name=container.get("DeviceName"),
    )  # fmt: skip
    if disk.snapshot_id is not None:
        find_snapshot(call, str(disk.snapshot_id))
        return disk
    if not disk.url and not (disk.bucket and disk.key):
        raise errors.missing_parameter("UserBucket or Url")
    if disk.format and disk.format not in formats:
        raise errors.Refused(
            "InvalidFormat", f"The disk format {disk.format} is not supported: one of {', '.join(sorted(formats))} is expected"
        )
    return disk


def _begun(call: Call, prefix: str, disks: Sequence[ImportedDisk], tags: Mapping[str, str], *, seconds: float) -> ImportTask:
    encrypted = bool(call.flag("Encrypted")) or call.settings.encrypt_by_default
    key = call.text("KmsKeyId")
    task = ImportTask(
        id=call.store.new_id(prefix), owner=call.account, region=call.region, sequence=call.store.next_sequence(), started_at=call.now,
        due_at=call.now + seconds, visible_at=call.now + call.lab.settings.list_lag_seconds, disks=tuple(disks), tags=tags,
        description=call.text("Description"), encrypted=encrypted,
        kms_key=(encryption.resolved(call, key) if key else encryption.default_key(call)) if encrypted else None,
        architecture=call.text("Architecture") or "x86_64", platform=call.text("Platform") or "Linux", boot_mode=call.text("BootMode"),
        license_type=call.text("LicenseType"), usage_operation=call.text("UsageOperation"),
    )  # fmt: skip
    call.store.imports[call.account, call.region][task.id] = task
    doomed = lab.doomed(call.lab.settings.fail_imports, call.region)
    call.store.at(task.due_at, lambda now: _finish(replace(call, now=now), task, doomed=doomed))
    return task


def _finish(call: Call, task: ImportTask, *, doomed: bool) -> None:
    """Makes what was asked for; or fails, as the lab was told to let it."""
    if task.state != "active":
        return
    if doomed:
        task.message = "ClientError: ImportedDisk validation failed [Unsupported VMDK File Format]"
        _ended(call, task, "deleted")
        return
    task.snapshot_ids = tuple(_snapshot_of(call, task, disk) for disk in task.disks)
    task.image_id = _image_of(call, task) if task.id.startswith(IMAGE) else None
    _ended(call, task, "completed")


def _ended(call: Call, task: ImportTask, state: str) -> None:
    task.state = state
    call.store.at(call.now + KEPT_SECONDS, lambda _: _forgotten(call, task))


def _forgotten(call: Call, task: ImportTask) -> None:
    call.store.imports[task.owner, task.region].pop(task.id, None)


def _snapshot_of(call: Call, task: ImportTask, disk: ImportedDisk) -> str:
    """With the service's own description, and without any tag. Source: aws/aws-sdk issue 762, boto/boto3 issue 2286."""
    size = VOLUME_GIB if disk.snapshot_id is None else find_snapshot(call, disk.snapshot_id).volume_size
    snapshot = new_snapshot(
        call, seconds=0.0, volume_size=size, encrypted=task.encrypted, kms_key=task.kms_key, completes=False,
        description=f"Created by AWS-VMImport service for {task.id}",
    )  # fmt: skip
    complete(call, snapshot, call.now)
    return snapshot.id


def _image_of(call: Call, task: ImportTask) -> str:
    """An image is named as its task."""
    windows = task.platform == "Windows"
    devices = [disk.device_name or f"/dev/sd{'abcdefghijklmnopqrstuvwxyz'[place]}" for place, disk in enumerate(task.disks)]
    devices[0] = "/dev/sda1"
    held = call.store.snapshots[call.region]
    image = new_image(
        call, task.id, description=f"AWS-VMImport service: {task.platform}", made_by="ImportImage", architecture=task.architecture,
        boot_mode=task.boot_mode, root_device_name=devices[0], platform="windows" if windows else None,
        platform_details="Windows" if windows else "Linux/UNIX", usage_operation=task.usage_operation or "RunInstances",
        mappings=tuple(
            DeviceMapping(device, snapshot_id, held[snapshot_id].volume_size, "gp2", encrypted=task.encrypted)
            for device, snapshot_id in zip(devices, task.snapshot_ids, strict=True)
        ),
    )  # fmt: skip
    image.state = State.AVAILABLE
    return image.id


# Cancelling


def cancel_import_task(call: Call) -> Mapping[str, Any]:
    """A task that is active is being deleted from then on, and what it had begun goes with it."""
    task = find_task(call, call.required("ImportTaskId"))
    reason = call.text("CancelReason")
    call.confirm()
    if task.state != "active":
        raise errors.Refused("IncorrectState", f"The import task {task.id} is {task.state} and cannot be cancelled.")
    task.state, task.message = "deleting", reason or "Cancelled by the user"
    call.store.at(call.now + call.lab.settings.import_cancel_seconds, lambda now: _ended(replace(call, now=now), task, "deleted"))
    return {"importTaskId": task.id, "previousState": "active", "state": task.state}


# Reading

FIELDS: Mapping[str, Callable[[ImportTask], Iterable[Any]]] = {"task-state": lambda task: [task.state]}


def describe_import_snapshot_tasks(call: Call) -> render.Xml:
    return _listing(call, SNAPSHOT, "importSnapshotTaskSet", _snapshot_row)


def describe_import_image_tasks(call: Call) -> render.Xml:
    return _listing(call, IMAGE, "importImageTaskSet", _image_row)


def _listing(call: Call, prefix: str, name: str, row: Callable[[Call, ImportTask], str]) -> render.Xml:
    passes = filters.compiled(call.params.get("Filters"), FIELDS, lambda task: task.tags)
    named = [find_task(call, task_id) for task_id in dict.fromkeys(call.texts("ImportTaskIds"))]
    call.confirm()
    found = sorted(named, key=lambda task: task.sequence) or call.store.imports[call.account, call.region].values()

    def wanted(task: ImportTask) -> bool:
        return task.id.startswith(prefix) and call.now >= task.visible_at and passes(task)

    shown, token = paging.page(call, found, sequence=lambda task: task.sequence, passes=wanted)
    return render.listing(name, [f"<item>{row(call, task)}</item>" for task in shown], token)


def find_task(call: Call, task_id: str) -> ImportTask:
    """Codes: EC2's table of errors has these two for conversion tasks, and answers with them for import tasks, too."""
    if not _TASK_ID.fullmatch(task_id):
        raise errors.Refused("InvalidConversionTaskId.Malformed", f"The task ID ({task_id}) is malformed")
    task = call.store.imports[call.account, call.region].get(task_id)
    if task is None or call.now < task.visible_at:
        raise errors.Refused("InvalidConversionTaskId", f"The task ID ({task_id}) does not exist")
    return task


def _snapshot_row(call: Call, task: ImportTask) -> render.Xml:
    detail = render.elements(
        **_part(task, 0), encrypted=task.encrypted, kmsKeyId=task.kms_key, status=task.state, **_advance(call, task, SNAPSHOT_STAGES)
    )
    return render.elements(description=task.description, importTaskId=task.id, snapshotTaskDetail=detail, tagSet=render.tag_set(task.tags))


def _image_row(call: Call, task: ImportTask) -> render.Xml:
    parts = [{**_part(task, place), "deviceName": disk.device_name, "status": task.state} for place, disk in enumerate(task.disks)]
    return render.elements(
        architecture=task.architecture, description=task.description, encrypted=task.encrypted, imageId=task.image_id, importTaskId=task.id,
        kmsKeyId=task.kms_key, licenseType=task.license_type, platform=task.platform, snapshotDetailSet=parts, status=task.state,
        usageOperation=task.usage_operation, bootMode=task.boot_mode, tagSet=render.tag_set(task.tags),
        **_advance(call, task, IMAGE_STAGES),
    )  # fmt: skip


def _part(task: ImportTask, place: int) -> dict[str, Any]:
    """One disk. Its size is told in bytes, whatever the reference says of GiB, and is 0 before it was read."""
    disk = task.disks[place]
    bucket = {"s3Bucket": disk.bucket, "s3Key": disk.key} if disk.bucket else None
    return {
        "description": disk.description,
        "diskImageSize": float(VOLUME_GIB * GIB) if task.snapshot_ids else 0.0,
        "format": disk.format or None,
        "snapshotId": task.snapshot_ids[place] if task.snapshot_ids else None,
        "url": disk.url,
        "userBucket": bucket,
    }


def _advance(call: Call, task: ImportTask, stages: Sequence[str]) -> dict[str, Any]:
    """How far an active task is; of one that ended in another way than it should, why."""
    if task.state != "active":
        return {"statusMessage": task.message}
    share = min(0.99, max(0.0, (call.now - task.started_at) / max(task.due_at - task.started_at, 0.001)))
    return {"progress": str(max(1, int(100 * share))), "statusMessage": stages[int(share * len(stages))]}
