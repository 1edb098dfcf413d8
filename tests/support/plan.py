"""Builders for the plan's values: the smallest object that shows a rule, everything else as a converged golden image would have it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from goldenami.plan import identity
from goldenami.plan.desired import ImageSource, Replica, Sharing, Source, Version
from goldenami.plan.evidence import Evidence, Testimony
from goldenami.plan.evidence import Source as Evident
from goldenami.plan.identity import HOME_ROLE, REPLICA_ROLE, Owner
from goldenami.plan.observed import Observed, SourceFacts
from goldenami.plan.tags import wanted_tags
from goldenami.plan.values import NOBODY, Account, Grants, Image, Place, Principals, RegionFacts, RegionView, Snapshot

ACCOUNT = Account("build", "999900001111")
OWNER = Owner("main", "images", "web")
STRANGER = Owner("main", "images", "other")
HOME = "us-east-1"
PARIS = "eu-west-3"
ALICE, BOB, EVE = "111111111111", "222222222222", "666666666666"
ORGANIZATION = "arn:aws:organizations::111111111111:organization/o-1234567890"
NOW = 1_700_000_000.0
SOURCE_ID = "ami-source"


def key(name: str = "golden", region: str = PARIS) -> str:
    return f"arn:aws:kms:{region}:{ACCOUNT.account_id}:key/{name}"


def accounts(*ids: str, public: bool = False) -> Principals:
    return Principals(accounts=frozenset(ids), public=public)


def version(
    *regions: str | Replica,
    source: Source | None = None,
    shared: Principals = NOBODY,
    sharing: Sharing | None = None,
    **changes: Any,
) -> Version:
    """Of OWNER, declared for these regions (default: Paris), copied from an AMI in HOME."""
    return replace(
        Version(
            owner=OWNER,
            version="1.0.0",
            name="web-1.0.0",
            source=source or ImageSource(SOURCE_ID),
            account=ACCOUNT,
            home_region=HOME,
            replicas=tuple(Replica(region) if isinstance(region, str) else region for region in regions or (PARIS,)),
            description="golden",
            sharing=sharing or Sharing(shared),
        ),
        **changes,
    )


def golden_ami(image_id: str = "ami-1", of: Version | None = None, *, role: str = REPLICA_ROLE, attempt: int = 1, **changes: Any) -> Image:
    """Available, tagged, with one snapshot: as this operator has made it."""
    of = of or version()
    state = changes.get("state", "available")
    made = Image(
        image_id,
        of.name,
        state,
        owner_id=ACCOUNT.account_id,
        description=of.description,
        created_epoch_seconds=NOW - 1000,
        snapshot_ids=(snap(image_id),) if state in {"available", "disabled"} else (),
        tags=wanted_tags(of, role=role, attempt=attempt),
    )
    return replace(made, **changes)


def home_ami(image_id: str = "ami-home", of: Version | None = None, **changes: Any) -> Image:
    return golden_ami(image_id, of, role=HOME_ROLE, **changes)


def released(image: Image) -> Image:
    """As it is after a release: the owner's tag replaced."""
    tags = {**image.tags, identity.RELEASED: image.tags[identity.OWNER]}
    return replace(image, tags={name: value for name, value in tags.items() if name != identity.OWNER})


def retagged(image: Image, **tags: str | None) -> Image:
    """With other tags, named by their last part (`owner`, `version` ...); None removes one."""
    changed = {**image.tags, **{identity.PREFIX + name: value for name, value in tags.items()}}
    return replace(image, tags={name: value for name, value in changed.items() if value is not None})


def snap(image_id: str) -> str:
    return image_id.replace("ami-", "snap-")


def snapshot(snapshot_id: str = "snap-1", *, kms_key_arn: str = "", **changes: Any) -> Snapshot:
    made = Snapshot(snapshot_id, "completed", 100, bool(kms_key_arn), kms_key_arn, 8, owner_id=ACCOUNT.account_id)
    return replace(made, **changes)


def place(region: str = PARIS) -> Place:
    return Place(ACCOUNT, region)


def view(*images: Image, region: str = PARIS, snapshots: tuple[Snapshot, ...] = (), kms_key_arn: str = "", **changes: Any) -> RegionView:
    """With the images' snapshots, tagged as they are, unless `snapshots` says otherwise."""
    implied = {
        snapshot_id: snapshot(snapshot_id, kms_key_arn=kms_key_arn, tags=image.tags)
        for image in images
        for snapshot_id in image.snapshot_ids
    }
    return RegionView(place(region), images, implied | {s.snapshot_id: s for s in snapshots}, NOW, **changes)


def observed(*views: RegionView, **changes: Any) -> Observed:
    """Both regions are there, empty unless given."""
    regions = {HOME: view(region=HOME), PARIS: view()} | {given.place.region: given for given in views}
    return replace(Observed(regions, NOW), **changes)


def facts(region: str = PARIS, **changes: Any) -> dict[str, RegionFacts]:
    return {region: replace(RegionFacts(place(region), encrypted_by_default=False, public_sharing_blocked_by=""), **changes)}


def source_ami(**changes: Any) -> Image:
    return replace(Image(SOURCE_ID, "base", "available", owner_id=ACCOUNT.account_id, snapshot_ids=("snap-source",)), **changes)


def source_facts(*snapshots: Snapshot, image: Image | None = None, **changes: Any) -> SourceFacts:
    return replace(SourceFacts(image or source_ami(), snapshots), **changes)


def unused(image_id: str = "ami-1") -> Evidence:
    """Every source has just said that it knows no user."""
    return evidence(image_id)


def used(image_id: str, *users: str) -> Evidence:
    return evidence(image_id, Testimony(Evident.INSTANCES, users))


def evidence(image_id: str, *testimonies: Testimony, at: float = NOW) -> Evidence:
    """What is given in place of the sources' silence."""
    told = {testimony.source: testimony for testimony in testimonies}
    return Evidence(image_id, at, tuple(told.get(source, Testimony(source)) for source in Evident))


def granted(launch: Principals = NOBODY, snapshots: Mapping[str, Principals] | None = None, **changes: Any) -> Grants:
    return replace(Grants(launch, snapshots or {}), **changes)
