"""Publishing: the GoldenImage's aliases, written region by region once the replica there may be launched by those it is shared with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from goldenami.api.conditions import ConcernResult, ConditionType
from goldenami.api.duration import parse_duration
from goldenami.api.golden_image import DEFAULT_CHANNEL, GoldenImage
from goldenami.api.image_version import ImageVersion, ReplicaStatus
from goldenami.api.reasons import Outcome as Meaning
from goldenami.api.reasons import Reason
from goldenami.aws.errors import AwsError
from goldenami.controllers import report
from goldenami.controllers.caretaker import Outcome
from goldenami.controllers.world import World
from goldenami.kube.client import Body
from goldenami.plan import aliases
from goldenami.plan.actions import Action, PutParameter
from goldenami.plan.aliases import Alias, AliasFinding, Parameters
from goldenami.plan.identity import Owner
from goldenami.plan.values import Account, Parameter, Place, Problem
from goldenami.plan.whole import Failures

MAX_STEPS = 4
_SEVERITY = (Meaning.STALLED, Meaning.RETRYING, Meaning.WAITING, Meaning.PROGRESSING, Meaning.DONE)


@dataclass(frozen=True)
class Published:
    """What there is to say about the aliases."""

    result: ConcernResult
    status: list[Body]
    pending: tuple[Action, ...]
    """What would be done; empty unless nothing may be changed."""
    outcome: Outcome


def publish(
    world: World, obj: Body, declared: GoldenImage, account: Account, children: Mapping[str, ImageVersion], *, mutable: bool
) -> Published:
    """Brings the parameters to what is declared, and reads them back."""
    owner = Owner(world.installation, declared.namespace, declared.name)
    current = children[declared.spec.version]
    wanted = tuple(_aliases(declared, account, current))
    places = {alias.place for alias in wanted} | {Place(account, alias.region) for alias in declared.status.aliases}
    if not places:
        result = ConcernResult(ConditionType.ALIASES_READY, Reason.NOTHING_DECLARED, "no aliases are declared")
        return Published(result, [], (), Outcome())
    reader = Reader(world, owner, declared)
    failures: Failures = ()
    for _ in range(MAX_STEPS):
        known = reader.read(places, wanted)
        findings = aliases.look(owner, wanted, known)
        surplus = aliases.surplus(owner, wanted, known, delete=declared.spec.deletion_policy == "Delete")
        actions = (*(action for finding in findings for action in finding.actions), *surplus)
        if not actions or failures or not mutable:
            break
        failures = world.perform(obj, actions)
        reader.taken_names(failures)
        # A name that is taken is no failure yet: whose it is decides.
        failures = tuple((action, problem) for action, problem in failures if problem.reason is not Reason.ALIAS_CONFLICT)
    findings = tuple(_with_failure(finding, failures) for finding in findings)
    return Published(
        _result(findings, surplus if not mutable else ()),
        [row for finding in findings if (row := _status(finding, children, current))],
        () if mutable else actions,
        _outcome(findings),
    )


def withdraw(world: World, obj: Body, declared: GoldenImage, account: Account) -> Problem | None:
    """Takes every parameter of a deleted GoldenImage out of use, by its deletionPolicy; a Problem while that is not done."""
    owner = Owner(world.installation, declared.namespace, declared.name)
    regions = {replica.region for replica in declared.spec.replicas} | {alias.region for alias in declared.status.aliases}
    if not (declared.spec.aliases or declared.status.aliases):
        return None
    known = Reader(world, owner, declared).read({Place(account, region) for region in regions}, ())
    unread = next((parameters.problem for parameters in known.values() if parameters.problem), None)
    failures = world.perform(obj, aliases.surplus(owner, (), known, delete=declared.spec.deletion_policy == "Delete"))
    return unread or (failures[0][1] if failures else None)


class Reader:
    """Reads parameters: one listing per place, and a value only where it is not known to be the right one already."""

    def __init__(self, world: World, owner: Owner, declared: GoldenImage) -> None:
        self._world = world
        self._owner = owner
        asked = declared.metadata.asks_for_look(declared.status.last_handled_reconcile)
        interval = parse_duration(declared.spec.interval) if declared.spec.interval else world.interval_seconds
        self._since = world.now() - (0.0 if asked or declared.deleting else report.AT_REST * interval)
        self._taken: set[tuple[Place, str]] = set()

    def taken_names(self, failures: Failures) -> None:
        """Names that turned out to be somebody else's, or released before: whose they are is looked up."""
        for action, problem in failures:
            if isinstance(action, PutParameter) and problem.reason is Reason.ALIAS_CONFLICT:
                self._taken.add((action.place, action.parameter))

    def read(self, places: set[Place], wanted: tuple[Alias, ...]) -> dict[Place, Parameters]:
        return {place: self._place(place, wanted) for place in sorted(places)}

    def _place(self, place: Place, wanted: tuple[Alias, ...]) -> Parameters:
        inventory = self._world.inventory
        try:
            listed = {found.name: found for found in inventory.parameters(place, self._owner, not_older_than=self._since)}
            taken = {name: found for at, name in sorted(self._taken) if at == place and (found := inventory.parameter(place, name))}
            return Parameters(self._with_values(place, listed, wanted), taken)
        except AwsError as error:
            return Parameters(problem=error.problem)

    def _with_values(self, place: Place, listed: dict[str, Parameter], wanted: tuple[Alias, ...]) -> dict[str, Parameter]:
        """A value that was right is right as long as the parameter's version is the same; any other is read."""
        right = {alias.parameter: alias.image_id for alias in wanted if alias.place == place and alias.image_id}
        asked = [
            name for name in right if name in listed and self._world.confirmed.get((place, name)) != (listed[name].version, right[name])
        ]
        values = self._world.inventory.parameter_values(place, asked) if asked else {}
        for name, value in values.items():
            if value == right[name]:
                self._world.confirmed[place, name] = (listed[name].version, value)
        known = {name: right[name] for name in right if name not in asked} | dict(values)
        return {name: replace(found, value=known.get(name, "")) for name, found in listed.items()}


def _aliases(declared: GoldenImage, account: Account, current: ImageVersion) -> list[Alias]:
    replicas = {replica.region: replica for replica in current.status.replicas}
    seen = current.status.observed_generation == current.generation
    made: list[Alias] = []
    for alias in declared.spec.aliases:
        name = parameter_name(declared, alias.parameter)
        for replica in declared.spec.replicas:
            place = Place(account, replica.region)
            image_id, why_not = _publishable(replicas.get(replica.region), replica.region, seen=seen)
            made.append(Alias(place, name, image_id, why_not))
    return made


def parameter_name(declared: GoldenImage, template: str) -> str:
    filled = template.replace("{image}", declared.name).replace("{namespace}", declared.namespace)
    return filled.replace("{channel}", DEFAULT_CHANNEL)


def _publishable(replica: ReplicaStatus | None, region: str, *, seen: bool) -> tuple[str, str]:
    """The image that may be named there; empty, and why, while there is none."""
    if replica is None or replica.state != "available" or not replica.image_id:
        return "", f"there is no available image in {region} yet"
    if not seen or not replica.shared:
        return "", f"{replica.image_id} in {region} is not shared as declared yet"
    return replica.image_id, ""


def _with_failure(finding: AliasFinding, failures: Failures) -> AliasFinding:
    problem = next((problem for action, problem in failures if action in finding.actions), None)
    return AliasFinding(finding.alias, problem.reason, problem.message) if problem else finding


def _result(findings: tuple[AliasFinding, ...], surplus: tuple[Action, ...]) -> ConcernResult:
    worst = next((o for o in _SEVERITY if any(finding.reason.outcome is o for finding in findings)), Meaning.DONE)
    if worst is Meaning.DONE:
        message = f"{len(findings)} parameters name the current images" if findings else "no aliases are declared"
        reason = Reason.SUCCEEDED if findings else Reason.NOTHING_DECLARED
        if surplus:
            message = f"{len(surplus)} parameters are no longer declared"
        return ConcernResult(ConditionType.ALIASES_READY, reason, message)
    culprits = [finding for finding in findings if finding.reason.outcome is worst]
    return ConcernResult(
        ConditionType.ALIASES_READY, culprits[0].reason, "; ".join(dict.fromkeys(finding.message for finding in culprits[:5]))
    )


def _status(finding: AliasFinding, children: Mapping[str, ImageVersion], current: ImageVersion) -> Body | None:
    """What the parameter names now; none while it names nothing we know."""
    if finding.reason is not Reason.SUCCEEDED:
        return None
    del children
    return {
        "parameter": finding.alias.parameter,
        "region": finding.alias.place.region,
        "imageId": finding.alias.image_id,
        "version": current.spec.version,
    }


def _outcome(findings: tuple[AliasFinding, ...]) -> Outcome:
    waiting = any(finding.alias.image_id and finding.reason is Reason.ALIAS_PENDING for finding in findings)
    failed = any(finding.reason.outcome is Meaning.RETRYING for finding in findings)
    return Outcome(next_look_seconds=report.STEP_SECONDS if waiting else None, failed=failed)
