"""Everything the operator can do to AWS, as values: what Observe shows and `goldenami.aws.effects` performs.

Each action names its place and says itself in one sentence. `destructive` marks what cannot be undone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from goldenami.plan.identity import Owner
from goldenami.plan.values import Place, Principals


@dataclass(frozen=True)
class Action:
    place: Place

    destructive: ClassVar[bool] = False

    def sentence(self) -> str:
        """For people: `us-east-1: copy ami-0abc as web-1.4.2`."""
        return f"{self.place.region}: {self._what()}"

    def _what(self) -> str:
        raise NotImplementedError


@dataclass(frozen=True)
class Volume:
    """An extra volume of an image made from an instance."""

    device_name: str
    size_gib: int | None = None
    volume_type: str | None = None
    snapshot_id: str | None = None


@dataclass(frozen=True)
class CreateImage(Action):
    """From an instance. No client token exists, but the name is unique in EC2: a repeated call is refused with the first image's id."""

    instance_id: str
    name: str
    reboot: bool
    description: str = ""
    volumes: tuple[Volume, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)

    def _what(self) -> str:
        return f"create image {self.name} from instance {self.instance_id}" + (", rebooting it" if self.reboot else " without a reboot")


@dataclass(frozen=True)
class RegisterImage(Action):
    """From a snapshot. As CreateImage, protected by its unique name."""

    snapshot_id: str
    name: str
    architecture: str
    boot_mode: str
    root_device_name: str
    ena_support: bool
    imds_support: str | None
    tpm_support: str | None
    volume_type: str | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)

    def _what(self) -> str:
        return f"register image {self.name} from snapshot {self.snapshot_id}"


@dataclass(frozen=True)
class CopyImage(Action):
    """Safe to repeat: the client token depends on what is copied where, so a late listing cannot cause a second copy."""

    source_image_id: str
    source_region: str
    name: str
    client_token: str
    attempt: int = 1
    description: str = ""
    kms_key_id: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def _what(self) -> str:
        key = f", encrypted with {self.kms_key_id}" if self.kms_key_id else ""
        again = f" (attempt {self.attempt})" if self.attempt > 1 else ""
        return f"copy {self.source_image_id} from {self.source_region} as {self.name}{key}{again}"


@dataclass(frozen=True)
class SetDescription(Action):
    image_id: str
    description: str

    def _what(self) -> str:
        return f"set the description of {self.image_id}"


@dataclass(frozen=True)
class SetTags(Action):
    """On images and snapshots alike; EC2 takes a thousand ids in one call."""

    resource_ids: tuple[str, ...]
    tags: Mapping[str, str] = field(default_factory=dict)

    def _what(self) -> str:
        return f"set tags {', '.join(sorted(self.tags))} on {', '.join(self.resource_ids)}"


@dataclass(frozen=True)
class AdoptImage(SetTags):
    """Our tags on an image that was there before, and on its snapshots: image first, in one call."""

    name: str = ""
    """The image's, in EC2."""
    version: str = ""

    def _what(self) -> str:
        return f"adopt {self.resource_ids[0]} ({self.name}) as version {self.version}"


@dataclass(frozen=True)
class RemoveTags(Action):
    resource_ids: tuple[str, ...]
    keys: tuple[str, ...] = ()

    def _what(self) -> str:
        return f"remove tags {', '.join(self.keys)} from {', '.join(self.resource_ids)}"


@dataclass(frozen=True)
class GrantKey(Action):
    """Lets an account use the key that encrypts a shared image. KMS answers a repeated call of the same name with the same grant."""

    key_arn: str
    name: str
    grantee: str

    def _what(self) -> str:
        return f"grant {self.grantee} the use of {self.key_arn}"


@dataclass(frozen=True)
class RevokeKey(Action):
    key_arn: str
    grant_id: str
    grantee: str

    def _what(self) -> str:
        return f"revoke the grant of {self.grantee} on {self.key_arn}"


@dataclass(frozen=True)
class ShareSnapshot(Action):
    snapshot_id: str
    accounts: tuple[str, ...]

    def _what(self) -> str:
        return f"share {self.snapshot_id} with {', '.join(self.accounts)}"


@dataclass(frozen=True)
class UnshareSnapshot(Action):
    snapshot_id: str
    accounts: tuple[str, ...]
    public: bool = False

    def _what(self) -> str:
        return f"stop sharing {self.snapshot_id} with {', '.join((*(('all',) if self.public else ()), *self.accounts))}"


@dataclass(frozen=True)
class ShareImage(Action):
    image_id: str
    principals: Principals

    def _what(self) -> str:
        return f"share {self.image_id} with {', '.join(self.principals.names())}"


@dataclass(frozen=True)
class UnshareImage(Action):
    image_id: str
    principals: Principals

    def _what(self) -> str:
        return f"stop sharing {self.image_id} with {', '.join(self.principals.names())}"


@dataclass(frozen=True)
class EnableImage(Action):
    image_id: str

    def _what(self) -> str:
        return f"enable {self.image_id}"


@dataclass(frozen=True)
class DisableImage(Action):
    """Launches fail from here on, and its launch permissions are gone; enabling it and sharing it again undoes it."""

    image_id: str
    owner: Owner = field(kw_only=True)
    """Whose it has to be at that very moment."""

    def _what(self) -> str:
        return f"disable {self.image_id}"


@dataclass(frozen=True)
class ProtectImage(Action):
    """Nobody deregisters it from then on, whoever it is."""

    image_id: str
    cooldown: bool
    """Switching it off takes 24 hours."""

    def _what(self) -> str:
        return f"protect {self.image_id} from deregistration" + (" with a cooldown" if self.cooldown else "")


@dataclass(frozen=True)
class UnprotectImage(Action):
    image_id: str

    def _what(self) -> str:
        return f"end the protection of {self.image_id} from deregistration"


@dataclass(frozen=True)
class DeprecateImage(Action):
    """Those who select the newest image pass it by from then on; whoever has its id may launch it as before."""

    image_id: str
    at_epoch_seconds: float
    """A whole minute, as EC2 keeps it, that lies ahead."""

    def _what(self) -> str:
        return f"deprecate {self.image_id}"


@dataclass(frozen=True)
class UndeprecateImage(Action):
    image_id: str

    def _what(self) -> str:
        return f"end the deprecation of {self.image_id}"


@dataclass(frozen=True)
class DeregisterImage(Action):
    """With its snapshots, by the ids recorded here: EC2 reports partial failures under an answer of success."""

    image_id: str
    snapshot_ids: tuple[str, ...] = ()
    why: str = ""
    owner: Owner = field(kw_only=True)
    """Whose the image, and the snapshots, have to be at that very moment."""

    destructive: ClassVar[bool] = True

    def _what(self) -> str:
        snapshots = f" with {', '.join(self.snapshot_ids)}" if self.snapshot_ids else ""
        return f"deregister {self.image_id}{snapshots}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True)
class DeleteSnapshot(Action):
    snapshot_id: str
    why: str = ""
    owner: Owner = field(kw_only=True)
    """Whose it has to be at that very moment."""

    destructive: ClassVar[bool] = True

    def _what(self) -> str:
        return f"delete snapshot {self.snapshot_id}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True)
class CancelImport(Action):
    """Of a disk, while it has not ended; EC2 takes back what it had begun."""

    task_id: str
    why: str = ""
    owner: Owner = field(kw_only=True)
    """Whose it has to be at that very moment."""

    destructive: ClassVar[bool] = True

    def _what(self) -> str:
        return f"cancel {self.task_id}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True)
class PutParameter(Action):
    """An alias. `create` sends the owner tag in the same call and never overwrites; otherwise the value is overwritten."""

    parameter: str
    image_id: str
    create: bool
    tags: Mapping[str, str] = field(default_factory=dict)

    def _what(self) -> str:
        return f"{'create' if self.create else 'set'} parameter {self.parameter} = {self.image_id}"


@dataclass(frozen=True)
class DeleteParameter(Action):
    parameter: str

    def _what(self) -> str:
        return f"delete parameter {self.parameter}"


@dataclass(frozen=True)
class TagParameter(Action):
    """Adds and removes tags of a parameter; its value stays as it is."""

    parameter: str
    add: Mapping[str, str] = field(default_factory=dict)
    remove: tuple[str, ...] = ()

    def _what(self) -> str:
        return f"change the tags of parameter {self.parameter}"
