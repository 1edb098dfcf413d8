"""CreateTags, DeleteTags and DescribeTags over our images and snapshots and over what moto keeps, in one call."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from goldenami.local.aws.ec2 import errors, filters, paging, render, tagging
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.imports import SNAPSHOT as SNAPSHOT_TASK
from goldenami.local.aws.ec2.imports import find_task as import_task
from goldenami.local.aws.ec2.records import Image, Snapshot
from goldenami.local.aws.ec2.recycle_bin import binned
from goldenami.local.aws.ec2.visibility import find_snapshot, registered_image

RESOURCES_AT_MOST = 1000  # per call


@dataclass(frozen=True)
class _Tagged:
    """A resource whose tags can be read and replaced, whoever keeps it."""

    id: str
    read: Callable[[], Mapping[str, str]]
    write: Callable[[Mapping[str, str]], None]


def create_tags(call: Call) -> Mapping[str, Any]:
    """All or nothing: one resource that is not there, or would have too many tags, refuses the whole call."""
    tags = tagging.checked(call.params.get("Tags") or ())
    if not tags:
        raise errors.missing_parameter("Tags")
    resources = _resources(call)
    wanted = [(resource, {**resource.read(), **tags}) for resource in resources]
    for _, after in wanted:
        tagging.check_count(after)
    call.confirm()
    for resource, after in wanted:
        resource.write(after)
    return {"return": True}


def delete_tags(call: Call) -> Mapping[str, Any]:
    """A tag given with a value goes only if it has that value; no tags at all means every tag of the user's."""
    doomed = {str(tag.get("Key")): tag.get("Value") for tag in call.params.get("Tags") or ()}
    resources = _resources(call)
    call.confirm()
    for resource in resources:
        resource.write({key: value for key, value in resource.read().items() if not _goes(key, value, doomed)})
    return {"return": True}


def _goes(key: str, value: str, doomed: Mapping[str, Any]) -> bool:
    if key.startswith(tagging.RESERVED_PREFIX):
        return False
    return not doomed or (key in doomed and doomed[key] in (None, value))


def _resources(call: Call) -> list[_Tagged]:
    resource_ids = list(dict.fromkeys(call.texts("Resources")))
    if not resource_ids:
        raise errors.missing_parameter("resourceIdSet")
    if len(resource_ids) > RESOURCES_AT_MOST:
        raise errors.invalid_value(f"At most {RESOURCES_AT_MOST} resources can be tagged in a call")
    ours = {"ami": _image, "snap": _snapshot, "amiur": _report, "import": _import}
    call.shell.check_exist([each for each in resource_ids if each.split("-", 1)[0] not in ours])
    return [ours.get(each.split("-", 1)[0], _foreign)(call, each) for each in resource_ids]


def _image(call: Call, image_id: str) -> _Tagged:
    image = binned(call, image_id, Image) or registered_image(call, image_id)
    if image.owner != call.account:
        raise errors.not_authorized_for_image(image_id)
    return _Tagged(image_id, lambda: image.tags, lambda tags: setattr(image, "tags", tags))


def _snapshot(call: Call, snapshot_id: str) -> _Tagged:
    snapshot = binned(call, snapshot_id, Snapshot) or find_snapshot(call, snapshot_id)
    if snapshot.owner != call.account:
        raise errors.not_authorized_for_snapshot(snapshot_id)
    return _Tagged(snapshot_id, lambda: snapshot.tags, lambda tags: setattr(snapshot, "tags", tags))


def _report(call: Call, report_id: str) -> _Tagged:
    report = call.store.reports[call.account, call.region].get(report_id)
    if report is None:
        raise errors.Refused("InvalidImageUsageReportId.NotFound", f"The image usage report ID '{report_id}' does not exist")
    return _Tagged(report_id, lambda: report.tags, lambda tags: setattr(report, "tags", tags))


def _import(call: Call, task_id: str) -> _Tagged:
    task = import_task(call, task_id)
    return _Tagged(task_id, lambda: task.tags, lambda tags: setattr(task, "tags", tags))


def _foreign(call: Call, resource_id: str) -> _Tagged:
    return _Tagged(resource_id, lambda: call.shell.tags_of(resource_id), lambda tags: call.shell.set_tags(resource_id, tags))


@dataclass(frozen=True)
class _Row:
    resource_id: str
    resource_type: str
    key: str
    value: str


FIELDS: Mapping[str, Callable[[_Row], Iterable[Any]]] = {
    "key": lambda row: [row.key],
    "resource-id": lambda row: [row.resource_id],
    "resource-type": lambda row: [row.resource_type],
    "value": lambda row: [row.value],
}


def describe_tags(call: Call) -> render.Xml:
    passes = filters.compiled(call.params.get("Filters"), FIELDS, lambda row: {row.key: row.value})
    call.confirm()
    rows = enumerate(_rows(call), start=1)
    shown, token = paging.page(call, rows, sequence=lambda numbered: numbered[0], passes=lambda numbered: passes(numbered[1]), minimum=5)
    return render.listing("tagSet", [_item(row) for _, row in shown], token)


def _item(row: _Row) -> str:
    return f"<item>{render.elements(resourceId=row.resource_id, resourceType=row.resource_type, key=row.key, value=row.value)}</item>"


def _rows(call: Call) -> Iterable[_Row]:
    place = call.account, call.region
    yield from _rows_of(call, "image", call.store.owned[place].values())
    yield from _rows_of(call, "snapshot", call.store.owned_snapshots[place].values())
    for each in call.store.retained[place].values():
        kind = "image" if isinstance(each.record, Image) else "snapshot"
        yield from (_Row(each.record.id, kind, key, value) for key, value in each.record.tags.items())
    for report in call.store.reports[place].values():
        yield from (_Row(report.id, "image-usage-report", key, value) for key, value in report.tags.items())
    for task in call.store.imports[place].values():
        kind = "import-snapshot-task" if task.id.startswith(SNAPSHOT_TASK) else "import-image-task"
        yield from (_Row(task.id, kind, key, value) for key, value in task.tags.items())
    yield from (_Row(*row) for row in call.shell.all_tags())


def _rows_of(call: Call, resource_type: str, records: Iterable[Image | Snapshot]) -> Iterable[_Row]:
    return (
        _Row(record.id, resource_type, key, value)
        for record in records
        if call.now >= record.visible_at and getattr(record, "deregistered_at", None) is None
        for key, value in record.tags.items()
    )
