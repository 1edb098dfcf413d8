"""Launch permissions: ModifyImageAttribute and its kin for who may launch an image."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from goldenami.local.aws.ec2 import encryption, errors
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.lifecycle import keep_public_deprecation
from goldenami.local.aws.ec2.records import Image, LaunchPermission, State
from goldenami.local.aws.ec2.visibility import own_available_image, registered_image

_ACCOUNT = re.compile(r"\d{12}")
_ORGANIZATION = re.compile(r"arn:aws[\w-]*:organizations::\d{12}:organization/o-[a-z0-9]{10,32}")
_UNIT = re.compile(r"arn:aws[\w-]*:organizations::\d{12}:ou/o-[a-z0-9]{10,32}/ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}")

Change = tuple[LaunchPermission, LaunchPermission]  # to add, to remove


def requested_change(call: Call) -> Change:
    """What a ModifyImageAttribute call adds and removes, from the struct form or the list form."""
    struct = call.params.get("LaunchPermission") or {}
    add, remove = _parsed(struct.get("Add") or ()), _parsed(struct.get("Remove") or ())
    listed = _parsed(_list_form(call))
    operation = call.text("OperationType")
    if listed == LaunchPermission():
        return add, remove
    if operation not in {"add", "remove"}:
        raise errors.missing_parameter("OperationType")
    return (add.plus(listed), remove) if operation == "add" else (add, remove.plus(listed))


def _list_form(call: Call) -> Iterable[Mapping[str, Any]]:
    forms = {
        "UserIds": "UserId",
        "UserGroups": "Group",
        "OrganizationArns": "OrganizationArn",
        "OrganizationalUnitArns": "OrganizationalUnitArn",
    }
    return [{member: value} for parameter, member in forms.items() for value in call.texts(parameter)]


def _parsed(entries: Iterable[Mapping[str, Any]]) -> LaunchPermission:
    """Entries as sets. Raises InvalidAMIAttributeItemValue; bare organization and unit ids are refused, only full ARNs count."""
    permission = LaunchPermission()
    for entry in entries:
        permission = permission.plus(
            LaunchPermission(
                users=_checked(entry.get("UserId"), _ACCOUNT, "userId"),
                organizations=_checked(entry.get("OrganizationArn"), _ORGANIZATION, "organizationArn"),
                units=_checked(entry.get("OrganizationalUnitArn"), _UNIT, "organizationalUnitArn"),
                public=bool(_checked(entry.get("Group"), re.compile("all"), "userGroup")),
            )
        )
    return permission


def _checked(value: Any, pattern: re.Pattern[str], kind: str) -> frozenset[str]:
    if value in (None, ""):
        return frozenset()
    if not pattern.fullmatch(str(value)):
        raise errors.invalid_item(str(value), kind)
    return frozenset({str(value)})


def change_permission(call: Call, image: Image) -> None:
    """Adds and removes in one step. Removing what is not there, and adding what is, changes nothing and succeeds."""
    add, remove = requested_change(call)
    call.confirm()
    if add.public and not image.permission.public:
        _check_public(call, image)
    if add != LaunchPermission():
        check_known(call, add.users)
        _check_shareable(call, image)
    wanted = image.permission.plus(add).minus(remove)
    quota = call.lab.settings.share_quota
    if wanted.entities > quota and wanted.entities > image.permission.entities:
        raise errors.Refused("ResourceLimitExceeded", f"The maximum number of launch permission entities of {image.id} is {quota}.")
    image.permission = wanted
    keep_public_deprecation(image)


def check_known(call: Call, users: Iterable[str]) -> None:
    """One id that no account has is enough for the whole call to be refused."""
    for user in sorted(set(users) & set(call.lab.settings.unknown_accounts)):
        raise errors.invalid_item(user, "userId")


def _check_shareable(call: Call, image: Image) -> None:
    for snapshot in call.store.snapshots_of(image):
        if encryption.aws_managed(snapshot.owner, snapshot.region, snapshot.kms_key):
            raise errors.Refused(
                "InvalidParameter", "Snapshots encrypted with the AWS Managed CMK can't be shared. Specify another snapshot."
            )


def _check_public(call: Call, image: Image) -> None:
    if call.settings.block_public_images:
        raise errors.Refused(
            "OperationNotPermitted",
            "You can't publicly share this image because block public access for AMIs is enabled for this account in this Region. "
            "To publicly share the image, you must call the DisableImageBlockPublicAccess API and then retry.",
        )
    if any(mapping.encrypted for mapping in image.mappings):
        raise errors.Refused("UnsupportedOperation", "Encrypted snapshots can't be shared publicly. Specify another snapshot.")
    if image.product_codes:
        raise errors.Refused("UnsupportedOperation", "Images with product codes can't be shared publicly.")
    quota = call.lab.settings.public_images_quota
    if call.store.public_images(call.account, call.region) >= quota:
        raise errors.Refused("ResourceLimitExceeded", f"The maximum number of public AMIs in this Region is {quota}.")


def reset_image_attribute(call: Call) -> Mapping[str, Any]:
    if call.required("Attribute") != "launchPermission":
        raise errors.invalid_value(f"Value ({call.text('Attribute')}) for parameter attribute is invalid: launchPermission is expected")
    image = own_available_image(call)
    call.confirm()
    image.permission = LaunchPermission()
    return {"return": True}


def cancel_image_launch_permission(call: Call) -> Mapping[str, Any]:
    """A recipient removes itself; what reaches it through an organization or `all` stays."""
    image = registered_image(call, call.required("ImageId"))
    if image.state is not State.AVAILABLE:
        raise errors.image_unavailable(image.id, image.state.value)
    if call.account not in image.permission.users:
        raise errors.Refused("InvalidRequest", f"The image {image.id} is not explicitly shared with account {call.account}")
    call.confirm()
    image.permission = image.permission.minus(LaunchPermission(users=frozenset({call.account})))
    return {"return": True}


def listed(permission: LaunchPermission) -> list[dict[str, str]]:
    """As DescribeImageAttribute writes them, in a steady order."""
    return [
        *([{"group": "all"}] if permission.public else []),
        *({"userId": user} for user in sorted(permission.users)),
        *({"organizationArn": arn} for arn in sorted(permission.organizations)),
        *({"organizationalUnitArn": arn} for arn in sorted(permission.units)),
    ]
