"""AWS accounts that a family has left: a new version may name another AWSAccount, and is made and published there from then on.

The older versions stay where they are, and are kept or retired with the others. What was published in the old account stays for as long as
the image that it names does. After that nothing declares it any more: it keeps no image, and it does not outlast the family.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from goldenami.api.golden_image import GoldenImage
from goldenami.aws.errors import AwsError
from goldenami.aws.inventory import slow
from goldenami.controllers.channels import listed_since
from goldenami.controllers.mirror import Children, is_current
from goldenami.controllers.world import World
from goldenami.kube.client import Body
from goldenami.plan import aliases
from goldenami.plan.actions import Action, DeleteParameter, TagParameter
from goldenami.plan.aliases import Alias, AliasFinding, Parameters
from goldenami.plan.identity import Owner
from goldenami.plan.retention import GOING
from goldenami.plan.values import Account, Place, Problem, RegionView


@dataclass(frozen=True)
class Left:
    """What is still to be withdrawn."""

    findings: tuple[AliasFinding, ...] = ()
    """What was refused."""
    pending: tuple[Action, ...] = ()
    """What would be done; empty unless nothing may be changed."""


def look(world: World, obj: Body, declared: GoldenImage, account: Account, children: Children, *, mutable: bool) -> Left:
    """Withdraws what names no image of a version that stays. An account that cannot be found is told by the versions in it."""
    actions: list[Action] = []
    for former, versions in _elsewhere(world, declared, account, children):
        staying = {version: child for version, child in versions.items() if not (child.deleting or child.spec.stage in GOING)}
        # What a version that was not looked at yet has there is not known.
        if isinstance(former, Account) and all(map(is_current, staying.values())):
            actions += _surplus(world, declared, _read(world, declared, former, versions), kept=set(_images(staying)))
    if not mutable:
        return Left(pending=tuple(actions))
    failures = world.perform(obj, actions).failures if actions else ()
    return Left(
        tuple(
            AliasFinding(Alias(action.place, action.parameter), problem.reason, problem.message)
            for action, problem in failures
            if isinstance(action, DeleteParameter | TagParameter)
        )
    )


def views(world: World, declared: GoldenImage, account: Account, children: Children, *, not_older_than: float) -> Iterator[RegionView]:
    """What is there, from the listings that the versions read."""
    for former, versions in _elsewhere(world, declared, account, children):
        if isinstance(former, Account):
            found = world.inventory.regions(_places(former, versions), not_older_than=not_older_than, owner=_owner(world, declared))
            yield from found.values()


def withdraw(world: World, obj: Body, declared: GoldenImage, children: Children) -> dict[str, Problem]:
    """Of a deleted GoldenImage: takes all of it out of use. By version, why it has to wait: nothing else tells of the account it is in."""
    waiting: dict[str, Problem] = {}
    account = world.accounts.of(declared.spec.account_ref, declared.namespace)
    # Those that are being deleted have been let go since their aliases were withdrawn.
    held = {version: child for version, child in children.items() if not child.deleting}
    for former, versions in _elsewhere(world, declared, account, held):
        why = former if isinstance(former, Problem) else _withdrawn(world, obj, declared, _read(world, declared, former, versions))
        waiting |= dict.fromkeys(versions, why) if why else {}
    return waiting


def _withdrawn(world: World, obj: Body, declared: GoldenImage, known: Mapping[Place, Parameters]) -> Problem | None:
    actions = _surplus(world, declared, known, kept=set())
    failures = world.perform(obj, actions).failures if actions else ()
    unread = next((parameters.problem for parameters in known.values() if parameters.problem), None)
    return unread or (failures[0][1] if failures else None)


def _elsewhere(
    world: World, declared: GoldenImage, account: Account | Problem, children: Children
) -> Iterator[tuple[Account | Problem, Children]]:
    """Each account that only versions of before are in. Another AWSAccount, or none, may lead to the same one: then nothing has moved."""
    found: dict[str, Children] = {}
    for version, child in sorted(children.items()):
        if child.spec.account_ref != declared.spec.account_ref:
            found.setdefault(child.spec.account_ref.name if child.spec.account_ref else "", {})[version] = child
    for versions in found.values():
        former = world.accounts.of(next(iter(versions.values())).spec.account_ref, declared.namespace)
        same = isinstance(former, Account) and isinstance(account, Account) and former.account_id == account.account_id
        if not same:
            yield former, versions


def _read(world: World, declared: GoldenImage, account: Account, versions: Children) -> dict[Place, Parameters]:
    owner, since = _owner(world, declared), listed_since(world, declared)

    def read(place: Place) -> Parameters:
        try:
            ours = {found.name: found for found in world.inventory.parameters(place, owner, not_older_than=since)}
            values = world.inventory.parameter_values(place, sorted(ours)) if ours else {}
        except AwsError as error:
            return Parameters(problem=error.problem)
        return Parameters({name: replace(found, value=values.get(name, "")) for name, found in ours.items()})

    return dict(world.inventory.at_once(read, _places(account, versions), late=lambda place: Parameters(problem=slow(place))))


def _surplus(world: World, declared: GoldenImage, known: Mapping[Place, Parameters], *, kept: set[tuple[str, str]]) -> tuple[Action, ...]:
    gone = {
        place: Parameters({name: found for name, found in parameters.ours.items() if (place.region, found.value) not in kept})
        for place, parameters in known.items()
    }
    return aliases.surplus(_owner(world, declared), (), gone, delete=declared.spec.deletion_policy == "Delete")


def _images(versions: Children) -> Iterator[tuple[str, str]]:
    return ((row.region, row.image_id) for child in versions.values() for row in child.status.replicas if row.image_id)


def _places(account: Account, versions: Children) -> list[Place]:
    declared = {replica.region for child in versions.values() for replica in child.spec.replicas}
    regions = declared | {row.region for child in versions.values() for row in child.status.replicas}
    return [Place(account, region) for region in sorted(regions)]


def _owner(world: World, declared: GoldenImage) -> Owner:
    return Owner(world.installation, declared.namespace, declared.name)
