"""What a rule of the Recycle Bin keeps of the images that retention deregistered: told by an event, and waited for by nobody.

Asked when the last version of a pass is gone, in one call a region. Which images these were is known to this process alone: what it has not
told when it ends is not told.
"""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from goldenami.api.conditions import timestamp_of
from goldenami.api.image_version import ImageVersion
from goldenami.api.reasons import EventReason
from goldenami.aws.errors import AwsError
from goldenami.aws.inventory import Inventory
from goldenami.controllers.mirror import Children
from goldenami.controllers.world import Went, World
from goldenami.kube.client import Body
from goldenami.plan.values import Account, Place

LOG = logging.getLogger(__name__)
IDS_A_CALL = 20
TOLD = 10


@dataclass(frozen=True)
class Kept:
    """One of them that is in the Recycle Bin, until then in epoch seconds."""

    image: Went
    until: float


def deregistered(child: ImageVersion) -> tuple[Went, ...]:
    """The images of a version that is gone: those whose evidence, as it stays told, allowed the last step."""
    return tuple(
        Went(child.spec.version, row.region, row.image_id)
        for row in child.status.evidence
        if row.state == "disabled" and all(found.verdict in ("Unused", "NotAsked") for found in row.findings)
    )


def note(world: World, obj: Body, child: ImageVersion) -> None:
    """Remembers what went with a version, until `tell`."""
    since, before = world.went.get(_uid(obj), (world.now(), ()))
    world.went[_uid(obj)] = since, (*before, *deregistered(child))


def tell(world: World, obj: Body, account: Account, children: Children, pass_seconds: float) -> None:
    """Asks once the others that go at the same time are gone, too, or a pass later."""
    since, went = world.went.get(_uid(obj), (0.0, ()))
    going = any(child.spec.stage == "Retired" for child in children.values())
    if not went or (going and world.now() - since < pass_seconds):
        return
    del world.went[_uid(obj)]
    found = kept(world.inventory, account, went)
    if found:
        # In the log, too: the API server forgets an event after an hour.
        LOG.info("%s", sentence(found))
        world.events.record(obj, EventReason.IN_RECYCLE_BIN, sentence(found))


def _uid(obj: Body) -> str:
    return str(obj["metadata"]["uid"])


def kept(inventory: Inventory, account: Account, went: Sequence[Went]) -> tuple[Kept, ...]:
    """Those that are in the bin, as far as one call for each region tells; nothing of a region that refuses, or does not answer soon."""
    places: dict[Place, list[Went]] = {}
    for image in went:
        places.setdefault(Place(account, image.region), []).append(image)
    ask = _asking(inventory, places)
    until = inventory.at_once(ask, sorted(places), late=lambda _: {})
    return tuple(
        Kept(image, until[place][image.image_id])
        for place, images in sorted(places.items())
        for image in images
        if image.image_id in until[place]
    )


def _asking(inventory: Inventory, places: Mapping[Place, Sequence[Went]]) -> Callable[[Place], Mapping[str, float]]:
    def ask(place: Place) -> Mapping[str, float]:
        try:
            return inventory.binned_images(place, [image.image_id for image in places[place]][:IDS_A_CALL])
        except AwsError:
            return {}  # that it may not be asked about is no fault of the family

    return ask


def sentence(found: Iterable[Kept]) -> str:
    """For people: the first to leave the bin first."""
    rows = sorted(found, key=lambda row: (row.until, row.image.version, row.image.region))
    parts = [f"{one.image.image_id} of version {one.image.version} in {one.image.region} until {timestamp_of(one.until)}" for one in rows]
    more = f", and {len(parts) - TOLD} more" if len(parts) > TOLD else ""
    return f"the Recycle Bin keeps {', '.join(parts[:TOLD])}{more}"
