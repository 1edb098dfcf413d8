"""Tags of the spec on an image that was there before: what it did not have goes when it is released, and what it had stays."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import pytest

from goldenami.plan import adoption, identity, noted_tags, tags
from goldenami.plan.actions import AdoptImage, RemoveTags, SetTags
from goldenami.plan.identity import ADOPTED_ROLE
from goldenami.plan.noted_tags import Noted
from support.plan import ACCOUNT, PARIS, golden_ami, observed, place, snapshot, source_facts, version, view
from support.plan_world import Controller, Stopped, World

OF = replace(version(PARIS, tags={"cost": "42", "team": "web"}), adopted={PARIS: "ami-1"})
BARE = replace(golden_ami(of=OF), tags={})


@pytest.mark.parametrize(
    ("image", "snapshots", "text"),
    [
        pytest.param({}, [{}], "cost team / cost team", id="what neither had"),
        pytest.param({"team": "web"}, [{}], "cost / cost team", id="what the image had is not noted of it"),
        pytest.param({"team": "theirs"}, [{}], "cost / cost team", id="whatever was in it"),
        pytest.param({}, [{"team": "web"}, {}], "cost team / cost", id="nor what one of the snapshots had"),
        pytest.param({}, None, "cost team /", id="nor anything of snapshots that are not known"),
        pytest.param({"cost": "1", "team": "1"}, [{"cost": "1", "team": "1"}], "", id="where it had all nothing is noted"),
        pytest.param(
            {"cost": "42", "team": "web", identity.ADDED: "team / cost"}, [{"cost": "42", "team": "web"}], "team / cost", id="kept"
        ),
        pytest.param(
            {"team": "web", identity.ADDED: "team / old"}, [{"team": "web"}], "team cost / cost", id="with what comes, without what goes"
        ),
    ],
)
def test_what_is_noted(image: Mapping[str, str], snapshots: list[Mapping[str, str]] | None, text: str) -> None:
    found = noted_tags.noted(OF, replace(BARE, tags=image), snapshots)
    assert found.text == text
    assert noted_tags.read({identity.ADDED: text}) == found


@pytest.mark.parametrize(
    ("key", "noted"),
    [
        pytest.param("two words", Noted(), id="a key with a space"),
        pytest.param("/", Noted(), id="a key that stands between"),
        pytest.param("k" * 128, Noted(("k" * 128,)), id="what fits, and no more"),
    ],
)
def test_what_cannot_be_noted_stays(key: str, noted: Noted) -> None:
    assert noted_tags.noted(replace(OF, tags={key: "x"}), BARE, [{}]) == noted


@pytest.mark.parametrize(
    ("carried", "goes"),
    [
        pytest.param([{"team": "web"}, {"team": "web"}], ("team",), id="as the spec says"),
        pytest.param([{"team": "web"}, {"team": "mine"}], (), id="somebody has changed it since"),
        pytest.param([{}], ("team",), id="gone by a process that died after that"),
    ],
)
def test_what_goes_is_what_the_spec_says(carried: list[Mapping[str, str]], goes: tuple[str, ...]) -> None:
    assert noted_tags.removable(OF, ("team", "old"), carried) == goes


def adopted(had: Mapping[str, str], parts: Mapping[str, str]) -> World:
    """An image and its snapshot as they were found, and then were taken over."""
    image = replace(BARE, tags=had, owner_id=ACCOUNT.account_id)
    seen = observed(adoptable={"ami-1": source_facts(snapshot("snap-1", tags=parts), image=image)})
    finding = adoption.member(OF, OF.replicas[0], seen)
    assert finding is not None
    (take,) = finding.actions
    assert isinstance(take, AdoptImage)
    world = World()
    world.add(PARIS, replace(image, tags={**had, **take.tags}), snapshot_tags={**parts, **take.tags})
    return world


@pytest.mark.parametrize("budget", range(7))
@pytest.mark.parametrize(
    ("had", "parts"),
    [
        pytest.param({}, {}, id="bare"),
        pytest.param({"team": "web", "Name": "theirs"}, {}, id="the image had one of them"),
        pytest.param({}, {"cost": "42"}, id="the snapshot had one of them"),
        pytest.param({"team": "web"}, {"team": "web"}, id="both had"),
    ],
)
def test_adopted_and_released_it_is_as_it_was_found_wherever_the_process_is_killed(
    had: Mapping[str, str], parts: Mapping[str, str], budget: int
) -> None:
    world = adopted(had, parts)
    assert {"cost", "team"} <= world.images[PARIS]["ami-1"].tags.keys() & world.snapshots[PARIS]["snap-1"].tags.keys()
    world.budget = budget
    with suppress(Stopped):
        Controller(world, OF).converge(everything=True)
    world.budget = None
    Controller(world, OF).converge(everything=True)
    for found, before in ((world.images[PARIS]["ami-1"].tags, had), (world.snapshots[PARIS]["snap-1"].tags, parts)):
        assert {key: value for key, value in found.items() if key != identity.RELEASED} == before


def test_what_is_declared_later_is_noted_in_the_call_that_sets_it_and_what_no_longer_is_is_forgotten() -> None:
    carried = {**tags.wanted_tags(OF, role=ADOPTED_ROLE), identity.ADDED: "cost / cost"}
    image, part = golden_ami(of=OF, role=ADOPTED_ROLE), snapshot("snap-1", tags=carried)
    image = replace(image, tags=carried)
    later = replace(OF, tags={"team": "web", "stage": "prod"})
    seen = observed(view(image, snapshots=(part,)), tag_keys=frozenset({"cost", "team"}))
    assert tags.look(OF, PARIS, image, seen)[0] == ()
    assert tags.look(later, PARIS, image, seen)[0] == (
        RemoveTags(place(), ("ami-1", "snap-1"), ("cost",)),
        SetTags(place(), ("ami-1", "snap-1"), {"stage": "prod", identity.ADDED: "stage / stage"}),
    )
    without = replace(OF, tags={"team": "web"})
    assert tags.look(without, PARIS, image, seen)[0] == (RemoveTags(place(), ("ami-1", "snap-1"), ("cost", identity.ADDED)),)


@pytest.mark.parametrize(
    ("had", "parts"),
    [
        pytest.param({}, {}, id="neither had it"),
        pytest.param({"cost": "1"}, {}, id="the image had it"),
        pytest.param({}, {"cost": "1"}, id="the snapshot had it"),
        pytest.param({"cost": "1"}, {"cost": "1"}, id="both had it"),
    ],
)
@pytest.mark.parametrize("budget", range(4))
def test_a_key_that_is_no_longer_declared_goes_only_from_what_lacked_it_before(
    had: Mapping[str, str], parts: Mapping[str, str], budget: int
) -> None:
    world, without = adopted(had, parts), replace(OF, tags={})
    controller = Controller(world, without, tag_keys=frozenset({"cost", "team"}))
    world.budget = budget
    with suppress(Stopped):
        controller.converge()
    world.budget = None
    controller.converge()
    image, part = world.images[PARIS]["ami-1"].tags, world.snapshots[PARIS]["snap-1"].tags
    # What the spec has replaced does not come back.
    assert {key: image[key] for key in ("cost", "team") if key in image} == dict.fromkeys(had, "42")
    assert {key: part[key] for key in ("cost", "team") if key in part} == dict.fromkeys(parts, "42")
    assert identity.ADDED not in image.keys() | part.keys()
