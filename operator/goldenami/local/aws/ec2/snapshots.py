"""Snapshots: CreateSnapshot(s), DescribeSnapshots, DeleteSnapshot."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from goldenami.local.aws.ec2 import encryption, errors, filters, paging, recycle_bin, render, tagging
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.records import Snapshot, SnapshotState, iso
from goldenami.local.aws.ec2.shell import Volume
from goldenami.local.aws.ec2.visibility import check_snapshot_id, own_snapshot, publicly_restorable, restorable

GIB = 2**30

FIELDS: Mapping[str, Callable[[Snapshot], Iterable[Any]]] = {
    "description": lambda snapshot: [snapshot.description],
    "encrypted": lambda snapshot: [snapshot.encrypted],
    "owner-alias": lambda snapshot: [snapshot.owner_alias],
    "owner-id": lambda snapshot: [snapshot.owner],
    "snapshot-id": lambda snapshot: [snapshot.id],
    "start-time": lambda snapshot: [iso(snapshot.started_at)],
    "status": lambda snapshot: [snapshot.state.value],
    "storage-tier": lambda _: ["standard"],
    "transfer-type": lambda snapshot: [render.transfer_type(snapshot)],
    "volume-id": lambda snapshot: [snapshot.volume_id],
    "volume-size": lambda snapshot: [snapshot.volume_size],
}


def new_snapshot(
    call: Call, *, seconds: float, volume_size: int, full_bytes: int | None = None, completes: bool = True, **fields: Any
) -> Snapshot:
    """A pending snapshot of the caller, in the store, due after `seconds`. One that `completes` does so by itself."""
    snapshot = Snapshot(
        id=fields.pop("id", None) or call.store.new_id("snap"),
        owner=call.account,
        region=call.region,
        sequence=call.store.next_sequence(),
        volume_size=volume_size,
        started_at=call.now,
        due_at=call.now + seconds,
        visible_at=call.now + call.lab.settings.list_lag_seconds,
        full_bytes=full_bytes or int(volume_size * GIB * (0.1 + 0.5 * call.lab.draw("full", fields.get("volume_id", "")))),
        **fields,
    )
    call.store.add_snapshot(snapshot)
    if completes:
        call.store.at(snapshot.due_at, lambda now: complete(call, snapshot, now))
    return snapshot


def complete(call: Call, snapshot: Snapshot, now: float) -> None:
    call.store.copying_snapshots[snapshot.owner, snapshot.region].discard(snapshot.id)
    if snapshot.state is SnapshotState.PENDING:
        snapshot.state = SnapshotState.COMPLETED
        snapshot.completed_at = now


def fail(call: Call, snapshot: Snapshot, message: str) -> None:
    call.store.copying_snapshots[snapshot.owner, snapshot.region].discard(snapshot.id)
    snapshot.state = SnapshotState.ERROR
    snapshot.state_message = message


def create_snapshot(call: Call) -> render.Xml:
    volume = call.shell.volume(call.required("VolumeId"))
    (tags,) = tagging.specified(call, "snapshot")
    call.confirm()
    return render.snapshot_content(_take(call, volume, tags), viewer=call.account, now=call.now)


def create_snapshots(call: Call) -> Mapping[str, Any]:
    wanted = call.params.get("InstanceSpecification") or {}
    instance = call.shell.instance(str(wanted.get("InstanceId") or ""))
    if instance is None:
        raise errors.Refused("InvalidInstanceID.NotFound", f"The instance ID '{wanted.get('InstanceId')}' does not exist")
    (tags,) = tagging.specified(call, "snapshot")
    call.confirm()
    left_out = set(wanted.get("ExcludeDataVolumeIds") or ())
    root = instance.root_device_name if wanted.get("ExcludeBootVolume") else None
    volumes = [disk.volume for disk in instance.disks if disk.device_name != root and disk.volume.id not in left_out]
    return {"snapshotSet": [_instance_snapshot(_take(call, volume, tags), call) for volume in volumes]}


def _instance_snapshot(snapshot: Snapshot, call: Call) -> render.Xml:
    return render.elements(
        snapshotId=snapshot.id, volumeId=snapshot.volume_id, state=snapshot.state.value, startTime=iso(snapshot.started_at),
        progress=render.progress(snapshot, call.now), ownerId=snapshot.owner, description=snapshot.description,
        volumeSize=snapshot.volume_size, encrypted=snapshot.encrypted, tagSet=render.tag_set(snapshot.tags),
    )  # fmt: skip


def key_of(call: Call, volume: Volume) -> str | None:
    """The ARN of the key of a volume's snapshots: its own."""
    return encryption.resolved(call, volume.kms_key) if volume.encrypted and volume.kms_key else None


def _take(call: Call, volume: Volume, tags: Mapping[str, str]) -> Snapshot:
    return new_snapshot(
        call, seconds=call.lab.settings.image_seconds, volume_id=volume.id, volume_size=volume.size, encrypted=volume.encrypted,
        kms_key=key_of(call, volume), tags=tags, description=call.text("Description") or "",
    )  # fmt: skip


def describe_snapshots(call: Call) -> render.Xml:
    """Everything the caller may restore, narrowed by ids, owners, restorers and filters. Ids exclude MaxResults."""
    by_id = call.texts("SnapshotIds")
    if by_id and call.number("MaxResults") is not None:
        raise errors.invalid_combination("The parameter snapshotSet cannot be used with the parameter maxResults")
    fields = {**FIELDS, "progress": lambda snapshot: [render.progress(snapshot, call.now)]}
    passes = filters.compiled(call.params.get("Filters"), fields, lambda snapshot: snapshot.tags if snapshot.owner == call.account else {})
    call.confirm()
    owners = {call.account if owner == "self" else owner for owner in call.texts("OwnerIds")}

    def wanted(snapshot: Snapshot) -> bool:
        owned = not owners or snapshot.owner in owners or snapshot.owner_alias in owners
        return owned and _available(call, snapshot) and _restorable_by(call, snapshot) and passes(snapshot)

    found = _by_id(call, by_id) if by_id else _held(call)
    rows, token = paging.page(call, found, sequence=lambda snapshot: snapshot.sequence, passes=wanted, minimum=5)
    return render.listing("snapshotSet", [render.snapshot_row(snapshot, viewer=call.account, now=call.now) for snapshot in rows], token)


def _by_id(call: Call, snapshot_ids: list[str]) -> list[Snapshot]:
    """An id that exists but is out of the caller's reach is left out; one that nobody has fails the call."""
    for snapshot_id in snapshot_ids:
        check_snapshot_id(snapshot_id)
    held = call.store.snapshots[call.region]
    found = [held.get(snapshot_id) for snapshot_id in dict.fromkeys(snapshot_ids)]
    seen = [snapshot for snapshot in found if snapshot is not None and call.now >= snapshot.visible_at]
    if len(seen) < len(found):
        missing = sorted(set(snapshot_ids) - {snapshot.id for snapshot in seen})
        raise errors.snapshot_not_found(missing[0])
    return sorted(seen, key=lambda snapshot: snapshot.sequence)


def _held(call: Call) -> Iterable[Snapshot]:
    """What a listing looks through."""
    only_own = call.texts("OwnerIds") in (["self"], [call.account])
    return (call.store.owned_snapshots[call.account, call.region] if only_own else call.store.snapshots[call.region]).values()


def _available(call: Call, snapshot: Snapshot) -> bool:
    return call.now >= snapshot.visible_at and restorable(call, snapshot)


def _restorable_by(call: Call, snapshot: Snapshot) -> bool:
    """`self` is whoever asks, `all` means public; another account counts only in one's own snapshots."""
    users = call.texts("RestorableByUserIds")
    return not users or any(_restorer(call, snapshot, user) for user in users)


def _restorer(call: Call, snapshot: Snapshot, user: str) -> bool:
    if user == "all":
        return publicly_restorable(call, snapshot)
    if user in {"self", call.account}:
        return snapshot.owner == call.account or call.account in snapshot.users
    return snapshot.owner == call.account and user in snapshot.users


def delete_snapshot(call: Call) -> Mapping[str, Any]:
    """Refused while a registered or disabled image refers to it, and, if the lab says so, for a moment after the last one did.

    It goes into the Recycle Bin where a rule keeps it.
    """
    check_snapshot_id(call.required("SnapshotId"))
    snapshot = own_snapshot(call)
    users = sorted(call.store.users_of(snapshot.id))
    if users:
        raise errors.Refused("InvalidSnapshot.InUse", f"The snapshot {snapshot.id} is currently in use by {', '.join(users)}")
    if snapshot.released_at is not None and call.now < snapshot.released_at + call.lab.settings.snapshot_in_use_seconds:
        raise errors.Refused("InvalidSnapshot.InUse", f"The snapshot {snapshot.id} is currently in use")
    call.confirm()
    recycle_bin.discard_snapshot(call, snapshot)
    return {"return": True}
