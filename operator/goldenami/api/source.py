"""Where a version comes from: an image, an instance or a snapshot. Shared by GoldenImage and ImageVersion."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from goldenami.api.fields import (
    Architecture,
    BootMode,
    Cel,
    DeviceName,
    ImageId,
    InstanceId,
    RootVolumeType,
    SnapshotId,
    VolumeType,
    list_map,
    rules,
)
from goldenami.api.meta import Model


class ImageSource(Model):
    """An AMI that exists in the home region: own, shared with the account, or public."""

    id: ImageId
    """The AMI's id in spec.region."""
    adopt: bool = False
    """Take this very AMI as the home region's replica instead of copying it; it must belong to the account and to no other object."""


class ExtraVolume(Model):
    """A volume added to the image beside those of the instance."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            Cel("has(self.sizeGiB) || has(self.snapshotId)", "a volume needs sizeGiB, snapshotId, or both"),
            Cel(
                "!has(self.volumeType) || !(self.volumeType in ['st1', 'sc1']) || !has(self.sizeGiB) || self.sizeGiB >= 125",
                "volumes of type st1 and sc1 have at least 125 GiB",
                ".sizeGiB",
            ),
        )
    )

    device_name: DeviceName
    """Device the volume is attached as, as /dev/sdf."""
    size_gib: Annotated[int | None, Field(alias="sizeGiB", ge=1, le=65536)] = None
    """Size in GiB; absent: as large as the snapshot."""
    volume_type: VolumeType | None = None
    """EBS volume type; absent: EC2's default."""
    snapshot_id: SnapshotId | None = None
    """Snapshot the volume starts from; absent: an empty volume."""


class InstanceSource(Model):
    """An instance in the home region, turned into an AMI by CreateImage."""

    id: InstanceId
    """The instance's id in spec.region."""
    reboot: bool
    """Whether EC2 may reboot the instance. true gives a consistent file system and interrupts the instance; false gives a crash-consistent
    image and does not. It has no default because EC2's own default reboots."""
    volumes: Annotated[tuple[ExtraVolume, ...], Field(max_length=26), list_map("deviceName")] = ()
    """Volumes to add to the image beside those of the instance."""


class SnapshotSource(Model):
    """A snapshot of a root volume in the home region, registered as an AMI by RegisterImage, always as HVM.

    What EC2 would assume is wrong for today's images (i386, no ENA), so it has to be said.
    """

    model_config = ConfigDict(
        json_schema_extra=rules(
            Cel(
                "!has(self.tpmSupport) || self.bootMode == 'uefi'",
                "tpmSupport needs bootMode uefi",
                ".bootMode",
            ),
            Cel(
                "!(self.architecture in ['arm64', 'arm64_mac']) || self.bootMode == 'uefi'",
                "arm64 boots with bootMode uefi only",
                ".bootMode",
            ),
        )
    )

    id: SnapshotId
    """The snapshot's id in spec.region."""
    architecture: Architecture
    """Processor architecture of the operating system on the snapshot."""
    boot_mode: BootMode
    """How the image boots."""
    root_device_name: DeviceName
    """Device name of the root volume, as /dev/xvda."""
    ena_support: bool
    """Whether the operating system has the driver for enhanced networking (ENA); without it, current instance types refuse the image."""
    tpm_support: Annotated[str | None, Field(json_schema_extra={"enum": ["v2.0"]})] = None
    """v2.0: instances get a virtual TPM (NitroTPM). Absent: none."""
    imds_support: Annotated[str | None, Field(json_schema_extra={"enum": ["v2.0"]})] = None
    """v2.0: instances require IMDSv2 by default; this can never be undone on the image. Absent: both versions answer."""
    volume_type: RootVolumeType | None = None
    """Volume type of the root volume; absent: EC2's default."""


_EXACTLY_ONE = Cel(
    "[has(self.image), has(self.instance), has(self.snapshot)].filter(given, given).size() == 1",
    "a source is exactly one of image, instance or snapshot",
)


class Source(Model):
    """What a version is made from: exactly one of the kinds."""

    model_config = ConfigDict(json_schema_extra=rules(_EXACTLY_ONE))

    image: ImageSource | None = None
    """An AMI that exists."""
    instance: InstanceSource | None = None
    """An instance to make an AMI from."""
    snapshot: SnapshotSource | None = None
    """A snapshot of a root volume to register as an AMI."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        """The API server's rule once more, because everything that reads a source, from a file as well, relies on it."""
        if sum(given is not None for given in (self.image, self.instance, self.snapshot)) != 1:
            raise PydanticCustomError("source", "{sentence}", {"sentence": _EXACTLY_ONE.message})
        return self

    @property
    def id(self) -> str:
        """The EC2 id, whichever kind it is."""
        given = self.image or self.instance or self.snapshot
        assert given is not None  # _exactly_one
        return given.id

    @property
    def adopted(self) -> bool:
        return self.image is not None and self.image.adopt
