"""What the plan sees of AWS: frozen values, in EC2's own words.

`goldenami.aws` fills them, the modules beside this one decide from them. Times are epoch seconds; sizes are GiB.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from goldenami.api.reasons import Reason

NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, order=True)
class Account:
    """An AWS account and the way into it.

    `name` is the AWSAccount object, empty for the operator's own identity. The same account id reached by two names is two values: the
    roles behind them may be allowed different things.
    """

    name: str
    account_id: str
    partition: str = "aws"


@dataclass(frozen=True, order=True)
class Place:
    account: Account
    region: str


@dataclass(frozen=True)
class Problem:
    """Why something could not be read or done, ready for a condition.

    `stalled`: nothing changes until somebody edits the spec, a key policy or a role. Otherwise it is expected to pass on its own.
    """

    reason: Reason
    message: str
    stalled: bool = False


@dataclass(frozen=True)
class Principals:
    """Whom an image is shared with: account ids, full ARNs, and everybody."""

    accounts: frozenset[str] = frozenset()
    organization_arns: frozenset[str] = frozenset()
    organizational_unit_arns: frozenset[str] = frozenset()
    public: bool = False

    def __or__(self, other: "Principals") -> "Principals":
        return Principals(
            self.accounts | other.accounts,
            self.organization_arns | other.organization_arns,
            self.organizational_unit_arns | other.organizational_unit_arns,
            public=self.public or other.public,
        )

    def __sub__(self, other: "Principals") -> "Principals":
        return Principals(
            self.accounts - other.accounts,
            self.organization_arns - other.organization_arns,
            self.organizational_unit_arns - other.organizational_unit_arns,
            public=self.public and not other.public,
        )

    def __and__(self, other: "Principals") -> "Principals":
        return self - (self - other)

    def __bool__(self) -> bool:
        return bool(len(self) or self.public)

    def __len__(self) -> int:
        """Entities as EC2's quota of 1,000 counts them: an organization or OU is one, whatever it holds. Public is not counted."""
        return len(self.accounts) + len(self.organization_arns) + len(self.organizational_unit_arns)

    def names(self) -> tuple[str, ...]:
        """Sorted, for messages and status."""
        return (
            *(("all",) if self.public else ()),
            *sorted(self.accounts),
            *sorted(self.organization_arns),
            *sorted(self.organizational_unit_arns),
        )

    @classmethod
    def named(cls, names: Iterable[str]) -> "Principals":
        """Those that `names` gave."""
        told = frozenset(names)
        return cls(
            frozenset(name for name in told if name.isdigit()),
            frozenset(name for name in told if ":organization/" in name),
            frozenset(name for name in told if ":ou/" in name),
            public="all" in told,
        )


NOBODY = Principals()


@dataclass(frozen=True)
class KeyGrant:
    """A KMS grant on a key. `name` is empty for grants that others made without one."""

    grant_id: str
    name: str
    grantee: str


@dataclass(frozen=True)
class Grants:
    """What is permitted on one image, its snapshots and their key, as last read."""

    launch: Principals
    snapshots: Mapping[str, Principals]
    """createVolumePermission by snapshot id; only accounts and public occur, EC2 has no organization form there."""
    keys: Mapping[str, tuple[KeyGrant, ...]] = field(default_factory=dict)
    """Grants by key ARN; a key that was not asked about is absent."""
    aws_managed_keys: frozenset[str] = frozenset()
    """Those of the keys asked about that AWS manages: what they encrypt cannot be shared with anybody."""


@dataclass(frozen=True)
class Snapshot:
    snapshot_id: str
    state: str
    progress: int
    """Percent."""
    encrypted: bool
    kms_key_arn: str
    """Empty when not encrypted."""
    size_gib: int
    owner_id: str = ""
    description: str = ""
    message: str = ""
    """StateMessage: why an asynchronous copy failed."""
    started_epoch_seconds: float = 0.0
    full_size_bytes: int = 0
    """What is written in it, in full and not by increments; 0 while EC2 does not tell, as of a pending one."""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Image:
    image_id: str
    name: str
    state: str
    """EC2's word (pending, available, failed, disabled ...), or `lost`: answered to our own call, and not listed for ten minutes since."""
    owner_id: str = ""
    description: str = ""
    state_reason: str = ""
    public: bool = False
    created_epoch_seconds: float = 0.0
    architecture: str = ""
    root_device_type: str = "ebs"
    virtualization_type: str = "hvm"
    product_codes: tuple[str, ...] = ()
    boot_mode: str = ""
    source_image_id: str = ""
    source_region: str = ""
    deregistration_protection: str = ""
    deprecation_epoch_seconds: float = 0.0
    """When it is, or will be, deprecated; 0: never."""
    last_launched_epoch_seconds: float = field(default=0.0, compare=False)
    """EC2 tells of a launch a day late; 0: never, or not told yet. An image that was launched again is no changed image."""
    snapshot_ids: tuple[str, ...] = ()
    """Empty while a copy is pending: EC2 does not tell them yet."""
    encrypted: bool | None = None
    """Whether any of those snapshots is, as the image's block devices tell it. None: they do not."""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImportTask:
    """An import of a disk, under way or completed; what failed or was cancelled left nothing."""

    task_id: str
    state: str
    """EC2's word: pending, active, completed."""
    tags: Mapping[str, str] = field(default_factory=dict)
    image_id: str = ""
    """The image that a completed one made, while it exists and carries no tag of ours."""
    snapshot_ids: tuple[str, ...] = ()
    """The snapshots that a completed one made, but for those that an image names, or that carry a tag of ours."""


@dataclass(frozen=True)
class RegionView:
    """Everything of ours in one place: what carries our owner tag, and what carries the tag of a release.

    `problem` says why the place could not be read; images and snapshots are then empty, which means unknown and never "none".
    """

    place: Place
    images: tuple[Image, ...] = ()
    snapshots: Mapping[str, Snapshot] = field(default_factory=dict)
    read_epoch_seconds: float = 0.0
    problem: Problem | None = None
    snapshots_read_epoch_seconds: float = 0.0
    """Snapshots are listed more seldom than images: what is younger than this may be missing among them."""
    imports: tuple[ImportTask, ...] | None = None
    """Listed more seldom still, and only for who looks for orphans. None: unknown."""


@dataclass(frozen=True)
class KeyFacts:
    """A KMS key as DescribeKey tells it."""

    arn: str
    enabled: bool
    aws_managed: bool
    symmetric: bool = True


@dataclass(frozen=True)
class RegionFacts:
    """What a preflight learns about one region before the first byte is copied. None: not asked, because nothing declared depends on it."""

    place: Place
    encrypted_by_default: bool | None = None
    default_key: KeyFacts | None = None
    key: KeyFacts | None = None
    """The key this replica declares."""
    public_sharing_blocked_by: str | None = None
    """Empty when public sharing is allowed, else who blocks it: `account` or `declarative-policy`."""
    problem: Problem | None = None


@dataclass(frozen=True)
class Parameter:
    """An SSM parameter as DescribeParameters tells it: everything but its value, which costs another call."""

    name: str
    version: int
    data_type: str
    tags: Mapping[str, str] = field(default_factory=dict)
    value: str = ""
    """Empty: not read."""


@dataclass(frozen=True)
class Past:
    """One value that a parameter had."""

    value: str
    written_epoch_seconds: float
