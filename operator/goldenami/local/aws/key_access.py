"""Who may do what with a KMS key: its grants and its key policy, operation by operation.

Sources: KMS developer guide ("Grants in AWS KMS", "Key policies in AWS KMS", "Policy evaluation": an explicit deny overrides grants, too);
EC2 user guide ("Share an encrypted AMI"). What this module does not understand in a policy is read against whoever asks: an Allow admits
nobody, a Deny denies everybody it may be about.
"""

import json
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any

from goldenami.local.aws import kms, organizations

READING = ("DescribeKey", "Decrypt", "ReEncryptFrom", "CreateGrant")
"""What copying and launching need of the key behind a snapshot."""
SEALING = ("DescribeKey", "Decrypt", "ReEncryptTo", "GenerateDataKeyWithoutPlaintext", "CreateGrant")
"""What copying needs of the key that the new snapshots get."""

_ORGANIZATION = "aws:PrincipalOrgID"
_FOR_A_SERVICE = "kms:GrantIsForAWSResource"
_EQUAL = {"StringEquals", "ForAnyValue:StringEquals"}


def admits(key: kms.KeyInfo, account: str, operations: Iterable[str]) -> bool:
    """Whether EBS may do all of these with the key on behalf of the account. The states of the key are another matter."""
    if key.aws_managed:
        return key.account == account
    backend = kms.backend_of(key.account, key.region)
    found = None if backend is None else backend.keys.get(key.key_id)
    return found is not None and all(allowed(found, account, each, for_a_service=True) for each in operations)


def allowed(key: Any, account: str, operation: str, *, for_a_service: bool = False) -> bool:
    """Whether an account may do this with moto's key: a grant or a statement says so, and no statement denies it."""
    asked = f"kms:{operation}"
    statements = [each for each in _statements(key) if _about(each, key, account, asked)]
    if any(each.get("Effect") != "Allow" and _condition(each, account, asked, for_a_service, unknown=True) for each in statements):
        return False
    return _granted(key, account, operation) or any(
        each.get("Effect") == "Allow" and _condition(each, account, asked, for_a_service, unknown=False) for each in statements
    )


def _granted(key: Any, account: str, operation: str) -> bool:
    """Constraints are about an encryption context, which nobody here knows: a grant with some admits nobody."""
    return any(
        _of_account(grant.grantee_principal, account) and operation in grant.operations and not grant.constraints
        for grant in key.grants.values()
    )


def _of_account(principal: str, account: str) -> bool:
    return principal == account or f"::{account}:" in principal


def _statements(key: Any) -> list[dict[str, Any]]:
    try:
        statements = json.loads(key.policy or "{}").get("Statement", [])
    except ValueError:
        return []
    return statements if isinstance(statements, list) else [statements]


def _about(statement: dict[str, Any], key: Any, account: str, asked: str) -> bool:
    """Whether principal, action and resource of a statement fit. One with NotPrincipal or the like allows nothing, and denies."""
    if any(name in statement for name in ("NotPrincipal", "NotAction", "NotResource")):
        return statement.get("Effect") != "Allow"
    principals = statement.get("Principal", {})
    principals = principals.get("AWS", []) if isinstance(principals, dict) else principals
    return (
        any(each == "*" or _of_account(each, account) for each in _listed(principals))
        and any(fnmatchcase(asked.lower(), each.lower()) for each in _listed(statement.get("Action", [])))
        and any(fnmatchcase(key.arn, each) for each in _listed(statement.get("Resource", [])))
    )


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(each) for each in value]


def _condition(statement: dict[str, Any], account: str, asked: str, for_a_service: bool, *, unknown: bool) -> bool:
    """Whether the statement's condition is met: all of its tests are, and a test that is not understood counts as `unknown`."""
    tests = [
        (operator, name, {each.lower() for each in _listed(value if isinstance(value, list) else str(value))})
        for operator, named in (statement.get("Condition") or {}).items()
        for name, value in named.items()
    ]
    return all(_met(*test, account, asked, for_a_service, unknown=unknown) for test in tests)


def _met(operator: str, name: str, values: set[str], account: str, asked: str, for_a_service: bool, *, unknown: bool) -> bool:
    if name == _ORGANIZATION and operator in _EQUAL:
        return bool(values & {arn.rsplit("/", 1)[-1].lower() for arn in organizations.memberships(account)})
    if name == _FOR_A_SERVICE and operator == "Bool" and asked == "kms:CreateGrant":
        return str(for_a_service).lower() in values
    return unknown
