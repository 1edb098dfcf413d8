"""Effects on who may do what: keys, snapshots, launch permissions."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from goldenami.aws.errors import AwsError, NotFound
from goldenami.aws.refusals import Deed, Doing, each
from goldenami.aws.toolbox import Effect, Tools, given
from goldenami.plan import actions as do
from goldenami.plan.values import KeyGrant, Principals

EVERYBODY = "all"
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
    doing = Doing(action.place, "CreateGrant", action.key_arn, Deed.GIVE)
    each(doing, tools.permissions(action.place).refusals, (action.grantee,), lambda _: _grant(tools, action))
    return ""


def _grant(tools: Tools, action: do.GrantKey) -> None:
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
    _change_snapshot(tools, action, Deed.GIVE, action.accounts)
    return ""


def _unshare_snapshot(tools: Tools, action: do.UnshareSnapshot) -> str:
    _change_snapshot(tools, action, Deed.TAKE, (*((EVERYBODY,) if action.public else ()), *action.accounts))
    return ""


def _change_snapshot(tools: Tools, action: do.ShareSnapshot | do.UnshareSnapshot, deed: Deed, names: Sequence[str]) -> None:
    image = tools.holding(action.place).image_of(action.snapshot_id)
    permissions = tools.permissions(action.place)
    doing = Doing(action.place, "ModifySnapshotAttribute", action.snapshot_id, deed)

    def change(part: Sequence[str]) -> None:
        users, groups = [name for name in part if name != EVERYBODY], [name for name in part if name == EVERYBODY]
        asked: dict[str, Any] = given(UserIds=users, GroupNames=groups)
        with _surely(doing, lambda: permissions.forget(image.image_id if image else "")):
            tools.calls.ec2(
                action.place,
                "ModifySnapshotAttribute",
                lambda ec2: ec2.modify_snapshot_attribute(
                    SnapshotId=action.snapshot_id,
                    Attribute="createVolumePermission",
                    OperationType="add" if deed is Deed.GIVE else "remove",
                    **asked,
                ),
                about=action.snapshot_id,
            )
        if image:
            permissions.snapshot_changed(image.image_id, action.snapshot_id, _changing(deed, part))

    each(doing, permissions.refusals, names, change)


def _share_image(tools: Tools, action: do.ShareImage) -> str:
    _change_image(tools, action, Deed.GIVE)
    return ""


def _unshare_image(tools: Tools, action: do.UnshareImage) -> str:
    _change_image(tools, action, Deed.TAKE)
    return ""


def _change_image(tools: Tools, action: do.ShareImage | do.UnshareImage, deed: Deed) -> None:
    permissions = tools.permissions(action.place)
    doing = Doing(action.place, "ModifyImageAttribute", action.image_id, deed)

    def change(part: Sequence[str]) -> None:
        rows = [_row(name) for name in part]
        with _surely(doing, lambda: permissions.forget(action.image_id)):
            tools.calls.ec2(
                action.place,
                "ModifyImageAttribute",
                lambda ec2: ec2.modify_image_attribute(
                    ImageId=action.image_id,
                    LaunchPermission={"Add" if deed is Deed.GIVE else "Remove": rows},  # type: ignore[misc]  # a key that is not literal
                ),
                about=action.image_id,
            )
        permissions.launch_changed(action.image_id, _changing(deed, part))
        if EVERYBODY in part:
            tools.holding(action.place).fold_changed(action.image_id, lambda image: replace(image, public=deed is Deed.GIVE))

    each(doing, permissions.refusals, action.principals.names(), change)


def _row(name: str) -> dict[str, str]:
    if name == EVERYBODY:
        return {"Group": name}
    if name.isdigit():
        return {"UserId": name}
    return {"OrganizationArn" if ":organization/" in name else "OrganizationalUnitArn": name}


def _changing(deed: Deed, names: Sequence[str]) -> Callable[[Principals], Principals]:
    changed = Principals.named(names)
    return (lambda known: known | changed) if deed is Deed.GIVE else (lambda known: known - changed)


@contextlib.contextmanager
def _surely(doing: Doing, forget: Callable[[], None]) -> Iterator[None]:
    """When a call fails, it may have been carried out all the same: what was known is not known any more.

    Only a principal that is refused is found out before anything is changed.
    """
    try:
        yield
    except AwsError as error:
        if not doing.refuses_principals(error):
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
