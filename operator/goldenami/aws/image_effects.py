"""Effects on images and snapshots: made, copied, tagged, deprecated, protected, enabled."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from goldenami.aws import removal_effects
from goldenami.aws.errors import AlreadyExists, name_conflict, waiting
from goldenami.aws.toolbox import Effect, Tools, chunks, given
from goldenami.aws.translate import wire_tags
from goldenami.plan import actions as do
from goldenami.plan.identity import OWNER, VERSION
from goldenami.plan.values import Image

TAGGED_A_CALL = 1000


def _tag_specifications(tags: Any) -> Any:
    """Image and snapshots carry the same tags from their first moment."""
    return [{"ResourceType": kind, "Tags": wire_tags(tags)} for kind in ("image", "snapshot")] if tags else None


def _create(tools: Tools, action: do.CreateImage) -> str:
    volumes = [
        {
            "DeviceName": volume.device_name,
            "Ebs": given(VolumeSize=volume.size_gib, VolumeType=volume.volume_type, SnapshotId=volume.snapshot_id),
        }
        for volume in action.volumes
    ]
    asked = given(
        InstanceId=action.instance_id,
        Name=action.name,
        Description=action.description,
        BlockDeviceMappings=volumes,
        TagSpecifications=_tag_specifications(action.tags),
    )
    return _made(
        tools,
        action,
        lambda: tools.calls.ec2(
            action.place, "CreateImage", lambda ec2: ec2.create_image(NoReboot=not action.reboot, **asked), about=action.instance_id
        ),
    )


def _register(tools: Tools, action: do.RegisterImage) -> str:
    root = {
        "DeviceName": action.root_device_name,
        "Ebs": {"DeleteOnTermination": True, **given(SnapshotId=action.snapshot_id, VolumeType=action.volume_type)},
    }
    asked = given(
        Name=action.name,
        Description=action.description,
        # EC2's defaults are i386 and paravirtual, which nobody means.
        Architecture=action.architecture,
        VirtualizationType="hvm",
        RootDeviceName=action.root_device_name,
        BlockDeviceMappings=[root],
        BootMode=action.boot_mode,
        TpmSupport=action.tpm_support,
        ImdsSupport=action.imds_support,
        # The snapshot is not made by this call, so only the image is tagged.
        TagSpecifications=[{"ResourceType": "image", "Tags": wire_tags(action.tags)}] if action.tags else None,
    )
    if action.ena_support:
        asked["SriovNetSupport"] = "simple"
    return _made(
        tools,
        action,
        lambda: tools.calls.ec2(
            action.place,
            "RegisterImage",
            lambda ec2: ec2.register_image(EnaSupport=action.ena_support, **asked),
            about=action.snapshot_id,
        ),
    )


def _made(tools: Tools, action: do.CreateImage | do.RegisterImage, make: Any) -> str:
    """A name that our own image of this version holds was taken by this call before: that image is the answer."""
    try:
        image_id = str(make()["ImageId"])
    except AlreadyExists:
        return _holder(tools, action)
    _fold(tools, action, image_id)
    return image_id


def _holder(tools: Tools, action: do.CreateImage | do.RegisterImage) -> str:
    holder = tools.inventory.image_named(action.place, action.name)
    operation = type(action).__name__
    if holder is None:
        raise waiting(action.place, operation, f"the name {action.name} is taken by an image that EC2 does not list yet")
    mine = (action.tags.get(OWNER), action.tags.get(VERSION))
    if mine != (holder.tags.get(OWNER), holder.tags.get(VERSION)):
        raise name_conflict(action.place, operation, action.name, holder.image_id)
    tools.holding(action.place).fold_created(holder)
    return holder.image_id


def _copy(tools: Tools, action: do.CopyImage) -> str:
    asked = given(
        Name=action.name,
        Description=action.description,
        ClientToken=action.client_token,
        SourceImageId=action.source_image_id,
        SourceRegion=action.source_region,
        KmsKeyId=action.kms_key_id,
        TagSpecifications=_tag_specifications(action.tags),
    )
    if action.kms_key_id:
        asked["Encrypted"] = True
    answer = tools.calls.ec2(action.place, "CopyImage", lambda ec2: ec2.copy_image(**asked), about=action.source_image_id)
    image_id = str(answer["ImageId"])
    if tools.holding(action.place).has_vanished(image_id):
        return _copied_before(tools, action, image_id)
    _fold(tools, action, image_id, source_image_id=action.source_image_id, source_region=action.source_region)
    return image_id


def _copied_before(tools: Tools, action: do.CopyImage, image_id: str) -> str:
    """The token still stands for an image that was removed since: it is lost, and the next attempt has another token."""
    image = tools.inventory.image(action.place, image_id) or Image(image_id, action.name, "lost", tags=dict(action.tags))
    tools.holding(action.place).fold_created(image)
    return image_id


def _fold(
    tools: Tools,
    action: do.CreateImage | do.RegisterImage | do.CopyImage,
    image_id: str,
    *,
    source_image_id: str = "",
    source_region: str = "",
) -> None:
    image = Image(
        image_id,
        action.name,
        "pending",
        owner_id=action.place.account.account_id,
        description=action.description,
        tags=dict(action.tags),
        created_epoch_seconds=tools.now(),
        source_image_id=source_image_id,
        source_region=source_region,
    )
    tools.holding(action.place).fold_created(image)
    tools.permissions(action.place).born(image_id)


def _describe(tools: Tools, action: do.SetDescription) -> str:
    tools.calls.ec2(
        action.place,
        "ModifyImageAttribute",
        lambda ec2: ec2.modify_image_attribute(ImageId=action.image_id, Description={"Value": action.description}),
        about=action.image_id,
    )
    tools.holding(action.place).fold_changed(action.image_id, lambda image: replace(image, description=action.description))
    return ""


def _tag(tools: Tools, action: do.SetTags) -> str:
    for ids in chunks(action.resource_ids, TAGGED_A_CALL):
        tools.calls.ec2(
            action.place,
            "CreateTags",
            lambda ec2, ids=ids: ec2.create_tags(Resources=list(ids), Tags=wire_tags(action.tags)),  # type: ignore[misc]  # bound per chunk
            about=", ".join(ids[:3]),
        )
    tools.fold_tags(action.place, action.resource_ids, lambda tags: {**tags, **action.tags})
    return ""


def _untag(tools: Tools, action: do.RemoveTags) -> str:
    for ids in chunks(action.resource_ids, TAGGED_A_CALL):
        tools.calls.ec2(
            action.place,
            "DeleteTags",
            lambda ec2, ids=ids: ec2.delete_tags(Resources=list(ids), Tags=[{"Key": key} for key in action.keys]),  # type: ignore[misc]
            about=", ".join(ids[:3]),
        )
    tools.fold_tags(action.place, action.resource_ids, lambda tags: {key: value for key, value in tags.items() if key not in action.keys})
    return ""


def _enable(tools: Tools, action: do.EnableImage) -> str:
    tools.calls.ec2(action.place, "EnableImage", lambda ec2: ec2.enable_image(ImageId=action.image_id), about=action.image_id)
    tools.holding(action.place).fold_changed(action.image_id, lambda image: replace(image, state="available"))
    # Disabling took all launch permissions away, by whomever it was done, and enabling gives none back.
    tools.permissions(action.place).forget(action.image_id)
    return ""


def _protect(tools: Tools, action: do.ProtectImage) -> str:
    tools.calls.ec2(
        action.place,
        "EnableImageDeregistrationProtection",
        lambda ec2: ec2.enable_image_deregistration_protection(ImageId=action.image_id, WithCooldown=action.cooldown),
        about=action.image_id,
    )
    word = "enabled-with-cooldown" if action.cooldown else "enabled-without-cooldown"
    tools.holding(action.place).fold_changed(action.image_id, lambda image: replace(image, deregistration_protection=word))
    return ""


def _unprotect(tools: Tools, action: do.UnprotectImage) -> str:
    """With a cooldown it goes on for 24 hours, which the next listing tells as `disabled after <time>`."""
    tools.calls.ec2(
        action.place,
        "DisableImageDeregistrationProtection",
        lambda ec2: ec2.disable_image_deregistration_protection(ImageId=action.image_id),
        about=action.image_id,
    )
    tools.holding(action.place).fold_changed(
        action.image_id,
        lambda image: replace(
            image,
            deregistration_protection="disabled after a cooldown"
            if image.deregistration_protection in ("enabled-with-cooldown", "disabled after a cooldown")
            else "disabled",
        ),
    )
    return ""


def _deprecate(tools: Tools, action: do.DeprecateImage) -> str:
    """EC2 rounds to the minute; the action's time is one already."""
    at = datetime.fromtimestamp(action.at_epoch_seconds, UTC)
    tools.calls.ec2(
        action.place,
        "EnableImageDeprecation",
        lambda ec2: ec2.enable_image_deprecation(ImageId=action.image_id, DeprecateAt=at),
        about=action.image_id,
    )
    _fold_deprecation(tools, action, action.at_epoch_seconds)
    return ""


def _undeprecate(tools: Tools, action: do.UndeprecateImage) -> str:
    tools.calls.ec2(
        action.place, "DisableImageDeprecation", lambda ec2: ec2.disable_image_deprecation(ImageId=action.image_id), about=action.image_id
    )
    _fold_deprecation(tools, action, 0.0)
    return ""


def _fold_deprecation(tools: Tools, action: do.DeprecateImage | do.UndeprecateImage, at: float) -> None:
    tools.holding(action.place).fold_changed(action.image_id, lambda image: replace(image, deprecation_epoch_seconds=at))


EFFECTS: dict[type[do.Action], Effect] = {
    do.CreateImage: _create,
    do.RegisterImage: _register,
    do.CopyImage: _copy,
    do.SetDescription: _describe,
    do.SetTags: _tag,
    do.AdoptImage: _tag,
    do.RemoveTags: _untag,
    do.EnableImage: _enable,
    do.ProtectImage: _protect,
    do.UnprotectImage: _unprotect,
    do.DeprecateImage: _deprecate,
    do.UndeprecateImage: _undeprecate,
    **removal_effects.EFFECTS,
}
