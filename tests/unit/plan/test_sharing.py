"""Sharing: granted and revoked as declared, in an order that leaks nothing, read no more often than needed."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from goldenami.api.reasons import Reason
from goldenami.plan import sharing
from goldenami.plan.actions import Action, GrantKey, RevokeKey, ShareImage, ShareSnapshot, UnshareImage, UnshareSnapshot
from goldenami.plan.desired import InstanceSource, Replica, Sharing, SnapshotSource, Version
from goldenami.plan.identity import grant_name
from goldenami.plan.observed import Finding, Need, NeedKind, Recorded
from goldenami.plan.sharing import Shared
from goldenami.plan.values import NOBODY, Grants, Image, KeyGrant, Principals, Problem
from support.plan import (
    ACCOUNT,
    ALICE,
    BOB,
    EVE,
    HOME,
    ORGANIZATION,
    PARIS,
    STRANGER,
    accounts,
    facts,
    golden_ami,
    granted,
    home_ami,
    key,
    observed,
    place,
    retagged,
    snapshot,
    version,
    view,
)

AMI = golden_ami()
GOOD = Finding(PARIS, Reason.SUCCEEDED, "available", image=AMI)
FRESH = frozenset({PARIS, HOME})
TO_ALICE = version(shared=accounts(ALICE))
EVERYBODY = Principals(public=True)
RIGHT = granted(accounts(ALICE), {"snap-1": accounts(ALICE)})


def keeping(principals: Principals, **changes: Any) -> Version:
    return version(sharing=replace(Sharing(principals, remove_foreign=False), **changes))


def look(
    of: Version,
    grants: Grants | None = None,
    *,
    image: Image = AMI,
    kms_key_arn: str = "",
    finding: Finding | None = None,
    **changes: object,
) -> Shared:
    known: Mapping[str, Grants] = {} if grants is None else {image.image_id: grants}
    seen = observed(view(image, kms_key_arn=kms_key_arn), grants=known, **changes)
    return sharing.look(of, seen, (finding or replace(GOOD, image=image),))[0]


def kinds(shared: Shared) -> list[type[Action]]:
    return [type(action) for action in shared.finding.actions]


# --- what is granted and revoked ---


@pytest.mark.parametrize(
    ("of", "grants", "expected"),
    [
        pytest.param(TO_ALICE, RIGHT, (), id="as declared, nothing is done"),
        pytest.param(
            TO_ALICE,
            granted(),
            (ShareSnapshot(place(), "snap-1", (ALICE,)), ShareImage(place(), "ami-1", accounts(ALICE))),
            id="a new grantee gets the snapshots first and the image last",
        ),
        pytest.param(
            version(),
            RIGHT,
            (UnshareImage(place(), "ami-1", accounts(ALICE)), UnshareSnapshot(place(), "snap-1", (ALICE,))),
            id="a former grantee loses the image first and the snapshots last",
        ),
        pytest.param(
            version(shared=accounts(BOB)),
            RIGHT,
            (
                UnshareImage(place(), "ami-1", accounts(ALICE)),
                UnshareSnapshot(place(), "snap-1", (ALICE,)),
                ShareSnapshot(place(), "snap-1", (BOB,)),
                ShareImage(place(), "ami-1", accounts(BOB)),
            ),
            id="revocations come before grants, which EC2 may refuse",
        ),
        pytest.param(
            version(sharing=Sharing(accounts(ALICE), snapshots=False)),
            RIGHT,
            (UnshareSnapshot(place(), "snap-1", (ALICE,)),),
            id="without `snapshots` their permissions go",
        ),
        pytest.param(
            version(shared=Principals(organization_arns=frozenset({ORGANIZATION}))),
            granted(),
            (ShareImage(place(), "ami-1", Principals(organization_arns=frozenset({ORGANIZATION}))),),
            id="an organization gets the image: EC2 has no such form for snapshots",
        ),
        pytest.param(
            version(shared=accounts(ALICE, ACCOUNT.account_id)),
            granted(accounts(ALICE, ACCOUNT.account_id), {"snap-1": accounts(ALICE, ACCOUNT.account_id)}),
            (),
            id="the owning account is neither granted nor revoked",
        ),
        pytest.param(
            version(),
            granted(NOBODY, {"snap-1": EVERYBODY}),
            (UnshareSnapshot(place(), "snap-1", (), public=True),),
            id="a public snapshot is no longer public",
        ),
        pytest.param(
            keeping(NOBODY),
            granted(NOBODY, {"snap-1": EVERYBODY}),
            (UnshareSnapshot(place(), "snap-1", (), public=True),),
            id="nor where foreign grants are kept",
        ),
        pytest.param(
            keeping(accounts(ALICE)), granted(accounts(ALICE, EVE), {"snap-1": accounts(ALICE, EVE)}), (), id="foreign grants are kept"
        ),
    ],
)
def test_what_is_done(of: Version, grants: Grants, expected: tuple[Action, ...]) -> None:
    shared = look(of, grants)
    assert shared.finding.actions == expected
    assert bool(shared.digest) == (not expected)


@pytest.mark.parametrize(
    ("of", "grants", "before", "foreign"),
    [
        pytest.param(version(), granted(accounts(EVE)), NOBODY, accounts(EVE), id="on the image, and removed"),
        pytest.param(keeping(NOBODY), granted(accounts(EVE)), NOBODY, accounts(EVE), id="on the image, and kept"),
        pytest.param(keeping(NOBODY), granted(NOBODY, {"snap-1": accounts(EVE)}), NOBODY, accounts(EVE), id="on a snapshot"),
        pytest.param(keeping(NOBODY), granted(NOBODY, {"snap-1": EVERYBODY}), NOBODY, EVERYBODY, id="everybody, on a snapshot"),
        pytest.param(version(), granted(accounts(EVE)), accounts(EVE), NOBODY, id="but not whom we had granted ourselves"),
        pytest.param(TO_ALICE, RIGHT, NOBODY, NOBODY, id="and nobody who is declared"),
    ],
)
def test_foreign_grants_are_reported_under_both_policies(of: Version, grants: Grants, before: Principals, foreign: Principals) -> None:
    assert look(of, grants, granted=before).foreign == foreign


def test_where_foreign_grants_are_kept_our_own_old_ones_still_go() -> None:
    shared = look(keeping(NOBODY), granted(accounts(ALICE, EVE), {"snap-1": accounts(ALICE, EVE)}), granted=accounts(ALICE))
    assert shared.finding.actions == (UnshareImage(place(), "ami-1", accounts(ALICE)), UnshareSnapshot(place(), "snap-1", (ALICE,)))


# --- public ---

PUBLIC_AMI = replace(AMI, public=True)


@pytest.mark.parametrize(
    "of",
    [
        pytest.param(version(), id="removing foreign grants"),
        pytest.param(keeping(NOBODY), id="keeping foreign grants"),
        pytest.param(version(shared=accounts(*(f"{n:012}" for n in range(1001)))), id="with more principals than EC2 takes"),
    ],
)
def test_public_access_nobody_declared_goes_before_anything_is_read(of: Version) -> None:
    recorded = {PARIS: Recorded("ami-1", "available", shared_digest=sharing.digest(of, AMI))}
    shared = look(of, image=PUBLIC_AMI, recorded=recorded)
    assert shared.finding.actions == (UnshareImage(place(), "ami-1", EVERYBODY),)
    assert not shared.finding.needs
    assert shared.foreign == EVERYBODY


def test_public_access_we_gave_before_is_not_foreign() -> None:
    assert look(version(), image=PUBLIC_AMI, granted=EVERYBODY).foreign == NOBODY


def test_an_undeclared_spec_leaves_public_access_and_says_so() -> None:
    shared = look(version(sharing=Sharing(declared=False)), image=PUBLIC_AMI)
    assert (shared.finding.reason, shared.finding.actions, shared.foreign) == (Reason.NOTHING_DECLARED, (), EVERYBODY)
    assert "public" in shared.finding.message
    assert look(version(sharing=Sharing(declared=False))).foreign == NOBODY


TO_ALL = version(shared=accounts(ALICE, public=True))
BLOCKED = facts(public_sharing_blocked_by="account")


@pytest.mark.parametrize(
    ("image", "grants", "changes", "reason", "given"),
    [
        pytest.param(AMI, granted(), {}, Reason.UPDATING, None, id="a region is checked before anything is public there"),
        pytest.param(
            AMI, granted(), {"facts": facts()}, Reason.UPDATING, accounts(ALICE, public=True), id="public where nothing is in the way"
        ),
        pytest.param(
            AMI, granted(), {"facts": BLOCKED}, Reason.PUBLIC_BLOCKED, accounts(ALICE), id="blocked: everybody else still gets it"
        ),
        pytest.param(AMI, RIGHT, {"facts": BLOCKED}, Reason.PUBLIC_BLOCKED, None, id="blocked, and everybody else has it"),
        pytest.param(
            AMI,
            granted(),
            {"facts": facts(problem=Problem(Reason.THROTTLED, "later"), public_sharing_blocked_by=None)},
            Reason.UPDATING,
            accounts(ALICE, public=True),
            id="a region that could not be checked is tried, and asked no second time",
        ),
        pytest.param(
            PUBLIC_AMI,
            granted(accounts(ALICE, public=True), {"snap-1": accounts(ALICE)}),
            {"facts": BLOCKED},
            Reason.SUCCEEDED,
            None,
            id="what was public before the block stays so: it is declared",
        ),
        pytest.param(
            AMI,
            granted(accounts(ALICE, public=True), {"snap-1": accounts(ALICE)}),
            {"facts": facts()},
            Reason.UPDATING,
            EVERYBODY,
            id="the listing knows better than an older reading of the permissions",
        ),
    ],
)
def test_public(image: Image, grants: Grants, changes: dict[str, Any], reason: Reason, given: Principals | None) -> None:
    shared = look(TO_ALL, grants, image=image, **changes)
    assert shared.finding.reason is reason
    shares = [action.principals for action in shared.finding.actions if isinstance(action, ShareImage)]
    assert shares == ([given] if given else [])
    assert not any(isinstance(action, UnshareImage) for action in shared.finding.actions)


def test_what_shall_be_public_and_is_not_is_read_again_whatever_was_recorded() -> None:
    recorded = {PARIS: Recorded("ami-1", "available", shared_digest=sharing.digest(TO_ALL, AMI))}
    assert look(TO_ALL, recorded=recorded).finding.needs == (Need(NeedKind.GRANTS, PARIS, "ami-1"),)


# --- keys ---

ARN = key()
MINE = KeyGrant("grant-1", grant_name(TO_ALICE.owner, "1.0.0", PARIS, ALICE), ALICE)
THEIRS = KeyGrant("grant-2", "by-hand", EVE)


def test_an_encrypted_image_is_granted_key_snapshot_image_and_revoked_in_reverse() -> None:
    assert kinds(look(TO_ALICE, granted(keys={ARN: ()}), kms_key_arn=ARN)) == [GrantKey, ShareSnapshot, ShareImage]
    known = replace(RIGHT, keys={ARN: (MINE, THEIRS)})
    revoked = look(version(), known, kms_key_arn=ARN)
    assert kinds(revoked) == [UnshareImage, UnshareSnapshot, RevokeKey]
    assert revoked.finding.actions[-1] == RevokeKey(place(), ARN, "grant-1", ALICE)


def test_a_grant_of_ours_that_names_the_principal_by_arn_is_recognised() -> None:
    by_arn = replace(MINE, grantee=f"arn:aws:iam::{ALICE}:root")
    assert not look(TO_ALICE, replace(RIGHT, keys={ARN: (by_arn,)}), kms_key_arn=ARN).finding.actions
    assert kinds(look(version(), replace(RIGHT, keys={ARN: (by_arn,)}), kms_key_arn=ARN))[-1] is RevokeKey


def test_without_snapshots_the_key_is_granted_all_the_same_since_launching_needs_it() -> None:
    of = version(sharing=Sharing(accounts(ALICE), snapshots=False))
    assert kinds(look(of, granted(keys={ARN: ()}), kms_key_arn=ARN)) == [GrantKey, ShareImage]


def test_a_key_that_was_not_asked_about_is_asked_about() -> None:
    assert look(TO_ALICE, RIGHT, kms_key_arn=ARN).finding.needs == (Need(NeedKind.GRANTS, PARIS, "ami-1"),)


def test_what_an_aws_managed_key_encrypts_is_not_shared_and_says_what_to_do() -> None:
    known = granted(accounts(EVE), {}, keys={ARN: ()}, aws_managed_keys=frozenset({ARN}))
    shared = look(TO_ALICE, known, kms_key_arn=ARN)
    assert (shared.finding.reason, kinds(shared)) == (Reason.DEFAULT_KEY_NOT_SHAREABLE, [UnshareImage])
    assert "kmsKeyId" in shared.finding.message
    assert look(version(), granted(keys={ARN: ()}, aws_managed_keys=frozenset({ARN})), kms_key_arn=ARN).finding.reason is Reason.SUCCEEDED


def test_an_encrypted_image_is_not_made_public_but_shared_with_everybody_else() -> None:
    shared = look(TO_ALL, granted(keys={ARN: ()}), kms_key_arn=ARN, facts=facts())
    assert shared.finding.reason is Reason.ENCRYPTED_NOT_PUBLIC
    assert shared.finding.actions[-1] == ShareImage(place(), "ami-1", accounts(ALICE))


# --- reading ---


@pytest.mark.parametrize(
    ("of", "same"),
    [
        pytest.param(version(shared=accounts(ALICE)), True, id="the same declaration"),
        pytest.param(version(shared=accounts(ALICE, ACCOUNT.account_id)), True, id="with the owning account, which is no grantee"),
        pytest.param(version(shared=accounts(BOB)), False, id="other principals"),
        pytest.param(version(shared=accounts(ALICE, public=True)), False, id="public"),
        pytest.param(version(sharing=Sharing(accounts(ALICE), snapshots=False)), False, id="without snapshots"),
        pytest.param(keeping(accounts(ALICE)), False, id="keeping foreign grants"),
    ],
)
def test_the_digest_stands_for_one_declaration_on_one_image(of: Version, same: bool) -> None:
    before = sharing.digest(TO_ALICE, AMI)
    assert (sharing.digest(of, AMI) == before) is same
    assert sharing.digest(of, replace(AMI, image_id="ami-2")) != before
    assert sharing.digest(of, AMI, home_ami()) != before


def test_what_was_found_right_is_not_read_again_and_what_was_not_is() -> None:
    right = {PARIS: Recorded("ami-1", "available", shared_digest=sharing.digest(TO_ALICE, AMI))}
    resting = look(TO_ALICE, recorded=right)
    assert (resting.finding.reason, resting.finding.needs, resting.digest) == (Reason.SUCCEEDED, (), right[PARIS].shared_digest)
    assert look(TO_ALICE, recorded={PARIS: Recorded("ami-1", "available")}).finding.needs == (Need(NeedKind.GRANTS, PARIS, "ami-1"),)


def test_a_look_that_somebody_asked_for_reads_whatever_was_recorded() -> None:
    right = {PARIS: Recorded("ami-1", "available", shared_digest=sharing.digest(TO_ALICE, AMI))}
    assert look(TO_ALICE, recorded=right, asked=True).finding.needs == (Need(NeedKind.GRANTS, PARIS, "ami-1"),)


def test_a_reading_that_is_there_is_compared_whatever_was_recorded() -> None:
    right = {PARIS: Recorded("ami-1", "available", shared_digest=sharing.digest(TO_ALICE, AMI))}
    assert look(TO_ALICE, granted(), recorded=right).finding.actions


KEEP_ALICE = keeping(accounts(ALICE))
KNOWN_FOREIGN = {PARIS: Recorded("ami-1", "available", shared_digest=sharing.digest(KEEP_ALICE, AMI), foreign=accounts(EVE))}


@pytest.mark.parametrize(
    ("of", "grants", "changes", "foreign"),
    [
        pytest.param(KEEP_ALICE, None, {}, accounts(EVE), id="are as they were where nobody has read them since"),
        pytest.param(KEEP_ALICE, None, {"asked": True}, accounts(EVE), id="and until they are read, which may fail"),
        pytest.param(keeping(accounts(ALICE, EVE)), None, {"granted": accounts(ALICE, EVE)}, NOBODY, id="but not who is declared by now"),
        pytest.param(KEEP_ALICE, RIGHT, {}, NOBODY, id="nor who turned out to be gone"),
        pytest.param(KEEP_ALICE, granted(accounts(ALICE, BOB), {"snap-1": accounts(ALICE)}), {}, accounts(BOB), id="and others are found"),
    ],
)
def test_foreign_grants_that_were_written_down(of: Version, grants: Grants | None, changes: dict[str, Any], foreign: Principals) -> None:
    assert look(of, grants, recorded=KNOWN_FOREIGN, **changes).foreign == foreign


def test_foreign_grants_of_a_region_that_cannot_be_read_stay_written_down() -> None:
    unreachable = replace(view(), problem=Problem(Reason.REGION_UNREACHABLE, "no answer"))
    (shared,) = sharing.look(KEEP_ALICE, observed(unreachable, recorded=KNOWN_FOREIGN), (replace(GOOD, image=None),))
    assert shared.foreign == accounts(EVE)
    (shared,) = sharing.look(KEEP_ALICE, observed(recorded=KNOWN_FOREIGN), (replace(GOOD, image=None),))
    assert shared.foreign == NOBODY


def test_principals_are_found_again_by_their_names() -> None:
    unit = "arn:aws:organizations::111111111111:ou/o-1234567890/ou-ab12-cdefghij"
    everybody = Principals(frozenset({ALICE, BOB}), frozenset({ORGANIZATION}), frozenset({unit}), public=True)
    assert Principals.named(everybody.names()) == everybody


def test_permissions_are_not_read_before_the_snapshots_that_tell_the_keys() -> None:
    seen = observed(replace(view(AMI), snapshots={}))
    (shared,) = sharing.look(TO_ALICE, seen, (GOOD,))
    assert shared.finding.needs == (Need(NeedKind.SNAPSHOTS, PARIS),)
    (shared,) = sharing.look(TO_ALICE, replace(seen, fresh_snapshots=FRESH, grants={"ami-1": RIGHT}), (GOOD,))
    assert (shared.finding.reason, shared.finding.actions) == (Reason.SHARING_PENDING, ())


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(None, id="no image"),
        pytest.param(golden_ami(state="pending"), id="a pending image, which EC2 would refuse to share"),
        pytest.param(golden_ami(state="disabled"), id="a disabled image"),
        pytest.param(retagged(AMI, owner=str(STRANGER)), id="an image that is not ours yet"),
    ],
)
def test_sharing_waits_for_an_available_image(image: Image | None) -> None:
    seen = observed(view(image)) if image else observed()
    (shared,) = sharing.look(TO_ALICE, seen, (replace(GOOD, image=image),))
    assert (shared.finding.reason, shared.finding.actions, shared.digest) == (Reason.SHARING_PENDING, (), "")


# --- quota ---

MANY = tuple(f"{number:012}" for number in range(1, 1001))


def test_a_thousand_principals_are_shared_with_and_one_more_is_not() -> None:
    assert look(version(shared=accounts(*MANY)), granted()).finding.reason is Reason.UPDATING
    over = look(version(shared=accounts(*MANY, EVE)), granted(accounts(BOB)))
    assert (over.finding.reason, over.finding.actions) == (Reason.SHARE_QUOTA_EXCEEDED, (UnshareImage(place(), "ami-1", accounts(BOB)),))


def test_kept_foreign_grants_count_towards_the_quota() -> None:
    over = look(keeping(accounts(*MANY)), granted(accounts(EVE)))
    assert over.finding.reason is Reason.SHARE_QUOTA_EXCEEDED
    assert "1 more" in over.finding.message


# --- home images that are no replica ---

INSTANCE = InstanceSource("i-1")
SPARE = version(shared=accounts(ALICE), source=INSTANCE)
HOME_AMI = home_ami(of=SPARE)
SPARE_SNAP = HOME_AMI.snapshot_ids[0]


def spare(of: Version, *findings: Finding, home: Image = HOME_AMI, kms_key_arn: str = "", **changes: object) -> tuple[Shared, ...]:
    seen = observed(view(AMI), view(home, region=HOME, kms_key_arn=kms_key_arn), **changes)
    return sharing.look(of, seen, findings or (GOOD,))


def test_a_home_image_that_is_nobodys_replica_is_shared_with_nobody() -> None:
    held = granted(accounts(ALICE), {SPARE_SNAP: accounts(ALICE)})
    *_, home = spare(SPARE, grants={HOME_AMI.image_id: held})
    assert home.finding.actions == (
        UnshareImage(place(HOME), HOME_AMI.image_id, accounts(ALICE)),
        UnshareSnapshot(place(HOME), SPARE_SNAP, (ALICE,)),
    )


def test_a_home_image_found_unshared_once_is_not_read_again() -> None:
    *_, first = spare(SPARE)
    assert first.finding.needs == (Need(NeedKind.GRANTS, HOME, HOME_AMI.image_id),)
    *_, done = spare(SPARE, grants={HOME_AMI.image_id: granted()})
    *_, again = spare(SPARE, recorded={HOME: Recorded(HOME_AMI.image_id, "available", shared_digest=done.digest)})
    assert (again.finding.reason, again.finding.needs) == (Reason.SUCCEEDED, ())


def test_a_public_home_image_is_made_private_at_once() -> None:
    *_, home = spare(SPARE, home=replace(HOME_AMI, public=True))
    assert home.finding.actions == (UnshareImage(place(HOME), HOME_AMI.image_id, EVERYBODY),)


def test_where_sharing_is_not_declared_a_home_image_is_left_alone() -> None:
    assert len(spare(version(source=INSTANCE, sharing=Sharing(declared=False)))) == 1


KEYED = version(Replica(HOME, key("new", HOME)), shared=accounts(ALICE), source=INSTANCE)
COPY = golden_ami("ami-copy", KEYED)


def beside(*, copy_key: str, home_key: str, **changes: object) -> Shared:
    snapshots = (
        snapshot("snap-copy", kms_key_arn=copy_key, tags=COPY.tags),
        snapshot(SPARE_SNAP, kms_key_arn=home_key, tags=HOME_AMI.tags),
    )
    seen = observed(view(COPY, HOME_AMI, region=HOME, snapshots=snapshots), **changes)
    return sharing.look(KEYED, seen, (Finding(HOME, Reason.SUCCEEDED, "", image=COPY),))[0]


def test_beside_a_copy_of_another_key_the_home_image_is_unshared_and_the_region_is_one_finding() -> None:
    arn = key("new", HOME)
    name = grant_name(KEYED.owner, "1.0.0", HOME, ALICE)
    right = granted(accounts(ALICE), {"snap-copy": accounts(ALICE)}, keys={arn: (KeyGrant("g", name, ALICE),)})
    held = granted(accounts(ALICE))
    shared = beside(copy_key=arn, home_key="", grants={"ami-copy": right, HOME_AMI.image_id: held})
    assert shared.finding.actions == (UnshareImage(place(HOME), HOME_AMI.image_id, accounts(ALICE)),)
    assert shared.digest == ""
    done = beside(copy_key=arn, home_key="", grants={"ami-copy": right, HOME_AMI.image_id: granted()})
    assert done.digest == sharing.digest(KEYED, COPY, HOME_AMI)
    resting = beside(copy_key=arn, home_key="", recorded={HOME: Recorded("ami-copy", "available", shared_digest=done.digest)})
    assert (resting.finding.reason, resting.finding.needs) == (Reason.SUCCEEDED, ())


def test_key_grants_that_the_replica_lives_on_are_not_revoked_with_the_home_image() -> None:
    arn = key("new", HOME)
    held = (KeyGrant("g", grant_name(KEYED.owner, "1.0.0", HOME, ALICE), ALICE),)
    right = granted(accounts(ALICE), {"snap-copy": accounts(ALICE)}, keys={arn: held})
    shared = beside(copy_key=arn, home_key=arn, grants={"ami-copy": right, HOME_AMI.image_id: granted(keys={arn: held})})
    assert not shared.finding.actions


def test_a_home_image_keeps_its_grants_until_the_copy_that_replaces_it_is_there() -> None:
    waiting = (Finding(HOME, Reason.COPYING, "copying"),)
    seen = observed(view(HOME_AMI, region=HOME), grants={HOME_AMI.image_id: granted(accounts(ALICE))})
    (shared,) = sharing.look(KEYED, seen, waiting)
    assert (shared.finding.reason, shared.finding.actions) == (Reason.SHARING_PENDING, ())
    (shared,) = sharing.look(KEYED, observed(view(replace(HOME_AMI, public=True), region=HOME)), waiting)
    assert kinds(shared) == [UnshareImage]


# --- snapshots that are not ours ---


def test_on_the_snapshot_an_image_was_registered_from_only_our_own_permissions_are_taken_back() -> None:
    of = version(HOME, source=SnapshotSource("snap-given", "x86_64", "uefi", "/dev/xvda"))
    image = home_ami(of=of, snapshot_ids=("snap-given",))
    finding = Finding(HOME, Reason.SUCCEEDED, "", image=image)
    held = granted(NOBODY, {"snap-given": accounts(ALICE, EVE, public=True)})
    bare = replace(view(image, region=HOME), snapshots={})
    (shared,) = sharing.look(of, observed(bare, grants={image.image_id: held}, granted=accounts(ALICE)), (finding,))
    assert shared.finding.actions == (UnshareSnapshot(place(HOME), "snap-given", (ALICE,)),)
    assert shared.foreign == accounts(EVE, public=True)
