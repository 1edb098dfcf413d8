"""Whatever AWS holds at the beginning: looking and acting ends, ends as declared, and harms nobody on the way.

`support.plan_world` asserts at every single action that it touches nothing foreign and removes nothing without evidence.
"""

from copy import deepcopy
from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from goldenami.api.reasons import Outcome, Reason
from goldenami.plan import identity
from goldenami.plan.actions import Action, DeleteSnapshot, DeregisterImage, DisableImage
from goldenami.plan.candidates import BROKEN
from goldenami.plan.desired import ImageSource, InstanceSource, Replica, Sharing, SnapshotSource, Source, Version
from goldenami.plan.identity import HOME_ROLE, REPLICA_ROLE
from goldenami.plan.values import NOBODY, Image, Principals, Snapshot
from support.plan import (
    ALICE,
    BOB,
    EVE,
    HOME,
    ORGANIZATION,
    PARIS,
    STRANGER,
    accounts,
    golden_ami,
    key,
    released,
    retagged,
    snapshot,
    source_ami,
    version,
)
from support.plan_world import Controller, Stopped, World

TOKYO = "ap-northeast-1"
REGIONS = (HOME, PARIS, TOKYO)
INSTANCE, SNAPSHOT = InstanceSource("i-1", reboot=False), SnapshotSource("snap-given", "x86_64", "uefi", "/dev/xvda")

PRINCIPALS = st.builds(
    Principals,
    accounts=st.frozensets(st.sampled_from([ALICE, BOB])),
    organization_arns=st.frozensets(st.just(ORGANIZATION)),
    public=st.booleans(),
)


SOURCES: list[Source] = [ImageSource("ami-source"), ImageSource("ami-source", adopt=True), INSTANCE, SNAPSHOT]


@st.composite
def versions(draw: st.DrawFn) -> Version:
    source = draw(st.sampled_from(SOURCES))
    regions = draw(st.lists(st.sampled_from(REGIONS), unique=True, max_size=3))
    declared = draw(st.booleans())
    principals = draw(PRINCIPALS) if declared else NOBODY
    keyed = [] if principals.public else draw(st.lists(st.sampled_from(regions), unique=True)) if regions else []
    return version(
        source=source,
        replicas=tuple(Replica(region, key(region=region) if region in keyed else None) for region in regions),
        sharing=Sharing(principals, snapshots=draw(st.booleans()), remove_foreign=draw(st.booleans()), declared=declared),
        delete=draw(st.booleans()),
    )


@dataclass(frozen=True)
class Found:
    """One image that is there at the beginning."""

    kind: str
    region: str
    role: str
    launch: Principals
    encrypted: bool
    used: bool


FOUND = st.builds(
    Found,
    kind=st.sampled_from(
        [
            "good",
            "good",
            "pending",
            "failed",
            "disabled",
            "lost",
            "released",
            "drifted",
            "stranger",
            "other version",
            "untagged",
            "protected",
        ]
    ),
    region=st.sampled_from(REGIONS),
    role=st.sampled_from([REPLICA_ROLE, REPLICA_ROLE, HOME_ROLE]),
    launch=st.builds(Principals, accounts=st.frozensets(st.sampled_from([ALICE, EVE])), public=st.booleans()),
    encrypted=st.booleans(),
    used=st.booleans(),
)
STATES = {"pending": "pending", "failed": "failed", "disabled": "disabled", "lost": "lost"}


def put(world: World, of: Version, found: Found, number: int) -> None:
    """As `found` describes it, made from the version's own source."""
    state = STATES.get(found.kind, "available")
    role = REPLICA_ROLE if isinstance(of.source, ImageSource) or found.region != HOME else found.role
    image = golden_ami(f"ami-x{number}", of, role=role, state=state, created_epoch_seconds=world.now - 5000 + number)
    match found.kind:
        case "released":
            image = released(image)
        case "drifted":
            image = replace(image, description="changed", tags={**image.tags, "Name": "changed", identity.RELEASED: "main/images/web"})
        case "stranger":
            image = retagged(image, owner=str(STRANGER))
        case "other version":
            image = retagged(image, version="0.9.0")
        case "untagged":
            image = replace(image, tags={"theirs": "yes"})
        case "protected":
            image = replace(image, deregistration_protection="enabled-without-cooldown")
    if state == "available":
        launch = replace(found.launch, public=found.launch.public and not found.encrypted)
        world.launch[image.image_id] = world.volumes[f"snap-x{number}"] = launch
        image = replace(image, public=launch.public)
    if found.used:
        world.users[image.image_id] = "instance i-user"
    arn = key(region=found.region) if found.encrypted else ""
    world.add(found.region, image, kms_key_arn=arn)
    if state == "pending":
        world.add_in_flight(found.region, f"snap-x{number}", image, arn)


def world_of(of: Version, found: list[Found]) -> World:
    world = World()
    for number, one in enumerate(found):
        put(world, of, one, number)
    if isinstance(of.source, ImageSource):
        world.add(HOME, source_ami(), snapshot_tags={})
    else:
        given_part = {"snap-given": snapshot("snap-given")} if isinstance(of.source, SnapshotSource) else {}
        world.snapshots.setdefault(HOME, {}).update(given_part)
        state = "running" if isinstance(of.source, InstanceSource) else "completed"
        world.source = replace(world.source, image=source_ami(state=state))
    return world


def foreign(world: World, of: Version) -> dict[str, object]:
    """Everything that is not this version's, with what is permitted on it; the source snapshot is shared where an image made from it is."""
    adopted = {"ami-source", "snap-source"} if isinstance(of.source, ImageSource) and of.source.adopt else set()
    return {
        name: (thing, world.launch.get(name, NOBODY), NOBODY if name == "snap-given" else world.volumes.get(name, NOBODY))
        for name, thing in _everything(world)
        if name not in adopted and not world._listed(of, thing.tags)
    }


def _everything(world: World) -> list[tuple[str, Image | Snapshot]]:
    images = [pair for found in world.images.values() for pair in found.items()]
    return [*images, *(pair for found in world.snapshots.values() for pair in found.items())]


def mine(world: World, of: Version, region: str) -> list[str]:
    return [
        image.image_id
        for image in world.images.get(region, {}).values()
        if identity.owner_of(image.tags) == of.owner and image.tags[identity.VERSION] == of.version
    ]


STALLED = {Reason.KEY_MISMATCH, Reason.ENCRYPTED_NOT_PUBLIC, Reason.DEPENDENCY_NOT_READY, Reason.COPIES_EXHAUSTED}
"""What a person has to decide: nothing is done about it, and the rest is as declared."""


def assert_as_declared(world: World, controller: Controller) -> None:
    of, look = controller.version, controller.last
    assert look is not None
    assert not look.actions
    for finding, shared in zip(look.replicas, look.shared, strict=False):
        assert finding.reason is Reason.SUCCEEDED or finding.reason in STALLED, finding
        if finding.image is not None and finding.reason is Reason.SUCCEEDED:
            image = world.images[finding.region][finding.image.image_id]
            assert image.state == "available"
            assert image.description == of.description
            assert_shared(world, of, image.image_id, finding.region)
            assert shared.finding.reason.outcome in {Outcome.DONE} or shared.finding.reason is Reason.ENCRYPTED_NOT_PUBLIC, shared


def assert_shared(world: World, of: Version, image_id: str, region: str) -> None:
    if not of.sharing.declared:
        return
    wanted, image, launch = of.grantees, world.images[region][image_id], world.launch.get(image_id, NOBODY)
    encrypted = any(world.snapshots[region][name].encrypted for name in image.snapshot_ids)
    if encrypted:
        wanted = wanted - Principals(public=True)
    assert wanted - launch == NOBODY
    assert image.public == wanted.public
    if of.sharing.remove_foreign:
        assert launch == wanted
    for name in image.snapshot_ids:
        held, lent = world.volumes.get(name, NOBODY), name == "snap-given"
        expected = wanted.accounts if of.sharing.snapshots else frozenset()
        assert expected <= held.accounts
        if of.sharing.remove_foreign and not lent:
            assert held == Principals(accounts=expected)
        for account in wanted.accounts:
            arn = world.snapshots[region][name].kms_key_arn
            named = identity.grant_name(of.owner, of.version, region, account)
            assert not arn or named in {grant.name for grant in world.keys.get(arn, ())}


def assert_left(world: World, of: Version, regions: tuple[str, ...]) -> None:
    """What is no longer wanted is gone, or released; what is in use or protected stays."""
    for region in regions:
        for image_id in mine(world, of, region):
            image = world.images[region][image_id]
            assert image.state == "lost" or (of.delete and (world.users.get(image_id) or image.deregistration_protection)), image


A_HOME = Found("good", HOME, HOME_ROLE, NOBODY, encrypted=False, used=False)
WITH_A_KEY = Replica(HOME, key(region=HOME))


@given(of=versions(), found=st.lists(FOUND, max_size=4), failing=st.integers(0, 3))
@example(of=version(WITH_A_KEY, source=INSTANCE), found=[A_HOME, replace(A_HOME, kind="released", encrypted=True)], failing=0)
@example(of=version(PARIS), found=[Found("failed", PARIS, REPLICA_ROLE, NOBODY, encrypted=False, used=False)], failing=3)
@settings(max_examples=200, deadline=None)
def test_any_beginning_ends_as_declared_and_then_nothing_is_done(of: Version, found: list[Found], failing: int) -> None:
    world = world_of(of, found)
    world.failing = failing
    before = foreign(world, of)
    controller = Controller(world, of)
    controller.converge()
    assert_as_declared(world, controller)
    assert foreign(world, of) == before
    kept = {HOME} if not isinstance(of.source, ImageSource) else set()
    assert_left(world, of, tuple(set(REGIONS) - of.regions - kept))


SETTLED = FOUND.filter(lambda found: found.kind != "pending")
"""What becomes of a pending image while nobody looks is another end."""


RELEASED_AT_HOME = Found("released", HOME, REPLICA_ROLE, NOBODY, encrypted=False, used=False)


@given(of=versions(), found=st.lists(SETTLED, max_size=4), prefix=st.integers(0, 12))
@example(of=version(HOME, PARIS, source=INSTANCE), found=[RELEASED_AT_HOME], prefix=1)
@example(of=version(HOME, source=INSTANCE), found=[RELEASED_AT_HOME, replace(RELEASED_AT_HOME, role=HOME_ROLE)], prefix=2)
@settings(max_examples=150, deadline=None)
def test_killed_after_any_action_the_next_process_ends_in_the_same_state(of: Version, found: list[Found], prefix: int) -> None:
    undisturbed = Controller(world_of(of, found), of)
    undisturbed.converge()
    world = world_of(of, found)
    world.budget = prefix
    first = Controller(world, of)
    try:
        first.converge()
    except Stopped:
        world.settle()
    world.budget = None
    # The status is what the first one wrote last: what it did since is known to nobody.
    second = Controller(world, of, first.recorded, first.granted, first.source_image_id)
    second.converge()
    assert_as_declared(world, second)
    assert shape(world, of) == shape(undisturbed.world, of)


def shape(world: World, of: Version) -> object:
    """How many images of which state and with which permissions each region holds; ids differ from run to run."""
    return {
        region: (
            sorted(
                (image.state, world.launch.get(image.image_id, NOBODY).names(), len(image.snapshot_ids), tuple(sorted(image.tags)))
                for image in world.images.get(region, {}).values()
                if image.state != "lost"
            ),
            len(world.snapshots.get(region, {})),
        )
        for region in REGIONS
    }


@given(of=versions(), found=st.lists(FOUND, max_size=4), prefix=st.none() | st.integers(0, 8))
@settings(max_examples=150, deadline=None)
def test_a_deletion_leaves_nothing_of_ours_but_what_is_in_use(of: Version, found: list[Found], prefix: int | None) -> None:
    world = world_of(of, found)
    before = foreign(world, of)
    controller = Controller(world, of)
    world.budget = prefix
    try:
        controller.converge(everything=True)
    except Stopped:
        world.settle()
        world.budget = None
        Controller(world, of, controller.recorded).converge(everything=True)
    assert foreign(world, of) == before
    assert_left(world, of, REGIONS)
    if of.delete and not any(mine(world, of, region) for region in REGIONS):
        assert world.volumes.get("snap-given", NOBODY) == NOBODY
        owned = [s for parts in world.snapshots.values() for s in parts.values() if identity.owner_of(s.tags) == of.owner]
        assert all(part.tags[identity.VERSION] != of.version for part in owned)


@given(of=versions(), found=st.lists(FOUND, max_size=4), everything=st.booleans())
@settings(max_examples=200, deadline=None)
def test_retain_removes_nothing_but_failed_copies_and_doubles(of: Version, found: list[Found], everything: bool) -> None:
    world = world_of(replace(of, delete=False), found)
    start = deepcopy(world.images)
    controller = Controller(world, replace(of, delete=False))
    controller.converge(everything=everything)
    for action in removals(world.acted):
        region = action.place.region
        image = start.get(region, {}).get(action.image_id)
        failed = image is None or image.state in {*BROKEN, "pending"}
        assert failed or (not everything and len(mine_at(start, of, region)) > 1), action


def removals(actions: list[Action]) -> list[DeregisterImage | DisableImage]:
    assert not any(isinstance(action, DeleteSnapshot) for action in actions)
    return [action for action in actions if isinstance(action, DeregisterImage | DisableImage)]


def mine_at(images: dict, of: Version, region: str) -> list[str]:  # type: ignore[type-arg]
    return [image.image_id for image in images.get(region, {}).values() if identity.owner_of(image.tags) == of.owner]


@given(found=st.lists(SETTLED, max_size=3), others=st.lists(SETTLED, max_size=3), data=st.data())
@settings(max_examples=150, deadline=None)
def test_two_objects_in_one_account_never_touch_each_others_images(found: list[Found], others: list[Found], data: st.DataObject) -> None:
    one, two = data.draw(versions()), replace(data.draw(versions()), owner=STRANGER, name="other-1.0.0")
    one, two = (replace(of, source=ImageSource("ami-source")) for of in (one, two))
    world = world_of(one, found)
    for number, other in enumerate(others):
        put(world, two, other, number + 10)
    before = foreign(world, one)
    Controller(world, one).converge()
    assert foreign(world, one) == before
    before = foreign(world, two)
    Controller(world, two).converge()
    assert foreign(world, two) == before


@given(of=versions(), delete=st.booleans())
@settings(max_examples=100, deadline=None)
def test_deleted_under_retain_and_declared_again_everything_is_found(of: Version, delete: bool) -> None:
    of = replace(of, delete=False)
    world = world_of(of, [])
    Controller(world, of).converge()
    images = {region: set(images) for region, images in world.images.items()}
    Controller(world, of).converge(everything=True)
    again = Controller(world, replace(of, delete=delete))
    again.converge()
    assert_as_declared(world, again)
    assert {region: set(images) for region, images in world.images.items()} == images


@given(of=versions(), edited=versions())
@settings(max_examples=200, deadline=None)
def test_an_edit_of_a_converged_version_converges(of: Version, edited: Version) -> None:
    edited = replace(edited, source=of.source)
    world = world_of(of, [])
    controller = Controller(world, of)
    controller.converge()
    controller.version = edited
    controller.converge()
    assert_as_declared(world, controller)


@given(of=versions())
@settings(max_examples=200, deadline=None)
def test_at_rest_nothing_but_the_listing_is_read(of: Version) -> None:
    controller = Controller(world_of(of, []), of)
    controller.converge()
    controller.reads.clear()
    look = controller.reconcile()
    stuck = any(finding.reason is not Reason.SUCCEEDED for finding in look.replicas)
    assert stuck or not controller.reads


def test_an_image_disabled_by_hand_is_enabled_and_shared_again() -> None:
    of = version(shared=accounts(ALICE))
    world = world_of(of, [])
    controller = Controller(world, of)
    controller.converge()
    image_id = mine(world, of, PARIS)[0]
    world.images[PARIS][image_id] = replace(world.images[PARIS][image_id], state="disabled")
    world.launch.pop(image_id)
    controller.converge()
    assert world.launch[image_id] == accounts(ALICE)


@pytest.mark.parametrize("prefix", range(4))
def test_an_image_disabled_by_hand_is_shared_again_whenever_the_process_dies(prefix: int) -> None:
    of = version(shared=accounts(ALICE))
    world = world_of(of, [])
    controller = Controller(world, of)
    controller.converge()
    image_id = mine(world, of, PARIS)[0]
    world.images[PARIS][image_id] = replace(world.images[PARIS][image_id], state="disabled")
    world.launch.pop(image_id)
    world.budget = prefix
    try:
        controller.converge()
    except Stopped:
        world.budget = None
    world.budget = None
    Controller(world, of, controller.recorded, controller.granted).converge()
    assert world.launch[image_id] == accounts(ALICE)
