"""What disabling an image takes away, and how it comes back: EC2 forgets its launch permissions (trap 15 of the research).

What is declared is granted again from the spec. What nobody declared, and the policy for foreign grants keeps, is written into tags of the
image before it is disabled.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from goldenami.api.conditions import timestamp
from goldenami.plan import expiry, identity
from goldenami.plan.actions import Action, DisableImage, RemoveTags, SetTags, ShareImage
from goldenami.plan.desired import MAX_TAG_VALUE, Version
from goldenami.plan.tags import MAX_TAGS
from goldenami.plan.values import NOBODY, Grants, Image, Place, Principals

EVERYBODY = "all"


def needs_grants(version: Version) -> bool:
    """Whether there may be grants that only the image itself remembers."""
    return not (version.sharing.declared and version.sharing.remove_foreign)


def disable(version: Version, place: Place, image: Image, grants: Grants | None, now: float) -> tuple[Action, ...] | None:
    """Writes down since when, and whom to share with again; then disables. None: there is no room to write that down."""
    whom = _remembered(version, grants) if needs_grants(version) and grants else NOBODY
    written = {**since(now), **_tags(whom.names())}
    if len({key for key in image.tags if not key.startswith("aws:")} | written.keys()) > MAX_TAGS:
        return None
    return (SetTags(place, (image.image_id,), written), DisableImage(place, image.image_id, owner=version.owner))


def since(now: float) -> dict[str, str]:
    """The tag that says since when."""
    return {identity.DISABLED_SINCE: timestamp(datetime.fromtimestamp(now, UTC))}


def restore(version: Version, place: Place, image: Image) -> tuple[Action, ...]:
    """Of an image that is enabled again: shares it as it was, then forgets what was written down. Nothing where nothing was."""
    keys = tuple(sorted(key for key in image.tags if key == identity.DISABLED_SINCE or _is_grants(key)))
    if not keys:
        return ()
    whom = remembered(image.tags) if needs_grants(version) else NOBODY
    share = (ShareImage(place, image.image_id, whom),) if whom else ()
    return (*share, RemoveTags(place, (image.image_id,), keys))


def disabled_since(image: Image) -> float:
    """Epoch seconds; 0 where the operator did not disable it, or nobody can read when."""
    at = expiry.parse(image.tags.get(identity.DISABLED_SINCE, ""))
    return at.timestamp() if at is not None and image.state == "disabled" else 0.0


def remembered(tags: Mapping[str, str]) -> Principals:
    """Whom an image was shared with when it was disabled."""
    words = [word for key in sorted(filter(_is_grants, tags)) for word in tags[key].split()]
    return Principals(
        frozenset(word for word in words if word.isdigit()),
        frozenset(word for word in words if ":organization/" in word),
        frozenset(word for word in words if ":ou/" in word),
        public=EVERYBODY in words,
    )


def _remembered(version: Version, grants: Grants) -> Principals:
    """Without the owner, and without what the spec says anyway: that is what it says when the image comes back."""
    return grants.launch - version.sharing.principals - Principals(accounts=frozenset({version.account.account_id}))


def _is_grants(key: str) -> bool:
    return key == identity.GRANTS or key.startswith(f"{identity.GRANTS}-")


def _tags(words: Iterable[str]) -> dict[str, str]:
    """Words in as many tags as it takes, none of them cut."""
    values: list[str] = []
    for word in words:
        if values and len(values[-1]) + 1 + len(word) <= MAX_TAG_VALUE:
            values[-1] += f" {word}"
        else:
            values.append(word)
    return {identity.GRANTS if number == 1 else f"{identity.GRANTS}-{number}": value for number, value in enumerate(values, start=1)}
