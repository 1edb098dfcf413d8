"""Publishing: the GoldenImage's aliases, written region by region once the replica there may be launched by those it is shared with."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from goldenami.api.conditions import ConcernResult, ConditionType
from goldenami.api.golden_image import MAX_ALIAS_ROWS, GoldenImage
from goldenami.api.image_version import ImageVersion
from goldenami.api.reasons import Outcome as Meaning
from goldenami.api.reasons import Reason
from goldenami.aws.errors import AwsError
from goldenami.aws.inventory import slow
from goldenami.controllers import former_accounts, timing
from goldenami.controllers.caretaker import Outcome
from goldenami.controllers.channels import listed_since, parameter_name
from goldenami.controllers.mirror import Children
from goldenami.controllers.world import World
from goldenami.kube.client import Body
from goldenami.plan import aliases, identity
from goldenami.plan.actions import Action, DeleteParameter, PutParameter, TagParameter
from goldenami.plan.aliases import Alias, AliasFinding, Parameters
from goldenami.plan.channels import Decision
from goldenami.plan.evidence import Source
from goldenami.plan.identity import Owner
from goldenami.plan.values import Account, Parameter, Place, Problem
from goldenami.plan.whole import Failures

MAX_STEPS = 4
UNREADABLE_SECONDS, CHECKED_SECONDS = 0.8, 15.0
"""SSM checks an image id after its answer to PutParameter: read at once it is never there, and what is not there later was refused."""
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
    world: World,
    obj: Body,
    declared: GoldenImage,
    account: Account,
    children: Children,
    decisions: tuple[Decision, ...],
    *,
    mutable: bool,
) -> Published:
    """Brings the parameters to what is declared, and reads them back."""
    owner = Owner(world.installation, declared.namespace, declared.name)
    wanted = tuple(_aliases(declared, account, decisions))
    places = {alias.place for alias in wanted} | {Place(account, region) for region in _regions_before(declared)}
    left = former_accounts.look(world, obj, declared, account, children, mutable=mutable)
    if not (places or left.findings or left.pending):
        result = ConcernResult(ConditionType.ALIASES_READY, Reason.NOTHING_DECLARED, "no aliases are declared")
        return Published(result, [], (), Outcome())
    reader = Reader(world, owner, declared)
    failures: Failures = ()
    for _ in range(MAX_STEPS):
        known = reader.read(places, wanted)
        findings = aliases.look(owner, wanted, known)
        surplus = _surplus(owner, declared, wanted, known, children)
        actions = (*(action for finding in findings for action in finding.actions), *surplus)
        if not actions or failures or not mutable:
            break
        failures = world.perform(obj, actions).failures
        reader.taken_names(failures)
        # A name that is taken is no failure yet: whose it is decides.
        failures = tuple((action, problem) for action, problem in failures if problem.reason is not Reason.ALIAS_CONFLICT)
    findings = tuple(_with_failure(finding, failures) for finding in findings)
    told = (*findings, *_not_withdrawn(declared, wanted, known, failures), *left.findings)
    return Published(
        _result(told, (*surplus, *left.pending) if not mutable else ()),
        _status(declared, findings, known),
        () if mutable else (*actions, *left.pending),
        _outcome(world, told),
    )


def withdraw(world: World, obj: Body, declared: GoldenImage, account: Account) -> Problem | None:
    """Takes every parameter of a deleted GoldenImage out of use, by its deletionPolicy; a Problem while that is not done."""
    owner = Owner(world.installation, declared.namespace, declared.name)
    regions = {replica.region for replica in declared.spec.replicas} | {alias.region for alias in declared.status.aliases}
    known = Reader(world, owner, declared).read({Place(account, region) for region in regions}, ())
    unread = next((parameters.problem for parameters in known.values() if parameters.problem), None)
    failures = world.perform(obj, aliases.surplus(owner, (), known, delete=declared.spec.deletion_policy == "Delete")).failures
    return unread or (failures[0][1] if failures else None)


class Reader:
    """Reads parameters: one listing per place, and a value only where it is not known to be the right one already."""

    def __init__(self, world: World, owner: Owner, declared: GoldenImage) -> None:
        self._world = world
        self._owner = owner
        self._declared = declared
        self._since = listed_since(world, declared)
        self._taken: set[tuple[Place, str]] = set()

    def taken_names(self, failures: Failures) -> None:
        """Names that turned out to be somebody else's, or released before: whose they are is looked up."""
        for action, problem in failures:
            if isinstance(action, PutParameter) and problem.reason is Reason.ALIAS_CONFLICT:
                self._taken.add((action.place, action.parameter))

    def read(self, places: set[Place], wanted: tuple[Alias, ...]) -> dict[Place, Parameters]:
        read = self._world.inventory.at_once(
            lambda place: self._place(place, wanted), sorted(places), late=lambda place: Parameters(problem=slow(place))
        )
        return dict(read)

    def _place(self, place: Place, wanted: tuple[Alias, ...]) -> Parameters:
        inventory = self._world.inventory
        try:
            listed = {found.name: found for found in inventory.parameters(place, self._owner, not_older_than=self._since)}
            taken = {name: found for at, name in sorted(self._taken) if at == place and (found := inventory.parameter(place, name))}
            # A name that turned out to be taken may be our own: the answer that said so was lost.
            own = {name: found for name, found in taken.items() if identity.owner_of(found.tags) == self._owner}
            for found in own.values():
                # The shared listing is older than it, and would say for a while that there is none: then it would be forgotten.
                inventory.parameters_of(place).wrote(found)
            listed |= own
            # What the status names was there, and had its tags, when that was written.
            known = {row.parameter for row in self._declared.status.aliases if row.region == place.region}
            unsaid = {alias.parameter for alias in wanted if alias.place == place} & listed.keys() - known
            for name in inventory.parameters_of(place).marked(self._owner, unsaid):
                listed[name] = replace(listed[name], tags={**listed[name].tags, identity.RELEASED: str(self._owner)})
            return Parameters(self._with_values(place, listed, wanted), taken)
        except AwsError as error:
            return Parameters(problem=error.problem)

    def _with_values(self, place: Place, listed: dict[str, Parameter], wanted: tuple[Alias, ...]) -> dict[str, Parameter]:
        """A value that was right is right as long as the parameter's version is the same; any other is read."""
        right = {alias.parameter: alias.image_id for alias in wanted if alias.place == place and alias.image_id}
        unsure = [
            name for name in right if name in listed and self._world.confirmed.get((place, name)) != (listed[name].version, right[name])
        ]
        sent = {name: seconds for name in unsure if (seconds := self._since_sent(place, name, right[name])) is not None}
        asked = [name for name in unsure if sent.get(name, UNREADABLE_SECONDS) >= UNREADABLE_SECONDS]
        values = self._world.inventory.parameter_values(place, asked) if asked else {}
        for name, value in values.items():
            if value == right[name]:
                self._world.confirmed[place, name] = (listed[name].version, value)
                self._world.inventory.parameters_of(place).settled(name)
        known = {name: right[name] for name in right if name not in unsure} | dict(values)
        # What it was before says nothing while SSM still checks what was sent: writing that again would only start the check anew.
        known |= {name: "" for name in sent if known.get(name) != right[name]}
        return {name: replace(found, value=known.get(name, "")) for name, found in listed.items()}

    def _since_sent(self, place: Place, name: str, image_id: str) -> float | None:
        """Seconds since this very value was sent; None when it was not, or so long ago that SSM did not take it."""
        sent = self._world.inventory.parameter_sent(place, name)
        if sent is None or sent[1] != image_id:
            return None
        seconds = self._world.now() - sent[0]
        return seconds if seconds < CHECKED_SECONDS else None


def _aliases(declared: GoldenImage, account: Account, decisions: tuple[Decision, ...]) -> list[Alias]:
    return [
        Alias(
            Place(account, region),
            parameter_name(declared, alias.parameter, decision.channel.name),
            target.image_id,
            target.why_not,
            decision.channel.version,
        )
        for decision in decisions
        for alias in declared.spec.aliases
        for region, target in decision.targets.items()
    ]


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


def _regions_before(declared: GoldenImage) -> set[str]:
    """Where parameters may be that are no longer declared: as the status says, and after an edit everywhere.

    A process may have died between making one and saying so.
    """
    told = {alias.region for alias in declared.status.aliases}
    edited = 0 < declared.status.observed_generation != declared.generation
    return told | ({replica.region for replica in declared.spec.replicas} if edited else set())


def _surplus(
    owner: Owner, declared: GoldenImage, wanted: tuple[Alias, ...], known: Mapping[Place, Parameters], children: Mapping[str, ImageVersion]
) -> tuple[Action, ...]:
    """What no alias declares any more.

    In a region that is on its way out the parameter stays as long as an image does: who uses the image may find it by that name. It goes
    first where it is the last thing that keeps the image.
    """
    declared_regions = {replica.region for replica in declared.spec.replicas}
    occupied = {
        replica.region
        for child in children.values()
        for replica in child.status.replicas
        if replica.image_id and not _only_named(child, replica.region)
    }
    left = {place: parameters for place, parameters in known.items() if place.region not in occupied - declared_regions}
    return aliases.surplus(owner, wanted, left, delete=declared.spec.deletion_policy == "Delete")


def _only_named(child: ImageVersion, region: str) -> bool:
    """Whether everybody who was asked about its images there knows no user, and they only wait for our alias to go."""
    found = [finding for row in child.status.evidence if row.region == region for finding in row.findings]
    waiting = [finding for finding in found if finding.verdict == "Pending"]
    return bool(waiting) and all(
        finding.source == Source.PARAMETERS if finding in waiting else finding.verdict in ("Unused", "NotAsked") for finding in found
    )


def _not_withdrawn(
    declared: GoldenImage, wanted: tuple[Alias, ...], known: Mapping[Place, Parameters], failures: Failures
) -> tuple[AliasFinding, ...]:
    """What no alias declares any more and could not be taken out of use, or not even be looked at."""
    refused = [
        AliasFinding(Alias(action.place, action.parameter), problem.reason, problem.message)
        for action, problem in failures
        if isinstance(action, DeleteParameter | TagParameter)
        and (action.place, action.parameter) not in {(w.place, w.parameter) for w in wanted}
    ]
    places = {place.region: place for place in known.keys() - {alias.place for alias in wanted}}
    unread = [
        AliasFinding(Alias(place, row.parameter), why.reason, f"{row.parameter} in {row.region} stays for now: {why.message}")
        for row in declared.status.aliases
        if (place := places.get(row.region)) and (why := known[place].problem)
    ]
    return (*refused, *unread)


def _status(declared: GoldenImage, findings: tuple[AliasFinding, ...], known: Mapping[Place, Parameters]) -> list[Body]:
    """What each parameter names, as last read back; one that is not gone yet stays listed, so that it is not forgotten."""
    at = {place.region: parameters for place, parameters in known.items()}
    rows = {
        (row.parameter, row.region): row.to_object()
        for row in declared.status.aliases
        if (there := at.get(row.region)) and (there.problem or row.parameter in there.ours)
    }
    for finding in findings:
        if finding.reason is Reason.SUCCEEDED:
            name, region = finding.alias.parameter, finding.alias.place.region
            rows[name, region] = {
                "parameter": name,
                "region": region,
                "imageId": finding.alias.image_id,
                "version": finding.alias.version,
            }
    return within_bounds([rows[key] for key in sorted(rows)], {replica.region for replica in declared.spec.replicas})


def within_bounds(rows: list[Body], declared_regions: Collection[str]) -> list[Body]:
    """As many as a status holds. In a declared region parameters are found without it; those of other regions would be forgotten."""
    if len(rows) <= MAX_ALIAS_ROWS:
        return rows
    kept = sorted(rows, key=lambda row: row["region"] in declared_regions)[:MAX_ALIAS_ROWS]
    return sorted(kept, key=lambda row: (row["parameter"], row["region"]))


def _outcome(world: World, findings: tuple[AliasFinding, ...]) -> Outcome:
    """What was sent is read a second after it was sent, not a second after the look."""
    waiting = [finding.alias for finding in findings if finding.alias.image_id and finding.reason is Reason.ALIAS_PENDING]
    failed = any(finding.reason.outcome is Meaning.RETRYING for finding in findings)
    sent = [told[0] for alias in waiting if (told := world.inventory.parameter_sent(alias.place, alias.parameter))]
    spent = min(max(0.0, world.now() - max(sent, default=0.0)), timing.STEP_SECONDS / 2)
    return Outcome(next_look_seconds=timing.STEP_SECONDS - (spent if sent else 0.0) if waiting else None, failed=failed)
