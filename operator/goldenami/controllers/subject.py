"""The object a look is about, as it was read for this look."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from goldenami.api.golden_image import GoldenImage
from goldenami.api.image_version import ImageVersion
from goldenami.kube.client import Body

Declared = TypeVar("Declared", GoldenImage, ImageVersion)


@dataclass(frozen=True)
class Seen(Generic[Declared]):
    """One GoldenImage or ImageVersion, raw and parsed."""

    obj: Body
    declared: Declared

    @property
    def mutable(self) -> bool:
        return self.declared.spec.management_policy == "Enforce" and not self.declared.spec.suspend

    @property
    def asked(self) -> bool:
        """Somebody asked for this look: everything is read again."""
        return self.declared.metadata.asks_for_look(self.declared.status.last_handled_reconcile)
