"""Tags and descriptions: kept in step on the image and on its snapshots."""

from goldenami.plan import identity
from goldenami.plan.actions import Action, RemoveTags, SetDescription, SetTags
from goldenami.plan.desired import Version
from goldenami.plan.observed import Need, NeedKind, Observed
from goldenami.plan.values import Image

NAME = "Name"
"""The tag that consoles show. An AMI's own name never changes after its creation, so a new nameTemplate can only move this."""


def wanted_tags(version: Version, *, role: str, attempt: int = 1) -> dict[str, str]:
    """Everything a resource of this version carries: what the user declares, the name, and our identity, which nobody can override."""
    return {
        NAME: version.name,
        **version.tags,
        **identity.identity_tags(version.owner, version.version, version.source_tag, role=role, attempt=attempt),
    }


def look(version: Version, region: str, image: Image, observed: Observed) -> tuple[tuple[Action, ...], tuple[Need, ...]]:
    """What brings tags and description of an available image to what is declared; nothing where they are right."""
    view = observed.regions[region]
    unlisted = [snapshot_id for snapshot_id in image.snapshot_ids if snapshot_id not in view.snapshots]
    if unlisted and view.place.region not in observed.fresh_snapshots:
        return (), (Need(NeedKind.SNAPSHOTS, view.place.region),)
    role, attempt = image.tags.get(identity.ROLE, identity.REPLICA_ROLE), identity.attempt_of(image.tags)
    wanted = wanted_tags(version, role=role, attempt=attempt)
    # A snapshot that even a fresh listing lacks does not carry our owner tag. It backs an image that does, so the tag was lost, or never given:
    # an adopted image's snapshots get it here.
    present = {image.image_id: image.tags} | {
        snapshot_id: view.snapshots[snapshot_id].tags if snapshot_id in view.snapshots else {} for snapshot_id in image.snapshot_ids
    }
    actions: list[Action] = []
    wrong = sorted(resource for resource, tags in present.items() if any(tags.get(key) != value for key, value in wanted.items()))
    if wrong:
        missing = {key: value for key, value in wanted.items() if any(present[resource].get(key) != value for resource in wrong)}
        actions.append(SetTags(view.place, tuple(wrong), missing))
    dropped = {resource: sorted((observed.tag_keys - wanted.keys()) & tags.keys()) for resource, tags in present.items()}
    stale = sorted({key for keys in dropped.values() for key in keys})
    if stale:
        actions.append(RemoveTags(view.place, tuple(sorted(resource for resource, keys in dropped.items() if keys)), tuple(stale)))
    if image.description != version.description:
        actions.append(SetDescription(view.place, image.image_id, version.description))
    return tuple(actions), ()
