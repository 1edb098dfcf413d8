"""What the image core remembers: images, snapshots, who may use them, and each account's settings per region.

Values only. Times are epoch seconds of the lab's clock. A record's parts are replaced, never changed in place, because setting an attribute
is what forgets the XML rows that were rendered from it.
"""

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """An image's state, in EC2's words."""

    PENDING = "pending"
    AVAILABLE = "available"
    FAILED = "failed"
    DISABLED = "disabled"
    DEREGISTERED = "deregistered"


class SnapshotState(StrEnum):
    PENDING = "pending"
    COMPLETED = "completed"
    ERROR = "error"


class Protection(StrEnum):
    """Deregistration protection; during its cooldown an image reads `disabled after <time>` instead."""

    DISABLED = "disabled"
    WITHOUT_COOLDOWN = "enabled-without-cooldown"
    WITH_COOLDOWN = "enabled-with-cooldown"


@dataclass(frozen=True)
class Reason:
    """EC2's StateReason."""

    code: str
    message: str


KEY_NOT_ACCESSIBLE = Reason("Client.InternalError", "Given key ID is not accessible")
INSTANCE_TERMINATED = Reason("Client.InstanceTerminated", "Instance was terminated while the image was being created.")
COPY_FAILED = Reason("Server.InternalError", "Copy image failed with an internal error.")


@dataclass(frozen=True)
class Mapping:
    """One entry of an image's block device mapping. Without a snapshot it is a blank volume, with a virtual name an instance store disk."""

    device_name: str
    snapshot_id: str | None = None
    volume_size: int | None = None  # GiB
    volume_type: str = "gp3"
    delete_on_termination: bool = True
    encrypted: bool = False
    iops: int | None = None
    throughput: int | None = None
    virtual_name: str | None = None


@dataclass(frozen=True)
class LaunchPermission:
    """Who may launch an image besides its owner."""

    users: frozenset[str] = frozenset()
    organizations: frozenset[str] = frozenset()  # ARNs
    units: frozenset[str] = frozenset()  # organizational units' ARNs
    public: bool = False

    @property
    def entities(self) -> int:
        """What the share quota counts: an organization or a unit counts once, however many accounts it has."""
        return len(self.users) + len(self.organizations) + len(self.units)

    def plus(self, other: "LaunchPermission") -> "LaunchPermission":
        return LaunchPermission(
            self.users | other.users, self.organizations | other.organizations, self.units | other.units, self.public or other.public
        )

    def minus(self, other: "LaunchPermission") -> "LaunchPermission":
        return LaunchPermission(
            self.users - other.users, self.organizations - other.organizations, self.units - other.units, self.public and not other.public
        )


class Record:
    """Keeps the rows rendered from it until one of its attributes is set."""

    rows: dict[str, str]

    def __setattr__(self, name: str, value: Any) -> None:
        self.__dict__[name] = value
        self.__dict__["rows"] = {}


@dataclass(eq=False)
class Snapshot(Record):
    id: str
    owner: str
    region: str
    sequence: int
    volume_size: int  # GiB
    started_at: float
    due_at: float
    visible_at: float
    full_bytes: int
    volume_id: str = "vol-ffffffff"  # what EC2 shows for a copy
    description: str = ""
    encrypted: bool = False
    kms_key: str | None = None  # the key's ARN, or the caller's words where they name no key
    state: SnapshotState = SnapshotState.PENDING
    state_message: str | None = None
    completed_at: float | None = None
    tags: MappingOf[str, str] = field(default_factory=dict)
    users: frozenset[str] = frozenset()  # createVolumePermission
    public: bool = False
    product_codes: tuple[str, ...] = ()
    owner_alias: str | None = None
    copied: bool = False  # made by CopySnapshot or CopyImage
    completion_minutes: int | None = None
    released_at: float | None = None  # when the last image that used it was deregistered


@dataclass(eq=False)
class Image(Record):
    id: str
    owner: str
    region: str
    sequence: int
    name: str
    created_at: float
    visible_at: float
    description: str | None = None
    architecture: str = "x86_64"
    mappings: tuple[Mapping, ...] = ()
    boot_mode: str | None = None
    tpm: str | None = None
    imds: str | None = None
    ena: bool | None = None
    sriov: str | None = None
    virtualization: str = "hvm"
    root_device_name: str | None = "/dev/xvda"
    root_device_type: str = "ebs"
    state: State = State.PENDING
    reason: Reason | None = None
    platform: str | None = None  # "windows", or nothing
    platform_details: str = "Linux/UNIX"
    usage_operation: str = "RunInstances"
    product_codes: tuple[str, ...] = ()
    billing_products: tuple[str, ...] = ()
    location: str = ""
    owner_alias: str | None = None
    kernel: str | None = None
    ramdisk: str | None = None
    uefi_data: str | None = None
    source_image: str | None = None
    source_region: str | None = None
    source_instance: str | None = None
    made_by: str = "RegisterImage"
    no_reboot: bool | None = None  # as CreateImage was asked
    deprecate_at: float | None = None
    protection: Protection = Protection.DISABLED
    cooldown_until: float | None = None
    last_launched_at: float | None = None
    deregistered_at: float | None = None
    tags: MappingOf[str, str] = field(default_factory=dict)
    permission: LaunchPermission = field(default_factory=LaunchPermission)

    @property
    def shown_mappings(self) -> tuple[Mapping, ...]:
        """The mappings as EC2 lists them: an image that is still being made shows no ids of snapshots that are being made with it."""
        if self.state is not State.PENDING or self.made_by == "RegisterImage":
            return self.mappings
        return tuple(replace(mapping, snapshot_id=None) for mapping in self.mappings)

    @property
    def snapshot_ids(self) -> tuple[str, ...]:
        return tuple(mapping.snapshot_id for mapping in self.mappings if mapping.snapshot_id)

    def protection_at(self, now: float) -> str:
        """The words of DeregistrationProtection."""
        if self.protection is Protection.DISABLED and self.cooldown_until is not None and now < self.cooldown_until:
            return f"disabled after {iso(self.cooldown_until)}"
        return self.protection.value


@dataclass(frozen=True)
class Retained:
    """A deleted image or snapshot in the Recycle Bin."""

    record: Image | Snapshot
    entered_at: float
    leaves_at: float
    sequence: int
    state: State | None  # the image's before it was deregistered


@dataclass(frozen=True)
class UsageEntry:
    """How many resources of a type refer to an image in another account."""

    account: str
    resource_type: str
    count: int


@dataclass
class UsageReport:
    """An image usage report; `resource_types` has for each type how deep it is looked at, where that can be said."""

    id: str
    image_id: str
    owner: str
    region: str
    sequence: int
    created_at: float
    expires_at: float
    resource_types: MappingOf[str, int | None]
    accounts: tuple[str, ...]  # none is all
    tags: MappingOf[str, str]
    state: str = "pending"  # then available, or error
    reason: str | None = None
    entries: tuple[UsageEntry, ...] = ()


@dataclass(frozen=True)
class ImportedDisk:
    """A disk to import: in S3, behind an address, or a snapshot that exists."""

    format: str
    url: str | None = None
    bucket: str | None = None
    key: str | None = None
    snapshot_id: str | None = None
    description: str | None = None
    device_name: str | None = None


@dataclass
class ImportTask:
    """VM Import's; `import-snap-…` makes a snapshot, `import-ami-…` an image."""

    id: str
    owner: str
    region: str
    sequence: int
    started_at: float
    due_at: float
    visible_at: float
    disks: tuple[ImportedDisk, ...]
    tags: MappingOf[str, str]
    description: str | None = None
    encrypted: bool = False
    kms_key: str | None = None
    architecture: str = "x86_64"
    platform: str = "Linux"
    boot_mode: str | None = None
    license_type: str | None = None
    usage_operation: str | None = None
    state: str = "active"  # then completed; or deleting, and deleted, which is also what a failure is called
    message: str | None = None
    snapshot_ids: tuple[str, ...] = ()
    image_id: str | None = None


@dataclass
class AccountSettings:
    """What one account has set in one region."""

    block_public_images: bool = False
    block_public_snapshots: str = "unblocked"
    encrypt_by_default: bool = False
    default_key: str | None = None  # None is the AWS-managed `alias/aws/ebs`


def iso(epoch_seconds: float) -> str:
    """As EC2 writes most times: `2026-11-21T05:23:25.000Z`."""
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{int(epoch_seconds * 1000) % 1000:03d}Z"
