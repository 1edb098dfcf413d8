"""Deprecation, disabling, deregistration and the protection from it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from goldenami.local.aws.ec2 import errors, recycle_bin
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.records import Image, LaunchPermission, Protection, State, iso
from goldenami.local.aws.ec2.visibility import own_available_image, own_image

MINUTE_SECONDS = 60
DAY_SECONDS = 86400
YEAR_SECONDS = 365 * DAY_SECONDS
DEPRECATED_AT_LATEST_SECONDS = 10 * YEAR_SECONDS  # from now
PUBLIC_DEPRECATED_AT_LATEST_SECONDS = 2 * YEAR_SECONDS  # from creation
COOLDOWN_SECONDS = DAY_SECONDS

# Deprecation


def enable_image_deprecation(call: Call) -> Mapping[str, Any]:
    """The time is rounded to the nearest minute; it must lie ahead, at most 10 years, for a public image 2 years from its creation."""
    image = own_image(call)
    if image.state not in {State.AVAILABLE, State.DISABLED}:
        raise errors.image_unavailable(image.id, image.state.value)
    deprecate_at = _time(call)
    if deprecate_at <= call.now:
        raise errors.invalid_value(f"The deprecation time {iso(deprecate_at)} is in the past")
    latest = image.created_at + PUBLIC_DEPRECATED_AT_LATEST_SECONDS if image.permission.public else call.now + DEPRECATED_AT_LATEST_SECONDS
    if deprecate_at > latest:
        raise errors.invalid_value(f"The deprecation time {iso(deprecate_at)} is too far ahead; the latest is {iso(latest)}")
    call.confirm()
    image.deprecate_at = deprecate_at
    return {"return": True}


def _time(call: Call) -> float:
    value = call.params.get("DeprecateAt")
    if value is None:
        raise errors.missing_parameter("DeprecateAt")
    if not isinstance(value, datetime):
        raise errors.invalid_value(f"Value ({value}) for parameter deprecateAt is invalid: a time is expected")
    moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    return float((moment.timestamp() + MINUTE_SECONDS / 2) // MINUTE_SECONDS * MINUTE_SECONDS)


def disable_image_deprecation(call: Call) -> Mapping[str, Any]:
    image = own_image(call)
    call.confirm()
    image.deprecate_at = None
    keep_public_deprecation(image)
    return {"return": True}


def keep_public_deprecation(image: Image) -> None:
    """A public image is deprecated two years after its creation at the latest."""
    latest = image.created_at + PUBLIC_DEPRECATED_AT_LATEST_SECONDS
    if image.permission.public and (image.deprecate_at is None or image.deprecate_at > latest):
        image.deprecate_at = latest // MINUTE_SECONDS * MINUTE_SECONDS


# Disabling


def disable_image(call: Call) -> Mapping[str, Any]:
    """Erases every launch permission; enabling does not bring them back."""
    image = own_image(call)
    if image.state not in {State.AVAILABLE, State.DISABLED}:
        raise errors.image_unavailable(image.id, image.state.value)
    call.confirm()
    image.state = State.DISABLED
    image.permission = LaunchPermission()
    return {"return": True}


def enable_image(call: Call) -> Mapping[str, Any]:
    image = own_image(call)
    if image.state not in {State.AVAILABLE, State.DISABLED}:
        raise errors.image_unavailable(image.id, image.state.value)
    call.confirm()
    image.state = State.AVAILABLE
    return {"return": True}


# Protection


def enable_image_deregistration_protection(call: Call) -> Mapping[str, Any]:
    image = own_available_image(call)
    call.confirm()
    image.protection = Protection.WITH_COOLDOWN if call.flag("WithCooldown") else Protection.WITHOUT_COOLDOWN
    image.cooldown_until = None
    return {"return": "true"}


def disable_image_deregistration_protection(call: Call) -> Mapping[str, Any]:
    """With a cooldown, the protection goes on for 24 hours."""
    image = own_image(call)
    call.confirm()
    if image.protection is Protection.WITH_COOLDOWN:
        image.cooldown_until = call.now + COOLDOWN_SECONDS
    image.protection = Protection.DISABLED
    return {"return": "true"}


def _check_unprotected(call: Call, image: Image) -> None:
    state = image.protection_at(call.now)
    if state != Protection.DISABLED:
        raise errors.Refused("OperationNotPermitted", f"The image {image.id} cannot be deregistered: deregistration protection is {state}.")
    if any(key.startswith("aws:backup:") for key in image.tags):
        raise errors.not_authorized_for_image(image.id)  # an image of AWS Backup belongs to its vault


# Deregistration


def deregister_image(call: Call) -> Mapping[str, Any]:
    """Cancels a pending copy as well. Its snapshots stay, unless the call asks for them to be deleted, each with a result of its own.

    Image and snapshots go into the Recycle Bin where a rule keeps them, and are gone all the same.
    """
    image = own_image(call)
    _check_unprotected(call, image)
    call.confirm()
    was = image.state
    image.state = State.DEREGISTERED
    image.deregistered_at = call.now
    image.permission = LaunchPermission()
    call.store.copying[image.owner, image.region].discard(image.id)
    call.store.release_snapshots(image, call.now)
    call.store.at(call.now + call.lab.settings.deregistered_empty_seconds, lambda _: _forget(call, image))
    recycle_bin.retain_image(call, image, was=was)
    if not call.flag("DeleteAssociatedSnapshots"):
        return {"return": True}
    return {"return": True, "deleteSnapshotResultSet": [_delete(call, image, snapshot_id) for snapshot_id in image.snapshot_ids]}


def _forget(call: Call, image: Image) -> None:
    """Its id is unknown from now on, unless it has come back meanwhile, even if it was deregistered anew."""
    if image.deregistered_at == call.now:
        call.store.remove_image(image)


def _delete(call: Call, image: Image, snapshot_id: str) -> dict[str, str]:
    snapshot = call.store.snapshots[image.region].get(snapshot_id)
    if snapshot is None:
        code = "client-error"
    elif snapshot.owner != call.account:
        code = "missing-permissions"
    elif call.store.users_of(snapshot_id):
        code = "skipped"
    else:
        code = "success"
        recycle_bin.discard_snapshot(call, snapshot)
    return {"snapshotId": snapshot_id, "returnCode": code}
