"""EC2's rules for tags, and the tags that a creating call brings (TagSpecifications)."""

from collections.abc import Iterable, Mapping
from typing import Any

from goldenami.local.aws.ec2 import errors
from goldenami.local.aws.ec2.call import Call

TAGS_AT_MOST = 50
KEY_AT_MOST = 128
VALUE_AT_MOST = 256
RESERVED_PREFIX = "aws:"


def specified(call: Call, *resource_types: str) -> tuple[dict[str, str], ...]:
    """The tags for each of these resource types. Raises for a specification of any other type, and for tags that EC2 would refuse."""
    found: dict[str, dict[str, str]] = {resource_type: {} for resource_type in resource_types}
    for specification in call.params.get("TagSpecifications") or ():
        resource_type = specification.get("ResourceType")
        if resource_type not in found:
            raise errors.invalid_value(f"'{resource_type}' is not a valid taggable resource type for this operation.")
        if found[resource_type]:
            raise errors.invalid_value(
                f"The same resource type '{resource_type}' may not be specified more than once in tag specifications"
            )
        found[resource_type] = checked(specification.get("Tags") or ())
    return tuple(found[resource_type] for resource_type in resource_types)


def checked(tags: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Tags as a mapping, refused where EC2 refuses them."""
    result: dict[str, str] = {}
    for tag in tags:
        key, value = str(tag.get("Key") or ""), str(tag.get("Value") or "")
        _check(key, value)
        if key in result:
            raise errors.invalid_value(f"Duplicate tag key '{key}' specified.")
        result[key] = value
    check_count(result)
    return result


def check_count(tags: Mapping[str, str]) -> None:
    if sum(not key.startswith(RESERVED_PREFIX) for key in tags) > TAGS_AT_MOST:
        raise errors.Refused("TagLimitExceeded", f"The maximum number of Tags for a resource has been reached ({TAGS_AT_MOST}).")


def _check(key: str, value: str) -> None:
    if not key:
        raise errors.invalid_value("Tag key cannot be null or empty")
    if key.startswith(RESERVED_PREFIX):
        raise errors.invalid_value(
            f"Value ( {key} ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use"
        )
    if len(key) > KEY_AT_MOST:
        raise errors.Refused("InvalidTagKey.Malformed", f"Tag key exceeds the maximum length of {KEY_AT_MOST} characters: '{key}'")
    if len(value) > VALUE_AT_MOST:
        raise errors.invalid_value(f"Tag value exceeds the maximum length of {VALUE_AT_MOST} characters: '{value}'")
