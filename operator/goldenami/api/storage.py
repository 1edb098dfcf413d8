"""What images cost: the part of a status that ImageVersion and GoldenImage have in common."""

from typing import Annotated

from pydantic import Field

from goldenami.api.meta import Model

Count = Annotated[int, Field(ge=0)]


class StorageStatus(Model):
    """Images and their snapshots. Snapshots that the spec names are the user's own, and not counted."""

    images: Count
    """Images that are available or disabled, over all regions."""
    snapshots: Count
    """Their snapshots, each counted once."""
    snapshot_gib: Count
    """Full size of those snapshots, rounded up to whole GiB. EC2 bills less where they share blocks with earlier ones."""
    by_volume_size: Count | None = None
    """Snapshots whose full size EC2 does not tell: the size of their volume, which is the most it can be, is counted."""
