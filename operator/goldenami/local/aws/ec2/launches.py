"""RunInstances, TerminateInstances and CreateVolume: moto makes instances and volumes, this module decides whether they may be made, and
from what.

The image must exist for the caller, be available, and its snapshots' keys usable; otherwise EC2 refuses the call, or lets the instance die.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from goldenami.local.aws import key_access
from goldenami.local.aws.ec2 import aliases, encryption, errors, templates
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.making import completed_snapshot
from goldenami.local.aws.ec2.records import Image, State
from goldenami.local.aws.ec2.shell import Original, TemplateVersion
from goldenami.local.aws.ec2.visibility import registered_image

_BLANK_VOLUME_GIB = 8
# The disks are hung on afterwards: moto would look for their snapshots, the template's too, among its own.
PLACEHOLDER = [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": _BLANK_VOLUME_GIB}}]


def run_instances(call: Call) -> Original:
    known: Original | None = call.replay()
    if known is not None:
        return known
    parameters = dict(call.params)
    version = _template_version(call)
    data = version.data if version else {}
    image = launchable(call, _image_id(call, data))
    requested = parameters.get("BlockDeviceMappings") or data.get("BlockDeviceMappings") or ()
    disks = disks_of(call, image, requested)
    call.confirm()
    # There is always room for as many as are wanted; moto would start only as many as are needed.
    _set(call.params, ImageId=image.id, BlockDeviceMappings=PLACEHOLDER, MinCount=call.number("MaxCount") or 1)
    if version:  # moto counts versions that were deleted
        _set(call.params, LaunchTemplate={"LaunchTemplateId": version.template_id, "Version": str(version.number)})
    answer = call.shell.original()
    _set(call.params, **{"BlockDeviceMappings": None, "ImageId": None, **parameters})
    for instance in answer.result.result.instances:
        settle_instance(call, instance, image, disks)
    call.remember(answer)
    return answer


def _set(params: Mapping[str, Any], **values: Any) -> None:
    """moto reads its parameters from the same mapping."""
    assert isinstance(params, dict)
    for name, value in values.items():
        if value is None:
            params.pop(name, None)
        else:
            params[name] = value


def _template_version(call: Call) -> TemplateVersion | None:
    wanted = call.params.get("LaunchTemplate")
    return templates.named(call.shell, wanted) if wanted else None


def _image_id(call: Call, data: Mapping[str, Any]) -> str:
    """What the call names, or its launch template, read as it stands now."""
    reference = call.text("ImageId") or str(data.get("ImageId") or "")
    if not reference:
        raise errors.missing_parameter("ImageId")
    return aliases.image_of(call.account, call.region, reference)


def launchable(call: Call, image_id: str) -> Image:
    """The image by id, if the caller can launch it now. One that it is not entitled to does not exist for it."""
    image = registered_image(call, image_id)
    if image.state is not State.AVAILABLE:
        raise errors.image_unavailable(image.id, image.state.value)
    return image


def disks_of(call: Call, image: Image, requested: Any) -> list[dict[str, Any]]:
    """The image's disks with what the caller asks to be different, and the caller's own."""
    disks = {mapping.device_name: _disk_of_image(call, image, mapping) for mapping in image.mappings if mapping.virtual_name is None}
    for each in requested:
        device = str(each.get("DeviceName"))
        if each.get("NoDevice") is not None:
            disks.pop(device, None)
        elif each.get("Ebs"):
            disks[device] = _disk(call, device, {**disks.get(device, {}), **_asked(call, each["Ebs"])})
    return list(disks.values())


def _disk_of_image(call: Call, image: Image, mapping: Any) -> dict[str, Any]:
    snapshot = call.store.snapshots[image.region].get(mapping.snapshot_id or "")
    return _disk(
        call,
        mapping.device_name,
        {
            "size": mapping.volume_size, "volume_type": mapping.volume_type, "encrypted": mapping.encrypted,
            "snapshot_id": mapping.snapshot_id, "delete_on_termination": mapping.delete_on_termination,
            "iops": mapping.iops, "throughput": mapping.throughput,
            "kms_key": snapshot.kms_key if snapshot else None,
        },
    )  # fmt: skip


def _asked(call: Call, ebs: Mapping[str, Any]) -> dict[str, Any]:
    names = {
        "VolumeSize": "size", "VolumeType": "volume_type", "SnapshotId": "snapshot_id", "DeleteOnTermination": "delete_on_termination",
        "Encrypted": "encrypted", "KmsKeyId": "kms_key", "Iops": "iops", "Throughput": "throughput",
    }  # fmt: skip
    asked = {names[name]: value for name, value in ebs.items() if name in names and value is not None}
    if "snapshot_id" in asked:
        snapshot = completed_snapshot(call, str(asked["snapshot_id"]))
        asked = {"size": snapshot.volume_size, "encrypted": snapshot.encrypted, "kms_key": snapshot.kms_key, **asked}
    return asked


def _disk(call: Call, device: str, values: Mapping[str, Any]) -> dict[str, Any]:
    encrypted = bool(values.get("encrypted")) or call.settings.encrypt_by_default
    return {
        "device_name": device,
        "size": int(values.get("size") or _BLANK_VOLUME_GIB),
        "volume_type": values.get("volume_type") or "gp3",
        "encrypted": encrypted,
        "kms_key": (values.get("kms_key") or encryption.default_key(call)) if encrypted else None,
        "snapshot_id": values.get("snapshot_id"),
        "delete_on_termination": bool(values.get("delete_on_termination", True)),
        "iops": values.get("iops"),
        "throughput": values.get("throughput"),
    }


def settle_instance(call: Call, instance: Any, image: Image, disks: list[dict[str, Any]], *, launched_at: float | None = None) -> None:
    """Gives moto's fresh instance what its image has, and lets it die where a key of the image's disks cannot be used."""
    instance.image_id = image.id
    _remember_launch(call, instance, image, call.now if launched_at is None else launched_at)
    instance.architecture, instance.virtualization_type = image.architecture, image.virtualization
    instance.platform, instance.root_device_name = image.platform, image.root_device_name or "/dev/xvda"
    instance.root_device_type = image.root_device_type
    instance.product_codes = [{"ProductCodeId": code, "ProductCodeType": "marketplace"} for code in image.product_codes]
    instance.platform_details, instance.usage_operation = image.platform_details, image.usage_operation
    instance.kernel_id, instance.ramdisk_id = image.kernel, image.ramdisk
    instance.ena_support, instance.tpm_support, instance.boot_mode = image.ena, image.tpm, image.boot_mode
    boots_uefi = image.boot_mode in {"uefi", "uefi-preferred"} or image.architecture == "arm64"
    instance.current_instance_boot_mode = "uefi" if boots_uefi else "legacy-bios"
    if image.imds == "v2.0":
        instance.metadata_options.http_tokens, instance.metadata_options.http_put_response_hop_limit = "required", 2
    call.shell.replace_disks(instance, disks)
    keys = [each.kms_key for each in call.store.snapshots_of(image)]
    if not all(encryption.accessible(call.account, call.region, key, key_access.READING) for key in keys):
        instance.terminate()
        bury(call, [instance.id])
        instance.state_reason.code = "Client.InternalError"
        instance.state_reason.message = "Client.InternalError: Client error on launch"


def _remember_launch(call: Call, instance: Any, image: Image, launched_at: float) -> None:
    """LastLaunchedTime tells of a launch a day late, whoever launched it, and by what."""
    call.store.launched[instance.id] = launched_at
    instance.launch_time = datetime.fromtimestamp(launched_at, UTC).replace(tzinfo=None)  # naive UTC, as moto keeps it

    def show(now: float) -> None:  # noqa: ARG001
        image.last_launched_at = max(launched_at, image.last_launched_at or 0.0)

    call.store.at(launched_at + call.lab.settings.launched_seconds, show)


def terminate_instances(call: Call) -> Original:
    """Terminated instances are listed for an hour."""
    answer = call.shell.original()
    bury(call, call.texts("InstanceIds"))
    return answer


def bury(call: Call, instance_ids: Sequence[str]) -> None:
    """Lets terminated instances vanish from the listings when their time is over."""

    def vanish(_: float) -> None:
        call.shell.forget_instances(instance_ids)
        for instance_id in instance_ids:
            call.store.launched.pop(instance_id, None)

    call.store.at(call.now + call.lab.settings.terminated_seconds, vanish)


def create_volume(call: Call) -> Original:
    """A volume from one of our snapshots takes its size and encryption; moto never sees the snapshot."""
    snapshot_id = call.text("SnapshotId")
    if snapshot_id is None:
        if call.settings.encrypt_by_default:
            _set(call.params, Encrypted=True, KmsKeyId=call.text("KmsKeyId") or encryption.default_key(call))
        return call.shell.original()
    snapshot = completed_snapshot(call, snapshot_id)
    call.confirm()
    _set(call.params, SnapshotId=None, Size=call.number("Size") or snapshot.volume_size)
    if snapshot.encrypted:
        _set(call.params, Encrypted=True, KmsKeyId=call.text("KmsKeyId") or snapshot.kms_key)
    answer = call.shell.original()
    answer.result.result.snapshot_id = snapshot.id
    return answer
