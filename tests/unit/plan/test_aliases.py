"""Aliases: written when somebody may launch what they name, never over somebody else's, and not when nothing changed."""

from dataclasses import replace

import pytest

from goldenami.api.reasons import Reason
from goldenami.plan import aliases
from goldenami.plan.actions import Action, DeleteParameter, PutParameter, TagParameter
from goldenami.plan.aliases import Alias, Parameters
from goldenami.plan.values import Parameter, Problem
from support.plan import HOME, OWNER, STRANGER, place

NAME = "/golden/web/current"
WANTED, WAITING = Alias(place(), NAME, "ami-1"), Alias(place(), NAME, why_not="no image yet")
OURS, THEIRS = {"goldenami.dev/owner": str(OWNER)}, {"goldenami.dev/owner": str(STRANGER)}
RELEASED = {"goldenami.dev/released": str(OWNER)}
PARAMETER = Parameter(NAME, 1, "aws:ec2:image", OURS, "ami-1")
UNMARK = TagParameter(place(), NAME, remove=("goldenami.dev/released",))
UPDATE = PutParameter(place(), NAME, "ami-1", create=False)


@pytest.mark.parametrize(
    ("alias", "known", "reason", "actions"),
    [
        pytest.param(
            WANTED,
            Parameters(),
            Reason.ALIAS_PENDING,
            (PutParameter(place(), NAME, "ami-1", create=True, tags=OURS),),
            id="a missing one is created with our tag in the call",
        ),
        pytest.param(WAITING, Parameters(), Reason.ALIAS_PENDING, (), id="not before there is an image"),
        pytest.param(
            WANTED, Parameters({NAME: PARAMETER}), Reason.SUCCEEDED, (), id="an equal one is not written: that would be a version"
        ),
        pytest.param(
            WANTED, Parameters({NAME: replace(PARAMETER, value="ami-0")}), Reason.ALIAS_PENDING, (UPDATE,), id="another value is replaced"
        ),
        pytest.param(
            WANTED, Parameters({NAME: replace(PARAMETER, value="")}), Reason.ALIAS_PENDING, (), id="an unread value is read first"
        ),
        pytest.param(WAITING, Parameters({NAME: PARAMETER}), Reason.ALIAS_PENDING, (), id="without an image the value stays"),
        pytest.param(
            WANTED,
            Parameters({NAME: replace(PARAMETER, data_type="text", value="ami-0")}),
            Reason.ALIAS_CONFLICT,
            (),
            id="text cannot become an image",
        ),
        pytest.param(
            WANTED,
            Parameters(taken={NAME: replace(PARAMETER, tags=THEIRS)}),
            Reason.ALIAS_CONFLICT,
            (),
            id="another owner's is not overwritten",
        ),
        pytest.param(WANTED, Parameters(taken={NAME: replace(PARAMETER, tags={})}), Reason.ALIAS_CONFLICT, (), id="nor one without a tag"),
        pytest.param(
            WANTED,
            Parameters({NAME: replace(PARAMETER, tags=THEIRS)}),
            Reason.ALIAS_CONFLICT,
            (),
            id="nor one that another object of ours owns",
        ),
        pytest.param(
            WANTED,
            Parameters(taken={NAME: replace(PARAMETER, tags=RELEASED)}),
            Reason.ALIAS_PENDING,
            (TagParameter(place(), NAME, OURS, ("goldenami.dev/released",)),),
            id="one that was released before is taken back",
        ),
        pytest.param(
            WANTED,
            Parameters(taken={NAME: replace(PARAMETER, tags={"goldenami.dev/released": str(STRANGER)})}),
            Reason.ALIAS_CONFLICT,
            (),
            id="not one that another object released",
        ),
        pytest.param(
            WANTED,
            Parameters({NAME: replace(PARAMETER, tags={**OURS, **RELEASED})}),
            Reason.SUCCEEDED,
            (UNMARK,),
            id="the mark of a release that was left beside our tag goes",
        ),
        pytest.param(
            WANTED,
            Parameters(taken={NAME: replace(PARAMETER, tags={**OURS, **RELEASED}, value="ami-0")}),
            Reason.ALIAS_PENDING,
            (UNMARK, UPDATE),
            id="also where the name turned out to be taken by ourselves",
        ),
        pytest.param(
            WANTED, Parameters(taken={NAME: PARAMETER}), Reason.SUCCEEDED, (), id="a name that turns out to be taken by ourselves is ours"
        ),
        pytest.param(
            WANTED, Parameters(problem=Problem(Reason.THROTTLED, "later")), Reason.THROTTLED, (), id="an unreadable region is not decided"
        ),
    ],
)
def test_one_alias(alias: Alias, known: Parameters, reason: Reason, actions: tuple[Action, ...]) -> None:
    (found,) = aliases.look(OWNER, (alias,), {place(): known})
    assert (found.reason, found.actions) == (reason, actions)
    assert found.value_needed is (known.ours.get(NAME) == replace(PARAMETER, value=""))
    assert NAME in found.message or known.problem


def test_two_aliases_of_one_parameter_do_not_overwrite_each_other() -> None:
    other, same = replace(WANTED, image_id="ami-2"), replace(WANTED)
    first, second, third = aliases.look(OWNER, (WANTED, other, same), {place(): Parameters({NAME: PARAMETER})})
    assert (first.reason, second.reason, third.reason) == (Reason.SUCCEEDED, Reason.ALIAS_CONFLICT, Reason.NOTHING_DECLARED)
    assert "declared twice" in second.message
    assert not second.actions


def test_the_same_parameter_in_two_regions_is_two() -> None:
    found = aliases.look(OWNER, (WANTED, replace(WANTED, place=place(HOME))), {})
    assert [one.actions[0].place.region for one in found] == ["eu-west-3", HOME]


@pytest.mark.parametrize(
    ("wanted", "known", "delete", "actions"),
    [
        pytest.param((WANTED,), Parameters({NAME: PARAMETER}), True, (), id="a declared one stays"),
        pytest.param((WAITING,), Parameters({NAME: PARAMETER}), True, (), id="also while it has no image"),
        pytest.param((), Parameters({NAME: PARAMETER}), True, (DeleteParameter(place(), NAME),), id="under Delete one that is not goes"),
        pytest.param(
            (),
            Parameters({NAME: PARAMETER}),
            False,
            (TagParameter(place(), NAME, RELEASED, ("goldenami.dev/owner",)),),
            id="under Retain it is released with its value",
        ),
        pytest.param((), Parameters({NAME: replace(PARAMETER, tags=THEIRS)}), True, (), id="another owner's is not looked at"),
        pytest.param((), Parameters(taken={NAME: PARAMETER}), True, (), id="nor what was only looked up"),
        pytest.param(
            (replace(WANTED, place=place(HOME)),), Parameters({NAME: PARAMETER}), True, (DeleteParameter(place(), NAME),), id="by region"
        ),
    ],
)
def test_what_nothing_declares_any_more(wanted: tuple[Alias, ...], known: Parameters, delete: bool, actions: tuple[Action, ...]) -> None:
    assert aliases.surplus(OWNER, wanted, {place(): known}, delete=delete) == actions
