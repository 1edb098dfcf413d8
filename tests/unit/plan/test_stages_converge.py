"""Whatever AWS holds: a version on its way out goes as a whole or not at all, leaves nothing, and until then comes back as it was.

`support.plan_world` asserts at every single action that it touches nothing foreign, and that nothing is disabled or removed that is in use.
"""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from goldenami.api.fields import Stage
from goldenami.plan import identity, undo
from goldenami.plan.desired import ImageSource, InstanceSource, Replica, Sharing, Version
from goldenami.plan.values import NOBODY, Principals
from support.plan import ALICE, BOB, EVE, HOME, PARIS, accounts, source_ami, version
from support.plan_world import Controller, Stopped, World

REGIONS = (HOME, PARIS)
WAIT_SECONDS = 2500.0
SHARINGS = [
    Sharing(accounts(ALICE, BOB)),
    Sharing(accounts(ALICE), remove_foreign=False),
    Sharing(declared=False),
    Sharing(NOBODY, snapshots=False),
]

versions = st.builds(
    lambda source, regions, sharing: version(
        source=source, replicas=tuple(map(Replica, regions)), sharing=sharing, disable_for_seconds=WAIT_SECONDS
    ),
    st.sampled_from([ImageSource("ami-source"), ImageSource("ami-source", adopt=True), InstanceSource("i-1")]),
    st.sampled_from([(HOME,), (PARIS,), (HOME, PARIS)]),
    st.sampled_from(SHARINGS),
)
foreigners = st.builds(Principals, accounts=st.frozensets(st.sampled_from([EVE, BOB])))


def converged(of: Version, foreign: Principals = NOBODY) -> Controller:
    """The version as it is kept, with grants that somebody else added."""
    world = World()
    if isinstance(of.source, ImageSource):
        world.add(HOME, source_ami(), snapshot_tags={})
    else:
        world.source = replace(world.source, image=source_ami(state="running"))
    controller = Controller(world, of)
    controller.converge()
    for image_id in ids(world, of):
        world.launch[image_id] = world.launch.get(image_id, NOBODY) | foreign
    controller.recorded = {region: replace(row, shared_digest="") for region, row in controller.recorded.items()}
    controller.converge()
    return controller


def ids(world: World, of: Version) -> list[str]:
    return sorted(
        image.image_id for images in world.images.values() for image in images.values() if identity.owner_of(image.tags) == of.owner
    )


def states(world: World, of: Version) -> set[str]:
    return {image.state for images in world.images.values() for image in images.values() if identity.owner_of(image.tags) == of.owner}


def at(of: Version, stage: Stage) -> Version:
    return replace(of, stage=stage, deprecated=stage != "Active", delete=stage == "Retired")


def killed(controller: Controller, of: Version, prefix: int | None) -> Controller:
    """Converges to another version; killed after so many actions, and begun again by a process that knows the last status only."""
    controller.version = of
    controller.world.budget = prefix
    try:
        controller.converge()
    except Stopped:
        controller.world.budget = None
        controller = Controller(controller.world, of, controller.recorded, controller.granted, controller.source_image_id)
        controller.converge()
    controller.world.budget = None
    return controller


prefixes = st.none() | st.integers(0, 10)


@given(of=versions, foreign=foreigners, first=prefixes, second=prefixes)
@settings(max_examples=150, deadline=None)
def test_what_was_disabled_comes_back_with_the_grants_it_had(
    of: Version, foreign: Principals, first: int | None, second: int | None
) -> None:
    controller = converged(of, foreign)
    world = controller.world
    before = {image_id: world.launch.get(image_id, NOBODY) for image_id in ids(world, of)}

    controller = killed(controller, at(of, "Disabled"), first)
    assert states(world, of) == {"disabled"}
    assert all(not world.launch.get(image_id) for image_id in before)
    controller = killed(controller, at(of, "Active"), second)

    replicas = [row.image_id for row in controller.recorded.values()]
    assert {image_id: world.launch.get(image_id, NOBODY) for image_id in replicas} == {image_id: before[image_id] for image_id in replicas}
    restored = [image for images in world.images.values() for image in images.values() if image.image_id in replicas]
    assert {image.state for image in restored} == {"available"}
    assert not any(image.deprecation_epoch_seconds for image in restored)
    assert not any(key == identity.DISABLED_SINCE or key.startswith(identity.GRANTS) for image in restored for key in image.tags)


@given(of=versions, foreign=foreigners, prefix=prefixes)
@settings(max_examples=150, deadline=None)
def test_what_is_retired_is_gone_with_its_snapshots_and_nothing_else_is(of: Version, foreign: Principals, prefix: int | None) -> None:
    controller = converged(of, foreign)
    world = controller.world
    controller = killed(controller, at(of, "Disabled"), None)
    controller = killed(controller, at(of, "Retired"), prefix)

    assert ids(world, of) == []
    owned = [part for parts in world.snapshots.values() for part in parts.values() if identity.owner_of(part.tags) == of.owner]
    assert owned == []
    adopted = isinstance(of.source, ImageSource) and of.source.adopt and HOME in of.regions
    assert ("ami-source" in world.images.get(HOME, {})) is (isinstance(of.source, ImageSource) and not adopted)


@given(of=versions, stage=st.sampled_from(["Disabled", "Retired"]), prefix=prefixes, pick=st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_one_user_keeps_the_whole_version_whatever_happens(of: Version, stage: Stage, prefix: int | None, pick: int) -> None:
    controller = converged(of)
    world = controller.world
    everything = ids(world, of)
    world.users[everything[pick % len(everything)]] = "instance i-user"

    killed(controller, at(of, stage), prefix)

    assert ids(world, of) == everything
    assert states(world, of) == {"available"}


@given(of=versions, prefix=prefixes, pick=st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_what_is_used_again_before_the_end_can_be_launched_again(of: Version, prefix: int | None, pick: int) -> None:
    controller = converged(of)
    world = controller.world
    controller = killed(controller, at(of, "Disabled"), None)
    everything = ids(world, of)
    wanted = everything[pick % len(everything)]
    world.users[wanted] = "launch template lt-1:2"

    killed(controller, at(of, "Retired"), prefix)

    assert ids(world, of) == everything
    (image,) = [images[wanted] for images in world.images.values() if wanted in images]
    assert image.state == "available"


@given(of=versions, stage=st.sampled_from(["Disabled", "Retired"]))
@settings(max_examples=100, deadline=None)
def test_at_rest_a_disabled_version_asks_nobody(of: Version, stage: Stage) -> None:
    controller = converged(of)
    controller = killed(controller, replace(at(of, stage), disable_for_seconds=1e9), None)
    controller.reads.clear()
    controller.reconcile()
    assert controller.reads == []


def test_the_wait_is_counted_from_the_tag_of_each_image() -> None:
    of = version(disable_for_seconds=1e6)
    controller = killed(converged(of), at(of, "Retired"), None)
    (image_id,) = ids(controller.world, of)
    age(controller, image_id, 9e5)
    controller.converge()
    assert ids(controller.world, of) == [image_id]
    age(controller, image_id, 1.1e6)
    controller.converge()
    assert ids(controller.world, of) == []


def age(controller: Controller, image_id: str, seconds: float) -> None:
    world = controller.world
    (region,) = [region for region, images in world.images.items() if image_id in images]
    image = world.images[region][image_id]
    world.images[region][image_id] = replace(image, tags={**image.tags, **undo.since(world.now - seconds)})
