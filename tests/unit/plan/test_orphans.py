"""Orphans: what belongs to nothing is found, and goes only after its time, with evidence, and where a policy says so."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from goldenami.api.reasons import Reason
from goldenami.plan import orphans
from goldenami.plan.actions import CancelImport, DeleteSnapshot, DeregisterImage, RemoveTags, SetTags
from goldenami.plan.orphans import Checked, Found, Noted, Orphan
from goldenami.plan.suspects import Family, Kind
from goldenami.plan.values import Image, ImportTask, Problem, RegionView, Snapshot
from support.plan import NOW, OWNER, PARIS, STRANGER, golden_ami, place, released, retagged, snapshot, view

DAY = 86400.0
AMI = golden_ami("ami-2")
TAGS = AMI.tags
FAMILY = Family(OWNER, {"1.0.0": frozenset({PARIS})})
POLICY = replace(FAMILY, remove_after_seconds=7 * DAY)
MADE = "Copied for DestinationAmi ami-1 from SourceAmi ami-0 for SourceSnapshot snap-0. Task created on 1."
GONE = Checked(frozenset({"ami-1"}))
WHY = "ami-1, which it was made for, is gone"
SINCE = "goldenami.dev/orphaned-since"
TODAY = "2023-11-14T22:13:20Z"  # NOW


def part(snapshot_id: str = "snap-1", **changes: Any) -> Snapshot:
    """Of an image that is not there."""
    return replace(snapshot(snapshot_id, description=MADE, tags=TAGS, started_epoch_seconds=NOW - 1000), **changes)


def marked(since: str, **changes: Any) -> Snapshot:
    return part(tags={**TAGS, SINCE: since}, **changes)


def orphan(**changes: Any) -> Orphan:
    return replace(Orphan(PARIS, "snap-1", Kind.SNAPSHOT, WHY, NOW), **changes)


def look(
    *parts: Snapshot,
    of: Family = FAMILY,
    noted: Mapping[str, Noted] | None = None,
    checked: Checked | None = GONE,
    beside: RegionView | None = None,
) -> Found:
    seen = beside or view(AMI)
    return orphans.look(
        of, replace(seen, snapshots={**seen.snapshots, **{one.snapshot_id: one for one in parts}}), noted or {}, NOW, checked
    )


# --- what is one ---


@pytest.mark.parametrize(
    ("left", "of", "beside"),
    [
        pytest.param(part("snap-2"), FAMILY, None, id="one that an image of ours names"),
        pytest.param(part("snap-2"), FAMILY, view(released(AMI)), id="one that an image which was released names"),
        pytest.param(part("snap-2"), FAMILY, view(replace(AMI, state="disabled")), id="one that a disabled image names"),
        pytest.param(part(), FAMILY, view(golden_ami(state="pending")), id="one that a pending copy, which names none yet, is made with"),
        pytest.param(part(), FAMILY, view(golden_ami(state="failed")), id="one that goes with a failed copy"),
        pytest.param(part(), replace(FAMILY, borrowed=frozenset({"snap-1"})), None, id="one that the spec names"),
        pytest.param(part(), replace(FAMILY, leaving=frozenset({("1.0.0", "")})), None, id="one of a version that is being removed"),
        pytest.param(part(), replace(FAMILY, leaving=frozenset({("1.0.0", PARIS)})), None, id="one of a region that is being cleared"),
        pytest.param(part(state="pending"), FAMILY, None, id="one that is being made"),
        pytest.param(part(state="recovering"), FAMILY, None, id="one that is coming back"),
        pytest.param(part(started_epoch_seconds=NOW + 1), FAMILY, None, id="one that is newer than the listing of images"),
        pytest.param(part(tags={}), FAMILY, None, id="one without our tag"),
        pytest.param(part(tags={**TAGS, "goldenami.dev/owner": str(STRANGER)}), FAMILY, None, id="one of another owner"),
    ],
)
def test_what_is_no_orphan(left: Snapshot, of: Family, beside: RegionView | None) -> None:
    assert look(left, of=of, beside=beside) == Found()


@pytest.mark.parametrize(
    "left",
    [
        pytest.param(part(), id="a complete one whose image is gone"),
        pytest.param(part(state="error"), id="one that failed with its copy"),
        pytest.param(part(tags={**TAGS, "goldenami.dev/version": "0.1.0"}), id="one of a version that is long forgotten"),
    ],
)
def test_what_is_one_is_listed_and_marked(left: Snapshot) -> None:
    assert look(left) == Found((orphan(),), (SetTags(place(), ("snap-1",), {SINCE: TODAY}),))


def test_a_failed_copy_that_no_version_looks_after_is_one_with_its_snapshots() -> None:
    failed = retagged(golden_ami(state="failed"), version="0.1.0")
    found = look(part(), beside=view(failed), checked=None, noted={"ami-1": Noted(NOW - 8 * DAY)}, of=POLICY)
    why = f"it is failed, and no ImageVersion of version 0.1.0 looks after {PARIS}"
    assert found.orphans == (Orphan(PARIS, "ami-1", Kind.IMAGE, why, NOW - 8 * DAY, NOW - DAY),)
    assert found.actions == (DeregisterImage(place(), "ami-1", ("snap-1",), why="a failed copy that nobody looks after", owner=OWNER),)


def test_one_that_broke_in_another_way_may_have_been_launched_before_and_stays_with_its_snapshots() -> None:
    broken = retagged(golden_ami(state="invalid"), version="0.1.0")
    found = look(part(), beside=view(broken), checked=None, noted={"ami-1": Noted(NOW - 8 * DAY)}, of=POLICY)
    (listed,) = found.orphans
    assert "deregister it by hand" in listed.message
    assert listed.remove_at is None
    assert [action for action in found.actions if not isinstance(action, SetTags)] == []


# --- imports ---

TASK = ImportTask("import-snap-1", "active", TAGS)
MADE_BY_IMPORT = "Created by AWS-VMImport service for import-snap-1"
UNUSED = "import-snap-1 made it, and nothing was made of it"
ENDED = replace(TASK, state="completed", snapshot_ids=("snap-1",))


def of_another(owner: str) -> ImportTask:
    return replace(TASK, tags={**TAGS, "goldenami.dev/owner": owner})


def importing(*tasks: ImportTask, images: tuple[Image, ...] = (AMI,)) -> RegionView:
    return replace(view(*images), imports=tasks)


def imported(**changes: Any) -> Snapshot:
    return part(description=MADE_BY_IMPORT, **changes)


@pytest.mark.parametrize(
    ("tasks", "left"),
    [
        pytest.param((replace(TASK, tags={}),), (), id="one without our tag"),
        pytest.param((of_another(str(STRANGER)),), (), id="one of another owner"),
        pytest.param((of_another(str(replace(OWNER, installation="other"))),), (), id="one of another installation"),
        pytest.param((replace(TASK, state="completed"),), (), id="one that ended, and of whose snapshot an image is made"),
        pytest.param((replace(TASK, state="deleting"),), (), id="one that is being cancelled"),
        pytest.param((replace(TASK, state="resting"),), (), id="one in a state that nobody knows"),
        pytest.param(
            (ENDED,), (part(tags=TAGS, description=MADE_BY_IMPORT, started_epoch_seconds=NOW + 1),), id="one whose snapshot is ours"
        ),
    ],
)
def test_which_import_is_no_orphan(tasks: tuple[ImportTask, ...], left: tuple[Snapshot, ...]) -> None:
    assert look(*left, of=POLICY, beside=importing(*tasks)) == Found()


def test_a_snapshot_that_the_spec_names_is_no_orphan_however_it_was_made() -> None:
    assert look(of=replace(POLICY, borrowed=frozenset({"snap-1"})), beside=importing(ENDED)) == Found()


@pytest.mark.parametrize("state", ["pending", "active"])
def test_an_import_that_has_not_ended_is_listed_and_marked_at_once(state: str) -> None:
    found = look(beside=importing(replace(TASK, state=state)), checked=None)
    why = "it has not ended, and no version waits for it"
    assert found == Found((Orphan(PARIS, "import-snap-1", Kind.IMPORT, why, NOW),), (SetTags(place(), ("import-snap-1",), {SINCE: TODAY}),))


@pytest.mark.parametrize(
    ("since", "of", "actions"),
    [
        pytest.param("2020-01-01T00:00:00Z", FAMILY, (), id="without a policy it goes on"),
        pytest.param("2023-11-07T22:13:21Z", POLICY, (), id="a second before its time it goes on"),
        pytest.param(
            "2023-11-07T22:13:20Z",
            POLICY,
            (CancelImport(place(), "import-snap-1", why="no version waits for it", owner=OWNER),),
            id="when its time is over it is cancelled",
        ),
    ],
)
def test_when_an_import_is_cancelled(since: str, of: Family, actions: tuple[CancelImport, ...]) -> None:
    assert look(beside=importing(replace(TASK, tags={**TAGS, SINCE: since})), of=of, checked=None).actions == actions


def test_the_snapshot_of_an_import_is_looked_up_and_gets_our_tags_before_its_task_is_forgotten() -> None:
    for noted in ({}, {"snap-1": Noted(NOW - DAY)}):
        assert look(beside=importing(ENDED), noted=noted, checked=None) == Found(asks=frozenset({"snap-1"}))
    found = look(beside=importing(ENDED), checked=Checked(frozenset({"snap-1"})))
    assert found.orphans == (orphan(why=UNUSED),)
    (mark,) = found.actions
    assert mark == SetTags(place(), ("snap-1",), {"goldenami.dev/owner": str(OWNER), "goldenami.dev/version": "1.0.0", SINCE: TODAY})
    # From then on it is listed as what it is, with its task or without.
    ours = imported(tags=mark.tags)
    for tasks in ((ENDED,), ()):
        assert look(ours, beside=importing(*tasks), noted={"snap-1": Noted(NOW)}, checked=None) == Found((orphan(why=UNUSED),))


@pytest.mark.parametrize(
    ("checked", "message"),
    [
        pytest.param(
            Checked(frozenset({"snap-1"}), named_by={"snap-1": "ami-9"}),
            "ami-9 is made of it, without the owner tag of this GoldenImage; delete both by hand if nobody needs them",
            id="an image is made of it",
        ),
        pytest.param(
            Checked(frozenset({"snap-1"}), problem=Problem(Reason.ACCESS_DENIED, "denied")),
            "it stays, because whether an image is made of it cannot be told: denied",
            id="nobody can tell",
        ),
    ],
)
@pytest.mark.parametrize("is_marked", [True, False])
def test_what_keeps_the_snapshot_of_an_import(checked: Checked, message: str, *, is_marked: bool) -> None:
    old = {"snap-1": Noted(NOW - 30 * DAY)}
    left = (imported(tags={**TAGS, SINCE: "2020-01-01T00:00:00Z"}),) if is_marked else ()
    found = look(*left, beside=importing(ENDED), of=POLICY, noted=old, checked=checked)
    assert [(one.message, one.remove_at) for one in found.orphans] == [(message, None)]
    assert found.actions == ()


def test_the_snapshot_of_an_import_goes_when_its_time_is_over_and_it_carries_our_tag() -> None:
    due, known = imported(tags={**TAGS, SINCE: "2020-01-01T00:00:00Z"}), Checked(frozenset({"snap-1"}))
    assert look(due, beside=importing(), of=POLICY, checked=known).actions == (DeleteSnapshot(place(), "snap-1", why=UNUSED, owner=OWNER),)
    assert look(due, beside=importing(), of=POLICY, checked=Checked(frozenset())).actions == ()
    (mark,) = look(beside=importing(ENDED), of=POLICY, noted={"snap-1": Noted(NOW - 30 * DAY)}, checked=known).actions
    assert isinstance(mark, SetTags)


def test_an_image_that_an_import_made_is_told_and_stays() -> None:
    made = ImportTask("import-ami-1", "completed", {**TAGS, SINCE: "2020-01-01T00:00:00Z"}, image_id="ami-9")
    found = look(beside=importing(made), of=POLICY, checked=None)
    assert found.actions == ()
    (told,) = found.orphans
    assert (told.resource_id, told.why, told.remove_at) == ("import-ami-1", "it made ami-9, which is no version's", None)
    assert told.message == "whether ami-9 is used nobody has asked, so it stays; deregister it by hand, or adopt it as a version"


# --- what has to be known first ---


def test_one_that_is_first_seen_is_looked_up_in_listings_of_one_moment() -> None:
    assert look(part(), checked=None) == Found(asks=frozenset({"ami-1"}), unsure=True)


@pytest.mark.parametrize(
    ("of", "before", "asks"),
    [
        pytest.param(FAMILY, Noted(NOW - DAY), set(), id="one that is known costs nothing"),
        pytest.param(FAMILY, Noted(NOW - DAY, "in the Recycle Bin"), {"ami-1"}, id="one that something keeps is looked up again"),
        pytest.param(POLICY, Noted(NOW - DAY), set(), id="nor one whose time has not come"),
        pytest.param(POLICY, Noted(NOW - 7 * DAY), {"ami-1"}, id="right before it goes it is looked up"),
    ],
)
def test_what_is_looked_up(of: Family, before: Noted, asks: set[str]) -> None:
    assert look(part(), of=of, noted={"snap-1": before}, checked=None).asks == asks


def test_where_the_status_has_no_room_for_all_one_that_is_marked_is_known() -> None:
    crowded = replace(FAMILY, more_than_noted=True)
    assert look(marked(TODAY), of=crowded, checked=None).orphans == (orphan(),)
    assert look(part(), of=crowded, checked=None).unsure


# --- since when ---


@pytest.mark.parametrize(
    ("left", "noted", "since"),
    [
        pytest.param(part(), {}, NOW, id="one that nobody has seen before begins now"),
        pytest.param(part(), {"snap-1": Noted(NOW - 5)}, NOW - 5, id="the status remembers where no tag could be set"),
        pytest.param(marked("2023-11-13T22:13:20Z"), {}, NOW - DAY, id="the tag remembers in a new cluster"),
        pytest.param(marked("2023-11-13T22:13:20Z"), {"snap-1": Noted(NOW - 5)}, NOW - DAY, id="the tag counts before the status"),
        pytest.param(marked("soon"), {"snap-1": Noted(NOW - 5)}, NOW - 5, id="a tag that is no time is none"),
    ],
)
def test_since_when_it_is_one(left: Snapshot, noted: Mapping[str, Noted], since: float) -> None:
    assert [found.since for found in look(left, noted=noted).orphans] == [since]


def test_a_mark_is_set_once_and_goes_when_its_image_is_back() -> None:
    assert look(marked(TODAY)).actions == ()
    assert look(marked(TODAY), beside=view(golden_ami())) == Found((), (RemoveTags(place(), ("snap-1",), (SINCE,)),))


# --- what becomes of it ---


def test_without_a_policy_it_stays_however_old_it_is() -> None:
    assert look(marked("2020-01-01T00:00:00Z")).actions == ()


@pytest.mark.parametrize(
    ("since", "actions"),
    [
        pytest.param("2023-11-07T22:13:21Z", (), id="a second before its time it stays"),
        pytest.param(
            "2023-11-07T22:13:20Z",
            (DeleteSnapshot(place(), "snap-1", why="ami-1 is gone", owner=OWNER),),
            id="when its time is over it goes",
        ),
    ],
)
def test_when_it_goes(since: str, actions: tuple[DeleteSnapshot, ...]) -> None:
    assert look(marked(since), of=POLICY).actions == actions


@pytest.mark.parametrize(
    ("left", "checked", "message"),
    [
        pytest.param(
            marked("2020-01-01T00:00:00Z"),
            Checked(frozenset({"ami-1"}), {"ami-1": golden_ami(tags={})}),
            "ami-1 exists, without the owner tag of this GoldenImage; put the tag back, or delete both by hand",
            id="its image exists",
        ),
        pytest.param(
            marked("2020-01-01T00:00:00Z"),
            Checked(frozenset({"ami-1"}), binned=frozenset({"ami-1"})),
            "ami-1 is in the Recycle Bin, and needs it to be restored",
            id="its image may be restored",
        ),
        pytest.param(
            marked("2020-01-01T00:00:00Z"),
            Checked(frozenset({"ami-1"}), declared=frozenset({"ami-7", "snap-1"})),
            "another GoldenImage is made from it, as its spec says",
            id="it is another's source",
        ),
        pytest.param(
            marked("2020-01-01T00:00:00Z"),
            Checked(frozenset({"ami-1"}), problem=Problem(Reason.ACCESS_DENIED, "denied")),
            "it stays, because whether ami-1 can come back cannot be told: denied",
            id="nobody can tell",
        ),
        pytest.param(
            marked("2020-01-01T00:00:00Z", description="by hand"),
            Checked(frozenset()),
            "EC2 does not say which image it was made for, so it stays; delete it by hand if nobody needs it",
            id="it was not made by the operator",
        ),
    ],
)
def test_what_keeps_it(left: Snapshot, checked: Checked, message: str) -> None:
    found = look(left, of=POLICY, checked=checked)
    assert found.actions == ()
    assert [(one.message, one.remove_at) for one in found.orphans] == [(message, None)]


def test_one_that_was_not_looked_up_does_not_go() -> None:
    due = marked("2020-01-01T00:00:00Z")
    assert look(due, of=POLICY, checked=Checked(frozenset({"ami-9"}))).actions == ()


def test_only_some_go_at_once() -> None:
    many = [marked("2020-01-01T00:00:00Z", snapshot_id=f"snap-{number}") for number in range(100, 130)]
    assert len(look(*many, of=POLICY).actions) == orphans.MOST_AT_ONCE


def test_what_is_left_after_the_actions_says_what_was_refused() -> None:
    found = look(marked("2020-01-01T00:00:00Z"), part("snap-3"), of=POLICY)
    (left,) = orphans.after(found, {"snap-1"}, {"snap-3": "locked"})
    assert (left.resource_id, left.message) == ("snap-3", "locked")
