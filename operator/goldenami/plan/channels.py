"""Channels: names that move between versions. Decides which version, and which image in each region, a channel names now.

Owns the condition ChannelsReady. A channel that moves waits until its version is available and shared where its rollout says; what it named
before stays until then. Going back is the same move, so it costs no more than the parameters that name it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from semver import Version as SemVer

from goldenami.api.fields import Stage
from goldenami.plan.values import Past, Problem

TOLD = 3
"""Regions that a message names."""


@dataclass(frozen=True)
class Channel:
    """As declared. `all_regions`: it moves everywhere at once; otherwise region by region."""

    name: str
    version: str
    all_regions: bool = True
    deprecate_on_rollback: bool = False


@dataclass(frozen=True)
class Offer:
    """What one version has in one region: an image that may be named, or why there is none."""

    image_id: str = ""
    why_not: str = ""


Offers = Mapping[str, Mapping[str, Offer]]
"""By version and region; a version that does not exist is absent."""


@dataclass(frozen=True)
class Named:
    """What a channel names in one region."""

    image_id: str
    version: str


@dataclass(frozen=True)
class Standing:
    """Where a channel stands."""

    version: str
    since: str = ""
    """RFC 3339; empty while it names nothing yet."""
    previous: str = ""
    images: Mapping[str, Named] = field(default_factory=dict)

    @property
    def versions(self) -> frozenset[str]:
        """All that it names by now: a region that is late, or has lost its image, still names the version of before."""
        return frozenset({self.version, *(named.version for named in self.images.values())}) if self.since else frozenset()


@dataclass(frozen=True)
class Decision:
    """What a channel does now. `targets`: by region, what aliases shall name there, or why they keep what they have."""

    channel: Channel
    standing: Standing
    targets: Mapping[str, Offer]
    moved_from: str = ""
    """The version that it named until this moment."""
    unknown: bool = False
    """There is no such version."""
    problem: Problem | None = None
    """It could not be decided."""

    @property
    def waiting(self) -> tuple[str, ...]:
        """What it waits for, one sentence a region."""
        return tuple(dict.fromkeys(target.why_not for target in self.targets.values() if target.why_not))


def decide(channel: Channel, before: Standing | None, offers: Offers, regions: Sequence[str], now: str) -> Decision:
    """`before`: where it stood, as far as that is known. `regions`: where the image is declared."""
    offered = offers.get(channel.version)
    if offered is None:
        return _kept(channel, before, offers, regions, f"there is no version {channel.version}", unknown=True)
    here = {region: offered.get(region, Offer(why_not=f"there is no image in {region} yet")) for region in regions}
    named_already = before is not None and bool(before.since) and before.version == channel.version
    late = [offer.why_not for offer in here.values() if not offer.image_id]
    if late and channel.all_regions and not named_already:
        return _kept(channel, before, offers, regions, f"all regions move at once, and {' and '.join(late[:TOLD])}")
    if len(late) == len(here) and not named_already:
        return Decision(channel, _standing(channel, before, offers, regions), here)
    return _moved(channel, before, offers, here, now)


def undecided(channel: Channel, before: Standing | None, offers: Offers, regions: Sequence[str], problem: Problem) -> Decision:
    """Everything stays as it is, because something could not be read."""
    return replace(_kept(channel, before, offers, regions, problem.message), problem=problem)


def _kept(
    channel: Channel, before: Standing | None, offers: Offers, regions: Sequence[str], why: str, *, unknown: bool = False
) -> Decision:
    return Decision(
        channel, _standing(channel, before, offers, regions), {region: Offer(why_not=why) for region in regions}, unknown=unknown
    )


def _standing(channel: Channel, before: Standing | None, offers: Offers, regions: Sequence[str]) -> Standing:
    """As before, in the regions that are declared now."""
    if before is None or not before.since:
        return Standing(channel.version)
    kept = {region: named for region in regions if (named := _still(before, offers, region))}
    return replace(before, images=kept)


def _still(before: Standing | None, offers: Offers, region: str) -> Named | None:
    """What it names in a region that it has not moved in: as remembered, or, where nothing is, what its version has there."""
    if before is None or not before.since:
        return None
    named = before.images.get(region)
    if named is not None and named.version in offers:
        return named
    known = offers.get(before.version, {}).get(region, Offer())
    return Named(known.image_id, before.version) if known.image_id else None


def _moved(channel: Channel, before: Standing | None, offers: Offers, here: Mapping[str, Offer], now: str) -> Decision:
    images: dict[str, Named] = {}
    for region, offer in here.items():
        named = Named(offer.image_id, channel.version) if offer.image_id else _still(before, offers, region)
        if named:
            images[region] = named
    if before is not None and before.since and before.version == channel.version:
        return Decision(channel, replace(before, images=images), here)
    left = before.version if before is not None and before.since else ""
    return Decision(channel, Standing(channel.version, now, left, images), here, moved_from=left)


# --- what the past says ---


def recall(past: Sequence[Past], version_of: Mapping[str, str]) -> tuple[str, float, str] | None:
    """Version, since when (epoch seconds) and the version before, from what a parameter named, oldest first.

    Images that are not known any more are passed over. None when none is known.
    """
    known = [(version_of[one.value], one.written_epoch_seconds) for one in past if one.value in version_of]
    if not known:
        return None
    version, since = known[-1]
    previous = ""
    for earlier, at in reversed(known):
        if earlier != version:
            previous = earlier
            break
        since = at
    return version, since, previous


# --- what follows for the versions ---


def named_versions(channels: Iterable[Channel], standings: Iterable[Standing]) -> frozenset[str]:
    """Those that a channel names, or still names while it, or one of its regions, waits: none of them is ever removed."""
    return frozenset(channel.version for channel in channels).union(*(standing.versions for standing in standings))


def names_of(version: str, channels: Iterable[Channel], standings: Mapping[str, Standing]) -> tuple[str, ...]:
    """The channels that name a version, or still do in some region."""
    return tuple(
        sorted(
            channel.name
            for channel in channels
            if channel.version == version or ((at := standings.get(channel.name)) and version in at.versions)
        )
    )


def stage(
    version: str,
    channels: Sequence[Channel],
    standings: Mapping[str, Standing],
    made_at: Mapping[str, float],
    before: Stage | None,
    *,
    left_before: bool = False,
) -> Stage | None:
    """Deprecated from a rollback until a channel names the version again; Active while a channel that deprecates names it.

    `left_before`: a rollback has left it, which may not have been the last one.
    """
    if version in named_versions(channels, standings.values()):
        cares = any(channel.deprecate_on_rollback and channel.name in names_of(version, channels, standings) for channel in channels)
        return "Active" if cares or before else None
    left = ((standings[channel.name], channel) for channel in channels if channel.deprecate_on_rollback and channel.name in standings)
    if left_before or any(at.previous == version and is_rollback(version, at.version, made_at) for at, _ in left):
        return "Deprecated"
    return None


def is_rollback(left: str, to: str, made_at: Mapping[str, float]) -> bool:
    """To a lower version, or to one that was made before: whoever selects the newest image would stay with the one that was left."""
    if precedence(to) < precedence(left):
        return True
    return left in made_at and to in made_at and made_at[to] < made_at[left]


def precedence(version: str) -> SemVer:
    """Orders versions as SemVer 2.0 §11 does; what follows a + does not count."""
    return SemVer.parse(version)
