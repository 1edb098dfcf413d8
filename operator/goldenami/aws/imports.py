"""Imports of disks in one place that carry our owner tag, as EC2 lists its tasks: those that have not ended, and what ended ones left.

A listing is two calls, and up to three more where an import of ours has ended. The audit makes it, within its budget; so does who asks for
a look.
"""

import logging
import math
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from goldenami.aws import left_behind, translate
from goldenami.aws.calls import Calls
from goldenami.aws.dated import Dated
from goldenami.aws.errors import AwsError
from goldenami.aws.holding import paged
from goldenami.plan.identity import OWNER, RELEASED, Owner, owner_of
from goldenami.plan.values import ImportTask, Place, Problem

log = logging.getLogger(__name__)

LISTING_CALLS, LEFT_CALLS = 2, 3
KEPT_STATES = frozenset({"pending", "active", "completed"})
"""Whatever else a task is called, it leaves nothing: EC2 calls a failed one deleted, as one that was cancelled."""


class Imports:
    """Safe to use from several threads."""

    def __init__(self, place: Place, calls: Calls, clock: Callable[[], float]) -> None:
        self._place = place
        self._calls = calls
        self._lock = threading.Lock()
        self._tasks: dict[str, ImportTask] = {}
        self._clock = clock
        self._read_at = Dated(self._read, clock)
        self._tried_at = -math.inf
        self._known_since = clock()
        """After a start the audit has more to read than it may, so it does not begin with them."""
        self.problem: Problem | None = None
        """Why they could not be listed when that was tried last."""

    def of(self, owner: Owner) -> tuple[ImportTask, ...] | None:
        """As last listed, with our own writes; None while they never were. Nothing is read."""
        if self._read_at.peek() is None:
            return None
        with self._lock:
            return tuple(task for task in self._tasks.values() if owner_of(task.tags) == owner)

    def audit(self, every_seconds: float) -> int:
        """Lists them where that is so long ago; how many calls that took."""
        now = self._clock()
        return self.refresh(now) if now - max(self._tried_at, self._known_since) >= every_seconds else 0

    def refresh(self, not_older_than: float) -> int:
        """Lists them where the last attempt is older; how many calls that took.

        What cannot be listed stays as it was known, and is logged and told: it is in nobody's way.
        """
        if self._tried_at >= not_older_than:
            return 0
        self._tried_at = self._clock()
        try:
            self._read_at.get(not_older_than)
            self._note(None)
        except AwsError as error:
            self._note(error.problem)
        with self._lock:
            have_ended = any(task.state == "completed" for task in self._tasks.values())
        return LISTING_CALLS + (LEFT_CALLS if have_ended else 0)

    def now(self, task_id: str) -> ImportTask | None:
        """One of anybody's that has not failed, read now; what it left is not looked up. Raises AwsError."""
        return next((task for task in map(_task, self._rows(task_id)) if task.task_id == task_id and task.state in KEPT_STATES), None)

    def fold_tags(self, resource_ids: Iterable[str], change: Callable[[Mapping[str, str]], Mapping[str, str]]) -> None:
        """Of tasks; a snapshot that becomes ours is what the listing of snapshots tells of from then on."""
        names = frozenset(resource_ids)
        with self._lock:
            for name, task in self._tasks.items():
                tags = change(task.tags) if name in names else task.tags
                self._tasks[name] = replace(task, tags=tags, snapshot_ids=tuple(part for part in task.snapshot_ids if part not in names))

    def fold_gone(self, task_id: str) -> None:
        with self._lock:
            self._tasks.pop(task_id, None)

    def _note(self, problem: Problem | None) -> None:
        """Logged once for each reason: the next listing would say the same."""
        if problem is not None and problem != self.problem:
            log.warning("half-finished imports are not looked for in %s: %s", self._place.region, problem.message)
        self.problem = problem

    def _read(self) -> None:
        tasks = [task for task in map(_task, (*self._rows("import-snap-"), *self._rows("import-ami-"))) if owner_of(task.tags)]
        tasks = self._left([task for task in tasks if task.state in KEPT_STATES])
        with self._lock:
            self._tasks = {task.task_id: task for task in tasks}

    def _rows(self, task_id: str) -> list[Any]:
        """All tasks of a kind: EC2 documents no filter by tag for them, and refuses a call that names one which is forgotten.

        Nor does it document how large a page may be, so it is left to EC2.
        """
        if task_id.startswith("import-ami-"):
            return paged(
                lambda more: self._calls.ec2(self._place, "DescribeImportImageTasks", lambda ec2: ec2.describe_import_image_tasks(**more)),
                "ImportImageTasks",
            )
        return paged(
            lambda more: self._calls.ec2(
                self._place, "DescribeImportSnapshotTasks", lambda ec2: ec2.describe_import_snapshot_tasks(**more)
            ),
            "ImportSnapshotTasks",
        )

    def _left(self, tasks: list[ImportTask]) -> list[ImportTask]:
        """With what ended ones made, as far as it is there, is nobody's, and nothing was made of it."""
        image_ids = [task.image_id for task in tasks if task.state == "completed" and task.image_id]
        snapshot_ids = [name for task in tasks if task.state == "completed" for name in task.snapshot_ids]
        images = {image.image_id for image in left_behind.existing(self._calls, self._place, image_ids) if _nobodys(image.tags)}
        parts = {part.snapshot_id for part in left_behind.parts(self._calls, self._place, snapshot_ids) if _nobodys(part.tags)}
        parts -= left_behind.naming(self._calls, self._place, sorted(parts)).keys()
        return [
            replace(
                task,
                image_id=task.image_id if task.image_id in images else "",
                snapshot_ids=tuple(name for name in task.snapshot_ids if name in parts),
            )
            for task in tasks
        ]


def _nobodys(tags: Mapping[str, str]) -> bool:
    return not tags.keys() & {OWNER, RELEASED}


def _task(row: Mapping[str, Any]) -> ImportTask:
    """Of either kind."""
    details = [row["SnapshotTaskDetail"]] if "SnapshotTaskDetail" in row else row.get("SnapshotDetails", ())
    return ImportTask(
        task_id=row["ImportTaskId"],
        state=str(row.get("Status") or next((each.get("Status", "") for each in details), "")),
        tags=translate.tags(row.get("Tags")),
        image_id=row.get("ImageId") or "",
        snapshot_ids=tuple(each["SnapshotId"] for each in details if each.get("SnapshotId")),
    )
