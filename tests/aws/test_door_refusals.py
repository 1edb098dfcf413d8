"""Principals that AWS refuses: everybody else gets what is declared, at a bounded price, and nobody asks again and again."""

from collections.abc import Callable

import pytest

from goldenami.aws import refusals
from goldenami.aws.effects import Outcome
from goldenami.local.aws import LocalAws
from goldenami.plan import actions as do
from goldenami.plan import identity
from goldenami.plan.actions import Action
from goldenami.plan.values import Principals
from support.door import OWNER, TAGS, VERSION, Door, open_door

ALICE, BOB, NOBODY_HAS = "111111111111", "222222222222", "333333333333"
CROWD = [f"4{number:011d}" for number in range(500)]
WRITES = ("ec2.ModifyImageAttribute", "ec2.ModifySnapshotAttribute", "kms.CreateGrant")


@pytest.fixture
def door(ec2_lab: LocalAws, monkeypatch: pytest.MonkeyPatch) -> Door:
    return open_door(ec2_lab, monkeypatch)


def unknown(door: Door, *accounts: str) -> None:
    door.cloud.aws.lab.settings(unknown_accounts=list(accounts))


def copied(door: Door, name: str = "web-1.4.2", key: str | None = None) -> tuple[str, str]:
    """An available image of ours in the other region and its snapshot."""
    copy = do.CopyImage(door.away, door.cloud.image(), door.home.region, name, f"token-{name}", kms_key_id=key, tags=TAGS)
    image_id = door.effects.perform(copy)
    door.cloud.pass_time()
    (image,) = (image for image in door.inventory.region(door.away, not_older_than=door.now).images if image.image_id == image_id)
    door.inventory.grants(door.away, image, not_older_than=0.0, key_arns=(key,) if key else ())
    return image_id, image.snapshot_ids[0]


def sharing(door: Door, image_id: str, snapshot_id: str, *accounts: str) -> list[Action]:
    return [
        do.ShareSnapshot(door.away, snapshot_id, accounts),
        do.ShareImage(door.away, image_id, Principals(accounts=frozenset(accounts))),
    ]


def tried(door: Door) -> int:
    return sum(door.counts().get(name, 0) for name in WRITES)


def acted(door: Door, actions: list[Action]) -> tuple[list[Outcome], int]:
    """What came of them, and how many calls they took."""
    door.forget_audit()
    return door.effects.perform_all(actions), tried(door)


def granted(door: Door, image_id: str, snapshot_id: str) -> tuple[set[str], set[str]]:
    ec2 = door.cloud.ec2(door.away.region)
    launch = ec2.describe_image_attribute(ImageId=image_id, Attribute="launchPermission")["LaunchPermissions"]
    volumes = ec2.describe_snapshot_attribute(SnapshotId=snapshot_id, Attribute="createVolumePermission")["CreateVolumePermissions"]
    return {row["UserId"] for row in launch}, {row["UserId"] for row in volumes}


def messages(outcomes: list[Outcome]) -> list[str]:
    return list(dict.fromkeys(outcome.problem.message for outcome in outcomes if outcome.problem))


def test_one_of_three_is_refused_and_named_and_the_others_get_everything(door: Door) -> None:
    image, part = copied(door)
    unknown(door, NOBODY_HAS)
    outcomes, _ = acted(door, sharing(door, image, part, ALICE, BOB, NOBODY_HAS))
    assert granted(door, image, part) == ({ALICE, BOB}, {ALICE, BOB})
    assert [(outcome.action, outcome.done) for outcome in outcomes] == [
        (do.ShareSnapshot(door.away, part, (ALICE, BOB)), True),
        (do.ShareSnapshot(door.away, part, (NOBODY_HAS,)), False),
        (do.ShareImage(door.away, image, Principals(accounts=frozenset({ALICE, BOB}))), True),
    ]
    (problem,) = [outcome.problem for outcome in outcomes if outcome.problem]
    assert (problem.reason, problem.stalled) == ("PrincipalRefused", True)
    for words in (NOBODY_HAS, "eu-west-1", "Invalid attribute item value", "spec.sharing"):
        assert words in problem.message
    assert ALICE not in problem.message
    known = door.inventory.cached_grants(door.away, image)
    assert known is not None
    assert known.launch == Principals(accounts=frozenset({ALICE, BOB}))


def test_who_is_refused_a_key_is_given_neither_snapshot_nor_image_and_the_others_all_three(door: Door) -> None:
    key = door.cloud.key(door.away.region)
    image, part = copied(door, key=key)
    unknown(door, NOBODY_HAS)
    keys: list[Action] = [
        do.GrantKey(door.away, key, identity.grant_name(OWNER, VERSION, door.away.region, account), account)
        for account in (ALICE, NOBODY_HAS, BOB)
    ]
    outcomes, calls = acted(door, [*keys, *sharing(door, image, part, ALICE, BOB, NOBODY_HAS)])
    assert granted(door, image, part) == ({ALICE, BOB}, {ALICE, BOB})
    assert {row["GranteePrincipal"].split(":")[4] for row in door.cloud.kms(door.away.region).list_grants(KeyId=key)["Grants"]} == {
        ALICE,
        BOB,
    }
    assert [type(outcome.action) for outcome in outcomes if outcome.error] == [do.GrantKey]
    assert calls == 3 + 1 + 1


@pytest.mark.parametrize("place", [pytest.param(0, id="first"), pytest.param(250, id="in the middle"), pytest.param(499, id="last")])
def test_one_of_five_hundred_is_found_in_twice_the_logarithm_of_calls(door: Door, place: int) -> None:
    image, _ = copied(door)
    unknown(door, CROWD[place])
    outcomes, calls = acted(door, [do.ShareImage(door.away, image, Principals(accounts=frozenset(CROWD)))])
    known = door.inventory.cached_grants(door.away, image)
    assert known is not None
    assert known.launch.accounts == set(CROWD) - {CROWD[place]}
    assert CROWD[place] in messages(outcomes)[0]
    assert calls <= 19


def test_who_was_refused_is_asked_for_again_after_five_minutes_for_all_images_together(door: Door) -> None:
    first, second = copied(door), copied(door, "web-1.4.3")
    unknown(door, NOBODY_HAS)
    before, _ = acted(door, sharing(door, *first, ALICE, NOBODY_HAS))
    standing = sharing(door, *first, NOBODY_HAS)
    for _ in range(3):
        again, calls = acted(door, standing)
        assert (calls, messages(again)) == (0, messages(before))
    # The next image is shared with the others in one call each.
    outcomes, calls = acted(door, sharing(door, *second, ALICE, NOBODY_HAS))
    assert (calls, granted(door, *second), messages(outcomes)) == (2, ({ALICE}, {ALICE}), messages(before))
    door.cloud.pass_time(refusals.REMEMBERED_SECONDS)
    assert [acted(door, each)[1] for each in (standing, standing, sharing(door, *second, NOBODY_HAS))] == [1, 0, 0]
    # Somebody opened that account meanwhile.
    unknown(door)
    door.cloud.pass_time(refusals.REMEMBERED_SECONDS)
    outcomes, _ = acted(door, standing)
    assert (messages(outcomes), granted(door, *first)) == ([], ({ALICE, NOBODY_HAS}, {ALICE, NOBODY_HAS}))


def test_who_asks_for_a_look_at_everything_does_not_wait_for_that(door: Door) -> None:
    image = copied(door)
    unknown(door, NOBODY_HAS)
    acted(door, sharing(door, *image, NOBODY_HAS))
    unknown(door)
    door.inventory.permissions(door.away).refusals.forget()
    assert messages(acted(door, sharing(door, *image, NOBODY_HAS))[0]) == []


def test_many_that_are_refused_cost_a_bounded_number_of_calls_a_look_and_delay_the_others_by_a_few_looks(door: Door) -> None:
    image, _ = copied(door)
    bad, good = CROWD[:40], CROWD[40:100]
    unknown(door, *bad)
    missing, looks = set(bad + good), 0
    while missing & set(good):
        _, calls = acted(door, [do.ShareImage(door.away, image, Principals(accounts=frozenset(missing)))])
        known = door.inventory.cached_grants(door.away, image)
        assert known is not None
        assert calls <= refusals.MOST_CALLS
        missing, looks = missing - known.launch.accounts, looks + 1
        assert looks < 10
    # Once they are known, they are in nobody's way: not even when they are asked for again.
    door.cloud.pass_time(refusals.REMEMBERED_SECONDS)
    late = Principals(accounts=frozenset({*bad, "499999999999"}))
    acted(door, [do.ShareImage(door.away, image, late)])
    known = door.inventory.cached_grants(door.away, image)
    assert known is not None
    assert "499999999999" in known.launch.accounts


def test_what_is_refused_for_another_reason_is_tried_once_and_holds_up_what_follows(door: Door) -> None:
    image, part = copied(door)
    door.fault("refuse", operation="ModifySnapshotAttribute", code="UnauthorizedOperation")
    outcomes, calls = acted(door, sharing(door, image, part, ALICE, BOB))
    assert ([(outcome.done, outcome.skipped) for outcome in outcomes], calls) == ([(False, False), (False, True)], 1)


def test_where_sharing_fails_as_a_whole_that_is_what_is_told(door: Door) -> None:
    image, part = copied(door)
    unknown(door, NOBODY_HAS)
    door.fault("refuse", operation="ModifyImageAttribute", code="UnauthorizedOperation")
    outcomes, _ = acted(door, sharing(door, image, part, ALICE, NOBODY_HAS))
    assert [outcome.problem.reason for outcome in outcomes if outcome.problem] == ["AccessDenied"] * 2


def test_one_that_cannot_be_taken_off_keeps_nobody_else_on(door: Door) -> None:
    image, part = copied(door)
    acted(door, sharing(door, image, part, ALICE, BOB, NOBODY_HAS))
    door.fault("refuse", operation="Modify*Attribute", resource=NOBODY_HAS, code="InvalidAMIAttributeItemValue", times=100)
    everybody = Principals(accounts=frozenset({ALICE, BOB, NOBODY_HAS}))
    outcomes, _ = acted(door, [do.UnshareImage(door.away, image, everybody), do.UnshareSnapshot(door.away, part, (ALICE, BOB, NOBODY_HAS))])
    assert granted(door, image, part) == ({NOBODY_HAS}, {NOBODY_HAS})
    assert "stop sharing with" in messages(outcomes)[0]


def test_what_does_not_name_principals_only_is_believed_of_one_resource(door: Door) -> None:
    first, second = copied(door), copied(door, "web-1.4.3")
    door.fault("refuse", operation="ModifyImageAttribute", resource=first[0], code="InvalidParameterValue", times=100)
    acted(door, sharing(door, *first, ALICE))
    acted(door, sharing(door, *second, ALICE))
    assert granted(door, *second) == ({ALICE}, {ALICE})


GIVEN = Principals(frozenset({ALICE, BOB}), public=True)


@pytest.mark.parametrize(
    ("action", "left"),
    [
        pytest.param(
            lambda at: do.GrantKey(at, "arn", "name", ALICE), lambda at: do.GrantKey(at, "arn", "name", ALICE), id="a key's grant"
        ),
        pytest.param(lambda at: do.GrantKey(at, "arn", "name", BOB), lambda _: None, id="another's"),
        pytest.param(lambda at: do.ShareSnapshot(at, "s", (ALICE, BOB)), lambda at: do.ShareSnapshot(at, "s", (ALICE,)), id="a snapshot"),
        pytest.param(lambda at: do.ShareSnapshot(at, "s", (BOB,)), lambda _: None, id="a snapshot for others"),
        pytest.param(
            lambda at: do.UnshareSnapshot(at, "s", (ALICE, BOB), public=True),
            lambda at: do.UnshareSnapshot(at, "s", (ALICE,)),
            id="a snapshot taken back",
        ),
        pytest.param(
            lambda at: do.ShareImage(at, "i", GIVEN), lambda at: do.ShareImage(at, "i", Principals(frozenset({ALICE}))), id="an image"
        ),
        pytest.param(lambda at: do.UnshareImage(at, "i", Principals(public=True)), lambda _: None, id="an image that was everybody's"),
        pytest.param(lambda at: do.EnableImage(at, "i"), lambda at: do.EnableImage(at, "i"), id="what is about nobody"),
    ],
)
def test_an_action_for_some_of_its_principals(door: Door, action: Callable[..., Action], left: Callable[..., Action | None]) -> None:
    assert refusals.narrowed(action(door.away), frozenset({ALICE})) == left(door.away)
