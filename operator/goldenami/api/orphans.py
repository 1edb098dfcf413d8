"""Orphans: the part of a GoldenImage's status that tells what belongs to no image any more."""

from typing import Annotated, Literal

from goldenami.api.fields import Message, Region, Timestamp, text
from goldenami.api.meta import Model

MAX_ORPHANS = 64
WHY_LENGTH = 256


class OrphanStatus(Model):
    """A snapshot, a failed copy, or an import that carries the owner tag and that nothing looks after."""

    id: Annotated[str, text(64)]
    """The snapshot, the AMI, or the task of an import."""
    region: Region
    """Where it is."""
    kind: Literal["Snapshot", "Image", "Import"]
    """Snapshot; Image for a copy that failed; Import for the task of a disk's import."""
    why: Annotated[str, text(WHY_LENGTH)]
    """What makes it one."""
    since: Timestamp
    """When it was first seen; the tag goldenami.dev/orphaned-since says the same."""
    remove_at: Timestamp | None = None
    """When it is removed, if nothing speaks against it then. Absent: it stays, as no retention policy is declared or as message says."""
    message: Message | None = None
    """What keeps it, or why removing it was refused."""
