"""Reads for one version exactly what its plan asks for: the shared listing always, everything else only as a need.

Holds what was read for the length of one look; what lives longer (listings, permissions) lives in the inventory.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from goldenami.aws.errors import AwsError, FixTheAccess, FixTheSpec, NotFound
from goldenami.aws.evidence import Asked
from goldenami.aws.inventory import Inventory
from goldenami.controllers import timing
from goldenami.controllers.dependents import Family
from goldenami.plan import observed as plan
from goldenami.plan.candidates import is_ours
from goldenami.plan.desired import ImageSource, InstanceSource, SnapshotSource, Version
from goldenami.plan.evidence import Evidence, objection
from goldenami.plan.observed import Need, NeedKind, Observed, Recorded, SourceFacts, key_arns
from goldenami.plan.values import Image, Place, Principals, Problem, RegionFacts, RegionView, Snapshot
from goldenami.plan.whole import Look

MAX_READS = 6
"""Rounds of asking for more. A plan that still needs something then is a bug, not a slow region."""


@dataclass(frozen=True)
class Freshness:
    """How old, in epoch seconds of their reading, the shared listings may be."""

    images_since: float
    snapshots_since: float
    progress: bool = False
    """Somebody watches copies: a listing of snapshots tells how far they are."""


@dataclass
class Gatherer:
    """One version's reads during one look."""

    inventory: Inventory
    version: Version
    regions: frozenset[str]
    """Every region where something of this version is, or shall be."""
    freshness: Freshness
    recorded: dict[str, Recorded]
    recorded_source_image_id: str
    granted: Principals
    tag_keys: frozenset[str]
    dependents: Callable[[Version, Image, float], Family]
    """What Kubernetes knows of an image's users."""
    asked: bool = False
    """Somebody asked for this look: nothing is believed because it was right before."""
    mutable: bool = True
    """Whether anything may be made in AWS."""
    leaving: bool = False
    """The version as a whole goes."""
    now: Callable[[], float] = time.time
    _source: SourceFacts | None = None
    _facts: dict[str, RegionFacts] = field(default_factory=dict)
    _evidence: dict[str, Evidence] = field(default_factory=dict)
    _evidence_since: float = 0.0
    _fresh_grants: set[str] = field(default_factory=set)
    _looked_up: dict[str, Image | None] = field(default_factory=dict)
    _adoptable: dict[str, SourceFacts] = field(default_factory=dict)
    _fresh_snapshots: dict[str, float] = field(default_factory=dict)
    """Regions whose snapshots were asked for anew, and when."""
    _unread: dict[Need, Problem] = field(default_factory=dict)
    _doubted: bool = False

    def __post_init__(self) -> None:
        self._evidence_since = self.now()

    def look(self, decide: Callable[[Version, Observed], Look]) -> tuple[Look, Observed]:
        """Plans, reads what the plan needs, and plans again, until it needs nothing. What cannot be read is its finding's problem alone."""
        self._unread.clear()
        for _ in range(MAX_READS):
            observed = self.observe()
            look = decide(self.version, observed).with_unread(self._unread)
            if not look.needs:
                return look, observed
            # The source first: what else has to be known of a region depends on whether what is copied there is encrypted.
            source = frozenset(need for need in look.needs if need.kind is NeedKind.SOURCE)
            self._read_all(source or look.needs, observed)
        raise RuntimeError(f"{self.version.owner} {self.version.version} still needs {sorted(look.needs)} after {MAX_READS} reads")

    def observe(self) -> Observed:
        views = self._views()
        self._doubt(views)
        known = {
            image.image_id: grants
            for view in views.values()
            for image in plan.ours(view, self.version)
            # What the status says of declared sharing is believed at rest, so it has to be looked at in its turn.
            if (grants := self.inventory.cached_grants(view.place, image.image_id, relied_on=self.version.sharing.declared)) is not None
        }
        return Observed(
            regions=views,
            name_holders=self._name_holders(views),
            now=self.now(),
            recorded=self.recorded,
            recorded_source_image_id=self.recorded_source_image_id,
            granted=self.granted,
            tag_keys=self.tag_keys,
            source=self._source,
            facts=self._facts,
            grants=known,
            evidence=self._evidence,
            fresh_grants=frozenset(self._fresh_grants),
            looked_up=self._looked_up,
            adoptable=self._adoptable,
            fresh_snapshots=frozenset(self._fresh_snapshots),
            asked=self.asked,
        )

    def _name_holders(self, views: Mapping[str, RegionView]) -> dict[str, Image]:
        """Looked for only where there is none of ours: whoever has the name already keeps it."""
        bare = (view for view in views.values() if not view.problem and not plan.ours(view, self.version))
        found = {view.place.region: self.inventory.holder_of_name(view.place, self.version.name, self.version.owner) for view in bare}
        return {region: image for region, image in found.items() if image is not None}

    def forget_evidence(self) -> None:
        """Evidence does not outlive the step it was gathered for."""
        self._evidence.clear()
        self._fresh_grants.clear()
        self._evidence_since = self.now()

    def _views(self) -> dict[str, RegionView]:
        """All regions at the same time: one that answers late, or never, does not keep the others from being read."""
        places = [self.version.place(region) for region in sorted(self.regions)]
        views = self.inventory.regions(
            places,
            not_older_than=self.freshness.images_since,
            # Only where it is asked for: one region's finished copy is no reason to list the snapshots of the others.
            snapshots_not_older_than={place: self._snapshots_since(place) for place in places},
            owner=self.version.owner,
        )
        return {place.region: view for place, view in views.items()}

    def _snapshots_since(self, place: Place) -> float:
        asked = self._fresh_snapshots.get(place.region)
        if asked is not None or not self.freshness.progress:
            return self.freshness.snapshots_since if asked is None else asked
        known = self.inventory.holding(place).view(self.version.owner, self.version.version)
        age = max((self.now() - image.created_epoch_seconds for image in known.images if image.state == "pending"), default=0.0)
        return max(self.freshness.snapshots_since, self.now() - timing.progress_seconds(age))

    def _doubt(self, views: Mapping[str, RegionView]) -> None:
        """Forgets, once, who was seen to have been granted what, and who was refused, so that it is found out again where it matters."""
        if not self.asked or self._doubted:
            return
        self._doubted = True
        for view in views.values():
            self.inventory.permissions(view.place).refusals.forget()
            for image in plan.ours(view, self.version):
                for name in (image.image_id, *key_arns(view, image)):
                    self.inventory.permissions(view.place).forget(name)

    def _read_all(self, needs: Iterable[Need], observed: Observed) -> None:
        """Different regions at the same time, as the listings."""
        by_place: dict[Place, list[Need]] = {}
        for need in sorted(needs):
            by_place.setdefault(self.version.place(need.region), []).append(need)
        for place, wanted in by_place.items():
            self._expect(place, [need.subject for need in wanted if need.kind is NeedKind.EVIDENCE])
        self.inventory.at_once(lambda place: self._read_place(by_place[place], observed), by_place)

    def _expect(self, place: Place, image_ids: list[str]) -> None:
        if image_ids:
            self.inventory.expect_evidence(place, image_ids, self.version.rules)

    def _read_place(self, needs: Iterable[Need], observed: Observed) -> None:
        for need in needs:
            try:
                self._read(need, observed)
            except AwsError as error:
                self._unread[need] = error.problem

    def _read(self, need: Need, observed: Observed) -> None:
        place = self.version.place(need.region)
        match need.kind:
            case NeedKind.SOURCE:
                self._source = self._read_source()
            case NeedKind.FACTS:
                self._facts[need.region] = self._read_facts(need.region, observed)
            case NeedKind.EVIDENCE:
                self._evidence[need.subject] = self._gather(need, observed)
            case NeedKind.SNAPSHOTS:
                self._fresh_snapshots[need.region] = self._late_enough(observed.regions[need.region])
            case NeedKind.IMAGE:
                self._looked_up[need.subject] = self.inventory.image(place, need.subject)
            case NeedKind.ADOPTED:
                self._adoptable[need.subject] = self._read_adoptable(place, need.subject)
            case NeedKind.GRANTS:
                self._read_grants(need, observed)

    def _late_enough(self, view: RegionView) -> float:
        """How old a listing of snapshots may be that was asked for anew.

        What a retired version left behind was there long before, so one listing shows it for all that go at the same time.
        """
        swept = self.version.stage == "Retired" and not self.asked and not plan.ours(view, self.version)
        return self.now() - (timing.CHANGED_SECONDS if swept else 0.0)

    def _gather(self, need: Need, observed: Observed) -> Evidence:
        """What AWS knows of the image's users, and what Kubernetes does.

        Whose the image is, when it was launched last and whether it is protected is evidence, too. So where nothing else keeps it, it is
        read anew by its id, last of all; and where it is not as it was listed, all that was found is judged again with that.
        """
        version, view = self.version, observed.regions[need.region]
        listed = next(image for image in view.images if image.image_id == need.subject)
        found = self._found(view.place, listed, observed)
        if objection(found, self.now()) is not None:
            return found
        image = self.inventory.own_image(view.place, need.subject, not_older_than=self._evidence_since)
        if image is None or not is_ours(version, image):
            # The next view of its place no longer has it among ours.
            return Evidence(need.subject, self._evidence_since)
        return found if image is listed else self._found(view.place, image, observed)

    def _found(self, place: Place, image: Image, observed: Observed) -> Evidence:
        family = self.dependents(self.version, image, self._evidence_since)
        asked = Asked(
            self.version.owner,
            self.version.version,
            self.version.rules,
            self._evidence_since,
            mutable=self.mutable,
            family_goes=family.goes,
            aliases_move=not self.leaving,
        )
        found = self.inventory.awaited_evidence(place, image, asked)
        if found is None:
            found = self.inventory.evidence(place, image, replace(asked, shared=self._shared(place, image, observed)))
        return replace(found, testimonies=(*found.testimonies, family.testimony, family.named(self.version)))

    def _shared(self, place: Place, image: Image, observed: Observed) -> bool:
        """Where it cannot be told, it may be."""
        known = plan.maybe_shared(self.version, image, observed)
        if known is not None:
            return known
        try:
            return bool(self.inventory.grants(place, image, not_older_than=self._evidence_since).launch)
        except AwsError:
            return True

    def _read_adoptable(self, place: Place, image_id: str) -> SourceFacts:
        image = self.inventory.image(place, image_id)
        return SourceFacts(image, self.inventory.snapshots(place, image.snapshot_ids) if image else ())

    def _read_grants(self, need: Need, observed: Observed) -> None:
        """The inventory keeps what is read, and folds our own writes into it."""
        view = observed.regions[need.region]
        image = next(image for image in view.images if image.image_id == need.subject)
        self.inventory.grants(view.place, image, key_arns=key_arns(view, image), not_older_than=self.now())
        self._fresh_grants.add(image.image_id)

    def _read_facts(self, region: str, observed: Observed) -> RegionFacts:
        key = next((replica.kms_key_id for replica in self.version.replicas if replica.region == region), None)
        return self.inventory.facts(
            self.version.place(region),
            kms_key_id=key,
            needs_default_encryption=bool(self.version.grantees) and not key,
            needs_default_key=bool(self.version.grantees) and not key and self._encrypted_origin(observed),
            needs_public=self.version.grantees.public,
            not_older_than=self.freshness.images_since if self.asked else None,
        )

    def _encrypted_origin(self, observed: Observed) -> bool:
        """What is copied is encrypted, as far as that is known: a copy without a key of its own then gets the region's default key."""
        home = observed.regions[self.version.home_region]
        return bool(self._source and any(part.encrypted for part in self._source.snapshots)) or any(
            key_arns(home, image) for image in plan.ours(home, self.version)
        )

    def _read_source(self) -> SourceFacts:
        home, source = self.version.home, self.version.source
        try:
            match source:
                case ImageSource(image_id=image_id):
                    return self._read_source_image(image_id)
                case InstanceSource(instance_id=instance_id):
                    return SourceFacts(image=self.inventory.instance(home, instance_id))
                case SnapshotSource(snapshot_id=snapshot_id):
                    return self._read_source_snapshot(snapshot_id)
        except AwsError as error:
            return SourceFacts(problem=error.problem)

    def _read_source_image(self, image_id: str) -> SourceFacts:
        image = self.inventory.image(self.version.home, image_id)
        if image is None:
            return SourceFacts()
        if image.encrypted is False:
            # Only their keys would be of interest.
            return SourceFacts(image)
        parts = self.inventory.snapshots(self.version.home, image.snapshot_ids)
        return SourceFacts(image, parts, self._unusable_keys(parts))

    def _read_source_snapshot(self, snapshot_id: str) -> SourceFacts:
        part = self.inventory.snapshot(self.version.home, snapshot_id)
        if part is None:
            return SourceFacts()
        return SourceFacts(Image(snapshot_id, "", part.state, state_reason=part.message), (part,), self._unusable_keys((part,)))

    def _unusable_keys(self, parts: tuple[Snapshot, ...]) -> frozenset[str]:
        """Keys of other accounts that this one may not even describe: a copy would fail after minutes, with an opaque reason."""
        own = f":{self.version.account.account_id}:"
        foreign = {part.kms_key_arn for part in parts if part.kms_key_arn and own not in part.kms_key_arn}
        return frozenset(arn for arn in foreign if not self._usable(arn))

    def _usable(self, key_arn: str) -> bool:
        try:
            key = self.inventory.key(self.version.home, key_arn)
        except (FixTheSpec, FixTheAccess, NotFound):
            return False
        return key.enabled and not key.aws_managed
