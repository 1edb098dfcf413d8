"""KMS as far as images need it: keys by any reference, grants that repeat safely, states that refuse.

Sources: KMS API reference (CreateGrant, ListGrants, RevokeGrant, DescribeKey) and KMS developer guide ("Grants in AWS KMS", "Key states").
"""

import base64
import binascii
import json
import re
from datetime import UTC, timedelta
from typing import Any

from moto.kms import models, urls
from moto.kms.responses import KmsResponse
from moto.kms.utils import AbstractPrivateKey, generate_private_key

from goldenami.local.aws import key_access, lab
from goldenami.local.aws.answers import RefusedError
from goldenami.local.aws.kms import backend_of, is_aws_managed, key_info

_KEY_ID = re.compile(r"(mrk-[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12})")
_PRINCIPAL = re.compile(r"arn:aws[\w-]*:(iam|sts)::\d{12}:.+|[a-z0-9.-]+\.amazonaws\.com")
PAGE = 50  # ListGrants without Limit
MAX_PAGE = 100
MIN_DELETION_DAYS, MAX_DELETION_DAYS = 7, 30  # ScheduleKeyDeletion PendingWindowInDays; without one, the longest


def install() -> None:
    urls.url_paths["{0}/$"] = KeyManagementService.dispatch
    vars(models)["generate_private_key"] = _private_key


class _NoPrivateKey(AbstractPrivateKey):
    """A symmetric key's. moto makes an RSA key for it, which costs as much as fifty calls, and nothing may be signed with that."""

    def sign(self, message: bytes, signing_algorithm: str) -> bytes:  # noqa: ARG002 - moto's signature
        raise RefusedError("InvalidKeyUsageException", "This key has no private key to sign with.")

    def verify(self, message: bytes, signature: bytes, signing_algorithm: str) -> bool:  # noqa: ARG002 - moto's signature
        raise RefusedError("InvalidKeyUsageException", "This key has no public key to verify with.")

    def public_key(self) -> bytes:
        raise RefusedError("UnsupportedOperationException", "This key is symmetric: it has no public key.")


def _private_key(key_spec: str) -> AbstractPrivateKey:
    return generate_private_key(key_spec) if key_spec.startswith(("RSA_", "ECC_", "SM2")) else _NoPrivateKey()


class KeyManagementService(KmsResponse):
    def create_key(self) -> str:
        """CreateKey KeyUsage: "The default value is ENCRYPT_DECRYPT". moto's key would have none."""
        key = self.kms_backend.keys[json.loads(super().create_key())["KeyMetadata"]["KeyId"]]
        key.key_usage = key.key_usage or "ENCRYPT_DECRYPT"
        return json.dumps(key.to_dict())

    def describe_key(self) -> str:
        key = self._key(aliases=True)
        key.key_manager = "AWS" if is_aws_managed(key) else "CUSTOMER"
        return json.dumps(key.to_dict())

    def create_grant(self) -> str:
        key = self._enabled_key()
        if is_aws_managed(key):
            raise RefusedError("AccessDeniedException", f"{key.arn} is an AWS managed key: its grants are AWS's to make.")
        wanted = self._grant_wanted()
        name = self._get_param("Name")
        same = next((grant for grant in key.grants.values() if name and grant.name == name and _terms(grant) == wanted), None)
        grant = same or key.add_grant(
            name, wanted["grantee"], wanted["operations"], constraints=wanted["constraints"], retiring_principal=wanted["retiring"]
        )
        if same is None:
            grant.created_epoch = lab.current().clock.now()
        return json.dumps({"GrantId": grant.id, "GrantToken": grant.token})

    def list_grants(self) -> str:
        key = self._key(aliases=False)
        limit = int(self._get_param("Limit") or PAGE)
        if not 1 <= limit <= MAX_PAGE:
            raise RefusedError("ValidationException", f"Value {limit} at 'limit' must be between 1 and {MAX_PAGE}")
        start = _offset(self._get_param("Marker"))
        grant_id, grantee = self._get_param("GrantId"), self._get_param("GranteePrincipal")
        grants = [each for each in key.grants.values() if grant_id in (None, each.id) and grantee in (None, each.grantee_principal)]
        page = [_entry(grant, key) for grant in grants[start : start + limit]]
        answer: dict[str, Any] = {"Grants": page, "Truncated": start + limit < len(grants)}
        if answer["Truncated"]:
            answer["NextMarker"] = base64.urlsafe_b64encode(str(start + limit).encode()).decode()
        return json.dumps(answer)

    def revoke_grant(self) -> str:
        key = self._key(aliases=False)
        grant_id = str(self._get_param("GrantId"))
        if key.grants.pop(grant_id, None) is None:
            raise RefusedError("NotFoundException", f"Grant ID {grant_id} not found")
        return "{}"

    def enable_key(self) -> str:
        # moto looks for the key under the caller's words, and so finds none by its ARN.
        key = self._usable_key()
        key.enabled, key.key_state = True, "Enabled"
        return ""

    def disable_key(self) -> str:
        key = self._usable_key()
        key.enabled, key.key_state = False, "Disabled"
        return ""

    def schedule_key_deletion(self) -> str:
        key = self._usable_key()
        days = int(self._get_param("PendingWindowInDays") or MAX_DELETION_DAYS)
        if not MIN_DELETION_DAYS <= days <= MAX_DELETION_DAYS:
            allowed = f"between {MIN_DELETION_DAYS} and {MAX_DELETION_DAYS}"
            raise RefusedError("ValidationException", f"Value {days} at 'pendingWindowInDays' must be {allowed}")
        key.enabled, key.key_state = False, "PendingDeletion"
        key.deletion_date = lab.current().clock.utc().replace(tzinfo=None) + timedelta(days=days)  # naive UTC, as moto keeps it
        answer = {"KeyId": key.arn, "KeyState": key.key_state, "PendingWindowInDays": days}
        return json.dumps({**answer, "DeletionDate": key.deletion_date.replace(tzinfo=UTC).timestamp()})

    def cancel_key_deletion(self) -> str:
        """The key comes back disabled."""
        key = self._key(aliases=False)
        if key.key_state != "PendingDeletion":
            raise RefusedError("KMSInvalidStateException", f"{key.arn} is not pending deletion.")
        key.key_state, key.deletion_date = "Disabled", None
        return json.dumps({"KeyId": key.arn})

    def replicate_key(self) -> str:
        key = self._key(aliases=False)
        answer = json.loads(super().replicate_key())
        # Grants and aliases belong to one region; moto's replica shares the primary's.
        replica = backend_of(self.current_account, self._get_param("ReplicaRegion")).keys[key.id]
        replica.grants, replica.aliases = {}, {}
        return json.dumps(answer)

    def _key(self, *, aliases: bool) -> Any:
        """moto's key of the call. Raises NotFoundException, or AccessDeniedException for another account's key that is closed to it.

        Grants and states want a key id or ARN, so an alias is not found there.
        """
        reference = str(self._get_param("KeyId") or "")
        if not aliases and (reference.startswith("alias/") or ":alias/" in reference):
            raise RefusedError("NotFoundException", f"Invalid keyId {reference}")
        info = key_info(self.current_account, self.region, reference)
        if info is None or info.region != self.region:
            raise RefusedError("NotFoundException", self._not_found(reference))
        key = backend_of(info.account, info.region).keys[info.key_id]
        if info.account != self.current_account and not key_access.allowed(key, self.current_account, self._get_action()):
            message = f"Account {self.current_account} is not authorized to perform: kms:{self._get_action()} on resource: {key.arn}"
            raise RefusedError("AccessDeniedException", message)
        return key

    def _not_found(self, reference: str) -> str:
        if "alias/" in reference:
            return f"Alias {self._display_arn(reference)} is not found."
        if reference.startswith("arn:") or _KEY_ID.fullmatch(reference):
            return f"Key '{self._display_arn(reference)}' does not exist"
        return f"Invalid keyId '{reference}'"

    def _usable_key(self) -> Any:
        key = self._key(aliases=False)
        if key.key_state == "PendingDeletion":
            raise RefusedError("KMSInvalidStateException", f"{key.arn} is pending deletion.")
        return key

    def _enabled_key(self) -> Any:
        key = self._usable_key()
        if key.key_state == "Disabled":
            raise RefusedError("DisabledException", f"{key.arn} is disabled.")
        return key

    def _grant_wanted(self) -> dict[str, Any]:
        grantee = str(self._get_param("GranteePrincipal") or "")
        if not _PRINCIPAL.fullmatch(grantee) or any(f"::{account}:" in grantee for account in lab.current().settings.unknown_accounts):
            raise RefusedError("InvalidArnException", f"ARN does not refer to a valid principal: {grantee}")
        return {
            "grantee": grantee,
            "operations": self._get_param("Operations") or [],
            "constraints": self._get_param("Constraints"),
            "retiring": self._get_param("RetiringPrincipal"),
        }


def _terms(grant: Any) -> dict[str, Any]:
    return {
        "grantee": grant.grantee_principal,
        "operations": grant.operations,
        "constraints": grant.constraints,
        "retiring": grant.retiring_principal,
    }


def _entry(grant: Any, key: Any) -> dict[str, Any]:
    issuer = f"arn:aws:iam::{key.account_id}:root"
    entry = {**grant.to_json(), "KeyId": key.arn, "IssuingAccount": issuer, "CreationDate": getattr(grant, "created_epoch", 0.0)}
    return {name: value for name, value in entry.items() if value is not None}


def _offset(marker: str | None) -> int:
    if not marker:
        return 0
    try:
        return int(base64.urlsafe_b64decode(marker))
    except (binascii.Error, ValueError) as error:
        raise RefusedError("InvalidMarkerException", f"The marker {marker} is not valid.") from error
