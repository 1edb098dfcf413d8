"""Retirement: nothing goes without evidence, nothing that is not ours goes at all, and under Retain nothing goes."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from goldenami.api.reasons import Reason
from goldenami.plan import retirement, undo
from goldenami.plan.actions import (
    Action,
    DeleteSnapshot,
    DeregisterImage,
    DisableImage,
    EnableImage,
    RemoveTags,
    RevokeKey,
    SetTags,
    UnshareSnapshot,
)
from goldenami.plan.desired import InstanceSource, SnapshotSource, Version
from goldenami.plan.evidence import Evidence, Source, Testimony
from goldenami.plan.identity import ADOPTED_ROLE, Owner, grant_name
from goldenami.plan.observed import Finding, Need, NeedKind, Observed, Recorded
from goldenami.plan.values import NOBODY, Image, KeyGrant, Problem, Snapshot
from support.plan import (
    ALICE,
    EVE,
    HOME,
    NOW,
    OWNER,
    PARIS,
    STRANGER,
    accounts,
    evidence,
    golden_ami,
    granted,
    home_ami,
    key,
    observed,
    place,
    retagged,
    snapshot,
    unused,
    used,
    version,
    view,
)
from support.plan_world import Controller, Stopped, World

# Paris is not declared any more.
DELETE, RETAIN = version(HOME, delete=True), version(HOME)
AMI = golden_ami()
DISABLED = replace(AMI, state="disabled")
GOING_DARK = replace(DISABLED, tags={**AMI.tags, **undo.since(NOW - 60)})
UNUSED = {"ami-1": unused()}
FRESH = frozenset({PARIS})


def unknown(problem: Problem) -> Evidence:
    return evidence("ami-1", Testimony(Source.INSTANCES, problem=problem))


def paris(*images: Image, snapshots: tuple[Snapshot, ...] = (), kms_key_arn: str = "", **changes: Any) -> Observed:
    return observed(view(*images, snapshots=snapshots, kms_key_arn=kms_key_arn), **changes)


def look(seen: Observed, of: Version = DELETE, *, everything: bool = False) -> Finding | None:
    found = retirement.look(of, seen, everything=everything)
    assert len(found) <= 1
    return found[0] if found else None


def kinds(found: Finding | None) -> list[type[Action]]:
    return [type(action) for action in found.actions] if found else []


@pytest.mark.parametrize(
    ("seen", "reason", "actions", "needs"),
    [
        pytest.param(paris(AMI), Reason.DELETING, [], [NeedKind.EVIDENCE], id="users are looked for first"),
        pytest.param(paris(AMI, evidence=UNUSED), Reason.DELETING, [SetTags, DisableImage], [], id="an unused image is disabled first"),
        pytest.param(paris(DISABLED), Reason.DELETING, [], [NeedKind.EVIDENCE], id="before it is removed, users are looked for again"),
        pytest.param(paris(DISABLED, evidence=UNUSED), Reason.DELETING, [DeregisterImage], [], id="unused still, it is deregistered"),
        pytest.param(paris(AMI, evidence={"ami-1": used("ami-1", "instance i-1")}), Reason.IN_USE, [], [], id="an instance keeps it"),
        pytest.param(
            paris(AMI, evidence={"ami-1": used("ami-1", "launch template lt-1:2")}), Reason.IN_USE, [], [], id="a launch template keeps it"
        ),
        pytest.param(
            paris(GOING_DARK, evidence={"ami-1": used("ami-1", "instance i-1")}),
            Reason.IN_USE,
            [EnableImage],
            [],
            id="in use again, it is enabled again",
        ),
        pytest.param(
            paris(DISABLED, evidence={"ami-1": used("ami-1", "instance i-1")}),
            Reason.IN_USE,
            [],
            [],
            id="one that a person disabled stays disabled",
        ),
        pytest.param(
            paris(AMI, evidence={"ami-1": unknown(Problem(Reason.THROTTLED, "later"))}),
            Reason.EVIDENCE_INCOMPLETE,
            [],
            [],
            id="where nobody can tell, it stays",
        ),
        pytest.param(
            paris(DISABLED, evidence={"ami-1": unknown(Problem(Reason.ACCESS_DENIED, "ec2:DescribeInstances", stalled=True))}),
            Reason.EVIDENCE_INCOMPLETE,
            [],
            [],
            id="also when it is disabled already",
        ),
        pytest.param(
            paris(replace(AMI, deregistration_protection="enabled-with-cooldown"), evidence=UNUSED),
            Reason.IN_USE,
            [],
            [],
            id="a protected image is not even disabled",
        ),
        pytest.param(
            paris(replace(DISABLED, deregistration_protection="disabled after 2026-11-22T05:00:00Z"), evidence=UNUSED),
            Reason.IN_USE,
            [],
            [],
            id="nor touched during the cooldown",
        ),
        pytest.param(
            paris(replace(DISABLED, deregistration_protection="disabled"), evidence=UNUSED),
            Reason.DELETING,
            [DeregisterImage],
            [],
            id="an unprotected image may go",
        ),
        pytest.param(
            paris(golden_ami(state="pending")), Reason.DELETING, [], [NeedKind.SNAPSHOTS], id="a pending copy's snapshots are looked for"
        ),
        pytest.param(
            paris(golden_ami(state="pending"), fresh_snapshots=FRESH),
            Reason.DELETING,
            [DeregisterImage],
            [],
            id="a pending copy is cancelled",
        ),
        pytest.param(
            paris(golden_ami(state="transient"), evidence={"ami-1": unused()}, fresh_snapshots=FRESH),
            Reason.DELETING,
            [],
            [],
            id="a transient one may have been launched before, and is waited for",
        ),
        pytest.param(
            paris(golden_ami(state="failed"), fresh_snapshots=FRESH), Reason.DELETING, [DeregisterImage], [], id="a failed copy is cleared"
        ),
        pytest.param(
            paris(golden_ami(state="invalid"), evidence=UNUSED, fresh_snapshots=FRESH),
            Reason.EVIDENCE_INCOMPLETE,
            [],
            [],
            id="one that is broken in another way may have been launched before, and is for a person",
        ),
        pytest.param(paris(golden_ami(state="odd"), evidence=UNUSED), Reason.DELETING, [], [], id="a state nobody knows is waited out"),
        pytest.param(
            paris(golden_ami(state="lost")), Reason.DELETING, [], [NeedKind.IMAGE], id="an image that was never listed is looked up"
        ),
        pytest.param(
            paris(golden_ami(state="lost"), looked_up={"ami-1": AMI}), Reason.DELETING, [], [], id="and waited for when it exists"
        ),
    ],
)
def test_the_way_out(seen: Observed, reason: Reason, actions: list[type], needs: list[NeedKind]) -> None:
    found = look(seen)
    assert found is not None
    assert (found.reason, kinds(found), [need.kind for need in found.needs]) == (reason, actions, needs)
    assert "2026" not in found.message


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(paris(), id="an empty region"),
        pytest.param(paris(retagged(AMI, owner=str(STRANGER))), id="another object's image"),
        pytest.param(paris(retagged(AMI, version="0.9.0")), id="another version's image"),
        pytest.param(paris(retagged(AMI, owner=None)), id="an image that has lost its tag"),
        pytest.param(paris(golden_ami(state="lost"), looked_up={"ami-1": None}), id="a lost image that does not exist"),
        pytest.param(
            paris(golden_ami(state="lost"), looked_up={"ami-1": retagged(AMI, owner=None)}), id="a lost image that has lost its tag"
        ),
        pytest.param(observed(view(AMI, region=HOME)), id="a declared region"),
    ],
)
@pytest.mark.parametrize("of", [DELETE, RETAIN], ids=["Delete", "Retain"])
def test_where_nothing_is_left_to_do(seen: Observed, of: Version) -> None:
    assert look(seen, of) is None


def test_who_uses_an_image_is_named_but_not_endlessly() -> None:
    found = look(
        paris(AMI, evidence={"ami-1": used("ami-1", "instance i-1", "instance i-2", "launch template lt-1:1", "launch template lt-2:7")})
    )
    assert found is not None
    assert "instance i-1, instance i-2, launch template lt-1:1 and 1 more" in found.message


# --- snapshots ---


def test_an_image_goes_with_its_snapshots_and_with_no_other() -> None:
    image = replace(DISABLED, snapshot_ids=("snap-1", "snap-shared", "snap-theirs"))
    other = golden_ami("ami-2", state="pending", snapshot_ids=("snap-shared",))
    theirs = snapshot("snap-theirs", tags={"goldenami.dev/owner": str(STRANGER), "goldenami.dev/version": "1.0.0"})
    seen = paris(image, other, snapshots=(theirs, snapshot("snap-loose", tags=image.tags)), evidence=UNUSED, fresh_snapshots=FRESH)
    found = look(seen)
    assert found is not None
    first = found.actions[0]
    assert isinstance(first, DeregisterImage)
    assert first.snapshot_ids == ("snap-1",)


def test_an_image_does_not_go_before_its_snapshots_are_known() -> None:
    seen = observed(replace(view(DISABLED), snapshots={}), evidence=UNUSED)
    found = look(seen)
    assert found is not None
    assert (found.actions, found.needs) == ((), (Need(NeedKind.SNAPSHOTS, PARIS),))


LEFT = snapshot("snap-left", tags=AMI.tags)
MADE_FOR = replace(LEFT, description="Copied for DestinationAmi ami-1 from SourceAmi ami-0 for SourceSnapshot snap-0.")


@pytest.mark.parametrize(
    ("seen", "of", "everything", "actions"),
    [
        pytest.param(
            paris(snapshots=(LEFT,), fresh_snapshots=FRESH), DELETE, False, [DeleteSnapshot], id="what a deregistration left behind goes"
        ),
        pytest.param(paris(snapshots=(LEFT,), fresh_snapshots=FRESH), RETAIN, False, [], id="under Retain it stays"),
        pytest.param(
            paris(snapshots=(replace(LEFT, tags={}),), fresh_snapshots=FRESH), DELETE, False, [], id="a snapshot without our tag stays"
        ),
        pytest.param(
            observed(view(region=HOME, snapshots=(LEFT,)), fresh_snapshots=frozenset({HOME})),
            DELETE,
            False,
            [],
            id="where the version is declared, an image deregistered by hand leaves its snapshots: they may be the only way back",
        ),
        pytest.param(
            observed(view(region=HOME, snapshots=(LEFT,)), fresh_snapshots=frozenset({HOME, PARIS})),
            DELETE,
            True,
            [DeleteSnapshot],
            id="on deletion they go as well",
        ),
        pytest.param(
            paris(snapshots=(MADE_FOR,), fresh_snapshots=FRESH),
            DELETE,
            False,
            [],
            id="a snapshot made for an image waits until that is known",
        ),
        pytest.param(
            paris(snapshots=(MADE_FOR,), fresh_snapshots=FRESH, looked_up={"ami-1": retagged(AMI, owner=None)}),
            DELETE,
            False,
            [],
            id="it stays while that image exists",
        ),
        pytest.param(
            paris(snapshots=(MADE_FOR,), fresh_snapshots=FRESH, looked_up={"ami-1": None}),
            DELETE,
            False,
            [DeleteSnapshot],
            id="and goes when it does not",
        ),
    ],
)
def test_snapshots_left_behind(seen: Observed, of: Version, everything: bool, actions: list[type]) -> None:
    assert kinds(look(seen, of, everything=everything)) == actions


@pytest.mark.parametrize(
    ("recorded", "everything", "asked"),
    [
        pytest.param({}, False, False, id="at rest nothing is read for regions left long ago"),
        pytest.param({PARIS: Recorded("ami-1", "available")}, False, True, id="where an image has just gone, the listing has to be newer"),
        pytest.param({}, True, True, id="before an object is let go, the listing has to be newer"),
    ],
)
def test_when_snapshots_are_looked_for(recorded: dict[str, Recorded], everything: bool, asked: bool) -> None:
    found = retirement.look(DELETE, observed(recorded=recorded), everything=everything)
    assert any(Need(NeedKind.SNAPSHOTS, PARIS) in finding.needs for finding in found) is asked


def test_a_home_image_in_the_making_keeps_its_snapshots() -> None:
    of = version(PARIS, source=InstanceSource("i-1"), delete=True)
    home = home_ami(of=of, state="pending", snapshot_ids=())
    seen = observed(view(home, region=HOME, snapshots=(snapshot("snap-new", tags=home.tags),)), fresh_snapshots=frozenset({HOME}))
    assert look(seen, of) is None


# --- keys and the source snapshot ---

ARN = key()
MINE = KeyGrant("grant-1", grant_name(OWNER, "1.0.0", PARIS, ALICE), ALICE)
THEIRS = KeyGrant("grant-2", "by-hand", EVE)


def test_key_grants_of_ours_go_with_the_image_and_others_stay() -> None:
    seen = paris(DISABLED, kms_key_arn=ARN, evidence=UNUSED)
    asked = look(seen)
    assert asked is not None
    assert (asked.actions, asked.needs) == ((), (Need(NeedKind.GRANTS, PARIS, "ami-1"),))
    found = look(replace(seen, grants={"ami-1": granted(keys={ARN: (MINE, THEIRS)})}))
    assert found is not None
    assert found.actions == (RevokeKey(place(), ARN, "grant-1", ALICE), DeregisterImage(place(), "ami-1", ("snap-1",), owner=OWNER))


def test_a_double_takes_no_key_grant_with_it_that_the_replica_lives_on() -> None:
    double = golden_ami("ami-2", state="disabled")
    seen = observed(view(AMI, double, kms_key_arn=ARN), evidence={"ami-2": unused("ami-2")})
    step = retirement.step(version(), double, seen)
    assert [type(action) for action in step.actions] == [DeregisterImage]


def test_the_source_snapshot_stays_and_only_our_permissions_on_it_go() -> None:
    of = version(HOME, source=SnapshotSource("snap-given", "x86_64", "uefi", "/dev/xvda"), delete=True)
    home = home_ami("ami-1", of, state="disabled", snapshot_ids=("snap-given",))
    given = snapshot("snap-given", tags=home.tags)
    seen = observed(
        view(home, region=HOME, snapshots=(given,)),
        evidence=UNUSED,
        granted=accounts(ALICE),
        grants={"ami-1": granted(NOBODY, {"snap-given": accounts(ALICE, EVE)})},
        fresh_snapshots=frozenset({HOME, PARIS}),
    )
    found = look(seen, of, everything=True)
    assert found is not None
    assert found.actions == (UnshareSnapshot(place(HOME), "snap-given", (ALICE,)), DeregisterImage(place(HOME), "ami-1", (), owner=OWNER))


# --- Retain ---


@pytest.mark.parametrize(
    ("seen", "reason", "actions"),
    [
        pytest.param(paris(AMI), Reason.RELEASED, [SetTags, RemoveTags], id="an image is released"),
        pytest.param(paris(DISABLED), Reason.RELEASED, [SetTags, RemoveTags], id="a disabled one is released as it is"),
        pytest.param(
            paris(golden_ami(state="error")),
            Reason.RELEASED,
            [SetTags, RemoveTags],
            id="one that may have been launched before it broke, too",
        ),
        pytest.param(
            paris(replace(AMI, deregistration_protection="enabled-with-cooldown")),
            Reason.RELEASED,
            [SetTags, RemoveTags],
            id="a protected one too",
        ),
        pytest.param(paris(golden_ami(state="pending")), Reason.DELETING, [], id="a pending one is waited for: it has snapshots to come"),
        pytest.param(
            paris(golden_ami(state="failed"), fresh_snapshots=FRESH), Reason.DELETING, [DeregisterImage], id="a failed one is cleared"
        ),
        pytest.param(
            paris(AMI, golden_ami("ami-2", state="pending")),
            Reason.DELETING,
            [SetTags, RemoveTags],
            id="while one is waited for, the region is not done",
        ),
        pytest.param(
            observed(replace(view(AMI), snapshots={})), Reason.RELEASED, [], id="nothing is released before its snapshots are known"
        ),
    ],
)
@pytest.mark.parametrize("everything", [False, True], ids=["a region removed", "an object deleted"])
def test_under_retain(seen: Observed, reason: Reason, actions: list[type], everything: bool) -> None:
    found = look(seen, RETAIN, everything=everything)
    assert found is not None
    assert (found.reason, kinds(found)) == (reason, actions)


def test_a_release_replaces_the_owner_and_leaves_everything_else() -> None:
    found = look(paris(AMI), RETAIN)
    assert found is not None
    assert found.actions == (
        SetTags(place(), ("ami-1", "snap-1"), {"goldenami.dev/released": str(OWNER)}),
        RemoveTags(place(), ("ami-1", "snap-1"), ("goldenami.dev/owner",)),
    )


ADOPTED = retagged(golden_ami(role=ADOPTED_ROLE), notes="new kernel")
SOURCE = retagged(golden_ami("ami-source"), source="image/us-east-1/ami-source adopt=true")
LONG = Owner("an installation with a name of its own " * 6, "images", "web")


def release(image: Image, of: Version = RETAIN, *, everything: bool = True) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """The tags that are added, and the keys of those that go, on image and snapshot."""
    found = retirement.look(of, paris(image), everything=everything)[0]
    add, drop = found.actions
    assert isinstance(add, SetTags)
    assert isinstance(drop, RemoveTags)
    assert add.resource_ids == drop.resource_ids == (image.image_id, image.snapshot_ids[0])
    return add.tags, tuple(key.removeprefix("goldenami.dev/") for key in drop.keys)


@pytest.mark.parametrize("everything", [False, True], ids=["a region removed", "an object deleted"])
@pytest.mark.parametrize(
    ("image", "told"),
    [
        pytest.param(ADOPTED, f"{OWNER} 1.0.0 adopted {version().source_tag}", id="adopted"),
        pytest.param(SOURCE, f"{OWNER} 1.0.0 replica image/us-east-1/ami-source adopt=true", id="the declared source itself"),
    ],
)
def test_what_was_there_before_keeps_one_tag_of_ours(image: Image, told: str, everything: bool) -> None:
    added, dropped = release(image, everything=everything)
    assert added == {"goldenami.dev/released": told}
    assert {f"goldenami.dev/{key}" for key in dropped} == {key for key in image.tags if key.startswith("goldenami.dev/")}


@pytest.mark.parametrize(
    ("image", "of", "kept"),
    [
        pytest.param(AMI, RETAIN, str(OWNER), id="what we made is found again by its tags"),
        pytest.param(
            ADOPTED, replace(RETAIN, channels=frozenset({"stable"})), str(OWNER), id="what a channel names comes back from its tags"
        ),
        pytest.param(retagged(ADOPTED, owner=str(LONG)), replace(RETAIN, owner=LONG), str(LONG), id="and what one tag cannot hold"),
    ],
)
def test_only_the_owner_is_replaced(image: Image, of: Version, kept: str) -> None:
    assert release(image, of) == ({"goldenami.dev/released": kept}, ("owner",))


def test_a_region_is_given_up_whatever_channel_names_the_version() -> None:
    """Its images do not come back at once."""
    assert len(release(ADOPTED, replace(RETAIN, channels=frozenset({"stable"})), everything=False)[1]) > 1


def test_a_disabled_one_goes_on_remembering_whom_it_was_shared_with() -> None:
    image = replace(ADOPTED, state="disabled", tags={**ADOPTED.tags, **undo.since(NOW), "goldenami.dev/grants": ALICE})
    assert not {"disabled-since", "grants"} & set(release(image)[1])


@pytest.mark.parametrize("budget", range(5))
def test_released_and_taken_back_it_is_what_it_was_wherever_the_process_is_killed(budget: int) -> None:
    of = replace(RETAIN, replicas=version(PARIS).replicas, adopted={PARIS: "ami-1"})
    world = World(budget=budget)
    world.add(PARIS, golden_ami(of=of, role=ADOPTED_ROLE))
    before = world.images[PARIS]["ami-1"], world.snapshots[PARIS]["snap-1"]
    with suppress(Stopped):
        Controller(world, of).converge(everything=True)
    if budget == 4:
        assert set(world.images[PARIS]["ami-1"].tags) - set(before[0].tags) == {"goldenami.dev/released"}
        assert {key for key in world.images[PARIS]["ami-1"].tags if key.startswith("goldenami.dev/")} == {"goldenami.dev/released"}
    world.budget = None
    # Nothing says any more that it was adopted.
    Controller(world, replace(of, adopted={})).converge()
    assert (world.images[PARIS]["ami-1"], world.snapshots[PARIS]["snap-1"]) == before
    assert len(world.images[PARIS]) == 1


# --- home images and regions ---


@pytest.mark.parametrize("of", [DELETE, RETAIN], ids=["Delete", "Retain"])
def test_a_home_image_is_kept_as_the_source_until_the_object_goes(of: Version) -> None:
    of = replace(of, source=InstanceSource("i-1"), replicas=version(PARIS).replicas)
    seen = observed(view(home_ami(of=of), region=HOME))
    assert look(seen, of) is None
    found = retirement.look(of, replace(seen, fresh_snapshots=frozenset({HOME, PARIS})), everything=True)
    assert [finding.region for finding in found] == [HOME]


def test_a_region_that_cannot_be_read_is_not_done() -> None:
    found = look(observed(view(problem=Problem(Reason.REGION_UNREACHABLE, "eu-west-3 does not answer"))))
    assert found is not None
    assert (found.reason, found.actions) == (Reason.REGION_UNREACHABLE, ())


def test_what_keeps_an_image_is_said_before_what_goes() -> None:
    kept, failed = golden_ami("ami-2"), golden_ami("ami-3", state="failed")
    found = look(paris(failed, kept, evidence={"ami-2": used("ami-2", "instance i-1")}, fresh_snapshots=FRESH))
    assert found is not None
    assert (found.reason, kinds(found)) == (Reason.IN_USE, [DeregisterImage])
