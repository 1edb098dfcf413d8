"""ModifyImageAttribute and DescribeImageAttribute: one image, one attribute per call."""

from collections.abc import Callable, Mapping
from typing import Any

from goldenami.local.aws.ec2 import errors, permissions
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.making import check_description
from goldenami.local.aws.ec2.records import Image, iso
from goldenami.local.aws.ec2.visibility import own_available_image, registered_image

_LAUNCH_PERMISSION = ("LaunchPermission", "UserIds", "UserGroups", "OrganizationArns", "OrganizationalUnitArns")


def modify_image_attribute(call: Call) -> Mapping[str, Any]:
    image = own_available_image(call)
    _CHANGES[_attribute(call)](call, image)
    return {"return": True}


def _attribute(call: Call) -> str:
    """The one attribute that the call is about."""
    named = {
        "description": call.params.get("Description") is not None,
        "imdsSupport": call.params.get("ImdsSupport") is not None,
        "launchPermission": any(call.params.get(parameter) for parameter in _LAUNCH_PERMISSION),
    }
    meant = {name for name, present in named.items() if present} | ({str(call.text("Attribute"))} if call.text("Attribute") else set())
    if len(meant) != 1:
        raise errors.invalid_combination("Fields for multiple attribute types specified" if meant else "No attributes specified.")
    attribute = meant.pop()
    if attribute not in _CHANGES:
        raise errors.invalid_value(f"Value ({attribute}) for parameter attribute is invalid. Unknown attribute.")
    return attribute


def _describe(call: Call, image: Image) -> None:
    text = _value(call, "Description")
    check_description(text)
    call.confirm()
    image.description = text


def _demand_imds(call: Call, image: Image) -> None:
    """v2.0 cannot be taken back."""
    value = _value(call, "ImdsSupport")
    if value != "v2.0":
        raise errors.invalid_value(f"Value ({value}) for parameter imdsSupport is invalid: v2.0 is expected")
    call.confirm()
    image.imds = value


def _value(call: Call, parameter: str) -> str | None:
    struct = call.params.get(parameter)
    value = struct.get("Value") if isinstance(struct, Mapping) else call.params.get("Value")
    return None if value is None else str(value)


_CHANGES: Mapping[str, Callable[[Call, Image], None]] = {
    "launchPermission": permissions.change_permission,
    "description": _describe,
    "imdsSupport": _demand_imds,
}

_OWNERS_ONLY = frozenset({"launchPermission", "uefiData", "lastLaunchedTime", "deregistrationProtection"})

_READS: Mapping[str, Callable[[Image, float], Mapping[str, Any]]] = {
    "launchPermission": lambda image, _: {"launchPermission": permissions.listed(image.permission)},
    "productCodes": lambda image, _: {"productCodes": [{"productCode": code, "type": "marketplace"} for code in image.product_codes]},
    "description": lambda image, _: _single("description", image.description),
    "kernel": lambda image, _: _single("kernel", image.kernel),
    "ramdisk": lambda image, _: _single("ramdisk", image.ramdisk),
    "sriovNetSupport": lambda image, _: _single("sriovNetSupport", image.sriov),
    "bootMode": lambda image, _: _single("bootMode", image.boot_mode),
    "tpmSupport": lambda image, _: _single("tpmSupport", image.tpm),
    "uefiData": lambda image, _: _single("uefiData", image.uefi_data),
    "imdsSupport": lambda image, _: _single("imdsSupport", image.imds),
    "lastLaunchedTime": lambda image, _: _single("lastLaunchedTime", image.last_launched_at and iso(image.last_launched_at)),
    "deregistrationProtection": lambda image, now: _single("deregistrationProtection", image.protection_at(now)),
}


def _single(name: str, value: Any) -> dict[str, Any]:
    return {name: {} if value is None else {"value": value}}


def describe_image_attribute(call: Call) -> Mapping[str, Any]:
    attribute = call.required("Attribute")
    image = registered_image(call, call.required("ImageId"))
    if attribute == "blockDeviceMapping":
        raise errors.Refused("AuthFailure", "Unauthorized attempt to access restricted resource", status=401)  # whoever asks
    if attribute not in _READS:
        raise errors.invalid_value(f"Value ({attribute}) for parameter attribute is invalid. Unknown attribute.")
    if attribute in _OWNERS_ONLY and image.owner != call.account:
        raise errors.not_authorized_for_image(image.id)
    call.confirm()
    return {"imageId": image.id, **_READS[attribute](image, call.now)}
