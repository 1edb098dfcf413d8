"""KMS keys as the rest of the local AWS needs to know them: a reference looked up, and its state.

Reads moto's KMS backend and writes nothing, except that `alias/aws/ebs` and its sisters come to life at first use, as in a real account.
"""

import re
from dataclasses import dataclass
from typing import Any

_ARN = re.compile(r"arn:aws[\w-]*:kms:(?P<region>[\w-]+):(?P<account>\d{12}):(?P<resource>(?:key|alias)/.+)")


@dataclass(frozen=True)
class KeyInfo:
    arn: str
    key_id: str
    account: str
    region: str
    enabled: bool  # False while disabled, pending deletion or pending import
    aws_managed: bool  # behind an `alias/aws/…`: its ciphertexts can never be shared with another account
    multi_region: bool


def key_info(account: str, region: str, reference: str) -> KeyInfo | None:
    """The key that `reference` names for a caller in this account and region, or None where there is none.

    A reference is a key id, a key ARN, an alias name or an alias ARN; ARNs may lead to another account or region.
    """
    found = _ARN.fullmatch(reference)
    if found:
        account, region, reference = found["account"], found["region"], found["resource"].removeprefix("key/")
    key = _find(account, region, reference)
    return None if key is None else _info(key, account, region)


def _find(account: str, region: str, reference: str) -> Any:
    """moto's key, by id or alias name."""
    backend = backend_of(account, region)
    if backend is None:
        return None
    if reference.startswith("alias/"):
        reference = backend.get_key_id_from_alias(reference) or ""  # makes the AWS-managed key of a reserved alias
    return backend.keys.get(reference)


def backend_of(account: str, region: str) -> Any:
    """moto's KMS backend, or None for a region that does not exist."""
    from moto.kms.models import kms_backends  # loads cryptography: only where KMS is used

    try:
        return kms_backends[account][region]
    except KeyError:
        return None


def is_aws_managed(key: Any) -> bool:
    """Whether moto's key stands behind a reserved alias."""
    return any(name.startswith("alias/aws/") for name in key.aliases)


def _info(key: Any, account: str, region: str) -> KeyInfo:
    return KeyInfo(
        arn=key.arn,
        key_id=key.id,
        account=account,
        region=region,
        enabled=key.key_state == "Enabled",
        aws_managed=is_aws_managed(key),
        multi_region=bool(key.multi_region),
    )
