"""Encryption of copies: which key a new snapshot gets, and whether a key can be used by whoever needs it.

Keys live in the local KMS; this module asks, and never changes one.
"""

import json
from dataclasses import dataclass
from typing import Any

from goldenami.local.aws import kms, organizations
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


def accessible(account: str, region: str, key: str | None) -> bool:
    """Whether EBS can use a key in this region on behalf of the account, now: it exists there, is enabled, and admits the account."""
    if key is None:
        return True
    info = kms.key_info(account, region, key)
    return info is not None and info.region == region and info.enabled and admits(info, account)


def aws_managed(account: str, region: str, key: str | None) -> bool:
    info = None if key is None else kms.key_info(account, region, key)
    return info is not None and info.aws_managed


def admits(key: kms.KeyInfo, account: str) -> bool:
    """Whether a key's account is this one, or a grant or the key policy lets the other account in."""
    if key.account == account:
        return True
    return any(_of_account(grantee, account) for grantee in key.grantees) or _policy_admits(key, account)


def _of_account(principal: str, account: str) -> bool:
    return principal == account or f"::{account}:" in principal


def _policy_admits(key: kms.KeyInfo, account: str) -> bool:
    backend = kms.backend_of(key.account, key.region)
    found = None if backend is None else backend.keys.get(key.key_id)
    try:
        statements = json.loads(getattr(found, "policy", None) or "{}").get("Statement", [])
    except ValueError:
        return False
    return any(_statement_admits(each, account) for each in (statements if isinstance(statements, list) else [statements]))


def _statement_admits(statement: dict[str, Any], account: str) -> bool:
    principals = statement.get("Principal", {})
    principals = principals.get("AWS", []) if isinstance(principals, dict) else principals
    listed = [principals] if isinstance(principals, str) else list(principals)
    if statement.get("Effect") != "Allow" or not any(each == "*" or _of_account(each, account) for each in listed):
        return False
    return _condition_admits(statement.get("Condition") or {}, account)


def _condition_admits(condition: dict[str, Any], account: str) -> bool:
    """Understands the organization id; a condition that it does not understand admits nobody."""
    if not condition:
        return True
    wanted = {value for test in condition.values() for key, value in test.items() if key == "aws:PrincipalOrgID"}
    others = {key for test in condition.values() for key in test if key != "aws:PrincipalOrgID"}
    mine = {arn.rsplit("/", 1)[-1] for arn in organizations.memberships(account)}
    return not others and bool(wanted & mine)
