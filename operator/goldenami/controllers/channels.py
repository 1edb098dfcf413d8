"""The channels of a GoldenImage: from spec, status, versions and, where the status does not know, SSM's history, to decisions and back."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from goldenami.api.conditions import ConcernResult, ConditionType, timestamp
from goldenami.api.duration import parse_duration
from goldenami.api.fields import SEMVER
from goldenami.api.golden_image import DEFAULT_CHANNEL, ChannelStatus, GoldenImage
from goldenami.api.image_version import ImageVersion, ReplicaStatus
from goldenami.api.reasons import Outcome as Meaning
from goldenami.api.reasons import Reason
from goldenami.aws.errors import AwsError
from goldenami.aws.inventory import slow
from goldenami.controllers import timing
from goldenami.controllers.world import World
from goldenami.kube.client import Body
from goldenami.plan import channels as plan
from goldenami.plan import identity
from goldenami.plan.channels import Channel, Decision, Named, Offer, Standing
from goldenami.plan.identity import Owner
from goldenami.plan.values import Account, Place, Problem, RegionView

TOLD = 10
"""Versions that a message names."""


@dataclass(frozen=True)
class Memory:
    """Where the channels stood before this look."""

    standings: Mapping[str, Standing]
    """By name; one that is not known to have named anything is absent."""
    problems: Mapping[str, Problem]
    """Why it is not known of a channel where it stood."""


def declared_channels(declared: GoldenImage) -> tuple[Channel, ...]:
    spec = declared.spec
    if not spec.channels:
        return (Channel(DEFAULT_CHANNEL, spec.version, all_regions=False),)
    return tuple(
        Channel(
            channel.name,
            channel.version,
            all_regions=channel.rollout != "PerRegion",
            deprecate_on_rollback=bool(channel.deprecate_on_rollback),
        )
        for channel in spec.channels
    )


def parameter_name(declared: GoldenImage, template: str, channel: str) -> str:
    filled = template.replace("{image}", declared.name).replace("{namespace}", declared.namespace)
    return filled.replace("{channel}", channel)


def listed_since(world: World, declared: GoldenImage) -> float:
    """How old the listing of parameters may be, in epoch seconds of its reading."""
    asked = declared.metadata.asks_for_look(declared.status.last_handled_reconcile)
    interval = parse_duration(declared.spec.interval) if declared.spec.interval else world.interval_seconds
    return world.now() - (0.0 if asked or declared.deleting else timing.AT_REST * interval)


# --- where they stood ---


def remember(world: World, declared: GoldenImage, account: Account, views: Iterable[RegionView]) -> Memory:
    """From the status; for a channel that it does not know, from what its parameters named, as SSM remembers it."""
    views = list(views)
    names = [channel.name for channel in declared_channels(declared)]
    told = {row.name: _standing(row) for row in declared.status.channels if row.since and row.name in names}
    if _begins(declared, views):
        for view in views:
            owner = Owner(world.installation, declared.namespace, declared.name)
            world.inventory.parameters_of(view.place).begins(owner, view.read_epoch_seconds)
    unknown = [name for name in names if name not in told]
    if not unknown or not declared.spec.aliases:
        return Memory(told, {})
    return _recalled(world, declared, account, unknown, told, {view.place.region: view for view in views})


def _begins(declared: GoldenImage, views: Sequence[RegionView]) -> bool:
    """Whether nothing tells of parameters that may be there: neither the status, nor an image in any region, of now or released."""
    told = declared.status.aliases or any(row.since for row in declared.status.channels)
    return not told and not any(view.problem or view.images for view in views)


def _standing(row: ChannelStatus) -> Standing:
    images = {image.region: Named(image.image_id, image.version or row.version) for image in row.images}
    return Standing(row.version, row.since or "", row.previous_version or "", images)


def _recalled(
    world: World,
    declared: GoldenImage,
    account: Account,
    names: Sequence[str],
    told: Mapping[str, Standing],
    views: Mapping[str, RegionView],
) -> Memory:
    owner = Owner(world.installation, declared.namespace, declared.name)
    places = [Place(account, replica.region) for replica in declared.spec.replicas]
    since = listed_since(world, declared)
    ours = world.inventory.at_once(lambda place: _own_names(world, place, owner, since), places, late=slow)
    standings, problems = dict(told), {}
    for name in names:
        found = _one(world, declared, name, ours, views)
        if isinstance(found, Problem):
            problems[name] = found
        elif found is not None:
            standings[name] = found
    return Memory(standings, problems)


def _own_names(world: World, place: Place, owner: Owner, since: float) -> frozenset[str] | Problem:
    try:
        return frozenset(parameter.name for parameter in world.inventory.parameters(place, owner, not_older_than=since))
    except AwsError as error:
        return error.problem


def _one(
    world: World,
    declared: GoldenImage,
    name: str,
    ours: Mapping[Place, frozenset[str] | Problem],
    views: Mapping[str, RegionView],
) -> Standing | Problem | None:
    """From the first place that has a parameter of the channel. None: it never named anything, or nobody can tell."""
    for place, names in ours.items():
        if isinstance(names, Problem):
            continue
        for alias in declared.spec.aliases:
            parameter = parameter_name(declared, alias.parameter, name)
            if parameter in names:
                return _from_history(world, place, parameter, views)
    problem = next((names for names in ours.values() if isinstance(names, Problem)), None)
    # No region tells of it, and one that cannot be read may: whether it has named anything is open, unless all that can be read say no.
    return problem if problem is not None and all(isinstance(names, Problem) for names in ours.values()) else None


def _from_history(world: World, place: Place, parameter: str, views: Mapping[str, RegionView]) -> Standing | Problem | None:
    try:
        past = world.inventory.parameter_history(place, parameter)
    except AwsError as error:
        # History is worth a retry, not a standstill.
        return error.problem if error.problem.reason.outcome is Meaning.RETRYING else None
    view = views.get(place.region)
    version_of = {image.image_id: image.tags.get(identity.VERSION, "") for image in view.images} if view else {}
    # A tag may say anything; what is no version was none of ours.
    known = plan.recall(past, {image_id: version for image_id, version in version_of.items() if SEMVER.fits(version)})
    if known is None:
        return None
    version, since, previous = known
    return Standing(version, timestamp(datetime.fromtimestamp(since, UTC)), previous)


# --- what they do ---


def decide(
    world: World, declared: GoldenImage, memory: Memory, children: Mapping[str, ImageVersion], refused: Mapping[str, Problem]
) -> tuple[Decision, ...]:
    """One for each declared channel. `refused`: versions that are there, of which it cannot be told what they have."""
    regions = [replica.region for replica in declared.spec.replicas]
    offers = {version: dict.fromkeys(regions, Offer(why_not=problem.message)) for version, problem in refused.items()}
    offers |= {version: _offers(child, regions) for version, child in children.items()}
    now = timestamp(datetime.fromtimestamp(world.now(), UTC))
    return tuple(
        plan.undecided(channel, None, offers, regions, memory.problems[channel.name])
        if channel.name in memory.problems
        else plan.decide(channel, memory.standings.get(channel.name), offers, regions, now)
        for channel in declared_channels(declared)
    )


def only_observed(decisions: Iterable[Decision], memory: Memory) -> tuple[Decision, ...]:
    """Where nothing may be changed no channel moves: the targets say what would be done, and everything stands as it stood."""
    return tuple(
        replace(decision, moved_from="", standing=memory.standings.get(decision.channel.name, replace(decision.standing, since="")))
        for decision in decisions
    )


def _offers(child: ImageVersion, regions: Sequence[str]) -> dict[str, Offer]:
    replicas = {replica.region: replica for replica in child.status.replicas}
    seen = child.status.observed_generation == child.generation and not child.deleting
    return {region: _offer(replicas.get(region), region, seen=seen) for region in regions}


def _offer(replica: ReplicaStatus | None, region: str, *, seen: bool) -> Offer:
    """The image that may be named there; empty, and why, while there is none."""
    if replica is None or replica.state != "available" or not replica.image_id:
        return Offer(why_not=f"there is no available image in {region} yet")
    if not seen or not replica.shared:
        return Offer(why_not=f"{replica.image_id} in {region} is not shared as declared yet")
    return Offer(replica.image_id)


# --- what is said of them ---


def result(decisions: Sequence[Decision], versions: Iterable[str], views: Iterable[RegionView]) -> ConcernResult:
    """The condition ChannelsReady. `versions`: all that exist."""
    kind = ConditionType.CHANNELS_READY
    unknown = [decision for decision in decisions if decision.unknown]
    if unknown:
        unread = next((view.problem for view in views if view.problem), None)
        if unread is not None:
            return ConcernResult(kind, unread.reason, f"{_list(unknown)} is not known, and not every region can be read: {unread.message}")
        return ConcernResult(kind, Reason.UNKNOWN_VERSION, _told_unknown(unknown, versions))
    problem = next((decision.problem for decision in decisions if decision.problem), None)
    if problem is not None:
        return ConcernResult(kind, problem.reason, problem.message)
    waiting = [decision for decision in decisions if decision.waiting]
    if waiting:
        told = dict.fromkeys(
            f"channel {decision.channel.name} (to {decision.channel.version}): {decision.waiting[0]}" for decision in waiting
        )
        return ConcernResult(kind, Reason.CHANNEL_PENDING, "; ".join(told))
    return ConcernResult(kind, Reason.SUCCEEDED, ", ".join(f"{one.channel.name} names {one.standing.version}" for one in decisions))


def _list(unknown: Sequence[Decision]) -> str:
    return " and ".join(f"version {decision.channel.version} of channel {decision.channel.name}" for decision in unknown)


def _told_unknown(unknown: Sequence[Decision], versions: Iterable[str]) -> str:
    there = sorted(versions, key=plan.precedence, reverse=True)
    more = f" and {len(there) - TOLD} older" if len(there) > TOLD else ""
    return (
        f"{_list(unknown)} was never declared, or is gone; there are {', '.join(there[:TOLD])}{more}. "
        "Name one of them in spec.channels, or declare the version first; until then the channel stays as it is"
    )


def rows(decisions: Iterable[Decision]) -> list[Body]:
    """`status.channels`."""
    return [_row(decision) for decision in decisions]


def _row(decision: Decision) -> Body:
    at = decision.standing
    images = [
        {"region": region, "imageId": named.image_id, **({"version": named.version} if named.version != at.version else {})}
        for region, named in at.images.items()
    ]
    return {
        "name": decision.channel.name,
        "version": at.version,
        **({"since": at.since} if at.since else {}),
        **({"previousVersion": at.previous} if at.previous else {}),
        "images": images,
    }
