"""Effects that take images away: disabled, deregistered, their snapshots deleted. Each looks once more whose the thing is."""

from contextlib import suppress
from dataclasses import replace

from goldenami.aws.errors import AwsError, NotFound, Wait, not_ours, partly_removed, waiting
from goldenami.aws.toolbox import Effect, Tools
from goldenami.plan import actions as do
from goldenami.plan.identity import owner_of
from goldenami.plan.values import Image

RECENT_SECONDS = 10.0
"""A reading of an image that began this short a time ago is of the same look as the step that it allows. EC2 itself may show what was
before for some seconds, so that reading again would tell little more. An action that had to wait for its turn for longer reads again."""


def _disable(tools: Tools, action: do.DisableImage) -> str:
    _own(tools, action, "available")
    tools.calls.ec2(action.place, "DisableImage", lambda ec2: ec2.disable_image(ImageId=action.image_id), about=action.image_id)
    tools.holding(action.place).fold_changed(action.image_id, lambda image: replace(image, state="disabled", public=False))
    # Disabling takes all launch permissions away.
    tools.permissions(action.place).forget(action.image_id)
    return ""


def _deregister(tools: Tools, action: do.DeregisterImage) -> str:
    """The image, then whatever of its recorded snapshots is left: EC2 reports what it could not delete under an answer of success."""
    image = _own(tools, action, "disabled")
    if image is not None and image.state == "available":
        # As when a copy that was to be called off is ready by now: from here on it may have been launched.
        raise waiting(action.place, "DeregisterImage", f"{action.image_id} is available by now, and only a disabled image is deregistered")
    gone = _deregister_image(tools, action) if image is not None else frozenset()
    holding = tools.holding(action.place)
    holding.fold_gone(action.image_id)
    tools.permissions(action.place).forget(action.image_id)
    left: list[AwsError] = []
    for snapshot_id in action.snapshot_ids:
        if snapshot_id in gone:
            holding.fold_gone(snapshot_id)
            continue
        try:
            _delete(tools, do.DeleteSnapshot(action.place, snapshot_id, owner=action.owner))
        except AwsError as error:
            left.append(error)
    if left:
        raise partly_removed(action.image_id, left)
    return ""


def _own(tools: Tools, action: do.DisableImage | do.DeregisterImage, state: str) -> Image | None:
    """The last look before what takes an image away, by its id: what a listing said may be from before somebody took it over.

    `state`: what the action expects. A reading of a moment ago, as the evidence's, is taken where it shows just that; whatever else it
    shows is looked at once more, now. None: there is no such image. Raises FixTheSpec for one that does not carry its owner's tag.
    """
    holding = tools.holding(action.place)
    image = holding.by_id.get(action.image_id, tools.inventory.now() - RECENT_SECONDS)
    if image is None or image.state != state or owner_of(image.tags) != action.owner:
        image = tools.inventory.image(action.place, action.image_id)
    # EC2 finds a new id late, and then the listing, which has our own writes, knows better.
    known = holding.image(action.image_id)
    for each in (image, known):
        if each is not None and owner_of(each.tags) != action.owner:
            raise not_ours(action.place, type(action).__name__, action.image_id, action.owner)
    return image or known


def _deregister_image(tools: Tools, action: do.DeregisterImage) -> frozenset[str]:
    """The snapshots that went with it; none when it was gone already, since then EC2 tells nothing of them."""
    try:
        answer = tools.calls.ec2(
            action.place,
            "DeregisterImage",
            lambda ec2: ec2.deregister_image(ImageId=action.image_id, DeleteAssociatedSnapshots=_together(tools, action)),
            about=action.image_id,
        )
    except NotFound:
        return frozenset()
    except Wait as error:
        if error.code != "InvalidAMIID.Unavailable":
            raise
        return frozenset()
    results = answer.get("DeleteSnapshotResults", ())
    return frozenset(row["SnapshotId"] for row in results if row.get("ReturnCode") == "success")


def _together(tools: Tools, action: do.DeregisterImage) -> bool:
    """EC2 deletes all of an image's snapshots or none. One that is not ours, as the source of a registered image, is never among them."""
    holding = tools.holding(action.place)
    image = holding.image(action.image_id)
    named = image.snapshot_ids if image else ()
    known = [holding.snapshot(name) for name in named]
    mine = all(part is not None and owner_of(part.tags) == action.owner for part in known)
    return bool(named) and set(named) <= set(action.snapshot_ids) and mine


def _delete(tools: Tools, action: do.DeleteSnapshot) -> str:
    """InUse is a Wait: EC2 says so for a while after the image was deregistered."""
    holding = tools.holding(action.place)
    snapshot = tools.inventory.snapshot(action.place, action.snapshot_id) or holding.snapshot(action.snapshot_id)
    if snapshot is not None and owner_of(snapshot.tags) != action.owner:
        raise not_ours(action.place, "DeleteSnapshot", action.snapshot_id, action.owner)
    if snapshot is not None:
        with suppress(NotFound):
            tools.calls.ec2(
                action.place,
                "DeleteSnapshot",
                lambda ec2: ec2.delete_snapshot(SnapshotId=action.snapshot_id),
                about=action.snapshot_id,
            )
    holding.fold_gone(action.snapshot_id)
    return ""


def _cancel(tools: Tools, action: do.CancelImport) -> str:
    """One that has ended meanwhile is left to what finds its snapshot at the next listing."""
    imports = tools.imports(action.place)
    task = imports.now(action.task_id)
    if task is not None and owner_of(task.tags) != action.owner:
        raise not_ours(action.place, "CancelImportTask", action.task_id, action.owner)
    if task is not None and task.state == "completed":
        imports.fold_gone(action.task_id)
        raise waiting(action.place, "CancelImportTask", f"{action.task_id} has ended by now, and what it made is looked at by itself")
    if task is not None:
        tools.calls.ec2(
            action.place,
            "CancelImportTask",
            lambda ec2: ec2.cancel_import_task(ImportTaskId=action.task_id, CancelReason=action.why),
            about=action.task_id,
        )
    imports.fold_gone(action.task_id)
    return ""


EFFECTS: dict[type[do.Action], Effect] = {
    do.DisableImage: _disable,
    do.DeregisterImage: _deregister,
    do.DeleteSnapshot: _delete,
    do.CancelImport: _cancel,
}
