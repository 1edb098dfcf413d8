"""What is disabled on its way out and stays after all: it is shared with those it was shared with, and whom the spec still names."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import reduce
from operator import or_
from typing import Any

import pytest

from goldenami.plan import identity, retirement, undo, whole
from goldenami.plan.actions import Action, DisableImage, EnableImage, RemoveTags, SetTags, ShareImage
from goldenami.plan.desired import Sharing, Version
from goldenami.plan.observed import Finding, NeedKind, Observed
from goldenami.plan.values import NOBODY, Image, Principals
from support.plan import (
    ACCOUNT,
    ALICE,
    BOB,
    EVE,
    HOME,
    NOW,
    PARIS,
    accounts,
    golden_ami,
    granted,
    observed,
    place,
    source_ami,
    unused,
    used,
    version,
    view,
)
from support.plan_world import Controller, Stopped, World

AMI = golden_ami()
UNUSED, USED = {"ami-1": unused()}, {"ami-1": used("ami-1", "instance i-1")}
ONLY, KEEPS, UNDECLARED = Sharing(accounts(ALICE, BOB)), Sharing(accounts(ALICE, BOB), remove_foreign=False), Sharing(declared=False)
EVERYBODY = Principals(public=True)
MANY = accounts(*(f"{100000000000 + number}" for number in range(1000)))


def leaving(sharing: Sharing, **changes: Any) -> Version:
    """Paris is not declared any more."""
    return version(HOME, sharing=sharing, delete=True, **changes)


def paris(image: Image, launch: Principals = NOBODY, **changes: Any) -> Observed:
    return observed(view(image), grants={"ami-1": granted(launch)}, fresh_grants=frozenset({"ami-1"}), **changes)


def look(of: Version, seen: Observed) -> Finding:
    (found,) = retirement.look(of, seen, everything=False)
    return found


def after(image: Image, actions: tuple[Action, ...]) -> Image:
    """The image as it is when tags were written and removed, and it was disabled."""
    for action in actions:
        match action:
            case SetTags(tags=tags):
                image = replace(image, tags={**image.tags, **tags})
            case RemoveTags(keys=keys):
                image = replace(image, tags={key: value for key, value in image.tags.items() if key not in keys})
            case DisableImage():
                image = replace(image, state="disabled", public=False)
            case EnableImage():
                image = replace(image, state="available")
    return image


def disabled(of: Version, launch: Principals, image: Image = AMI, **changes: Any) -> Image:
    return after(image, look(of, paris(image, launch, evidence=UNUSED, **changes)).actions)


def shared(actions: tuple[Action, ...]) -> Principals:
    return reduce(or_, (action.principals for action in actions if isinstance(action, ShareImage)), NOBODY)


@pytest.mark.parametrize(
    ("before", "launch", "now", "back"),
    [
        pytest.param(ONLY, accounts(ALICE, BOB), ONLY, accounts(ALICE, BOB), id="everybody who was declared"),
        pytest.param(ONLY, accounts(ALICE), ONLY, accounts(ALICE), id="nobody who had not been granted it yet"),
        pytest.param(ONLY, NOBODY, ONLY, NOBODY, id="nobody at all, where nobody had been"),
        pytest.param(ONLY, accounts(ALICE, BOB), Sharing(accounts(BOB, EVE)), accounts(BOB), id="but nobody who is declared no longer"),
        pytest.param(KEEPS, accounts(ALICE, EVE), KEEPS, accounts(ALICE, EVE), id="and those whom nobody declared, where they are kept"),
        pytest.param(KEEPS, accounts(ALICE, EVE), replace(KEEPS, principals=NOBODY), accounts(EVE), id="which tells them from the former"),
        pytest.param(KEEPS, accounts(ALICE, EVE), ONLY, accounts(ALICE), id="and not where they are kept no longer"),
        pytest.param(ONLY, accounts(ALICE, EVE), ONLY, accounts(ALICE), id="nor where they never were"),
        pytest.param(UNDECLARED, accounts(ALICE, EVE, ACCOUNT.account_id), UNDECLARED, accounts(ALICE, EVE), id="without sharing, all"),
        pytest.param(ONLY, accounts(ALICE, BOB), UNDECLARED, accounts(ALICE, BOB), id="also where sharing is declared no longer"),
        pytest.param(UNDECLARED, accounts(ALICE, EVE), ONLY, accounts(ALICE), id="and where it is by now"),
        pytest.param(replace(ONLY, principals=EVERYBODY), EVERYBODY, replace(ONLY, principals=EVERYBODY), EVERYBODY, id="everybody"),
        pytest.param(KEEPS, EVERYBODY, KEEPS, NOBODY, id="but not everybody whom nobody declares"),
    ],
)
def test_who_comes_back(before: Sharing, launch: Principals, now: Sharing, back: Principals) -> None:
    gone = disabled(leaving(before), launch)
    assert gone.state == "disabled"
    enabled = look(leaving(now), paris(gone, evidence=USED))
    assert enabled.actions == (EnableImage(place(), "ami-1"),)
    image = after(gone, enabled.actions)
    actions = look(leaving(now), paris(image, evidence=USED)).actions
    assert shared(actions) == back
    assert after(image, actions) == AMI


def test_whom_it_is_shared_with_is_read_in_the_look_that_disables_it() -> None:
    stale = replace(paris(AMI, accounts(ALICE), evidence=UNUSED), fresh_grants=frozenset())
    found = look(leaving(ONLY), stale)
    assert (found.actions, [need.kind for need in found.needs]) == ((), [NeedKind.GRANTS])
    assert look(leaving(Sharing()), replace(stale, grants={})).needs == ()
    assert look(leaving(ONLY), replace(stale, evidence=USED)).needs == ()


def test_what_was_not_given_back_yet_is_remembered_when_it_is_disabled_again() -> None:
    gone = disabled(leaving(KEEPS), accounts(ALICE, EVE))
    again = disabled(leaving(KEEPS), NOBODY, replace(gone, state="available"))
    back = look(leaving(KEEPS), paris(replace(again, state="available"), evidence=USED)).actions
    assert shared(back) == accounts(ALICE, EVE)


def test_tags_of_a_longer_list_do_not_outlast_it() -> None:
    of = leaving(Sharing(Principals(frozenset(sorted(MANY.accounts)[:60]))))
    image = disabled(of, of.grantees)
    fewer = leaving(Sharing(Principals(frozenset(sorted(MANY.accounts)[:2]))))
    again = disabled(fewer, fewer.grantees, replace(image, state="available"))
    assert [key for key in again.tags if key.startswith(identity.SHARED_WITH)] == [identity.SHARED_WITH]


def test_more_declared_accounts_than_tags_hold_come_back_from_the_spec() -> None:
    gone = disabled(leaving(Sharing(MANY)), MANY)
    assert gone.tags[identity.SHARED_WITH] == "declared"
    back = look(leaving(Sharing(MANY)), paris(replace(gone, state="available"), evidence=USED)).actions
    assert shared(back) == MANY


def test_more_accounts_that_nobody_declared_than_tags_hold_keep_the_image() -> None:
    found = look(leaving(UNDECLARED), paris(AMI, MANY, evidence=UNUSED))
    assert (found.reason, found.actions) == ("TooManyTags", ())


def test_what_its_stage_disabled_gets_what_the_spec_says() -> None:
    gone = replace(AMI, state="available", tags={**AMI.tags, **undo.since(NOW)})
    assert shared(look(leaving(ONLY), paris(gone, evidence=USED)).actions) == accounts(ALICE, BOB)


@pytest.mark.parametrize("changes", [{"deregistration_protection": "enabled-without-cooldown"}, {}], ids=["protected", "released"])
def test_it_is_shared_again_whatever_keeps_it_by_then(changes: Mapping[str, str]) -> None:
    gone = disabled(leaving(ONLY), accounts(ALICE))
    of = leaving(ONLY) if changes else replace(leaving(ONLY), delete=False)
    assert shared(look(of, paris(replace(gone, state="available", **changes))).actions) == accounts(ALICE)  # type: ignore[arg-type]


@pytest.mark.parametrize("granted_before", [NOBODY, accounts(ALICE)], ids=["and was never ours", "but had been granted by us"])
def test_a_kept_image_gets_back_whom_nobody_declares(granted_before: Principals) -> None:
    """Declared again after it had gone dark. Whom the spec dropped together with the region was not foreign."""
    gone = disabled(leaving(replace(KEEPS, principals=NOBODY)), accounts(ALICE, EVE), granted=granted_before)
    back = whole.look(version(PARIS, sharing=replace(KEEPS, principals=NOBODY)), paris(replace(gone, state="available"))).actions
    assert shared(back) == accounts(EVE, ALICE) - granted_before


def test_only_a_stage_counts_as_a_stage() -> None:
    gone = disabled(leaving(ONLY), accounts(ALICE))
    assert undo.disabled_since(gone) > 0
    assert not undo.by_stage(gone)
    assert undo.by_stage(replace(gone, tags={**AMI.tags, **undo.since(NOW)}))


@pytest.mark.parametrize("sharing", [ONLY, KEEPS, UNDECLARED], ids=["Remove", "Keep", "undeclared"])
@pytest.mark.parametrize("first", [1, 2], ids=["before it is disabled", "and before it is gone"])
@pytest.mark.parametrize("second", range(4))
def test_an_image_found_in_use_is_as_before_whenever_the_process_dies(sharing: Sharing, first: int, second: int) -> None:
    world = World()
    world.add(HOME, source_ami(), snapshot_tags={})
    declared = Controller(world, version(HOME, PARIS, sharing=sharing, delete=True))
    declared.converge()
    (image_id,) = world.images[PARIS]
    world.launch[image_id] = world.launch.get(image_id, NOBODY) | (NOBODY if sharing is ONLY else accounts(EVE))
    before, tags = world.launch[image_id], world.images[PARIS][image_id].tags

    going = Controller(world, version(HOME, sharing=sharing, delete=True), declared.recorded, declared.granted)
    for world.budget in (first, second):
        with suppress(Stopped):
            going.converge()
        world.users[image_id] = "instance i-user"
        going = Controller(world, going.version, going.recorded, going.granted)
    world.budget = None
    going.converge()

    image = world.images[PARIS][image_id]
    assert (image.state, image.tags, world.launch[image_id]) == ("available", tags, before)
