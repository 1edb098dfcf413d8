"""Things that exist before a test or a demo begins: images, snapshots, instances and Image Builder recipes, made in an
instant, in any account, with any trait.

Runs in the server process. Whoever speaks to the server from outside reaches `seed` through its control path.
"""

from collections.abc import Callable, Mapping
from typing import Any

from goldenami.local.aws import lab
from goldenami.local.aws.ec2 import encryption, errors
from goldenami.local.aws.ec2.call import Call
from goldenami.local.aws.ec2.launches import disks_of, settle_instance
from goldenami.local.aws.ec2.making import new_image
from goldenami.local.aws.ec2.recipes import Kind, Recipe
from goldenami.local.aws.ec2.records import Image, LaunchPermission, Reason, Snapshot, SnapshotState, State
from goldenami.local.aws.ec2.records import Mapping as DeviceMapping
from goldenami.local.aws.ec2.shell import Shell
from goldenami.local.aws.ec2.snapshots import new_snapshot
from goldenami.local.aws.ec2.store import STORE, settled
from goldenami.local.aws.ec2.visibility import registered_image

DEFAULT_VOLUMES = ({"device_name": "/dev/xvda", "size": 8},)
# What a field of `seed("image", …)` sets on the image, where the names differ from the image's own.
_IMAGE_FIELDS = frozenset({
    "architecture", "boot_mode", "tpm", "imds", "ena", "sriov", "virtualization", "root_device_name", "root_device_type", "platform",
    "platform_details", "usage_operation", "owner_alias", "description", "kernel", "ramdisk", "uefi_data", "source_image", "source_region",
    "source_instance", "deprecate_at", "last_launched_at",
})  # fmt: skip


def seed(kind: str, account: str, region: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Makes one `image`, `snapshot`, `instance` or `recipe` and says its ids. Raises ValueError for another kind or an unknown field."""
    makers: Mapping[str, Callable[..., dict[str, Any]]] = {"image": _image, "snapshot": _snapshot, "instance": _instance, "recipe": _recipe}
    if kind not in makers:
        raise ValueError(f"seed makes {', '.join(sorted(makers))}; {kind!r} was asked for")
    with STORE.lock:
        try:
            return makers[kind](_call(account, region), **fields)
        except TypeError as error:
            raise ValueError(f"{kind}: {error}") from error


def seed_image(account: str, region: str, **fields: Any) -> str:
    """The id of a new image; see `seed("image", …)` for the fields."""
    return str(seed("image", account, region, fields)["image_id"])


def _call(account: str, region: str) -> Call:
    present = lab.current()
    return Call("Seed", account, region, {}, present.clock.now(), present, settled(), Shell(account, region))


def _image(
    call: Call, *, name: str | None = None, state: str = "available", reason: Mapping[str, str] | None = None,
    tags: Mapping[str, str] | None = None, volumes: Any = DEFAULT_VOLUMES, encrypted: bool = False, kms_key: str | None = None,
    product_codes: Any = (), billing_products: Any = (), users: Any = (), organizations: Any = (), units: Any = (), public: bool = False,
    snapshot_users: Any = (), snapshot_public: bool = False, snapshot_tags: Mapping[str, str] | None = None, age_seconds: float = 0.0,
    fixed_id: str | None = None, **others: Any,
) -> dict[str, Any]:  # fmt: skip
    """`volumes` are {device_name, size, volume_type, encrypted, kms_key, delete_on_termination}; `encrypted` and `kms_key` apply to all.

    An instance-store image has none. `users`, `organizations`, `units`, `public` are its launch permission; the snapshots' is apart.
    `fixed_id` is for what documents name; otherwise ids are random.
    """
    unknown = set(others) - _IMAGE_FIELDS
    if unknown:
        raise TypeError(f"unknown fields {', '.join(sorted(unknown))}")
    image_id = fixed_id or call.store.new_id("ami")
    instance_store = others.get("root_device_type") == "instance-store"
    wanted = () if instance_store else [{"encrypted": encrypted, "kms_key": kms_key, **volume} for volume in volumes]
    snapshots = [
        _finished_snapshot(
            call, volume, description=f"Created by CreateImage for {image_id}", users=frozenset(snapshot_users), public=snapshot_public,
            tags=dict(snapshot_tags or {}), product_codes=tuple(product_codes), owner_alias=others.get("owner_alias"),
        )
        for volume in wanted
    ]  # fmt: skip
    image = new_image(
        call, name or f"seed-{image_id}", id=image_id, state=State(state), reason=Reason(**reason) if reason else None,
        tags=dict(tags or {}), mappings=tuple(map(_mapping, wanted, snapshots)), product_codes=tuple(product_codes),
        billing_products=tuple(billing_products),
        permission=LaunchPermission(frozenset(users), frozenset(organizations), frozenset(units), public),
        **{"ena": True, "root_device_name": wanted[0]["device_name"] if wanted else None, **others},
    )  # fmt: skip
    image.visible_at = call.now
    image.created_at = call.now - age_seconds
    return {"image_id": image.id, "snapshot_ids": [snapshot.id for snapshot in snapshots]}


def _mapping(volume: Mapping[str, Any], snapshot: Snapshot) -> DeviceMapping:
    return DeviceMapping(
        str(volume["device_name"]), snapshot.id, snapshot.volume_size, str(volume.get("volume_type", "gp3")),
        bool(volume.get("delete_on_termination", True)), snapshot.encrypted,
    )  # fmt: skip


def _finished_snapshot(call: Call, volume: Mapping[str, Any], **fields: Any) -> Snapshot:
    encrypted = bool(volume.get("encrypted") or volume.get("kms_key"))
    key = encryption.resolved(call, volume["kms_key"]) if volume.get("kms_key") else encryption.default_key(call) if encrypted else None
    snapshot = new_snapshot(
        call, seconds=0.0, completes=False, volume_size=int(volume.get("size", 8)), encrypted=encrypted, kms_key=key,
        volume_id=call.store.new_id("vol"), **fields,
    )  # fmt: skip
    snapshot.state, snapshot.completed_at, snapshot.visible_at = SnapshotState.COMPLETED, call.now, call.now
    return snapshot


def _snapshot(
    call: Call, *, size: int = 8, encrypted: bool = False, kms_key: str | None = None, description: str = "", users: Any = (),
    public: bool = False, tags: Mapping[str, str] | None = None, product_codes: Any = (), owner_alias: str | None = None,
    fixed_id: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    volume = {"size": size, "encrypted": encrypted, "kms_key": kms_key}
    snapshot = _finished_snapshot(
        call, volume, id=fixed_id, description=description, users=frozenset(users), public=public, tags=dict(tags or {}),
        product_codes=tuple(product_codes), owner_alias=owner_alias,
    )  # fmt: skip
    return {"snapshot_id": snapshot.id}


def _instance(
    call: Call, *, image_id: str | None = None, volumes: Any = None, state: str = "running", tags: Mapping[str, str] | None = None,
    instance_type: str = "t3.micro", age_seconds: float = 0.0, fixed_id: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """An instance of an image (a new one, unless `image_id` names one) with these volumes, or the image's own; running or stopped.

    It was launched `age_seconds` ago.
    """
    if state not in {"running", "stopped"}:
        raise ValueError(f"an instance is running or stopped; {state!r} was asked for")
    image = _image_to_launch(call, image_id, volumes)
    reservation = call.shell.backend.run_instances(
        image.id, 1, None, [], instance_type=instance_type, is_instance_type_default=False, region_name=call.region,
        block_device_mappings=[{"DeviceName": "/dev/xvda", "Ebs": {"VolumeSize": 8}}],
    )  # fmt: skip
    raw = reservation.instances[0]
    raw.id = fixed_id or raw.id
    raw.add_tags(dict(tags or {}))
    settle_instance(call, raw, image, _disks(call, image, volumes), launched_at=call.now - age_seconds)
    if state == "stopped":
        raw.stop()
    instance = call.shell.instance(raw.id)
    assert instance is not None
    return {"instance_id": instance.id, "image_id": image.id, "volume_ids": [disk.volume.id for disk in instance.disks]}


def _image_to_launch(call: Call, image_id: str | None, volumes: Any) -> Image:
    chosen = image_id or _image(call, volumes=volumes or DEFAULT_VOLUMES)["image_id"]
    try:
        return registered_image(call, chosen)
    except errors.Refused as refused:
        raise ValueError(str(refused)) from refused


def _disks(call: Call, image: Image, volumes: Any) -> list[dict[str, Any]]:
    names = {"size": "VolumeSize", "volume_type": "VolumeType", "encrypted": "Encrypted", "kms_key": "KmsKeyId"}
    names |= {"delete_on_termination": "DeleteOnTermination"}
    requested = [
        {"DeviceName": volume["device_name"], "Ebs": {names[key]: value for key, value in volume.items() if key in names}}
        for volume in volumes or ()
    ]
    return disks_of(call, image, requested)


def _recipe(
    call: Call, *, name: str, parent_image: str, version: str = "1.0.0", container: bool = False,
    instance_image: str | None = None, platform: str = "Linux", description: str | None = None, tags: Mapping[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A version of an Image Builder recipe that is built on `parent_image`; a container recipe on an instance of `instance_image`."""
    kind: Kind = "container-recipe" if container else "image-recipe"
    arn = f"arn:aws:imagebuilder:{call.region}:{call.account}:{kind}/{name.lower().replace(' ', '-')}/{version}"
    call.store.recipes[call.account, call.region][arn] = Recipe(
        arn=arn, kind=kind, name=name, version=version, owner=call.account, parent_image=parent_image, created_at=call.now,
        instance_image=instance_image, platform=platform, description=description, tags=dict(tags or {}),
    )  # fmt: skip
    return {"recipe_arn": arn}
