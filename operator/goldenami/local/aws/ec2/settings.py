"""What an account sets for a whole region: block public access for images and snapshots, and encryption by default."""

from collections.abc import Mapping
from typing import Any

from goldenami.local.aws.ec2 import encryption, errors
from goldenami.local.aws.ec2.call import Call

BLOCKED = "block-new-sharing"
UNBLOCKED = "unblocked"


def enable_image_block_public_access(call: Call) -> Mapping[str, Any]:
    """Images that are public already stay so."""
    state = call.required("ImageBlockPublicAccessState")
    if state != BLOCKED:
        raise errors.invalid_value(f"Value ({state}) for parameter imageBlockPublicAccessState is invalid: {BLOCKED} is expected")
    call.confirm()
    call.settings.block_public_images = True
    return {"imageBlockPublicAccessState": BLOCKED}


def disable_image_block_public_access(call: Call) -> Mapping[str, Any]:
    call.confirm()
    call.settings.block_public_images = False
    return {"imageBlockPublicAccessState": UNBLOCKED}


def get_image_block_public_access_state(call: Call) -> Mapping[str, Any]:
    call.confirm()
    return {"imageBlockPublicAccessState": BLOCKED if call.settings.block_public_images else UNBLOCKED, "managedBy": "account"}


def enable_snapshot_block_public_access(call: Call) -> Mapping[str, Any]:
    state = call.required("State")
    if state not in {"block-all-sharing", BLOCKED}:
        raise errors.invalid_value(f"Value ({state}) for parameter state is invalid: block-all-sharing or {BLOCKED} is expected")
    call.confirm()
    call.settings.block_public_snapshots = state
    return {"state": state}


def disable_snapshot_block_public_access(call: Call) -> Mapping[str, Any]:
    call.confirm()
    call.settings.block_public_snapshots = UNBLOCKED
    return {"state": UNBLOCKED}


def get_snapshot_block_public_access_state(call: Call) -> Mapping[str, Any]:
    call.confirm()
    return {"state": call.settings.block_public_snapshots, "managedBy": "account"}


def enable_ebs_encryption_by_default(call: Call) -> Mapping[str, Any]:
    return _set_encryption(call, encrypt=True)


def disable_ebs_encryption_by_default(call: Call) -> Mapping[str, Any]:
    return _set_encryption(call, encrypt=False)


def _set_encryption(call: Call, *, encrypt: bool) -> Mapping[str, Any]:
    call.confirm()
    call.settings.encrypt_by_default = encrypt
    return {"ebsEncryptionByDefault": encrypt}


def get_ebs_encryption_by_default(call: Call) -> Mapping[str, Any]:
    call.confirm()
    return {"ebsEncryptionByDefault": call.settings.encrypt_by_default}


def get_ebs_default_kms_key_id(call: Call) -> Mapping[str, Any]:
    """The alias of the AWS-managed key until another is set, then the key's ARN."""
    call.confirm()
    return {"kmsKeyId": call.settings.default_key or encryption.AWS_MANAGED}


def modify_ebs_default_kms_key_id(call: Call) -> Mapping[str, Any]:
    """The key is not looked at here, as in EC2: a wrong one shows in the copies that use it."""
    key = encryption.resolved(call, call.required("KmsKeyId"))
    call.confirm()
    call.settings.default_key = key
    return {"kmsKeyId": key}


def reset_ebs_default_kms_key_id(call: Call) -> Mapping[str, Any]:
    call.confirm()
    call.settings.default_key = None
    return {"kmsKeyId": encryption.AWS_MANAGED}
