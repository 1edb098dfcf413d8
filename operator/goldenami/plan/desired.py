"""What one version shall look like in AWS, resolved: the input of every concern beside this file."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from goldenami.api.fields import Stage
from goldenami.api.retention_policy import DeregistrationProtection
from goldenami.plan.actions import Volume
from goldenami.plan.evidence import Rules
from goldenami.plan.identity import Owner
from goldenami.plan.values import NOBODY, Account, Place, Principals

DISABLE_FOR_SECONDS = 7 * 86_400.0
"""How long images stay disabled where nothing is said."""

MAX_TAG_VALUE = 256
"""Characters of a tag's value (EC2 user guide, "Tag restrictions")."""


@dataclass(frozen=True)
class ImageSource:
    """An AMI that exists: own, shared with us, or public. `adopt` takes it itself as the replica of its region."""

    image_id: str
    adopt: bool = False

    def text(self, region: str) -> str:
        return f"image/{region}/{self.image_id}"

    def details(self) -> str:
        return " adopt=true" if self.adopt else ""


@dataclass(frozen=True)
class InstanceSource:
    instance_id: str
    reboot: bool = False
    volumes: tuple[Volume, ...] = ()

    def text(self, region: str) -> str:
        return f"instance/{region}/{self.instance_id}"

    def details(self) -> str:
        """Volumes are told because some are snapshots of the user's, which nobody may take for the image's own."""
        volumes = "+".join(":".join(str(part or "") for part in _parts(volume)) for volume in self.volumes)
        return (" reboot=true" if self.reboot else "") + (f" volumes={volumes}" if volumes else "")


@dataclass(frozen=True)
class SnapshotSource:
    """Everything is sent, because what EC2 assumes when nothing is said is an i386 paravirtual machine (trap 39 of the research)."""

    snapshot_id: str
    architecture: str
    boot_mode: str
    root_device_name: str
    ena_support: bool = True
    imds_support: str | None = None
    tpm_support: str | None = None
    volume_type: str | None = None

    def text(self, region: str) -> str:
        return f"snapshot/{region}/{self.snapshot_id}"

    def details(self) -> str:
        given = {
            "architecture": self.architecture,
            "boot": self.boot_mode,
            "root": self.root_device_name,
            "ena": str(self.ena_support).lower(),
            "imds": self.imds_support,
            "tpm": self.tpm_support,
            "volume": self.volume_type,
        }
        return "".join(f" {name}={value}" for name, value in given.items() if value)


Source = ImageSource | InstanceSource | SnapshotSource


def _parts(volume: Volume) -> tuple[str, int | None, str | None, str | None]:
    return volume.device_name, volume.size_gib, volume.volume_type, volume.snapshot_id


def _volumes(text: str) -> tuple[Volume, ...]:
    """Back from the words of `InstanceSource.details`; what is not in their form is left out."""
    rows = [part.split(":") for part in text.split("+") if part.count(":") == 3]
    return tuple(Volume(name, int(size) if size.isdigit() else None, kind or None, part or None) for name, size, kind, part in rows)


def parse_source(tag: str) -> tuple[str, Source] | None:
    """Home region and source from a version's source tag; None for a value that we did not write."""
    text, *rest = tag.split(" ")
    details = dict(part.split("=", 1) for part in rest if "=" in part)
    kind, _, place = text.partition("/")
    region, _, name = place.partition("/")
    if not (region and name):
        return None
    match kind:
        case "image":
            return region, ImageSource(name, adopt=details.get("adopt") == "true")
        case "instance":
            return region, InstanceSource(name, reboot=details.get("reboot") == "true", volumes=_volumes(details.get("volumes", "")))
        case "snapshot" if {"architecture", "boot", "root"} <= details.keys():
            return region, SnapshotSource(
                name,
                architecture=details["architecture"],
                boot_mode=details["boot"],
                root_device_name=details["root"],
                ena_support=details.get("ena") == "true",
                imds_support=details.get("imds"),
                tpm_support=details.get("tpm"),
                volume_type=details.get("volume"),
            )
    return None


@dataclass(frozen=True)
class Replica:
    region: str
    kms_key_id: str | None = None


@dataclass(frozen=True)
class Sharing:
    principals: Principals = NOBODY
    declared: bool = True
    """False: the spec says nothing about sharing, so grants are left as they are."""
    snapshots: bool = True
    """createVolumePermission, and the use of the key, follow the accounts."""
    remove_foreign: bool = True
    """Grants that nobody declared are removed; otherwise kept, and reported. Public access that nobody declared is removed in any case."""


@dataclass(frozen=True)
class Version:
    """One ImageVersion, resolved."""

    owner: Owner
    version: str
    name: str
    """The EC2 name of every replica."""
    source: Source
    account: Account
    home_region: str
    replicas: tuple[Replica, ...]
    description: str = ""
    notes: str = ""
    """As the tag holds it."""
    description_declared: bool = True
    """False: nobody asked for these words, so those of an adopted image stay."""
    adopted: Mapping[str, str] = field(default_factory=dict)
    """By region, the id of the image that was there before and is this version's replica; nothing is copied there."""
    tags: Mapping[str, str] = field(default_factory=dict)
    sharing: Sharing = field(default_factory=Sharing)
    deprecated: bool | None = None
    """Whether its images are deprecated; None: that is left as it is."""
    stage: Stage | None = None
    """Disabled and Retired let it go, step by step; None says nothing."""
    disable_for_seconds: float = DISABLE_FOR_SECONDS
    """How long it stays disabled before it is deregistered."""
    protection: DeregistrationProtection | None = None
    """EC2's protection from deregistration while it is kept; None: left as it is."""
    delete: bool = False
    """deletionPolicy Delete: what is no longer wanted is deregistered. Otherwise it is only released."""
    rules: Rules = field(default_factory=Rules)
    """What has to be known of an image's users before it is disabled or deregistered."""
    channels: frozenset[str] = frozenset()
    """Declared channels that name it."""

    @property
    def going(self) -> bool:
        """It is on its way out."""
        return self.stage in ("Disabled", "Retired")

    @property
    def source_text(self) -> str:
        return self.source.text(self.home_region)

    @property
    def source_tag(self) -> str:
        """Enough to render the version again from AWS alone; within a tag value's 256 characters and their set.

        Five volumes or more may be too many for that: then only the source itself is told.
        """
        told = self.source_text + self.source.details()
        return told if len(told) <= MAX_TAG_VALUE else self.source_text

    @property
    def regions(self) -> frozenset[str]:
        return frozenset(replica.region for replica in self.replicas)

    @property
    def home(self) -> Place:
        return self.place(self.home_region)

    def place(self, region: str) -> Place:
        return Place(self.account, region)

    @property
    def grantees(self) -> Principals:
        """Whom to share with: the owning account has every right already, and EC2 does not list it."""
        return self.sharing.principals - Principals(accounts=frozenset({self.account.account_id}))
