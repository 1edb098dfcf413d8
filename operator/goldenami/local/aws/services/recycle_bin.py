"""Recycle Bin's own service (`rbin`): the retention rules that decide what `ec2.recycle_bin` keeps.

Sources: Recycle Bin API reference (CreateRule, UpdateRule, ListRules, LockConfiguration) and EBS user guide ("Recycle Bin": quotas,
"Considerations for Recycle Bin": the first rule of a region takes up to 30 minutes to work, later ones work at once).
"""

import base64
import binascii
import random
import string
from collections.abc import Mapping, Sequence
from typing import Any

from goldenami.local.aws import lab
from goldenami.local.aws.answers import RefusedError
from goldenami.local.aws.ec2.retention import IMAGE, SNAPSHOT, VOLUME, Rule, Tag
from goldenami.local.aws.services.rest import Operations, RestCall

LONGEST_DAYS = {IMAGE: 365, SNAPSHOT: 365, VOLUME: 7}
RULES_AT_MOST = 250  # per region
TAGS_AT_MOST = 50  # of one rule
EXCLUDED_AT_MOST = 5
LARGEST_PAGE = 1000
_ids = random.Random()  # noqa: S311 - ids need to differ, not to be secret


def create_rule(call: RestCall) -> Mapping[str, Any]:
    rules = call.store.rules[call.place]
    resource_type = str(call.params["ResourceType"])
    days = _days(call, resource_type)
    tags, excluded = _scope(call)
    lock = call.params.get("LockConfiguration")
    if lock and tags:
        raise _invalid("Only a Region-level retention rule can be locked.")
    if len(rules) >= RULES_AT_MOST:
        raise RefusedError("ServiceQuotaExceededException", f"There can be at most {RULES_AT_MOST} retention rules in a Region.", 402)
    works = any(call.now >= rule.active_at for rule in rules.values())
    rule_id = "".join(_ids.choices(string.ascii_letters + string.digits, k=11))
    rule = Rule(
        id=rule_id, arn=f"arn:aws:rbin:{call.region}:{call.account}:rule/{rule_id}", resource_type=resource_type, days=days,
        active_at=call.now if works else call.now + lab.current().settings.first_rule_seconds,
        description=str(call.params.get("Description") or ""), tags=tags, excluded=excluded,
        unlock_delay_days=int(lock["UnlockDelay"]["UnlockDelayValue"]) if lock else None, own_tags=_own_tags(call),
    )  # fmt: skip
    rules[rule.id] = rule
    return {**_described(rule, call.now), "Tags": _as_tags(rule.own_tags)}


def get_rule(call: RestCall) -> Mapping[str, Any]:
    return _described(_rule(call), call.now)


def list_rules(call: RestCall) -> Mapping[str, Any]:
    """Of one resource type. Tags in the request narrow it to rules that have one of them."""
    wanted, unwanted = _tags(call, "ResourceTags", TAGS_AT_MOST), _tags(call, "ExcludeResourceTags", EXCLUDED_AT_MOST)
    state = call.params.get("LockState")
    rules = [
        rule
        for rule in call.store.rules[call.place].values()
        if rule.resource_type == call.params["ResourceType"]
        and (not wanted or set(wanted) & set(rule.tags))
        and (not unwanted or set(unwanted) & set(rule.excluded))
        and state in (None, _lock_state(rule))
    ]
    start, size = _offset(call.params.get("NextToken")), int(call.params.get("MaxResults") or LARGEST_PAGE)
    if not 1 <= size <= LARGEST_PAGE:
        raise _invalid(f"MaxResults is between 1 and {LARGEST_PAGE}.")
    answer: dict[str, Any] = {"Rules": [_summary(rule) for rule in rules[start : start + size]]}
    if start + size < len(rules):
        answer["NextToken"] = base64.b64encode(str(start + size).encode()).decode()
    return answer


def update_rule(call: RestCall) -> Mapping[str, Any]:
    """What is in the bin already stays as long as the rule said when it entered."""
    rule = _unlocked(call)
    if call.params.get("ResourceType") not in (None, rule.resource_type):
        raise _invalid("The resource type of a retention rule cannot be changed.")
    if call.params.get("RetentionPeriod"):
        rule.days = _days(call, rule.resource_type)
    tags, excluded = _scope(call)
    if (tags and not rule.tags) or (excluded and rule.tags):
        raise _invalid("A tag-level rule cannot become a Region-level rule, or the other way round.")
    rule.tags, rule.excluded = tags or rule.tags, excluded if "ExcludeResourceTags" in call.params else rule.excluded
    if call.params.get("Description") is not None:
        rule.description = str(call.params["Description"])
    return _described(rule, call.now)


def delete_rule(call: RestCall) -> Mapping[str, Any]:
    """What is in the bin stays there."""
    rule = _unlocked(call)
    del call.store.rules[call.place][rule.id]
    return {}


def tag_resource(call: RestCall) -> Mapping[str, Any]:
    _rule_by_arn(call).own_tags.update(_own_tags(call))
    return {}


def untag_resource(call: RestCall) -> Mapping[str, Any]:
    rule = _rule_by_arn(call)
    for key in call.params.get("TagKeys") or ():
        rule.own_tags.pop(str(key), None)
    return {}


def list_tags_for_resource(call: RestCall) -> Mapping[str, Any]:
    return {"Tags": _as_tags(_rule_by_arn(call).own_tags)}


OPERATIONS: Operations = {
    "CreateRule": create_rule,
    "GetRule": get_rule,
    "ListRules": list_rules,
    "UpdateRule": update_rule,
    "DeleteRule": delete_rule,
    "TagResource": tag_resource,
    "UntagResource": untag_resource,
    "ListTagsForResource": list_tags_for_resource,
}

# What a call asks for


def _rule(call: RestCall) -> Rule:
    rule_id = str(call.params["Identifier"])
    rule = call.store.rules[call.place].get(rule_id)
    if rule is None:
        raise RefusedError("ResourceNotFoundException", f"The retention rule {rule_id} does not exist.", 404)
    return rule


def _unlocked(call: RestCall) -> Rule:
    rule = _rule(call)
    if rule.locked:
        raise RefusedError("ConflictException", f"The retention rule {rule.id} is locked.", 409)
    return rule


def _rule_by_arn(call: RestCall) -> Rule:
    arn = str(call.params["ResourceArn"])
    rule = next((rule for rule in call.store.rules[call.place].values() if rule.arn == arn), None)
    if rule is None:
        raise RefusedError("ResourceNotFoundException", f"The retention rule {arn} does not exist.", 404)
    return rule


def _days(call: RestCall, resource_type: str) -> int:
    if resource_type not in LONGEST_DAYS:
        raise _invalid(f"The resource type is one of {', '.join(LONGEST_DAYS)}: {resource_type} was given.")
    period = call.params["RetentionPeriod"]
    days, longest = int(period["RetentionPeriodValue"]), LONGEST_DAYS[resource_type]
    if period.get("RetentionPeriodUnit") != "DAYS" or not 1 <= days <= longest:
        raise _invalid(f"The retention period of {resource_type} is 1 to {longest} DAYS.")
    return days


def _scope(call: RestCall) -> tuple[tuple[Tag, ...], tuple[Tag, ...]]:
    """The tags that a rule is for, and those that it excludes; it has one kind at most."""
    tags, excluded = _tags(call, "ResourceTags", TAGS_AT_MOST), _tags(call, "ExcludeResourceTags", EXCLUDED_AT_MOST)
    if tags and excluded:
        raise _invalid("Exclusion tags are for Region-level retention rules, which have no resource tags.")
    return tags, excluded


def _tags(call: RestCall, name: str, at_most: int) -> tuple[Tag, ...]:
    given: Sequence[Mapping[str, Any]] = call.params.get(name) or ()
    if len(given) > at_most:
        raise _invalid(f"{name} has at most {at_most} entries.")
    return tuple((str(each["ResourceTagKey"]), each.get("ResourceTagValue")) for each in given)


def _own_tags(call: RestCall) -> dict[str, str]:
    return {str(tag["Key"]): str(tag["Value"]) for tag in call.params.get("Tags") or ()}


def _offset(token: str | None) -> int:
    try:
        return int(base64.b64decode(token or "MA=="))
    except (binascii.Error, ValueError) as error:
        raise _invalid(f"The token {token} is not valid.") from error


def _invalid(message: str) -> RefusedError:
    return RefusedError("ValidationException", message)


# How a rule is shown


def _described(rule: Rule, now: float) -> dict[str, Any]:
    described = {
        **_summary(rule), "ResourceType": rule.resource_type, "Status": "available" if now >= rule.active_at else "pending",
        "ResourceTags": _as_resource_tags(rule.tags), "ExcludeResourceTags": _as_resource_tags(rule.excluded),
    }  # fmt: skip
    if rule.locked:
        described["LockConfiguration"] = {"UnlockDelay": {"UnlockDelayValue": rule.unlock_delay_days, "UnlockDelayUnit": "DAYS"}}
    return described


def _summary(rule: Rule) -> dict[str, Any]:
    period = {"RetentionPeriodValue": rule.days, "RetentionPeriodUnit": "DAYS"}
    return {
        "Identifier": rule.id, "Description": rule.description, "RetentionPeriod": period, "LockState": _lock_state(rule),
        "RuleArn": rule.arn,
    }  # fmt: skip


def _lock_state(rule: Rule) -> str:
    return "locked" if rule.locked else "unlocked"


def _as_resource_tags(tags: Sequence[Tag]) -> list[dict[str, str]]:
    return [{"ResourceTagKey": key, **({} if value is None else {"ResourceTagValue": value})} for key, value in tags]


def _as_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]
