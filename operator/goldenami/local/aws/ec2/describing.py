"""DescribeImages: who sees what, every documented filter, pages."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from goldenami.local.aws.ec2 import errors, filters, paging, render
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.records import Image, State, iso
from goldenami.local.aws.ec2.records import Mapping as DeviceMapping
from goldenami.local.aws.ec2.visibility import check_image_id, entitled, named_in, seen

OWNER_ALIASES = frozenset({"amazon", "aws-marketplace", "aws-backup-vault"})
_ACCOUNT = re.compile(r"\d{12}")


def _devices(get: Callable[[DeviceMapping], Any]) -> Callable[[Image], Iterable[Any]]:
    return lambda image: [get(mapping) for mapping in image.shown_mappings if mapping.virtual_name is None]


def _never(_: Image) -> Iterable[Any]:
    """A filter EC2 knows, over something that no image of the lab has."""
    return ()


FIELDS: Mapping[str, Callable[[Image], Iterable[Any]]] = {
    "architecture": lambda image: [image.architecture],
    "block-device-mapping.delete-on-termination": _devices(lambda mapping: mapping.delete_on_termination),
    "block-device-mapping.device-name": lambda image: [mapping.device_name for mapping in image.mappings],
    "block-device-mapping.snapshot-id": _devices(lambda mapping: mapping.snapshot_id),
    "block-device-mapping.volume-size": _devices(lambda mapping: mapping.volume_size),
    "block-device-mapping.volume-type": _devices(lambda mapping: mapping.volume_type),
    "block-device-mapping.encrypted": _devices(lambda mapping: mapping.encrypted),
    "boot-mode": lambda image: [image.boot_mode],
    "creation-date": lambda image: [iso(image.created_at)],
    "description": lambda image: [image.description],
    "ena-support": lambda image: [bool(image.ena)],
    "free-tier-eligible": lambda _: [False],
    "hypervisor": lambda _: ["xen"],
    "image-allowed": _never,
    "image-id": lambda image: [image.id],
    "image-type": lambda _: ["machine"],
    "image-watermark.source-image-creation-time": _never,
    "image-watermark.source-image-id": _never,
    "image-watermark.source-image-region": _never,
    "image-watermark.watermark-creation-time": _never,
    "image-watermark.watermark-key": _never,
    "instance-type-specification.supported-instance-type": _never,
    "instance-type-specification.unsupported-instance-type": _never,
    "is-public": lambda image: [image.permission.public],
    "kernel-id": lambda image: [image.kernel],
    "manifest-location": lambda image: [image.location],
    "name": lambda image: [image.name],
    "owner-alias": lambda image: [image.owner_alias],
    "owner-id": lambda image: [image.owner],
    "platform": lambda image: [image.platform],
    "product-code": lambda image: image.product_codes,
    "product-code.type": lambda image: ["marketplace"] * len(image.product_codes),
    "public-ssm-parameter-name": _never,
    "ramdisk-id": lambda image: [image.ramdisk],
    "root-device-name": lambda image: [image.root_device_name],
    "root-device-type": lambda image: [image.root_device_type],
    "scan-result.critical-fix-available-since": _never,
    "scan-result.finding-scan-date": _never,
    "scan-result.high-fix-available-since": _never,
    "scan-result.highest-finding-severity-label": _never,
    "scan-result.informational-fix-available-since": _never,
    "scan-result.low-fix-available-since": _never,
    "scan-result.medium-fix-available-since": _never,
    "source-image-id": lambda image: [image.source_image],
    "source-image-region": lambda image: [image.source_region],
    "source-instance-id": lambda image: [image.source_instance],
    "sriov-net-support": lambda image: [image.sriov],
    "state": lambda image: [image.state.value],
    "state-reason-code": lambda image: [image.reason and image.reason.code],
    "state-reason-message": lambda image: [image.reason and image.reason.message],
    "virtualization-type": lambda image: [image.virtualization],
}


def describe_images(call: Call) -> render.Xml:
    """One unknown id fails the whole call; a deregistered one is left out for a while first."""
    by_id = call.texts("ImageIds")
    passes = filters.compiled(call.params.get("Filters"), FIELDS, lambda image: visible_tags(image, call.account))
    owned_by = _owner_test(call)
    executable_by = _executable_test(call)
    call.confirm()
    found, shown = (_by_id(call, by_id), _shown) if by_id else (_held(call), _listed)
    rows, token = paging.page(
        call,
        found,
        sequence=lambda image: image.sequence,
        passes=lambda image: shown(call, image) and owned_by(image) and executable_by(image) and passes(image),
    )
    return render.listing("imagesSet", [render.image_row(image, viewer=call.account, now=call.now) for image in rows], token)


def visible_tags(image: Image, account: str) -> Mapping[str, str]:
    return image.tags if image.owner == account else render.shared_tags(image.tags)


def _by_id(call: Call, image_ids: list[str]) -> list[Image]:
    for image_id in image_ids:
        check_image_id(image_id)
    held = call.store.images[call.region]
    missing = [image_id for image_id in image_ids if image_id not in held or not seen(held[image_id], call.account, call.now)]
    if missing:
        raise errors.images_not_found(missing)
    return sorted({held[image_id] for image_id in image_ids}, key=lambda image: image.sequence)


def _shown(call: Call, image: Image) -> bool:
    if image.state is State.DEREGISTERED:
        return False
    return image.state is not State.DISABLED or bool(call.flag("IncludeDisabled"))


def _held(call: Call) -> Iterable[Image]:
    """What a listing looks through."""
    only_own = call.texts("Owners") in (["self"], [call.account])
    return (call.store.owned[call.account, call.region] if only_own else call.store.images[call.region]).values()


def _listed(call: Call, image: Image) -> bool:
    """What a listing shows: not the disabled, and not the deprecated images of others, unless they are asked for."""
    return seen(image, call.account, call.now) and _shown(call, image) and _current(call, image)


def _current(call: Call, image: Image) -> bool:
    deprecated = image.deprecate_at is not None and image.deprecate_at <= call.now
    return not deprecated or image.owner == call.account or bool(call.flag("IncludeDeprecated"))


def _owner_test(call: Call) -> Callable[[Image], bool]:
    owners = {call.account if owner == "self" else owner for owner in call.texts("Owners")}
    for owner in owners:
        _check_user(owner, OWNER_ALIASES)
    if not owners:
        return lambda _: True
    return lambda image: image.owner in owners or image.owner_alias in owners


def _executable_test(call: Call) -> Callable[[Image], bool]:
    users = set(call.texts("ExecutableUsers"))
    for user in users:
        _check_user(user, frozenset({"self", "all"}))
    if not users:
        return lambda _: True
    return lambda image: any(_executable_by(image, user, call.account) for user in users)


def _executable_by(image: Image, user: str, caller: str) -> bool:
    """For oneself also through an organization or unit; for another account only where it is named, and only in one's own images."""
    if user == "all":
        return image.permission.public
    if user in {"self", caller}:
        return entitled(image, caller) and named_in(image, caller)
    return image.owner == caller and user in image.permission.users


def _check_user(user: str, words: frozenset[str]) -> None:
    if user not in words and not _ACCOUNT.fullmatch(user):
        raise errors.Refused("InvalidUserID.Malformed", f'Invalid user id: "{user}"')
