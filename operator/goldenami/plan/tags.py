"""Tags and descriptions: kept in step on the image and on its snapshots."""

from collections.abc import Mapping

from goldenami.api.reasons import Reason
from goldenami.plan import identity, noted_tags, snapshots
from goldenami.plan.actions import Action, RemoveTags, SetDescription, SetTags
from goldenami.plan.candidates import was_there
from goldenami.plan.desired import Version
from goldenami.plan.observed import Finding, Need, NeedKind, Observed
from goldenami.plan.snapshots import unlisted, unread
from goldenami.plan.values import Image, RegionView

NAME = "Name"
"""The tag that consoles show. It says the AMI's own name, which never changes after its creation, whatever nameTemplate says by then."""
MAX_TAGS = 50
"""On one resource; tags of AWS itself, `aws:…`, are not counted (EC2 user guide, "Tag restrictions")."""


def wanted_tags(version: Version, *, role: str, attempt: int = 1, found: bool = False) -> dict[str, str]:
    """Everything a resource of this version carries: what the user declares, the name, and our identity, which nobody can override.

    What was there before, `found` or adopted by the family, keeps the name it has.
    """
    return {
        **({} if found or role == identity.ADOPTED_ROLE else {NAME: version.name}),
        **{key: value for key, value in version.tags.items() if not key.startswith(identity.PREFIX)},
        **({identity.NOTES: version.notes} if version.notes else {}),
        **identity.identity_tags(version.owner, version.version, version.source_tag, role=role, attempt=attempt),
    }


def with_noted(
    version: Version, image: Image, wanted: Mapping[str, str], snapshots: Mapping[str, Mapping[str, str]], *, known: bool = True
) -> dict[str, str]:
    """The same, and which of it an image that was there before lacked, where there is room for that.

    `snapshots`: tags of those that get them, too. `known`: these are all there are.
    """
    text = noted_tags.noted(version, image, snapshots.values() if known else None).text
    resources = (image.tags, *snapshots.values())
    has_room = all(
        len({key for key in tags if not key.startswith("aws:")} | wanted.keys() | {identity.ADDED}) <= MAX_TAGS for tags in resources
    )
    return {**wanted, **({identity.ADDED: text} if text and has_room else {})}


def too_many(version: Version, region: str) -> Finding | None:
    """Why nothing can be made in this region: EC2 would refuse the tags of the call."""
    count = len(wanted_tags(version, role=identity.REPLICA_ROLE))
    if count <= MAX_TAGS:
        return None
    return Finding(
        region,
        Reason.TOO_MANY_TAGS,
        f"{count} tags would be set in {region}, {count - len(version.tags)} of them the operator's, and EC2 takes {MAX_TAGS}; "
        "declare fewer in spec.tags",
    )


def crowded(version: Version, region: str, image: Image, observed: Observed) -> Finding | None:
    """Why the tags of an image that exists cannot be brought in step: what others have set leaves no room for them."""
    present = _present(version, observed.regions[region], image)
    wanted = _wanted(version, image)
    for resource in sorted(_wrong(present, wanted)):
        stale = _stale(present[resource], wanted, observed, _removable(image, resource))
        kept = {key for key in present[resource] if not key.startswith("aws:")} - stale
        if len(kept | wanted.keys()) > MAX_TAGS:
            return Finding(
                region,
                Reason.TOO_MANY_TAGS,
                f"{resource} in {region} would carry {len(kept | wanted.keys())} tags, and EC2 takes {MAX_TAGS}; "
                "remove some there, or declare fewer in spec.tags",
                image,
            )
    return None


def look(version: Version, region: str, image: Image, observed: Observed) -> tuple[tuple[Action, ...], tuple[Need, ...]]:
    """What brings tags and description of an available image to what is declared; nothing where they are right."""
    view = observed.regions[region]
    # What the creating call gave to snapshots that are not listed yet is no longer right either where the image's own tags are not.
    edited = _wrong({image.image_id: image.tags}, _wanted(version, image)) or _stale(
        image.tags, _wanted(version, image), observed, _removable(image, image.image_id)
    )
    unknown = unlisted(version, view, image) if edited else unread(version, view, image)
    if unknown and region not in observed.fresh_snapshots:
        return (), (Need(NeedKind.SNAPSHOTS, region),)
    if crowded(version, region, image, observed):
        return (), ()
    present, wanted = _present(version, view, image), _wanted(version, image)
    if was_there(image):
        parts = {name: tags for name, tags in present.items() if name != image.image_id}
        wanted = with_noted(version, image, wanted, parts, known=parts.keys() <= view.snapshots.keys())
    actions: list[Action] = []
    wrong = sorted(_wrong(present, wanted))
    if wrong:
        missing = {key: value for key, value in wanted.items() if any(present[resource].get(key) != value for resource in wrong)}
        actions.append(SetTags(view.place, tuple(wrong), missing))
    actions += _removals(view, image, present, wanted, observed)
    adopted = image.tags.get(identity.ROLE) == identity.ADOPTED_ROLE
    if image.description != version.description and (version.description_declared or not adopted):
        actions.append(SetDescription(view.place, image.image_id, version.description))
    return (*_in_order(present, wanted, actions),), ()


def _wanted(version: Version, image: Image) -> dict[str, str]:
    role, attempt = image.tags.get(identity.ROLE, identity.REPLICA_ROLE), identity.attempt_of(image.tags)
    return wanted_tags(version, role=role, attempt=attempt, found=was_there(image))


def _present(version: Version, view: RegionView, image: Image) -> dict[str, Mapping[str, str]]:
    # A snapshot that even a fresh listing lacks does not carry our owner tag. It backs an image that does, so the tag was lost, or never
    # given: an adopted image's snapshots get it here.
    awaited = snapshots.awaited(version, view, image)
    return {image.image_id: image.tags} | {
        snapshot_id: view.snapshots[snapshot_id].tags if snapshot_id in view.snapshots else {}
        for snapshot_id in snapshots.taggable(version, view, image)
        if snapshot_id in view.snapshots or not awaited
    }


def _wrong(present: Mapping[str, Mapping[str, str]], wanted: Mapping[str, str]) -> set[str]:
    return {resource for resource, tags in present.items() if any(tags.get(key) != value for key, value in wanted.items())}


def _removals(
    view: RegionView, image: Image, present: Mapping[str, Mapping[str, str]], wanted: Mapping[str, str], observed: Observed
) -> list[RemoveTags]:
    """One for all resources of which the same may be removed; the image's last, as its tags say what may go from its snapshots."""
    found: dict[frozenset[str] | None, dict[str, set[str]]] = {}
    for resource, tags in present.items():
        removable = _removable(image, resource)
        stale = _stale(tags, wanted, observed, removable) | {identity.ADDED} & tags.keys() - wanted.keys()
        if stale:
            found.setdefault(removable, {})[resource] = stale
    return [
        RemoveTags(view.place, tuple(sorted(stale)), tuple(sorted(set().union(*stale.values()))))
        for stale in sorted(found.values(), key=lambda stale: image.image_id in stale)
    ]


def _removable(image: Image, resource: str) -> frozenset[str] | None:
    """Of the tags of `spec.tags` those that may go once they are no longer declared; None: all of them.

    What an image that was there before had itself stays with it, and so it does on its snapshots.
    """
    if not was_there(image):
        return None
    noted = noted_tags.read(image.tags)
    return frozenset(noted.image if resource == image.image_id else noted.snapshots)


def _stale(tags: Mapping[str, str], wanted: Mapping[str, str], observed: Observed, removable: frozenset[str] | None) -> set[str]:
    """What we have set before and nobody declares any more; notes that are gone; and the mark of a release that was taken back."""
    before = {key for key in observed.tag_keys if not key.startswith((identity.PREFIX, "aws:"))} - wanted.keys()
    if removable is not None:
        before &= removable
    return (before | {identity.RELEASED, identity.NOTES} - wanted.keys()) & tags.keys()


def _in_order(present: Mapping[str, Mapping[str, str]], wanted: Mapping[str, str], actions: list[Action]) -> list[Action]:
    """New tags before old ones go. The other way round where both at once would be too many, and where the new ones no longer note that an
    old one may go.
    """
    full = any(len(tags.keys() | wanted.keys()) > MAX_TAGS for tags in present.values())
    noted_anew = any(isinstance(action, SetTags) and identity.ADDED in action.tags for action in actions)
    return sorted(actions, key=lambda action: not isinstance(action, RemoveTags)) if full or noted_anew else actions
