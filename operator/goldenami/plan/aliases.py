"""Aliases: an SSM parameter in every replica's region that names the image to launch. Owns the condition AliasesReady.

A parameter is written only when the replica there is available and shared: nobody is ever pointed at an image they cannot launch yet.
One that exists without our owner tag, or with another owner's, is never overwritten.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from goldenami.api.reasons import Reason
from goldenami.plan import identity
from goldenami.plan.actions import Action, DeleteParameter, PutParameter, TagParameter
from goldenami.plan.identity import Owner
from goldenami.plan.values import Parameter, Place, Problem


@dataclass(frozen=True)
class Alias:
    """One parameter in one region, and the image it shall name; empty while there is none yet that may be named."""

    place: Place
    parameter: str
    image_id: str = ""
    why_not: str = ""
    """Why there is none yet, for people."""
    version: str = ""
    """The version that the image is a replica of."""


@dataclass(frozen=True)
class Parameters:
    """What is known of one place: our own parameters by name, and those of other hands that were looked up because a name was taken."""

    ours: Mapping[str, Parameter] = field(default_factory=dict)
    taken: Mapping[str, Parameter] = field(default_factory=dict)
    problem: Problem | None = None


@dataclass(frozen=True)
class AliasFinding:
    alias: Alias
    reason: Reason
    message: str
    actions: tuple[Action, ...] = ()
    value_needed: bool = False
    """The parameter's value has to be read first."""


def look(owner: Owner, aliases: tuple[Alias, ...], known: Mapping[Place, Parameters]) -> tuple[AliasFinding, ...]:
    """One for each alias, in their order."""
    first: dict[tuple[Place, str], Alias] = {}
    for alias in aliases:
        first.setdefault((alias.place, alias.parameter), alias)
    return tuple(
        _one(owner, alias, known.get(alias.place, Parameters()))
        if first[alias.place, alias.parameter] is alias
        else _double(alias, first[alias.place, alias.parameter])
        for alias in aliases
    )


def _double(alias: Alias, first: Alias) -> AliasFinding:
    """Two aliases that come out as one parameter: the first decides, or they would overwrite each other for ever."""
    region = alias.place.region
    if alias.image_id == first.image_id:
        return AliasFinding(alias, Reason.NOTHING_DECLARED, f"{alias.parameter} in {region} is declared twice, alike")
    told = (
        f"{alias.parameter} in {region} is declared twice, for {first.image_id} and {alias.image_id}; make the names in spec.aliases differ"
    )
    return AliasFinding(alias, Reason.ALIAS_CONFLICT, told)


def _one(owner: Owner, alias: Alias, known: Parameters) -> AliasFinding:
    region = alias.place.region
    if known.problem:
        return AliasFinding(alias, known.problem.reason, known.problem.message)
    there = known.ours.get(alias.parameter) or known.taken.get(alias.parameter)
    if there is not None and identity.owner_of(there.tags) == owner:
        return _unmarked(_existing(alias, there), there)
    if there is not None:
        return _taken(owner, alias, there)
    if not alias.image_id:
        return AliasFinding(alias, Reason.ALIAS_PENDING, f"{alias.parameter} in {region} waits: {alias.why_not}")
    put = PutParameter(alias.place, alias.parameter, alias.image_id, create=True, tags={identity.OWNER: str(owner)})
    return AliasFinding(alias, Reason.ALIAS_PENDING, f"{alias.parameter} in {region} is being created", (put,))


def _unmarked(found: AliasFinding, mine: Parameter) -> AliasFinding:
    """A process that took it back and died before the second call has left the mark of the release beside our tag."""
    if identity.RELEASED not in mine.tags:
        return found
    drop = TagParameter(found.alias.place, found.alias.parameter, remove=(identity.RELEASED,))
    return replace(found, actions=(drop, *found.actions))


def _existing(alias: Alias, mine: Parameter) -> AliasFinding:
    region = alias.place.region
    if not alias.image_id:
        return AliasFinding(alias, Reason.ALIAS_PENDING, f"{alias.parameter} in {region} keeps its value: {alias.why_not}")
    if mine.data_type != "aws:ec2:image":
        told = f"{alias.parameter} in {region} has data type {mine.data_type or 'text'}, which cannot be changed to aws:ec2:image; "
        return AliasFinding(alias, Reason.ALIAS_CONFLICT, told + "delete it, and it is created anew")
    if not mine.value:
        return AliasFinding(alias, Reason.ALIAS_PENDING, f"reading {alias.parameter} in {region}", value_needed=True)
    if mine.value == alias.image_id:
        return AliasFinding(alias, Reason.SUCCEEDED, f"{alias.parameter} in {region} is {alias.image_id}")
    put = PutParameter(alias.place, alias.parameter, alias.image_id, create=False)
    return AliasFinding(alias, Reason.ALIAS_PENDING, f"{alias.parameter} in {region} is being set to {alias.image_id}", (put,))


def _taken(owner: Owner, alias: Alias, other: Parameter) -> AliasFinding:
    region = alias.place.region
    if identity.released_by(other.tags) == owner:
        take = TagParameter(alias.place, alias.parameter, {identity.OWNER: str(owner)}, (identity.RELEASED,))
        return AliasFinding(alias, Reason.ALIAS_PENDING, f"{alias.parameter} in {region} was released before and is taken back", (take,))
    holder = identity.owner_of(other.tags)
    whose = f"belongs to {holder}" if holder else f"exists without the tag {identity.OWNER}"
    return AliasFinding(
        alias,
        Reason.ALIAS_CONFLICT,
        f"{alias.parameter} in {region} {whose} and is not overwritten; "
        "name another parameter in spec.aliases, or delete it there if nobody needs it",
    )


def surplus(owner: Owner, wanted: tuple[Alias, ...], known: Mapping[Place, Parameters], *, delete: bool) -> tuple[Action, ...]:
    """Parameters of this owner that nothing declares any more: deleted, or under Retain released with their value as it is."""
    declared = {(alias.place, alias.parameter) for alias in wanted}
    actions: list[Action] = []
    for place, parameters in sorted(known.items()):
        for name, parameter in sorted(parameters.ours.items()):
            if (place, name) in declared or identity.owner_of(parameter.tags) != owner:
                continue
            release = TagParameter(place, name, {identity.RELEASED: str(owner)}, (identity.OWNER,))
            actions.append(DeleteParameter(place, name) if delete else release)
    return tuple(actions)
