"""One version as a whole: the order of its actions, what a failed one says, and that every action says itself."""

from dataclasses import replace

import pytest

from goldenami.api.conditions import ConditionType
from goldenami.api.reasons import Reason
from goldenami.plan import actions as do
from goldenami.plan import whole
from goldenami.plan.actions import Action, DeregisterImage, SetDescription, UnshareImage, Volume
from goldenami.plan.identity import grant_name
from goldenami.plan.values import KeyGrant, Principals, Problem
from support.plan import ALICE, BOB, HOME, OWNER, PARIS, accounts, golden_ami, granted, key, observed, place, snapshot, version, view

PUBLIC, DRIFTED = golden_ami(public=True, description="changed"), golden_ami(description="changed")
FAILED = golden_ami("ami-2", state="failed")
SEEN = observed(view(PUBLIC, FAILED), fresh_snapshots=frozenset({PARIS}))


def test_public_exposure_ends_first_and_cleaning_comes_last() -> None:
    assert [type(action) for action in whole.look(version(), SEEN).actions] == [UnshareImage, SetDescription, DeregisterImage]


def test_what_is_taken_back_waits_for_nothing_and_comes_off_image_snapshot_and_key_in_this_order() -> None:
    """Within one place the first failure keeps the rest for later, at every look: a tag that may not be set kept a former partner."""
    arn, named = key(), grant_name(version().owner, "1.0.0", PARIS, ALICE)
    drifted = golden_ami(description="changed", tags={**golden_ami().tags, "Name": "changed"})
    held = granted(accounts(ALICE), {"snap-1": accounts(ALICE)}, keys={arn: (KeyGrant("grant-1", named, ALICE),)})
    seen = observed(view(drifted, FAILED, kms_key_arn=arn), fresh_snapshots=frozenset({PARIS}), grants={"ami-1": held})
    found = whole.look(version(shared=accounts(BOB)), seen).actions
    taken_back = [UnshareImage, do.UnshareSnapshot, do.RevokeKey]
    granted_then = [do.GrantKey, do.ShareSnapshot, do.ShareImage]
    assert [type(action) for action in found] == [*taken_back, do.SetTags, SetDescription, *granted_then, DeregisterImage]


def test_sharing_does_not_wait_for_cleaning() -> None:
    seen = observed(view(golden_ami(), FAILED), fresh_snapshots=frozenset({PARIS}), grants={"ami-1": granted()})
    found = whole.look(version(shared=accounts(ALICE)), seen).actions
    assert [type(action) for action in found] == [do.ShareSnapshot, do.ShareImage, DeregisterImage]


def test_every_finding_belongs_to_a_condition() -> None:
    concerns = whole.look(version(), SEEN).concerns
    assert set(concerns) == {ConditionType.SOURCE_READY, ConditionType.REPLICAS_READY, ConditionType.SHARING_READY}
    assert whole.look_at_leaving(version(), SEEN).concerns[ConditionType.SOURCE_READY] == ()


@pytest.mark.parametrize(
    ("action", "reasons"),
    [
        pytest.param(0, (Reason.SUCCEEDED, Reason.ACCESS_DENIED), id="a share that failed is the region's sharing"),
        pytest.param(1, (Reason.ACCESS_DENIED, Reason.UPDATING), id="a description that failed is the region's replica"),
        pytest.param(2, (Reason.ACCESS_DENIED, Reason.UPDATING), id="so is a failed copy that cannot be removed"),
    ],
)
def test_a_failed_action_says_why_where_it_belongs(action: int, reasons: tuple[Reason, Reason]) -> None:
    look = whole.look(version(), SEEN)
    told = look.with_failures([(look.actions[action], Problem(Reason.ACCESS_DENIED, "not allowed"))])
    assert (told.replicas[0].reason, told.shared[0].finding.reason) == reasons
    assert told.shared[0].digest == ""
    assert look.with_failures([]) is look


def test_what_could_not_be_read_says_why_in_its_region_and_stops_nothing_else() -> None:
    look = whole.look(version(HOME, PARIS, shared=accounts(ALICE)), observed(view(golden_ami())))
    unread = {need: Problem(Reason.ACCESS_DENIED, "not allowed") for need in look.needs if need.region == PARIS}
    told = look.with_unread(unread)
    assert {need.region for need in told.needs} == {HOME}
    assert [shared.finding.reason for shared in told.shared] == [Reason.SHARING_PENDING, Reason.ACCESS_DENIED]
    assert look.with_unread({}) is look


def test_needs_of_all_concerns_are_asked_at_once() -> None:
    needs = whole.look(version(HOME, PARIS, shared=accounts(ALICE)), observed(view(golden_ami()))).needs
    assert {need.kind.value for need in needs} == {"source", "grants"}


@pytest.mark.parametrize(
    ("action", "sentence"),
    [
        (do.CreateImage(place(), "i-1", "web", reboot=True), "create image web from instance i-1, rebooting it"),
        (
            do.CreateImage(place(), "i-1", "web", reboot=False, volumes=(Volume("/dev/sdb"),)),
            "create image web from instance i-1 without a reboot",
        ),
        (
            do.RegisterImage(place(), "snap-1", "web", "x86_64", "uefi", "/dev/xvda", True, None, None),
            "register image web from snapshot snap-1",
        ),
        (do.CopyImage(place(), "ami-0", "us-east-1", "web", "token"), "copy ami-0 from us-east-1 as web"),
        (
            do.CopyImage(place(), "ami-0", "us-east-1", "web", "token", attempt=2, kms_key_id="alias/x"),
            "copy ami-0 from us-east-1 as web, encrypted with alias/x (attempt 2)",
        ),
        (do.SetDescription(place(), "ami-1", "x"), "set the description of ami-1"),
        (do.SetTags(place(), ("ami-1", "snap-1"), {"b": "1", "a": "2"}), "set tags a, b on ami-1, snap-1"),
        (do.RemoveTags(place(), ("ami-1",), ("a", "b")), "remove tags a, b from ami-1"),
        (do.GrantKey(place(), "arn:k", "n", ALICE), f"grant {ALICE} the use of arn:k"),
        (do.RevokeKey(place(), "arn:k", "g", ALICE), f"revoke the grant of {ALICE} on arn:k"),
        (do.ShareSnapshot(place(), "snap-1", (ALICE, BOB)), f"share snap-1 with {ALICE}, {BOB}"),
        (do.UnshareSnapshot(place(), "snap-1", (ALICE,), public=True), f"stop sharing snap-1 with all, {ALICE}"),
        (do.ShareImage(place(), "ami-1", accounts(ALICE, public=True)), f"share ami-1 with all, {ALICE}"),
        (do.UnshareImage(place(), "ami-1", Principals(public=True)), "stop sharing ami-1 with all"),
        (do.EnableImage(place(), "ami-1"), "enable ami-1"),
        (do.DisableImage(place(), "ami-1", owner=OWNER), "disable ami-1"),
        (do.DeregisterImage(place(), "ami-1", owner=OWNER), "deregister ami-1"),
        (do.DeregisterImage(place(), "ami-1", ("snap-1",), why="failed: x", owner=OWNER), "deregister ami-1 with snap-1 (failed: x)"),
        (do.DeleteSnapshot(place(), "snap-1", owner=OWNER), "delete snapshot snap-1"),
        (do.CancelImport(place(), "import-snap-1", why="late", owner=OWNER), "cancel import-snap-1 (late)"),
        (do.DeleteSnapshot(place(), "snap-1", why="gone", owner=OWNER), "delete snapshot snap-1 (gone)"),
        (do.PutParameter(place(), "/x", "ami-1", create=True), "create parameter /x = ami-1"),
        (do.PutParameter(place(), "/x", "ami-1", create=False), "set parameter /x = ami-1"),
        (do.DeleteParameter(place(), "/x"), "delete parameter /x"),
        (do.TagParameter(place(), "/x", {"a": "b"}), "change the tags of parameter /x"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_action_says_itself(action: Action, sentence: str) -> None:
    assert action.sentence() == f"eu-west-3: {sentence}"


def test_only_what_cannot_be_undone_is_destructive() -> None:
    kinds = [kind for kind in vars(do).values() if isinstance(kind, type) and issubclass(kind, Action)]
    assert {kind for kind in kinds if kind.destructive} == {do.DeregisterImage, do.DeleteSnapshot, do.CancelImport}


def test_the_same_state_says_the_same_words() -> None:
    seen = observed(view(golden_ami(state="pending"), snapshots=(snapshot(progress=41, description="for ami-1"),)))
    first = whole.look(version(), seen)
    later = whole.look(version(), replace(seen, now=seen.now + 12345))
    assert first == later
