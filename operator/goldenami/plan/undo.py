"""What disabling an image takes away, and how it comes back: EC2 forgets its launch permissions (trap 15 of the research).

They are written into tags of the image before it is disabled. Of a version that goes by policy that is only what nobody declared and the
policy for foreign grants keeps: the rest is granted again from the spec. An image that leaves a place (a region that is no longer declared,
a deleted object, a second copy) is shared by nobody any more, so there it is everything; what was declared and is no longer stays away.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from goldenami.api.conditions import timestamp
from goldenami.plan import expiry, identity
from goldenami.plan.actions import Action, DisableImage, RemoveTags, SetTags, ShareImage
from goldenami.plan.desired import MAX_TAG_VALUE, Version
from goldenami.plan.observed import Observed
from goldenami.plan.tags import MAX_TAGS
from goldenami.plan.values import NOBODY, Grants, Image, Place, Principals

EVERYBODY = "all"
BY_SPEC = "declared"
"""In place of names that there is no room for: whom the spec names."""
NONE = "nobody"
PUBLIC = Principals(public=True)


def needs_grants(version: Version, *, leaving: bool = False) -> bool:
    """Whether there may be grants that only the image itself remembers."""
    return not (version.sharing.declared and version.sharing.remove_foreign) or (leaving and bool(version.grantees))


def disable(version: Version, place: Place, image: Image, observed: Observed, *, leaving: bool = False) -> tuple[Action, ...] | None:
    """Writes down since when, and whom to share with again; then disables. None: there is no room to write that down.

    `leaving`: nobody will share it from the spec. Where `needs_grants` says so, its grants have to be known.
    """
    present = {key for key in image.tags if not key.startswith("aws:")}
    for words in _memories(version, image, observed, leaving=leaving):
        written = {**since(observed.now), **words}
        if len(present | written.keys()) <= MAX_TAGS:
            stale = tuple(key for key in _written(image) if key not in written)
            forget = (RemoveTags(place, (image.image_id,), stale),) if stale else ()
            return (SetTags(place, (image.image_id,), written), *forget, DisableImage(place, image.image_id, owner=version.owner))
    return None


def since(now: float) -> dict[str, str]:
    """The tag that says since when."""
    return {identity.DISABLED_SINCE: timestamp(datetime.fromtimestamp(now, UTC))}


def restore(version: Version, place: Place, image: Image) -> tuple[Action, ...]:
    """Of an image that is enabled again and kept: shares it as nobody declared it, then forgets what was written down.

    The spec says the rest, with the keys and snapshots that go before it. Nothing where nothing was written down.
    """
    return _back(place, image, _foreign(version, image) if needs_grants(version) else NOBODY)


def give_back(version: Version, place: Place, image: Image) -> tuple[Action, ...]:
    """The same of an image that is on its way out and stays for now: all that it was shared with, but for whom the spec names no longer."""
    if not version.sharing.declared:
        return restore(version, place, image)
    words, foreign = _words(image.tags, identity.SHARED_WITH), _foreign(version, image)
    # Without any it was disabled by its stage, which leaves to the spec what is declared.
    had = version.grantees if not words or BY_SPEC in words else Principals.named(words) | foreign
    return _back(place, image, version.grantees & had | (foreign if needs_grants(version) else NOBODY))


def _back(place: Place, image: Image, whom: Principals) -> tuple[Action, ...]:
    if image.state != "available" or not (keys := _written(image)):
        return ()
    # Public access apart, and last: a region may have come to block it, and nobody else shall wait for that.
    parts = (whom - PUBLIC, whom & PUBLIC)
    return (*(ShareImage(place, image.image_id, part) for part in parts if part), RemoveTags(place, (image.image_id,), keys))


def disabled_since(image: Image) -> float:
    """Epoch seconds; 0 where the operator did not disable it, or nobody can read when."""
    at = expiry.parse(image.tags.get(identity.DISABLED_SINCE, ""))
    return at.timestamp() if at is not None and image.state == "disabled" else 0.0


def by_stage(image: Image) -> bool:
    """Whether the operator disabled it because its version goes by policy, and not because it leaves a place."""
    return disabled_since(image) > 0 and identity.SHARED_WITH not in image.tags


def remembered(tags: Mapping[str, str]) -> Principals:
    """Whom an image was shared with, without anybody declaring it, when it was disabled."""
    return Principals.named(_words(tags, identity.GRANTS))


# --- what is written down ---


def _memories(version: Version, image: Image, observed: Observed, *, leaving: bool) -> Iterator[dict[str, str]]:
    """What to write down, in full; then, shorter, with those whom the spec names as `declared`."""
    known = observed.grants.get(image.image_id)
    foreign = _tags(identity.GRANTS, _undeclared(version, image, known, observed).names()) if needs_grants(version) else {}
    if not leaving:
        yield foreign
        return
    yield {**foreign, **_tags(identity.SHARED_WITH, _declared(version, image, known) or (NONE,))}
    yield {**foreign, identity.SHARED_WITH: BY_SPEC}


def _undeclared(version: Version, image: Image, known: Grants | None, observed: Observed) -> Principals:
    """Without the owner, and without what the spec says or has said: that is not given back but by the spec.

    With what was written down before and has not been given back yet: this look may have found the image between the two.
    """
    launch = (known.launch if known else NOBODY) | _foreign(version, image)
    ours = version.sharing.principals | (observed.granted | PUBLIC if version.sharing.declared else NOBODY)
    return launch - ours - Principals(accounts=frozenset({version.account.account_id}))


def _declared(version: Version, image: Image, known: Grants | None) -> tuple[str, ...]:
    words = _words(image.tags, identity.SHARED_WITH)
    if BY_SPEC in words:
        return (BY_SPEC,)
    return (version.grantees & ((known.launch if known else NOBODY) | Principals.named(words))).names()


def _foreign(version: Version, image: Image) -> Principals:
    """What is written down of whom nobody declares; public access never stays undeclared where anything is declared."""
    found = remembered(image.tags)
    if version.sharing.declared:
        return found - PUBLIC
    return found | Principals.named(_words(image.tags, identity.SHARED_WITH))


def _written(image: Image) -> tuple[str, ...]:
    """The tags of this module that an image carries."""
    return tuple(
        sorted(
            key for key in image.tags if key == identity.DISABLED_SINCE or _is_of(identity.GRANTS, key) or _is_of(identity.SHARED_WITH, key)
        )
    )


def _is_of(series: str, key: str) -> bool:
    return key == series or key.startswith(f"{series}-")


def _words(tags: Mapping[str, str], series: str) -> list[str]:
    return [word for key in sorted(tags) if _is_of(series, key) for word in tags[key].split()]


def _tags(series: str, words: Iterable[str]) -> dict[str, str]:
    """Words in as many tags as it takes, none of them cut."""
    values: list[str] = []
    for word in words:
        if values and len(values[-1]) + 1 + len(word) <= MAX_TAG_VALUE:
            values[-1] += f" {word}"
        else:
            values.append(word)
    return {series if number == 1 else f"{series}-{number}": value for number, value in enumerate(values, start=1)}
