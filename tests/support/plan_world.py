"""A tiny AWS of values, with none of its I/O: actions change it, looks read it, and it refuses what EC2 refuses.

It checks what must never happen: touching what is not the actor's, and removing what may be in use without evidence of the look.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from goldenami.plan import actions as do
from goldenami.plan import whole
from goldenami.plan.actions import Action
from goldenami.plan.desired import ImageSource, SnapshotSource, Version
from goldenami.plan.evidence import Source, Testimony
from goldenami.plan.identity import OWNER, RELEASED, VERSION, attempt_of, owner_of, released_by, unpacked
from goldenami.plan.observed import Need, NeedKind, Observed, Recorded, SourceFacts
from goldenami.plan.values import NOBODY, Grants, Image, KeyGrant, Place, Principals, RegionFacts, RegionView, Snapshot
from goldenami.plan.whole import Look
from support.plan import ACCOUNT, NOW, evidence, source_ami

STEPS = 4
ROUNDS = 6


class Stopped(Exception):  # noqa: N818  # it is no error: the process was killed here
    """After so many actions."""


@dataclass
class World:
    """One account in some regions."""

    images: dict[str, dict[str, Image]] = field(default_factory=dict)
    snapshots: dict[str, dict[str, Snapshot]] = field(default_factory=dict)
    launch: dict[str, Principals] = field(default_factory=dict)
    volumes: dict[str, Principals] = field(default_factory=dict)
    keys: dict[str, tuple[KeyGrant, ...]] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    """By image id."""
    unseen: set[str] = field(default_factory=set)
    """Snapshots that only a fresh listing shows."""
    tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    failing: int = 0
    """How many of the next copies fail."""
    source: SourceFacts = field(default_factory=lambda: SourceFacts(source_ami()))
    now: float = NOW
    made: int = 0
    acted: list[Action] = field(default_factory=list)
    budget: int | None = None
    """Actions until the process is killed."""

    def add(self, region: str, image: Image, *, kms_key_arn: str = "", snapshot_tags: Mapping[str, str] | None = None) -> None:
        self.images.setdefault(region, {})[image.image_id] = image
        for name in image.snapshot_ids:
            encrypted = bool(kms_key_arn)
            tags = image.tags if snapshot_tags is None else snapshot_tags
            part = Snapshot(name, "completed", 100, encrypted, kms_key_arn, 8, owner_id=ACCOUNT.account_id, tags=tags)
            self.snapshots.setdefault(region, {})[name] = part

    def add_in_flight(self, region: str, name: str, image: Image, kms_key_arn: str = "") -> None:
        """The snapshot that EC2 makes for a pending image, which does not name it yet."""
        description = f"Copied for DestinationAmi {image.image_id} from SourceAmi ami-x for SourceSnapshot snap-x."
        part = Snapshot(name, "pending", 40, bool(kms_key_arn), kms_key_arn, 8, ACCOUNT.account_id, description, tags=image.tags)
        self.snapshots.setdefault(region, {})[name] = part

    # --- what a look sees ---

    def view(self, version: Version, region: str, *, fresh: bool) -> RegionView:
        mine = [image for image in self.images.get(region, {}).values() if self._listed(version, image.tags)]
        named = {name for image in mine for name in image.snapshot_ids}
        parts = {
            name: part
            for name, part in self.snapshots.get(region, {}).items()
            if self._listed(version, part.tags) or (name in named and (OWNER in part.tags or RELEASED in part.tags))
            if fresh or name not in self.unseen
        }
        older = not fresh and self.unseen & self.snapshots.get(region, {}).keys()
        mine = [replace(image, tags=unpacked(image.tags)) for image in mine]
        parts = {name: replace(part, tags=unpacked(part.tags)) for name, part in parts.items()}
        return RegionView(Place(ACCOUNT, region), tuple(mine), parts, self.now, snapshots_read_epoch_seconds=0.0 if older else self.now)

    @staticmethod
    def _listed(version: Version, tags: Mapping[str, str]) -> bool:
        return (owner_of(tags) or released_by(tags)) == version.owner and unpacked(tags).get(VERSION) == version.version

    def grants(self, region: str, image_id: str) -> Grants:
        image = self.images[region][image_id]
        arns = {part.kms_key_arn for name in image.snapshot_ids if (part := self.snapshots[region].get(name)) and part.kms_key_arn}
        return Grants(
            self.launch.get(image_id, NOBODY),
            {name: self.volumes.get(name, NOBODY) for name in image.snapshot_ids},
            {arn: self.keys.get(arn, ()) for arn in arns},
        )

    def find(self, region: str, image_id: str) -> Image | None:
        image = self.images.get(region, {}).get(image_id)
        return None if image is None or image.state == "lost" else image

    # --- what actions do ---

    def perform(self, version: Version, action: Action, seen: Observed) -> None:
        if self.budget is not None:
            if self.budget == 0:
                raise Stopped
            self.budget -= 1
        self.acted.append(action)
        region = action.place.region
        match action:
            case do.CopyImage():
                self._copy(region, action)
            case do.CreateImage() | do.RegisterImage():
                self._create(region, action)
            case do.SetTags():
                for name in action.resource_ids:
                    self._retag(version, region, name, lambda tags: {**tags, **action.tags})
            case do.RemoveTags():
                for name in action.resource_ids:
                    self._retag(version, region, name, lambda tags: {k: v for k, v in tags.items() if k not in action.keys})
            case do.SetDescription():
                self._change(version, region, action.image_id, description=action.description)
            case do.EnableImage():
                assert self.images[region][action.image_id].state == "disabled"
                self._change(version, region, action.image_id, state="available")
            case do.DisableImage():
                assert self.images[region][action.image_id].state == "available"
                self._evidence(action.image_id, seen)
                self._change(version, region, action.image_id, state="disabled", public=False)
                self.launch.pop(action.image_id, None)
            case do.DeprecateImage():
                self._change(version, region, action.image_id, deprecation_epoch_seconds=action.at_epoch_seconds)
            case do.UndeprecateImage():
                self._change(version, region, action.image_id, deprecation_epoch_seconds=0.0)
            case do.ProtectImage():
                self._change(version, region, action.image_id, deregistration_protection="enabled-without-cooldown")
            case do.UnprotectImage():
                self._change(version, region, action.image_id, deregistration_protection="disabled")
            case do.ShareImage() | do.UnshareImage():
                self._permit(version, region, action)
            case do.ShareSnapshot() | do.UnshareSnapshot():
                self._permit_volumes(action)
            case do.GrantKey():
                grant = KeyGrant(f"grant-{action.name}", action.name, action.grantee)
                self.keys[action.key_arn] = (*(g for g in self.keys.get(action.key_arn, ()) if g != grant), grant)
            case do.RevokeKey():
                self.keys[action.key_arn] = tuple(g for g in self.keys[action.key_arn] if g.grant_id != action.grant_id)
            case do.DeregisterImage():
                self._deregister(version, region, action, seen)
            case do.DeleteSnapshot():
                self._delete(version, region, action.snapshot_id)
            case _:
                raise AssertionError(f"unexpected {action}")

    def _new(self, region: str, action: do.CopyImage | do.CreateImage | do.RegisterImage, snapshot_id: str | None, key: str = "") -> str:
        self.made += 1
        image_id = f"ami-new{self.made}"
        image = Image(
            image_id,
            action.name,
            "pending",
            owner_id=ACCOUNT.account_id,
            description=action.description,
            created_epoch_seconds=self.now,
            tags=dict(action.tags),
        )
        self.images.setdefault(region, {})[image_id] = image
        if snapshot_id is None:
            self.add_in_flight(region, f"snap-new{self.made}", self.images[region][image_id], key)
            self.unseen.add(f"snap-new{self.made}")
        else:
            self.images[region][image_id] = replace(image, snapshot_ids=(snapshot_id,))
        return image_id

    def _copy(self, region: str, action: do.CopyImage) -> None:
        assert any(action.source_image_id == i.image_id and i.state == "available" for r in self.images.values() for i in r.values()) or (
            self.source.image is not None and self.source.image.image_id == action.source_image_id
        )
        if (region, action.client_token) not in self.tokens:
            self.tokens[region, action.client_token] = self._new(region, action, None, action.kms_key_id or "")
        elif self.tokens[region, action.client_token] not in self.images[region]:
            gone = self.tokens[region, action.client_token]
            self.images[region][gone] = Image(gone, action.name, "lost", tags=dict(action.tags))

    def _create(self, region: str, action: do.CreateImage | do.RegisterImage) -> None:
        taken = [
            image for image in self.images.get(region, {}).values() if image.name == action.name and not image.image_id.startswith("ami-x")
        ]
        if not any(owner_of(image.tags) == owner_of(action.tags) for image in taken):
            self._new(region, action, action.snapshot_id if isinstance(action, do.RegisterImage) else None)

    def _may_touch(self, version: Version, tags: Mapping[str, str]) -> None:
        assert self._listed(version, tags), "touches what is not its own"

    def _change(self, version: Version, region: str, image_id: str, **changes: object) -> None:
        image = self.images[region][image_id]
        self._may_touch(version, image.tags)
        self.images[region][image_id] = replace(image, **changes)  # type: ignore[arg-type]

    def _retag(self, version: Version, region: str, name: str, change: "object") -> None:
        adopted = isinstance(version.source, ImageSource) and version.source.adopt
        resources: dict[str, Image] | dict[str, Snapshot] = self.images[region] if name in self.images[region] else self.snapshots[region]
        known = resources[name]
        named = {part for image in self.images[region].values() if self._listed(version, image.tags) for part in image.snapshot_ids}
        untagged = OWNER not in known.tags and RELEASED not in known.tags and (adopted or name in named)
        assert untagged or self._listed(version, known.tags), f"{name} is not this version's"
        if isinstance(version.source, SnapshotSource):
            assert name != version.source.snapshot_id
        resources[name] = replace(known, tags=change(known.tags))  # type: ignore[operator, assignment]

    def _permit(self, version: Version, region: str, action: do.ShareImage | do.UnshareImage) -> None:
        image = self.images[region][action.image_id]
        self._may_touch(version, image.tags)
        assert image.state == "available", "EC2 shares available images only"
        now = self.launch.get(action.image_id, NOBODY)
        self.launch[action.image_id] = now | action.principals if isinstance(action, do.ShareImage) else now - action.principals
        public = self.launch[action.image_id].public
        self.images[region][action.image_id] = replace(image, public=public)

    def _permit_volumes(self, action: do.ShareSnapshot | do.UnshareSnapshot) -> None:
        now = self.volumes.get(action.snapshot_id, NOBODY)
        if isinstance(action, do.ShareSnapshot):
            self.volumes[action.snapshot_id] = now | Principals(accounts=frozenset(action.accounts))
        else:
            self.volumes[action.snapshot_id] = now - Principals(accounts=frozenset(action.accounts), public=action.public)

    def _evidence(self, image_id: str, seen: Observed) -> None:
        evidence = seen.evidence.get(image_id)
        assert evidence is not None, "no evidence of this look"
        assert not evidence.users, "in use"
        assert evidence.complete
        assert seen.now - evidence.gathered_epoch_seconds < 60

    def _deregister(self, version: Version, region: str, action: do.DeregisterImage, seen: Observed) -> None:
        image = self.images[region][action.image_id]
        assert owner_of(image.tags) == version.owner
        assert image.tags[VERSION] == version.version
        if image.state in {"available", "disabled"}:
            assert image.state == "disabled", "disabled first"
            self._evidence(action.image_id, seen)
        del self.images[region][action.image_id]
        self.launch.pop(action.image_id, None)
        for name in action.snapshot_ids:
            self._delete(version, region, name)

    def _delete(self, version: Version, region: str, name: str) -> None:
        part = self.snapshots[region].pop(name)
        self.volumes.pop(name, None)
        assert owner_of(part.tags) == version.owner
        assert part.tags[VERSION] == version.version
        assert not any(name in image.snapshot_ids for image in self.images[region].values()), "EC2: InvalidSnapshot.InUse"

    def settle(self) -> None:
        """Time passes, more than a failed copy is ever waited for: what was pending is available, or failed."""
        self.now += 4000
        self.unseen.clear()
        for region, images in self.images.items():
            for image in [image for image in images.values() if image.state == "pending"]:
                parts = [
                    part for part in self.snapshots.get(region, {}).values() if f"DestinationAmi {image.image_id} " in part.description
                ]
                self._finish(region, image, parts)

    def _finish(self, region: str, image: Image, parts: list[Snapshot]) -> None:
        if self.failing > 0:
            self.failing -= 1
            self.images[region][image.image_id] = replace(image, state="failed", state_reason="internal error")
            return
        for part in parts:
            self.snapshots[region][part.snapshot_id] = replace(part, state="completed", progress=100)
            self.unseen.add(part.snapshot_id)
        named = tuple(part.snapshot_id for part in parts) or image.snapshot_ids
        encrypted = any(part.encrypted for part in parts) if parts else None
        self.images[region][image.image_id] = replace(image, state="available", snapshot_ids=named, encrypted=encrypted)


@dataclass
class Controller:
    """Looks, acts and looks again, with a status for a memory: as the real one, without Kubernetes."""

    world: World
    version: Version
    recorded: dict[str, Recorded] = field(default_factory=dict)
    granted: Principals = NOBODY
    source_image_id: str = ""
    tag_keys: frozenset[str] = frozenset()
    """What was declared before."""
    last: Look | None = None
    reads: list[Need] = field(default_factory=list)

    def look(self, *, everything: bool = False) -> tuple[Look, Observed]:
        """Reads what the plan asks for until it asks for nothing."""
        regions = sorted(self.version.regions | {self.version.home_region} | self.recorded.keys() | self.world.images.keys())
        extra: dict[str, dict[str, object]] = {"facts": {}, "grants": {}, "evidence": {}, "looked_up": {}}
        fresh: set[str] = set()
        source: SourceFacts | None = None
        for _ in range(ROUNDS):
            seen = Observed(
                {region: self.world.view(self.version, region, fresh=region in fresh) for region in regions},
                self.world.now,
                recorded=dict(self.recorded),
                recorded_source_image_id=self.source_image_id,
                granted=self.granted | self.version.sharing.principals,
                tag_keys=self.tag_keys,
                source=source,
                fresh_snapshots=frozenset(fresh),
                fresh_grants=frozenset(extra["grants"]),
                **{name: dict(values) for name, values in extra.items()},  # type: ignore[arg-type]
            )
            found = whole.look_at_leaving(self.version, seen) if everything else whole.look(self.version, seen)
            if not found.needs:
                return found, seen
            for need in found.needs:
                self.reads.append(need)
                source = self._read(need, extra, fresh) or source
        raise AssertionError(f"still needs {found.needs}")

    def _read(self, need: Need, extra: dict[str, dict[str, object]], fresh: set[str]) -> SourceFacts | None:
        world, region = self.world, need.region
        match need.kind:
            case NeedKind.SOURCE:
                return world.source
            case NeedKind.FACTS:
                extra["facts"][region] = _facts(self.version, region)
            case NeedKind.GRANTS:
                extra["grants"][need.subject] = world.grants(region, need.subject)
            case NeedKind.EVIDENCE:
                users = [Testimony(Source.INSTANCES, (world.users[need.subject],))] if need.subject in world.users else []
                extra["evidence"][need.subject] = evidence(need.subject, *users, at=world.now)
            case NeedKind.IMAGE:
                extra["looked_up"][need.subject] = world.find(region, need.subject)
            case NeedKind.SNAPSHOTS:
                fresh.add(region)
        return None

    def reconcile(self, *, everything: bool = False) -> Look:
        """One visit: some steps, then the status is written. Raises Stopped when killed, and then it is not."""
        found, seen = self.look(everything=everything)
        for _ in range(STEPS):
            if not found.actions:
                break
            self._intend(found)
            for action in found.actions:
                self.world.perform(self.version, action, seen)
            found, seen = self.look(everything=everything)
        self._write(found)
        return found

    def converge(self, *, everything: bool = False, visits: int = 40) -> Look:
        """Until two visits in a row do nothing."""
        quiet = 0
        for _ in range(visits):
            before = len(self.world.acted)
            self.last = self.reconcile(everything=everything)
            quiet = quiet + 1 if len(self.world.acted) == before else 0
            if quiet == 2:
                return self.last
            self.world.settle()
        raise AssertionError(f"still busy after {visits} visits: {[a.sentence() for a in self.world.acted[-6:]]}")

    def _intend(self, found: Look) -> None:
        for action in found.actions:
            if isinstance(action, do.CopyImage) and action.attempt > 1:
                self.recorded[action.place.region] = Recorded(attempt=action.attempt)

    def _write(self, found: Look) -> None:
        digests = {shared.finding.region: shared.digest for shared in found.shared}
        rows: dict[str, Recorded] = {}
        for finding in (*found.replicas, *found.leaving):
            before, image = self.recorded.get(finding.region, Recorded()), finding.image
            digest = digests.get(finding.region, "")
            if image is not None:
                rows.setdefault(finding.region, Recorded(image.image_id, image.state, attempt_of(image.tags), digest))
            elif before.image_id or before.attempt > 1:
                rows.setdefault(finding.region, replace(before, shared_digest=digest))
        for shared in found.shared:
            image = shared.finding.image
            if image is not None and image.state == "available":
                rows.setdefault(shared.finding.region, Recorded(image.image_id, image.state, attempt_of(image.tags), shared.digest))
        self.recorded = rows
        settled = all(shared.finding.reason.outcome.value == "done" for shared in found.shared)
        self.granted = self.version.sharing.principals if settled else self.granted | self.version.sharing.principals
        if found.source and found.source.image:
            self.source_image_id = found.source.image.image_id


def _facts(version: Version, region: str) -> RegionFacts:
    from goldenami.plan.values import KeyFacts

    declared = next((replica.kms_key_id for replica in version.replicas if replica.region == region), None)
    key = KeyFacts(declared, enabled=True, aws_managed=False) if declared else None
    return RegionFacts(Place(ACCOUNT, region), encrypted_by_default=False, key=key, public_sharing_blocked_by="")
