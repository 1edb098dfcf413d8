"""Effects on who may do what: keys, snapshots, launch permissions."""

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from goldenami.aws import translate
from goldenami.aws.errors import AwsError, NotFound
from goldenami.aws.toolbox import Effect, Tools, chunks
from goldenami.plan import actions as do
from goldenami.plan.values import KeyGrant, Place, Principals

CHANGES_A_CALL = 500
"""Of one ModifySnapshotAttribute (EC2 API reference); the same for images keeps a request small."""

KEY_OPERATIONS = (
    # What launching and copying need of a shared image's key (EC2 user guide, "Sharing encrypted AMIs").
    "Decrypt",
    "DescribeKey",
    "ReEncryptFrom",
    "ReEncryptTo",
    "GenerateDataKeyWithoutPlaintext",
    "CreateGrant",
)


def _grant_key(tools: Tools, action: do.GrantKey) -> str:
    """`grantee` is an account id, or a principal's ARN."""
    principal = f"arn:{action.place.account.partition}:iam::{action.grantee}:root" if action.grantee.isdigit() else action.grantee
    answer = tools.calls.kms(
        action.place,
        "CreateGrant",
        lambda kms: kms.create_grant(
            KeyId=action.key_arn,
            GranteePrincipal=principal,
            Operations=list(KEY_OPERATIONS),  # type: ignore[arg-type]  # literals there
            Name=action.name,
        ),
        about=action.key_arn,
    )
    grant = KeyGrant(answer["GrantId"], action.name, action.grantee)
    tools.permissions(action.place).key_changed(
        action.key_arn, lambda grants: (*(known for known in grants if known.grant_id != grant.grant_id), grant)
    )
    return ""


def _revoke_key(tools: Tools, action: do.RevokeKey) -> str:
    with contextlib.suppress(NotFound):
        tools.calls.kms(
            action.place,
            "RevokeGrant",
            lambda kms: kms.revoke_grant(KeyId=action.key_arn, GrantId=action.grant_id),
            about=action.key_arn,
        )
    tools.permissions(action.place).key_changed(
        action.key_arn, lambda grants: tuple(known for known in grants if known.grant_id != action.grant_id)
    )
    return ""


def _share_snapshot(tools: Tools, action: do.ShareSnapshot) -> str:
    _change_snapshot(tools, action, "add", [{"UserId": account} for account in action.accounts])
    return ""


def _unshare_snapshot(tools: Tools, action: do.UnshareSnapshot) -> str:
    everybody = [{"Group": "all"}] if action.public else []
    _change_snapshot(tools, action, "remove", [*everybody, *({"UserId": account} for account in action.accounts)])
    return ""


def _change_snapshot(tools: Tools, action: do.ShareSnapshot | do.UnshareSnapshot, way: str, rows: list[dict[str, str]]) -> None:
    image = tools.holding(action.place).image_of(action.snapshot_id)
    permissions = tools.permissions(action.place)
    for part in chunks(rows, CHANGES_A_CALL):
        users = [row["UserId"] for row in part if "UserId" in row]
        groups = [row["Group"] for row in part if "Group" in row]
        asked: dict[str, Any] = {"SnapshotId": action.snapshot_id, "Attribute": "createVolumePermission", "OperationType": way}
        asked |= {"UserIds": users} if users else {}
        asked |= {"GroupNames": groups} if groups else {}
        _surely(
            lambda asked=asked: tools.calls.ec2(  # type: ignore[misc]  # bound per chunk
                action.place, "ModifySnapshotAttribute", lambda ec2: ec2.modify_snapshot_attribute(**asked), about=action.snapshot_id
            ),
            lambda: permissions.forget(image.image_id if image else ""),
        )
        changed = Principals(accounts=frozenset(users), public=bool(groups))
        if image:
            permissions.snapshot_changed(image.image_id, action.snapshot_id, _changing(way, changed))


def _share_image(tools: Tools, action: do.ShareImage) -> str:
    _change_image(tools, action.place, action.image_id, "Add", action.principals)
    return ""


def _unshare_image(tools: Tools, action: do.UnshareImage) -> str:
    _change_image(tools, action.place, action.image_id, "Remove", action.principals)
    return ""


def _change_image(tools: Tools, place: Place, image_id: str, way: str, principals: Principals) -> None:
    permissions = tools.permissions(place)
    for part in chunks(_rows(principals), CHANGES_A_CALL):
        _surely(
            lambda part=part: tools.calls.ec2(  # type: ignore[misc]  # bound per chunk
                place,
                "ModifyImageAttribute",
                lambda ec2: ec2.modify_image_attribute(ImageId=image_id, LaunchPermission={way: list(part)}),  # type: ignore[misc]
                about=image_id,
            ),
            lambda: permissions.forget(image_id),
        )
        permissions.launch_changed(image_id, _changing(way.lower(), translate.principals(part)))
    if principals.public:
        tools.holding(place).fold_changed(image_id, lambda image: replace(image, public=way == "Add"))


def _rows(principals: Principals) -> list[dict[str, str]]:
    return [
        *([{"Group": "all"}] if principals.public else []),
        *({"UserId": account} for account in sorted(principals.accounts)),
        *({"OrganizationArn": arn} for arn in sorted(principals.organization_arns)),
        *({"OrganizationalUnitArn": arn} for arn in sorted(principals.organizational_unit_arns)),
    ]


def _changing(way: str, principals: Principals) -> Callable[[Principals], Principals]:
    return (lambda known: known | principals) if way == "add" else (lambda known: known - principals)


def _surely(call: Callable[[], Any], forget: Callable[[], None]) -> None:
    """When a call fails, it may have been carried out all the same: what was known is not known any more."""
    try:
        call()
    except AwsError:
        forget()
        raise


EFFECTS: dict[type[do.Action], Effect] = {
    do.GrantKey: _grant_key,
    do.RevokeKey: _revoke_key,
    do.ShareSnapshot: _share_snapshot,
    do.UnshareSnapshot: _unshare_snapshot,
    do.ShareImage: _share_image,
    do.UnshareImage: _unshare_image,
}
