"""What one version shall look like in AWS, resolved: the input of every concern beside this file."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from goldenami.plan.actions import Volume
from goldenami.plan.identity import Owner
from goldenami.plan.values import NOBODY, Account, Place, Principals


@dataclass(frozen=True)
class ImageSource:
    """An AMI that exists: own, shared with us, or public. `adopt` takes it itself as the replica of its region."""

    image_id: str
    adopt: bool = False

    def text(self, region: str) -> str:
        return f"image/{region}/{self.image_id}"


@dataclass(frozen=True)
class InstanceSource:
    instance_id: str
    reboot: bool = False
    volumes: tuple[Volume, ...] = ()

    def text(self, region: str) -> str:
        return f"instance/{region}/{self.instance_id}"


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


Source = ImageSource | InstanceSource | SnapshotSource


@dataclass(frozen=True)
class Replica:
    region: str
    kms_key_id: str | None = None


@dataclass(frozen=True)
class Sharing:
    principals: Principals = NOBODY
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
    tags: Mapping[str, str] = field(default_factory=dict)
    sharing: Sharing = field(default_factory=Sharing)
    delete: bool = False
    """deletionPolicy Delete: what is no longer wanted is deregistered. Otherwise it is only released."""

    @property
    def source_text(self) -> str:
        return self.source.text(self.home_region)

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
