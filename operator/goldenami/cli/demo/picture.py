"""What Kubernetes says about our objects at one moment, as the demo shows it. Pure: from objects to values, lines and a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

from goldenami.api.aws_account import AWSAccount
from goldenami.api.conditions import Condition, ConditionType, find
from goldenami.api.golden_image import GoldenImage
from goldenami.api.image_version import ImageVersion, ReplicaStatus
from goldenami.controllers.channels import declared_channels, parameter_name

BAR_CELLS = 6
NOTHING = "–"


@dataclass(frozen=True)
class Replica:
    """One region of one version. Ids are empty until EC2 gave one; `alias` and `shared_with` are what is declared."""

    namespace: str
    image: str
    version: str
    region: str
    account_id: str
    image_id: str
    state: str
    progress: int | None
    shared_with: tuple[str, ...]
    shared: bool
    alias: str
    published: bool
    deprecated: bool = False
    """Or told to EC2 to be so within a minute."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (self.namespace, self.image, self.version, self.region)

    @property
    def available(self) -> bool:
        return self.state == "available"


@dataclass(frozen=True)
class Object:
    """A GoldenImage or AWSAccount, as its Ready condition has it; one that is about an older generation does not count."""

    kind: str
    namespace: str
    name: str
    ready: bool
    stalled: bool
    reason: str
    message: str


@dataclass(frozen=True)
class Retiring:
    """A version that its family does not keep, or would not if nobody used it."""

    namespace: str
    image: str
    version: str
    message: str

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.namespace, self.image, self.version)


@dataclass(frozen=True)
class Picture:
    """`shared_with` of a replica is empty where sharing is not declared or nobody is named."""

    objects: tuple[Object, ...] = ()
    replicas: tuple[Replica, ...] = ()
    going: tuple[Retiring, ...] = ()

    @property
    def ready(self) -> bool:
        return bool(self.objects) and all(each.ready for each in self.objects)

    @property
    def hopeless(self) -> bool:
        """What is not ready waits for a person, all of it."""
        waiting = [each for each in self.objects if not each.ready]
        return bool(waiting) and all(each.stalled for each in waiting)

    def replica(self, key: tuple[str, str, str, str]) -> Replica | None:
        return next((each for each in self.replicas if each.key == key), None)

    def retiring(self, key: tuple[str, str, str]) -> Retiring | None:
        return next((each for each in self.going if each.key == key), None)


# --- from objects ---


def picture(images: Iterable[GoldenImage], versions: Iterable[ImageVersion], accounts: Iterable[AWSAccount]) -> Picture:
    families = {(image.namespace, image.name): image for image in images}
    found = sorted(versions, key=lambda version: (version.namespace, version.spec.golden_image, version.name))
    replicas = [row for version in found for row in _replicas(version, families.get((version.namespace, version.spec.golden_image)))]
    going = [row for family in families.values() for row in _retiring(family)]
    return Picture((*map(_object, accounts), *map(_object, families.values())), tuple(replicas), tuple(going))


def _object(resource: GoldenImage | AWSAccount) -> Object:
    conditions = [each for each in resource.status.conditions if each.observed_generation == resource.generation]
    ready, stalled = find(conditions, ConditionType.READY), find(conditions, ConditionType.STALLED)
    return Object(
        kind=resource.kind,
        namespace=resource.namespace,
        name=resource.name,
        ready=_true(ready),
        stalled=_true(stalled),
        reason=ready.reason if ready else "",
        message=ready.message if ready else "the operator has not looked at it yet",
    )


def _true(condition: Condition | None) -> bool:
    return condition is not None and condition.status == "True"


def _retiring(family: GoldenImage) -> Iterator[Retiring]:
    for row in family.status.retiring:
        if row.stage != "Deprecated":
            yield Retiring(family.namespace, family.name, row.version, row.message or "")


def _aliases(version: ImageVersion, family: GoldenImage) -> list[str]:
    """The parameters of the channels that name this version."""
    named = [channel.name for channel in declared_channels(family) if channel.version == version.spec.version]
    return [parameter_name(family, alias.parameter, name) for name in named for alias in family.spec.aliases]


def _replicas(version: ImageVersion, family: GoldenImage | None) -> Iterator[Replica]:
    states = {replica.region: replica for replica in version.status.replicas}
    aliases = _aliases(version, family) if family is not None else []
    published = {(alias.parameter, alias.region): alias.image_id for alias in family.status.aliases} if family is not None else {}
    for declared in version.spec.replicas:
        state = states.get(declared.region, ReplicaStatus(region=declared.region))
        yield Replica(
            namespace=version.namespace,
            image=version.spec.golden_image,
            version=version.spec.version,
            region=declared.region,
            account_id=state.account_id or "",
            image_id=state.image_id or "",
            state=state.state or "waiting",
            progress=state.progress,
            shared_with=_principals(version),
            shared=bool(state.shared),
            alias=aliases[0] if aliases else "",
            published=bool(aliases and state.image_id)
            and all(published.get((name, declared.region)) == state.image_id for name in aliases),
            # Every public image has a time as well: two years after it was made.
            deprecated=state.deprecation_time is not None and version.spec.stage not in (None, "Active"),
        )


def _principals(version: ImageVersion) -> tuple[str, ...]:
    sharing = version.spec.sharing
    if sharing is None:
        return ()
    named = (*sharing.accounts, *sharing.organization_arns, *sharing.organizational_unit_arns)
    return (*named, *(("everybody",) if sharing.public else ()))


# --- lines, for those who read a log ---


def changes(before: Picture, after: Picture) -> Iterator[str]:
    """One sentence for each thing that is different now."""
    for replica in after.replicas:
        yield from _replica_changes(before.replica(replica.key), replica)
    for replica in before.replicas:
        if replica.image_id and after.replica(replica.key) is None:
            yield f"{replica.image} {replica.version} in {replica.region}: {replica.image_id} is gone"
    known = {(each.kind, each.namespace, each.name): each for each in before.objects}
    for each in after.objects:
        yield from _object_changes(known.get((each.kind, each.namespace, each.name)), each)


def _object_changes(before: Object | None, after: Object) -> Iterator[str]:
    """What it waits for while work goes on is the replicas' to tell; what was just edited, and not looked at since, has no reason."""
    if after.ready and not (before is not None and before.ready):
        yield f"{after.kind} {after.name} is Ready: {after.message}"
    elif before is not None and before.ready and not after.ready and after.reason:
        yield f"{after.kind} {after.name} is no longer Ready ({after.reason})"
    if after.stalled and (before is None or (before.stalled, before.reason) != (True, after.reason)):
        yield f"{after.kind} {after.name} is stalled ({after.reason}): {after.message}"


def _replica_changes(before: Replica | None, after: Replica) -> Iterator[str]:
    where = f"{after.image} {after.version} in {after.region}"
    if after.image_id and (before is None or (before.image_id, before.state) != (after.image_id, after.state)):
        yield f"{where}: {after.image_id} is {after.state}"
    elif before is not None and before.image_id and not after.image_id:
        yield f"{where}: {before.image_id} is gone"
    if after.deprecated and not (before is not None and before.deprecated):
        yield f"{where}: {after.image_id} is deprecated"
    if after.shared and after.shared_with and not (before is not None and before.shared):
        yield f"{where}: shared with {', '.join(after.shared_with)}"
    if after.published and not (before is not None and before.published):
        yield f"{where}: {after.alias} names {after.image_id}"


# --- the table, for those who watch a terminal ---


def table(shown: Picture) -> Table:
    drawn = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    for title in ("image", "region", "AMI", "state"):
        drawn.add_column(title, no_wrap=True)
    for title in ("shared with", "alias"):  # where the terminal is narrow, these give way first
        drawn.add_column(Text(title, no_wrap=True, overflow="ellipsis"))
    for family in _families(shown.replicas):
        labels = [Text(family[0].image, style="bold"), Text(family[0].version, style="dim")]
        for number in range(max(len(family), len(labels))):
            label = labels[number] if number < len(labels) else Text()
            drawn.add_row(label, *(_cells(family[number]) if number < len(family) else ()))
    return drawn


def _families(replicas: Sequence[Replica]) -> list[list[Replica]]:
    grouped: dict[tuple[str, str, str], list[Replica]] = {}
    for replica in replicas:
        grouped.setdefault(replica.key[:3], []).append(replica)
    return list(grouped.values())


def _cells(replica: Replica) -> tuple[Text, ...]:
    return (
        Text(replica.region),
        Text(replica.image_id or NOTHING, style="" if replica.image_id else "dim"),
        _state(replica),
        _mark(_whom(replica.shared_with), done=replica.shared),
        _mark(replica.alias, done=replica.published),
    )


def _state(replica: Replica) -> Text:
    if replica.available:
        return Text("✓ deprecated", style="yellow") if replica.deprecated else Text("✓ available", style="green")
    if replica.state == "pending" and replica.progress is not None:
        full = replica.progress * BAR_CELLS // 100
        return Text.assemble(("━" * full, "cyan"), ("━" * (BAR_CELLS - full), "dim"), f" {replica.progress:2} %")
    return Text(replica.state, style="red" if replica.state in ("failed", "missing") else "yellow")


def _mark(what: str, *, done: bool) -> Text:
    if not what:
        return Text(NOTHING, style="dim")
    text = Text(f"✓ {what}", style="green") if done else Text(f"… {what}", style="dim")
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _whom(principals: tuple[str, ...]) -> str:
    return principals[0] if len(principals) == 1 else f"{len(principals)} principals" if principals else ""


def problems(shown: Picture) -> list[Text]:
    """The conditions' messages of what is not ready, a line each; red where a person must act."""
    return [
        Text.assemble((f"{each.name}: ", "bold"), (each.message, "red" if each.stalled else "yellow"), no_wrap=True, overflow="ellipsis")
        for each in shown.objects
        if not each.ready
    ]
