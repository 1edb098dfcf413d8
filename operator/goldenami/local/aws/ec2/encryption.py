"""Encryption of copies: which key a new snapshot gets, and whether a key can be used by whoever needs it.

Keys live in the local KMS; this module asks, and never changes one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from goldenami.local.aws import key_access, kms
from goldenami.local.aws.ec2 import errors
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.records import Snapshot

AWS_MANAGED = "alias/aws/ebs"


@dataclass(frozen=True)
class Seal:
    """How a new snapshot is encrypted; `key` is an ARN, or the caller's own words where they name no key."""

    encrypted: bool = False
    key: str | None = None


def default_key(call: Call) -> str:
    """What Amazon EBS encrypts with where no key is named, in the caller's account and region."""
    return resolved(call, call.settings.default_key or AWS_MANAGED)


def resolved(call: Call, reference: str) -> str:
    """The ARN of the key that a reference means to the caller; the reference itself if it means none, which is found out later."""
    key = kms.key_info(call.account, call.region, reference)
    return reference if key is None else key.arn


def check_key_parameters(call: Call) -> None:
    """KmsKeyId demands Encrypted: true."""
    if call.text("KmsKeyId") and not call.flag("Encrypted"):
        raise errors.Refused("InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.")


def seal_of_copy(call: Call, source: Snapshot, *, force: bool | None) -> Seal:
    """How a copy of `source` in the caller's region is encrypted: a copy may gain encryption, but never lose it.

    Unnamed keys: a copy of one's own snapshot within its region keeps the key; any other gets the region's default.
    """
    named = call.text("KmsKeyId")
    if named:
        return Seal(encrypted=True, key=resolved(call, named))
    if not (force or source.encrypted or call.settings.encrypt_by_default):
        return Seal()
    keeps_key = source.encrypted and not force and source.region == call.region and source.owner == call.account
    return Seal(encrypted=True, key=source.kms_key if keeps_key else default_key(call))


def accessible(account: str, region: str, key: str | None, operations: Iterable[str]) -> bool:
    """Whether EBS can do this with a key in this region on behalf of the account, now: it exists there, is enabled and open to it."""
    if key is None:
        return True
    info = kms.key_info(account, region, key)
    return info is not None and info.region == region and info.enabled and key_access.admits(info, account, operations)


def aws_managed(account: str, region: str, key: str | None) -> bool:
    info = None if key is None else kms.key_info(account, region, key)
    return info is not None and info.aws_managed
