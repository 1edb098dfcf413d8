"""Who may make volumes and copies from a snapshot: ModifySnapshotAttribute and its kin.

Accounts or everybody; organizations cannot be named.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from goldenami.local.aws.ec2 import encryption, errors
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.permissions import check_known
from goldenami.local.aws.ec2.records import Snapshot, SnapshotState
from goldenami.local.aws.ec2.visibility import find_snapshot, own_snapshot

CHANGES_AT_MOST = 500  # per call
_ACCOUNT = re.compile(r"\d{12}")

Grantees = tuple[frozenset[str], bool]  # accounts, everybody


def modify_snapshot_attribute(call: Call) -> Mapping[str, Any]:
    """Adds or removes, never both in one call; at most 500 changes."""
    snapshot = own_snapshot(call)
    if call.text("Attribute") not in (None, "createVolumePermission"):
        raise errors.invalid_value(f"Value ({call.text('Attribute')}) for parameter attribute is invalid")
    add, remove = _requested(call)
    if add and remove:
        raise errors.invalid_combination("Permissions can be added or removed in a call, but not both")
    if len(add) + len(remove) > CHANGES_AT_MOST:
        raise errors.invalid_value(f"At most {CHANGES_AT_MOST} permissions can be changed in a call; {len(add) + len(remove)} were given")
    added, removed = _grantees(add), _grantees(remove)
    if snapshot.state is not SnapshotState.COMPLETED:
        raise errors.Refused("IncorrectState", f"Snapshot {snapshot.id} is in invalid state - {snapshot.state.value}")
    call.confirm()
    if add:
        check_known(call, added[0])
        _check_shareable(call, snapshot, public=added[1])
    snapshot.users = (snapshot.users | added[0]) - removed[0]
    snapshot.public = (snapshot.public or added[1]) and not removed[1]
    return {"return": True}


Entry = tuple[str, str]  # "user" or "group", and which


def _requested(call: Call) -> tuple[list[Entry], list[Entry]]:
    struct = call.params.get("CreateVolumePermission") or {}
    add, remove = _entries(struct.get("Add") or ()), _entries(struct.get("Remove") or ())
    listed = [*(("user", user) for user in call.texts("UserIds")), *(("group", group) for group in call.texts("GroupNames"))]
    if listed and call.text("OperationType") not in {"add", "remove"}:
        raise errors.missing_parameter("OperationType")
    if call.text("OperationType") == "add":
        return [*add, *listed], remove
    return add, [*remove, *listed]


def _entries(entries: Iterable[Mapping[str, Any]]) -> list[Entry]:
    users = [("user", str(entry["UserId"])) for entry in entries if entry.get("UserId")]
    return [*users, *(("group", str(entry["Group"])) for entry in entries if entry.get("Group"))]


def _grantees(entries: Iterable[Entry]) -> Grantees:
    users = frozenset(name for kind, name in entries if kind == "user")
    groups = {name for kind, name in entries if kind == "group"}
    for user in sorted(users):
        if not _ACCOUNT.fullmatch(user):
            raise errors.Refused("InvalidUserID.Malformed", f'Invalid user id: "{user}"')
    for group in sorted(groups - {"all"}):
        raise errors.invalid_item(group, "userGroup")
    return users, "all" in groups


def _check_shareable(call: Call, snapshot: Snapshot, *, public: bool) -> None:
    if encryption.aws_managed(snapshot.owner, snapshot.region, snapshot.kms_key):
        raise errors.Refused("OperationNotPermitted", "Encrypted snapshots with EBS default key cannot be shared")
    if not public:
        return
    if snapshot.encrypted:
        raise errors.Refused("OperationNotPermitted", "Encrypted snapshots cannot be shared publicly")
    if snapshot.product_codes:
        raise errors.Refused("OperationNotPermitted", "Snapshots with product codes cannot be shared publicly")
    if call.settings.block_public_snapshots != "unblocked":
        raise errors.Refused(
            "OperationNotPermitted",
            "You can't publicly share this snapshot because block public access for snapshots is enabled for this account in this Region.",
        )


def describe_snapshot_attribute(call: Call) -> Mapping[str, Any]:
    attribute = call.required("Attribute")
    if attribute == "productCodes":
        snapshot = find_snapshot(call, call.required("SnapshotId"))
        return {
            "snapshotId": snapshot.id,
            "productCodes": [{"productCode": code, "type": "marketplace"} for code in snapshot.product_codes],
        }
    if attribute != "createVolumePermission":
        raise errors.invalid_value(f"Value ({attribute}) for parameter attribute is invalid")
    snapshot = own_snapshot(call)
    call.confirm()
    group = [{"group": "all"}] if snapshot.public else []
    return {"snapshotId": snapshot.id, "createVolumePermission": [*group, *({"userId": user} for user in sorted(snapshot.users))]}


def reset_snapshot_attribute(call: Call) -> Mapping[str, Any]:
    if call.required("Attribute") != "createVolumePermission":
        raise errors.invalid_value(f"Value ({call.text('Attribute')}) for parameter attribute is invalid")
    snapshot = own_snapshot(call)
    call.confirm()
    snapshot.users, snapshot.public = frozenset(), False
    return {"return": True}
