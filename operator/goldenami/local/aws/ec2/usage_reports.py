"""Image usage reports: which other accounts use an image, and how much, as of a while ago.

A report is made in the background and is kept for 30 days. What is newer than a day (instances) or some days (templates, recipes) is not in
it; what has ended is not counted. A report that is pending or failed has no entries, so that nobody may take none for no use.
Source: EC2 user guide ("View your AMI usage": lag, expiry, quotas) and API reference. Undocumented: the code of an unknown report.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from goldenami.local.aws import lab
from goldenami.local.aws.ec2 import errors, filters, paging, render, tagging
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.records import UsageEntry, UsageReport, iso
from goldenami.local.aws.ec2.references import CONTAINER_RECIPE, IMAGE_RECIPE, INSTANCE, RECIPES, TEMPLATE, depth_of
from goldenami.local.aws.ec2.shell import Shell, accounts_in
from goldenami.local.aws.ec2.visibility import check_image_id, own_image

DAY_SECONDS = 86400
KEPT_SECONDS = 30 * DAY_SECONDS
ACCOUNTS_AT_MOST = 200
IDS_AT_MOST = 200  # per Describe call
DEPTH = 20  # newest versions of a launch template, by default
PAGE = 100  # undocumented
TOLERANCE_SECONDS = 0.001  # a template version's time is rounded to the microsecond
_ACCOUNT = re.compile(r"\d{12}")

# Making


def create_image_usage_report(call: Call) -> Mapping[str, Any]:
    known: Mapping[str, Any] | None = call.replay()
    if known is not None:
        return known
    image = own_image(call)
    wanted = _resource_types(call)
    accounts = call.texts("AccountIds")
    if len(accounts) > ACCOUNTS_AT_MOST or not all(map(_ACCOUNT.fullmatch, accounts)):
        raise errors.invalid_value(f"AccountId is at most {ACCOUNTS_AT_MOST} account ids of twelve digits")
    (tags,) = tagging.specified(call, "image-usage-report")
    call.confirm()
    _check_quotas(call, image.id)
    report = UsageReport(
        id=call.store.new_id("amiur"), image_id=image.id, owner=call.account, region=call.region, sequence=call.store.next_sequence(),
        created_at=call.now, expires_at=call.now + KEPT_SECONDS, resource_types=wanted, accounts=tuple(accounts), tags=tags,
    )  # fmt: skip
    call.store.reports[call.account, call.region][report.id] = report
    doomed = lab.doomed(call.lab.settings.fail_usage_reports, call.region)
    call.store.at(call.now + call.lab.settings.usage_report_seconds, lambda _: _fail(report) if doomed else _finish(call, report))
    call.store.at(report.expires_at, lambda _: _expire(call, report))
    answer = {"reportId": report.id}
    call.remember(answer)
    return answer


def _resource_types(call: Call) -> dict[str, int | None]:
    """Each type with the depth it is looked at to, where it has one."""
    wanted: dict[str, int | None] = {}
    for each in call.params.get("ResourceTypes") or ():
        name = str(each.get("ResourceType"))
        if name not in _COUNTS:
            raise errors.invalid_value(f"Value ({name}) for parameter resourceType is invalid: one of {', '.join(_COUNTS)} is expected")
        wanted[name] = DEPTH if name == TEMPLATE else None
        for option in each.get("ResourceTypeOptions") or ():
            if (name, option.get("OptionName")) != (TEMPLATE, "version-depth"):
                raise errors.invalid_value(f"{name} has no option {option.get('OptionName')}")
            wanted[name] = depth_of([str(value) for value in option.get("OptionValues") or ()])
    if not wanted:
        raise errors.missing_parameter("ResourceTypes")
    return wanted


def _check_quotas(call: Call, image_id: str) -> None:
    reports = call.store.reports[call.account, call.region].values()
    if any(report.image_id == image_id and report.state == "pending" for report in reports):
        raise errors.Refused(
            "ResourceLimitExceeded", f"There is a report in progress for the image {image_id}; there can be one at a time."
        )
    quota = call.lab.settings.usage_reports_quota
    if len(reports) >= quota:
        raise errors.Refused("ResourceLimitExceeded", f"The maximum number of image usage reports has been reached ({quota}).")


def _fail(report: UsageReport) -> None:
    report.state, report.reason = "error", "The report could not be created. Try again later."


def _finish(call: Call, report: UsageReport) -> None:
    """Counts, as things stand when the report is done."""
    report.entries = tuple(_entries(call, report))
    report.state = "available"


def _expire(call: Call, report: UsageReport) -> None:
    call.store.reports[report.owner, report.region].pop(report.id, None)


def _entries(call: Call, report: UsageReport) -> Iterable[UsageEntry]:
    accounts = sorted({*accounts_in(report.region), *(account for account, _ in call.store.recipes)} - {report.owner})
    for account in accounts:
        if report.accounts and account not in report.accounts:
            continue
        for resource_type in report.resource_types:
            count = _COUNTS[resource_type](call, report, account, resource_type)
            if count:
                yield UsageEntry(account, resource_type, count)


# Counting


def _instances(call: Call, report: UsageReport, account: str, _: str) -> int:
    known_at = report.created_at - call.lab.settings.usage_instances_lag_seconds
    return sum(
        use.image_id == report.image_id and use.state != "terminated" and call.store.launched.get(use.instance_id, 0.0) <= known_at
        for use in Shell(account, report.region).uses()
    )


def _templates(call: Call, report: UsageReport, account: str, _: str) -> int:
    """A template counts once, however many of its versions name the image."""
    shell = Shell(account, report.region)
    known_at = report.created_at - call.lab.settings.usage_templates_lag_seconds + TOLERANCE_SECONDS
    depth = report.resource_types[TEMPLATE] or DEPTH
    count = 0
    for template in shell.templates():
        known = [version for version in shell.versions(template) if version.create_time.replace(tzinfo=UTC).timestamp() <= known_at]
        count += any(version.data.get("ImageId") == report.image_id for version in known[-depth:])
    return count


def _recipes(call: Call, report: UsageReport, account: str, resource_type: str) -> int:
    known_at, kind = report.created_at - call.lab.settings.usage_templates_lag_seconds, RECIPES[resource_type]
    recipes = call.store.recipes[account, report.region].values()
    return sum(recipe.kind == kind and recipe.base == report.image_id and recipe.created_at <= known_at for recipe in recipes)


_COUNTS: Mapping[str, Callable[[Call, UsageReport, str, str], int]] = {
    INSTANCE: _instances,
    TEMPLATE: _templates,
    IMAGE_RECIPE: _recipes,
    CONTAINER_RECIPE: _recipes,
}

# Reading

FIELDS: Mapping[str, Callable[[UsageReport], Iterable[Any]]] = {
    "creation-time": lambda report: [iso(report.created_at)],
    "state": lambda report: [report.state],
}
ENTRY_FIELDS: Mapping[str, Callable[[tuple[UsageReport, UsageEntry]], Iterable[Any]]] = {
    "account-id": lambda row: [row[1].account],
    "creation-time": lambda row: [iso(row[0].created_at)],
    "resource-type": lambda row: [row[1].resource_type],
}


def describe_image_usage_reports(call: Call) -> render.Xml:
    passes = filters.compiled(call.params.get("Filters"), FIELDS, lambda report: report.tags)
    found = _asked_for(call)
    call.confirm()
    shown, token = paging.page(call, found, sequence=lambda report: report.sequence, passes=passes, default=PAGE)
    return render.listing("imageUsageReportSet", [f"<item>{_row(report)}</item>" for report in shown], token)


def describe_image_usage_report_entries(call: Call) -> render.Xml:
    passes = filters.compiled(call.params.get("Filters"), ENTRY_FIELDS, lambda _: {})
    found = [(report, entry) for report in _asked_for(call) for entry in report.entries]
    call.confirm()
    shown, token = paging.page(
        call, list(enumerate(found, start=1)), sequence=lambda each: each[0], passes=lambda each: passes(each[1]), default=PAGE
    )
    return render.listing("imageUsageReportEntrySet", [f"<item>{_entry_row(*row)}</item>" for _, row in shown], token)


def delete_image_usage_report(call: Call) -> Mapping[str, Any]:
    report = _report(call, call.required("ReportId"))
    call.confirm()
    del call.store.reports[call.account, call.region][report.id]
    return {"return": True}


def _asked_for(call: Call) -> list[UsageReport]:
    """The caller's reports, narrowed by ids and images. Raises for a report id that there is not."""
    report_ids, image_ids = call.texts("ReportIds"), call.texts("ImageIds")
    if max(len(report_ids), len(image_ids)) > IDS_AT_MOST:
        raise errors.invalid_value(f"At most {IDS_AT_MOST} ids can be given in a call")
    for image_id in image_ids:
        check_image_id(image_id)
    named = [_report(call, report_id) for report_id in dict.fromkeys(report_ids)]
    found = sorted(named, key=lambda report: report.sequence) or call.store.reports[call.account, call.region].values()
    return [report for report in found if not image_ids or report.image_id in image_ids]


def _report(call: Call, report_id: str) -> UsageReport:
    report = call.store.reports[call.account, call.region].get(report_id)
    if report is None:
        raise errors.Refused("InvalidImageUsageReportId.NotFound", f"The image usage report ID '{report_id}' does not exist")
    return report


def _row(report: UsageReport) -> render.Xml:
    return render.elements(
        imageId=report.image_id, reportId=report.id, resourceTypeSet=[_type_row(*each) for each in report.resource_types.items()],
        accountIdSet=list(report.accounts) or None, state=report.state, stateReason=report.reason,
        creationTime=_time(report.created_at), expirationTime=_time(report.expires_at), tagSet=render.tag_set(report.tags),
    )  # fmt: skip


def _type_row(resource_type: str, depth: int | None) -> dict[str, Any]:
    row: dict[str, Any] = {"resourceType": resource_type}
    if depth is not None:
        row["resourceTypeOptionSet"] = [{"optionName": "version-depth", "optionValueSet": [str(depth)]}]
    return row


def _entry_row(report: UsageReport, entry: UsageEntry) -> render.Xml:
    return render.elements(
        resourceType=entry.resource_type, reportId=report.id, usageCount=entry.count, accountId=entry.account, imageId=report.image_id,
        reportCreationTime=_time(report.created_at),
    )  # fmt: skip


def _time(epoch_seconds: float) -> datetime:
    return datetime.fromtimestamp(epoch_seconds, UTC)
