"""CreateImage and RegisterImage: an image from an instance, or from snapshots that exist."""

import re
from collections.abc import Mapping as MappingOf
from dataclasses import replace
from typing import Any

from goldenami.local.aws.ec2 import errors, tagging
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.records import INSTANCE_TERMINATED, Image, Mapping, Snapshot, SnapshotState, State
from goldenami.local.aws.ec2.shell import Disk, Instance
from goldenami.local.aws.ec2.snapshots import key_of, new_snapshot
from goldenami.local.aws.ec2.visibility import find_snapshot

_NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")
_INSTANCE_ID = re.compile(r"i-(?:[0-9a-f]{8}|[0-9a-f]{17})")


def checked_name(call: Call) -> str:
    """The name of what is made; the description is checked with it."""
    name = call.required("Name")
    if not _NAME.fullmatch(name):
        raise errors.Refused(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, "
            "'(', ')', '[', ']', ' ', '.', '/', '-', ''', '@' and '_'",
        )
    check_description(call.text("Description"))
    return name


def check_description(text: str | None) -> None:
    """Raises InvalidParameterValue: seen with CreateImage and ModifyImageAttribute, and taken to be so wherever an image is described."""
    if text is not None and not text.isascii():
        raise errors.invalid_value(f"Value ({text}) for parameter description is invalid. Character sets beyond ASCII are not supported.")


def _free_name(call: Call) -> str:
    """Names are unique among an account's images of a region, except that CopyImage does not look."""
    name = checked_name(call)
    holder = call.store.holder_of_name(call.account, call.region, name)
    if holder is not None:
        raise errors.Refused("InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {holder.id}")
    return name


def new_image(call: Call, name: str, **fields: Any) -> Image:
    """A pending image of the caller, in the store."""
    image = Image(
        id=fields.pop("id", None) or call.store.new_id("ami"),
        owner=call.account,
        region=call.region,
        sequence=call.store.next_sequence(),
        name=name,
        created_at=call.now,
        visible_at=call.now + call.lab.settings.list_lag_seconds,
        location=fields.pop("location", None) or f"{call.account}/{name}",
        **fields,
    )
    call.store.add_image(image)
    return image


def becomes_available(call: Call, image: Image) -> None:
    """Lets a new image finish after the lab's `image_seconds`; it fails if the instance it is made of is gone by then."""

    def finish(now: float) -> None:  # noqa: ARG001
        if image.state is State.PENDING:
            instance = None if image.source_instance is None else call.shell.instance(image.source_instance)
            image.reason = INSTANCE_TERMINATED if instance is not None and instance.state == "terminated" else None
            image.state = State.AVAILABLE if image.reason is None else State.FAILED

    call.store.at(call.now + call.lab.settings.image_seconds, finish)


# CreateImage


def create_image(call: Call) -> MappingOf[str, Any]:
    instance = _source_instance(call)
    name = _free_name(call)
    image_tags, snapshot_tags = tagging.specified(call, "image", "snapshot")
    requested = {str(each.get("DeviceName")): each for each in call.params.get("BlockDeviceMappings") or ()}
    for disk in instance.disks:
        _check_unchanged(requested.get(disk.device_name), disk)
    extra = [_extra(call, each) for device, each in requested.items() if device not in {disk.device_name for disk in instance.disks}]
    call.confirm()
    image_id = call.store.new_id("ami")
    taken = [_taken(call, disk, requested.get(disk.device_name), image_id, instance, snapshot_tags) for disk in instance.disks]
    image = new_image(
        call, name, id=image_id, mappings=(*(each for each in taken if each), *(each for each in extra if each)), tags=image_tags,
        description=call.text("Description"), no_reboot=bool(call.flag("NoReboot")), source_instance=instance.id, made_by=call.action,
        root_device_name=instance.root_device_name, **_inherited(call, instance),
    )  # fmt: skip
    becomes_available(call, image)
    return {"imageId": image.id}


def _source_instance(call: Call) -> Instance:
    instance_id = call.required("InstanceId")
    if not _INSTANCE_ID.fullmatch(instance_id):
        raise errors.Refused("InvalidInstanceID.Malformed", f'Invalid id: "{instance_id}"')
    instance = call.shell.instance(instance_id)
    if instance is None:
        raise errors.Refused("InvalidInstanceID.NotFound", f"The instance ID '{instance_id}' does not exist")
    if instance.state not in {"running", "stopped"}:
        raise errors.Refused("IncorrectState", f"Instance '{instance_id}' is not 'running' or 'stopped'.")
    return instance


def _inherited(call: Call, instance: Instance) -> dict[str, Any]:
    """What a new image keeps from the image its instance was launched from."""
    parent = call.store.images[call.region].get(instance.image_id)
    if parent is None:
        return {"architecture": instance.architecture, "ena": True}
    return {
        "source_image": parent.id,
        "source_region": call.region,
        **traits(parent),
    }


def traits(image: Image) -> dict[str, Any]:
    """What belongs to the software in an image, and stays with whatever is made from it."""
    names = (
        "architecture", "boot_mode", "tpm", "imds", "ena", "sriov", "virtualization", "root_device_type", "platform", "platform_details",
        "usage_operation", "product_codes", "billing_products", "kernel", "ramdisk", "uefi_data",
    )  # fmt: skip
    return {name: getattr(image, name) for name in names}


def _check_unchanged(requested: MappingOf[str, Any] | None, disk: Disk) -> None:
    """Of a volume that the instance has, only DeleteOnTermination can be changed."""
    ebs = (requested or {}).get("Ebs") or {}
    encrypted = ebs.get("Encrypted")
    if ebs.get("VolumeSize") not in (None, disk.volume.size):
        raise errors.Refused("InvalidBlockDeviceMapping", f"The volume size of {disk.device_name} cannot be changed when creating an image")
    if ebs.get("KmsKeyId") or (encrypted is not None and bool(encrypted) != disk.volume.encrypted):
        raise errors.Refused("InvalidBlockDeviceMapping", f"The encryption of {disk.device_name} cannot be changed when creating an image")


def _extra(call: Call, requested: MappingOf[str, Any]) -> Mapping | None:
    """A volume that the instance does not have: blank, or from a snapshot that exists."""
    if requested.get("NoDevice") is not None:
        return None
    return mapping_of(call, requested)


def mapping_of(call: Call, requested: MappingOf[str, Any]) -> Mapping:
    """A mapping as a caller asks for it. Raises where its snapshot is missing, unfinished, or larger than the volume."""
    device = str(requested.get("DeviceName") or "")
    if requested.get("VirtualName"):
        return Mapping(device, virtual_name=str(requested["VirtualName"]))
    ebs = requested.get("Ebs") or {}
    snapshot_id, size = ebs.get("SnapshotId"), ebs.get("VolumeSize")
    snapshot = None if snapshot_id is None else completed_snapshot(call, str(snapshot_id))
    if snapshot is not None and ebs.get("Encrypted") is not None:
        raise errors.invalid_combination("The parameter encrypted cannot be used with the parameter snapshotId: the snapshot decides")
    if snapshot is None and size is None:
        raise errors.Refused("InvalidBlockDeviceMapping", f"The mapping of {device} needs a snapshot or a volume size")
    if snapshot is not None and size is not None and int(size) < snapshot.volume_size:
        raise errors.Refused(
            "InvalidBlockDeviceMapping",
            f"Volume of size {size}GB is smaller than snapshot '{snapshot.id}', expect size >= {snapshot.volume_size}GB",
        )
    delete = ebs.get("DeleteOnTermination")
    return Mapping(
        device_name=device,
        snapshot_id=snapshot_id,
        volume_size=int(size) if size is not None else snapshot.volume_size if snapshot else None,
        volume_type=str(ebs.get("VolumeType") or "gp2"),
        delete_on_termination=True if delete is None else bool(delete),
        encrypted=snapshot.encrypted if snapshot else bool(ebs.get("Encrypted")),
        iops=ebs.get("Iops"),
        throughput=ebs.get("Throughput"),
    )


def completed_snapshot(call: Call, snapshot_id: str) -> Snapshot:
    snapshot = find_snapshot(call, snapshot_id)
    if snapshot.state is not SnapshotState.COMPLETED:
        raise errors.Refused("IncorrectState", f"Snapshot {snapshot.id} is in invalid state - {snapshot.state.value}")
    return snapshot


def _taken(
    call: Call, disk: Disk, requested: MappingOf[str, Any] | None, image_id: str, instance: Instance, tags: MappingOf[str, str]
) -> Mapping | None:
    """The mapping of an instance's disk, with the snapshot that is taken of it."""
    if requested is not None and requested.get("NoDevice") is not None:
        return None
    volume = disk.volume
    snapshot = new_snapshot(
        call, seconds=call.lab.settings.image_seconds, volume_id=volume.id, volume_size=volume.size, encrypted=volume.encrypted,
        kms_key=key_of(call, volume), tags=tags, description=f"Created by CreateImage({instance.id}) for {image_id}",
    )  # fmt: skip
    mapping = Mapping(
        disk.device_name, snapshot.id, volume.size, volume.volume_type, disk.delete_on_termination, volume.encrypted, volume.iops,
        volume.throughput,
    )  # fmt: skip
    asked = ((requested or {}).get("Ebs") or {}).get("DeleteOnTermination")
    return mapping if asked is None else replace(mapping, delete_on_termination=bool(asked))


# RegisterImage


def register_image(call: Call) -> MappingOf[str, Any]:
    """Architecture and virtualization type are i386 and paravirtual where the caller does not say otherwise, and there is no ENA."""
    name = _free_name(call)
    (tags,) = tagging.specified(call, "image")
    mappings = tuple(_extra_mappings(call))
    root = call.text("RootDeviceName") or "/dev/sda1"
    _check_root(call, root, mappings)
    _check_boot(call)
    call.confirm()
    image = new_image(
        call, name, tags=tags, mappings=mappings, root_device_name=root, description=call.text("Description"), made_by=call.action,
        architecture=call.text("Architecture") or "i386", virtualization=call.text("VirtualizationType") or "paravirtual",
        boot_mode=call.text("BootMode"), tpm=call.text("TpmSupport"), imds=call.text("ImdsSupport"), ena=call.flag("EnaSupport"),
        sriov=call.text("SriovNetSupport"), kernel=call.text("KernelId"), ramdisk=call.text("RamdiskId"), uefi_data=call.text("UefiData"),
        root_device_type="ebs" if mappings else "instance-store", location=call.text("ImageLocation"),
        billing_products=tuple(call.texts("BillingProducts")), product_codes=_codes_of(call, mappings),
    )  # fmt: skip
    becomes_available(call, image)
    return {"imageId": image.id}


def _extra_mappings(call: Call) -> list[Mapping]:
    return [mapping_of(call, each) for each in call.params.get("BlockDeviceMappings") or () if each.get("NoDevice") is None]


def _check_root(call: Call, root: str, mappings: tuple[Mapping, ...]) -> None:
    if not mappings:
        if call.text("ImageLocation") is None:
            raise errors.missing_parameter("ImageLocation or BlockDeviceMappings")
        return
    found = next((mapping for mapping in mappings if mapping.device_name == root), None)
    if found is None or found.snapshot_id is None:
        raise errors.Refused("InvalidBlockDeviceMapping", f"The root device {root} needs a mapping with a snapshot")


def _check_boot(call: Call) -> None:
    if call.text("TpmSupport") and call.text("BootMode") != "uefi":
        raise errors.invalid_combination("TpmSupport v2.0 requires the boot mode uefi")
    if call.text("TpmSupport") not in (None, "v2.0"):
        raise errors.invalid_value(f"Value ({call.text('TpmSupport')}) for parameter TpmSupport is invalid: v2.0 is expected")
    if call.text("ImdsSupport") not in (None, "v2.0"):
        raise errors.invalid_value(f"Value ({call.text('ImdsSupport')}) for parameter ImdsSupport is invalid: v2.0 is expected")


def _codes_of(call: Call, mappings: tuple[Mapping, ...]) -> tuple[str, ...]:
    """Product codes stay with the data: an image has those of its snapshots."""
    held = call.store.snapshots[call.region]
    codes = [code for mapping in mappings if mapping.snapshot_id in held for code in held[str(mapping.snapshot_id)].product_codes]
    return tuple(dict.fromkeys(codes))
