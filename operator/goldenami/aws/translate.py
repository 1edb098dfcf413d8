"""EC2's, KMS's and SSM's answers as the plan's values. Pure: dictionaries in, frozen values out.

Ten thousand replicas are held at once, so tag keys, tag values and equal sets of tags are shared between them.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from goldenami.plan.identity import unpacked
from goldenami.plan.values import Image, KeyFacts, KeyGrant, Parameter, Principals, Snapshot

_tag_sets: dict[tuple[tuple[str, str], ...], Mapping[str, str]] = {}
_MOST_TAG_SETS = 20_000
_NO_TAGS: Mapping[str, str] = {}


def tags(answer: Iterable[Mapping[str, Any]] | None) -> Mapping[str, str]:
    """`[{Key, Value}]` as a mapping, with what the tag of a release says.

    Equal sets are one object: an image and its snapshots carry the same.
    """
    pairs = tuple(sorted((sys.intern(str(tag["Key"])), sys.intern(str(tag.get("Value", "")))) for tag in answer or ()))
    if not pairs:
        return _NO_TAGS
    if len(_tag_sets) > _MOST_TAG_SETS:
        _tag_sets.clear()
    return _tag_sets.setdefault(pairs, unpacked(dict(pairs)))


def wire_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """The other way round, sorted."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def epoch_seconds(moment: datetime | str | None) -> float:
    """0 for what AWS did not tell. Images carry ISO text, snapshots a datetime."""
    if not moment:
        return 0.0
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def image(answer: Mapping[str, Any]) -> Image:
    mappings = [mapping["Ebs"] for mapping in answer.get("BlockDeviceMappings", ()) if "Ebs" in mapping]
    return Image(
        image_id=answer["ImageId"],
        name=answer.get("Name", ""),
        state=sys.intern(answer.get("State", "")),
        owner_id=sys.intern(answer.get("OwnerId", "")),
        description=sys.intern(answer.get("Description", "")),
        state_reason=answer.get("StateReason", {}).get("Message", ""),
        public=bool(answer.get("Public", False)),
        created_epoch_seconds=epoch_seconds(answer.get("CreationDate")),
        architecture=sys.intern(answer.get("Architecture", "")),
        root_device_type=sys.intern(answer.get("RootDeviceType", "")),
        virtualization_type=sys.intern(answer.get("VirtualizationType", "")),
        product_codes=_product_codes(answer),
        boot_mode=sys.intern(answer.get("BootMode", "")),
        source_image_id=sys.intern(answer.get("SourceImageId", "")),
        source_region=sys.intern(answer.get("SourceImageRegion", "")),
        deregistration_protection=sys.intern(answer.get("DeregistrationProtection", "")),
        deprecation_epoch_seconds=epoch_seconds(answer.get("DeprecationTime")),
        last_launched_epoch_seconds=epoch_seconds(answer.get("LastLaunchedTime")),
        snapshot_ids=tuple(sys.intern(ebs["SnapshotId"]) for ebs in mappings if ebs.get("SnapshotId")),
        encrypted=_encrypted([ebs.get("Encrypted") for ebs in mappings if ebs.get("SnapshotId")]),
        tags=tags(answer.get("Tags")),
    )


def _encrypted(told: list[bool | None]) -> bool | None:
    """One encrypted volume makes an encrypted image; that none is has to be said of each."""
    if any(told):
        return True
    return False if told and None not in told else None


def snapshot(answer: Mapping[str, Any]) -> Snapshot:
    return Snapshot(
        snapshot_id=sys.intern(answer["SnapshotId"]),
        state=sys.intern(answer.get("State", "")),
        progress=percent(answer.get("Progress", "")),
        encrypted=bool(answer.get("Encrypted", False)),
        kms_key_arn=sys.intern(answer.get("KmsKeyId", "")),
        size_gib=int(answer.get("VolumeSize", 0)),
        owner_id=sys.intern(answer.get("OwnerId", "")),
        description=answer.get("Description", ""),
        message=answer.get("StateMessage", ""),
        started_epoch_seconds=epoch_seconds(answer.get("StartTime")),
        full_size_bytes=int(answer.get("FullSnapshotSizeInBytes") or 0),
        tags=tags(answer.get("Tags")),
    )


def instance(answer: Mapping[str, Any]) -> Image:
    """What can rule an instance out as a source, in an image's words. Its own id, its state, and `source_image_id` it was launched from."""
    return Image(
        image_id=answer["InstanceId"],
        name="",
        state=answer.get("State", {}).get("Name", ""),
        architecture=answer.get("Architecture", ""),
        root_device_type=answer.get("RootDeviceType", ""),
        virtualization_type=answer.get("VirtualizationType", ""),
        product_codes=_product_codes(answer),
        boot_mode=answer.get("BootMode", ""),
        source_image_id=answer.get("ImageId", ""),
        created_epoch_seconds=epoch_seconds(answer.get("LaunchTime")),
        tags=tags(answer.get("Tags")),
    )


def _product_codes(answer: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(code.get("ProductCodeId", "")) for code in answer.get("ProductCodes", ()))


def percent(progress: str) -> int:
    """`42%` as 42; 0 while EC2 says nothing."""
    digits = progress.rstrip("%")
    return int(digits) if digits.isdigit() else 0


def principals(permissions: Iterable[Mapping[str, Any]]) -> Principals:
    """Launch permissions, or a snapshot's volume permissions, which are a subset in form."""
    rows = list(permissions)
    return Principals(
        accounts=frozenset(row["UserId"] for row in rows if row.get("UserId")),
        organization_arns=frozenset(row["OrganizationArn"] for row in rows if row.get("OrganizationArn")),
        organizational_unit_arns=frozenset(row["OrganizationalUnitArn"] for row in rows if row.get("OrganizationalUnitArn")),
        public=any(row.get("Group") == "all" for row in rows),
    )


def key_facts(metadata: Mapping[str, Any]) -> KeyFacts:
    return KeyFacts(
        arn=metadata["Arn"],
        enabled=metadata.get("KeyState", "Enabled" if metadata.get("Enabled") else "Disabled") == "Enabled",
        aws_managed=metadata.get("KeyManager") == "AWS",
        symmetric=metadata.get("KeySpec", "SYMMETRIC_DEFAULT") == "SYMMETRIC_DEFAULT",
    )


_ACCOUNT_ROOT = re.compile(r"arn:[^:]+:iam::(\d{12}):root")


def key_grant(answer: Mapping[str, Any]) -> KeyGrant:
    """`grantee` is an account id where the whole account was granted, else the principal's ARN."""
    principal = str(answer.get("GranteePrincipal", ""))
    root = _ACCOUNT_ROOT.fullmatch(principal)
    return KeyGrant(answer["GrantId"], str(answer.get("Name", "")), root.group(1) if root else principal)


def parameter(answer: Mapping[str, Any], tags: Mapping[str, str] = _NO_TAGS) -> Parameter:
    return Parameter(answer["Name"], int(answer.get("Version", 0)), str(answer.get("DataType", "")), tags)
