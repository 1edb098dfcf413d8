"""Replicas: one available image per declared region, found, taken back, adopted or copied."""

from dataclasses import replace
from typing import Any

import pytest

from goldenami.api.reasons import Reason
from goldenami.plan import replicas, retirement
from goldenami.plan.actions import Action, CopyImage, DeregisterImage, DisableImage, EnableImage, RemoveTags, SetDescription, SetTags
from goldenami.plan.desired import ImageSource, InstanceSource, Replica, SnapshotSource, Version
from goldenami.plan.identity import ADOPTED_ROLE
from goldenami.plan.observed import Finding, Need, NeedKind, Observed, Recorded, ours
from goldenami.plan.values import Image, KeyFacts, Problem, RegionFacts, Snapshot
from support.plan import (
    ALICE,
    HOME,
    NOW,
    PARIS,
    STRANGER,
    accounts,
    facts,
    golden_ami,
    home_ami,
    key,
    observed,
    released,
    retagged,
    snapshot,
    source_ami,
    source_facts,
    unused,
    used,
    version,
    view,
)

OF, KEYED = version(), version(Replica(PARIS, key()))
READY = Finding(HOME, Reason.SUCCEEDED, "image ami-source in us-east-1", image=source_ami())
NOT_READY = Finding(HOME, Reason.SOURCE_NOT_FOUND, "no such image")
COMING = Finding(HOME, Reason.SOURCE_PENDING, "ami-source is pending")
FRESH = frozenset({PARIS, HOME})


def look(seen: Observed, of: Version = OF, source: Finding = READY) -> Finding:
    return replicas.look(of, seen, source)[0]


def everything(found: Finding) -> list[type[Action]]:
    return [type(action) for action in (*found.actions, *found.cleanup)]


def paris(*images: Image, **changes: object) -> Observed:
    given: dict[str, Any] = {"facts": facts(), "source": source_facts(), "fresh_snapshots": FRESH, **changes}
    return observed(view(*images), **given)


def test_a_missing_region_is_copied_with_everything_said() -> None:
    seen = paris(facts=facts(key=KeyFacts(key(), enabled=True, aws_managed=False)))
    (copy,) = look(seen, replace(KEYED, tags={"team": "platform"})).actions
    assert isinstance(copy, CopyImage)
    assert (copy.source_image_id, copy.source_region, copy.name, copy.kms_key_id) == ("ami-source", HOME, "web-1.0.0", key())
    assert copy.tags["goldenami.dev/owner"] == "main/images/web"
    assert copy.tags["team"] == "platform"


@pytest.mark.parametrize(
    ("image", "reason", "actions"),
    [
        pytest.param(golden_ami(), Reason.SUCCEEDED, [], id="a converged region is left alone"),
        pytest.param(golden_ami(state="pending"), Reason.COPYING, [], id="a pending copy is waited for"),
        pytest.param(golden_ami(state="odd"), Reason.COPYING, [], id="a state nobody knows is waited for"),
        pytest.param(golden_ami(state="disabled"), Reason.PROGRESSING, [EnableImage], id="one disabled by hand is enabled"),
        pytest.param(golden_ami(description="changed"), Reason.SUCCEEDED, [SetDescription], id="a drifted description is put right"),
        pytest.param(released(golden_ami()), Reason.PROGRESSING, [SetTags, RemoveTags], id="a released one is taken back"),
        pytest.param(released(golden_ami(state="disabled")), Reason.PROGRESSING, [SetTags, RemoveTags], id="also when it is disabled"),
        pytest.param(released(golden_ami(state="failed")), Reason.COPYING, [CopyImage], id="a failed one that was released is not"),
        pytest.param(retagged(golden_ami(), owner=str(STRANGER)), Reason.COPYING, [CopyImage], id="another owner's image is not looked at"),
        pytest.param(retagged(golden_ami(), version="0.9.0"), Reason.COPYING, [CopyImage], id="another version's image is not looked at"),
        pytest.param(golden_ami(state="deregistered"), Reason.COPYING, [CopyImage], id="a deregistered image that lingers is nothing"),
        pytest.param(
            retagged(golden_ami(), source="image/us-east-1/ami-else"), Reason.VERSION_REUSED, [], id="a version is never two sources"
        ),
    ],
)
def test_what_is_there_decides(image: Image, reason: Reason, actions: list[type]) -> None:
    found = look(paris(image))
    assert (found.reason, everything(found)) == (reason, actions)


def test_a_region_that_cannot_be_read_is_not_decided() -> None:
    found = look(observed(view(problem=Problem(Reason.REGION_UNREACHABLE, "eu-west-3 does not answer"))))
    assert (found.reason, found.actions, found.needs) == (Reason.REGION_UNREACHABLE, (), ())


def test_progress_moves_in_steps_of_ten() -> None:
    part = snapshot("snap-part", progress=47, description="Copied for DestinationAmi ami-1 from SourceAmi ami-0 for SourceSnapshot snap-0.")
    other = snapshot("snap-else", progress=3, description="Copied for DestinationAmi ami-2 from SourceAmi ami-1 for SourceSnapshot snap-0.")
    found = look(observed(view(golden_ami(state="pending"), snapshots=(part, other))))
    assert found.message == "ami-1 in eu-west-3 is pending (40 %)"


def test_an_image_recorded_as_shared_is_first_recorded_as_not_and_then_enabled() -> None:
    disabled = golden_ami(state="disabled")
    assert not look(paris(disabled, recorded={PARIS: Recorded("ami-1", "available", shared_digest="x")})).actions
    assert look(paris(disabled, recorded={PARIS: Recorded("ami-1", "disabled")})).actions


# --- doubles and failed copies ---

OLD, YOUNG = golden_ami("ami-1"), golden_ami("ami-2", created_epoch_seconds=NOW)


@pytest.mark.parametrize(
    ("images", "changes", "kept", "cleanup"),
    [
        pytest.param((OLD, YOUNG), {}, "ami-1", [], id="nothing goes before its users are known"),
        pytest.param(
            (OLD, YOUNG), {"evidence": {"ami-2": unused("ami-2")}}, "ami-1", [SetTags, DisableImage], id="the younger goes, disabled first"
        ),
        pytest.param((OLD, YOUNG), {"evidence": {"ami-2": used("ami-2", "instance i-1")}}, "ami-1", [], id="one in use stays"),
        pytest.param(
            (OLD, YOUNG),
            {"evidence": {"ami-1": unused()}, "recorded": {PARIS: Recorded("ami-2", "available")}},
            "ami-2",
            [SetTags, DisableImage],
            id="the one known before is kept, because aliases name it",
        ),
        pytest.param(
            (golden_ami("ami-1", state="pending"), YOUNG),
            {},
            "ami-2",
            [DeregisterImage],
            id="a pending double is cancelled, available comes first",
        ),
        pytest.param(
            (OLD, golden_ami("ami-2", state="failed")), {}, "ami-1", [DeregisterImage], id="a failed copy goes when its successor is there"
        ),
        pytest.param(
            (OLD, golden_ami("ami-2", state="failed", deregistration_protection="enabled-with-cooldown")),
            {},
            "ami-1",
            [],
            id="a protected one stays",
        ),
        pytest.param(
            (OLD, replace(YOUNG, state="disabled")),
            {"evidence": {"ami-2": unused("ami-2")}},
            "ami-1",
            [DeregisterImage],
            id="a disabled double goes with new evidence",
        ),
    ],
)
def test_of_two_images_one_is_kept(images: tuple[Image, ...], changes: dict[str, object], kept: str, cleanup: list[type]) -> None:
    found = look(paris(*images, **changes))
    assert found.image is not None
    assert (found.reason, found.image.image_id, [type(action) for action in found.cleanup]) == (Reason.SUCCEEDED, kept, cleanup)


def test_a_copy_that_somebody_made_of_a_replica_is_not_ours_though_it_carries_our_tags() -> None:
    """`aws ec2 copy-image --copy-image-tags` within the region."""
    theirs = golden_ami("ami-0", created_epoch_seconds=1, source_image_id="ami-1", source_region=PARIS)
    seen = paris(OLD, theirs, evidence={"ami-0": unused("ami-0")})
    found = look(seen)
    assert found.image == OLD
    assert (found.cleanup, found.needs) == ((), ())
    assert found.aside == f"ami-0 in {PARIS} is somebody's copy of ami-1, tags and all, and is left alone"
    # It is no replica either, nor does it go with the version.
    assert ours(view(OLD, theirs), version()) == (OLD,)
    assert [finding.image for finding in retirement.look(version(), seen, everything=True)] == [OLD]
    # Also when what it was copied from is gone: its own tag says what we copy.
    assert ours(view(theirs), version()) == ()


def test_a_copy_within_the_home_region_is_ours_when_it_is_made_from_our_home_image() -> None:
    of = version(source=InstanceSource("i-1"))
    home = home_ami("ami-0", of)
    copy = golden_ami("ami-2", of, source_image_id="ami-0", source_region=PARIS)
    assert ours(view(home, copy), of) == (home, copy)
    assert ours(view(copy), of) == (copy,)


@pytest.mark.parametrize(
    ("image", "of"),
    [
        pytest.param(golden_ami("ami-2", source_image_id="ami-source", source_region=PARIS), OF, id="of the declared source"),
        pytest.param(golden_ami("ami-2", source_image_id="ami-1", source_region=HOME), OF, id="of a replica elsewhere that stood in"),
        pytest.param(golden_ami("ami-source", source_image_id="ami-base", source_region=PARIS), OF, id="the adopted source itself"),
        pytest.param(
            golden_ami("ami-2", role=ADOPTED_ROLE, source_image_id="ami-base", source_region=PARIS),
            OF,
            id="adopted, made of whatever",
        ),
        pytest.param(
            golden_ami("ami-2", source_image_id="ami-base", source_region=PARIS),
            version(adopted={PARIS: "ami-2"}),
            id="released and adopted again",
        ),
    ],
)
def test_what_was_copied_within_a_region_is_ours_when_we_do_so(image: Image, of: Version) -> None:
    assert ours(view(image), of) == (image,)


def test_a_failed_copy_goes_with_exactly_its_own_snapshots() -> None:
    bad = golden_ami("ami-2", state="failed")
    parts = (
        snapshot("snap-a", tags=bad.tags, description="Copied for DestinationAmi ami-2 from SourceAmi ami-0 for SourceSnapshot snap-0."),
        snapshot("snap-b", tags=bad.tags, description="Copied for DestinationAmi ami-3 from SourceAmi ami-2 for SourceSnapshot snap-0."),
        snapshot("snap-c", tags={}, description="Copied for DestinationAmi ami-2 from SourceAmi ami-0 for SourceSnapshot snap-0."),
        snapshot("snap-d", tags=bad.tags),
    )
    (clear,) = look(observed(view(OLD, bad, snapshots=parts), fresh_snapshots=FRESH)).cleanup
    assert isinstance(clear, DeregisterImage)
    assert clear.snapshot_ids == ("snap-a",)


def test_a_snapshot_that_two_images_name_goes_with_neither() -> None:
    bad = golden_ami("ami-2", state="failed", snapshot_ids=("snap-1",))
    (clear,) = look(paris(OLD, bad)).cleanup
    assert isinstance(clear, DeregisterImage)
    assert clear.snapshot_ids == ()


def test_a_failed_copy_goes_only_when_its_snapshots_are_known() -> None:
    found = look(paris(OLD, golden_ami("ami-2", state="failed"), fresh_snapshots=frozenset()))
    assert (found.cleanup, found.needs) == ((), (Need(NeedKind.SNAPSHOTS, PARIS),))


# --- attempts ---


def bad(attempt: int, age: float = 1e6) -> Image:
    return golden_ami(f"ami-{attempt}", state="failed", attempt=attempt, created_epoch_seconds=NOW - age, state_reason="bad key")


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(paris(), 1, id="the first"),
        pytest.param(paris(bad(1)), 2, id="a failure is followed by the next"),
        pytest.param(paris(bad(1), bad(3)), 4, id="of several failures the last counts"),
        pytest.param(paris(bad(1, age=59)), Reason.COPY_FAILED, id="not within a minute of the first"),
        pytest.param(paris(bad(1, age=60)), 2, id="but after it"),
        pytest.param(paris(bad(2, age=239)), Reason.COPY_FAILED, id="the wait grows fourfold"),
        pytest.param(paris(bad(2, age=240)), 3, id="and ends"),
        pytest.param(paris(bad(4, age=3599)), Reason.COPY_FAILED, id="an hour at most"),
        pytest.param(paris(bad(4, age=3600)), 5, id="and not longer"),
        pytest.param(paris(bad(1, age=-100)), 2, id="a clock that is behind does not stop it"),
        pytest.param(paris(bad(5)), Reason.COPIES_EXHAUSTED, id="after the fifth failure a person has to look"),
        pytest.param(paris(bad(6)), 7, id="a new series has five attempts again"),
        pytest.param(paris(bad(10)), Reason.COPIES_EXHAUSTED, id="and no more"),
        pytest.param(paris(recorded={PARIS: Recorded(attempt=3)}), 3, id="an attempt that was written down is the one that is made"),
        pytest.param(paris(bad(1), recorded={PARIS: Recorded(attempt=2)}), 2, id="also after a failure"),
        pytest.param(
            paris(recorded={PARIS: Recorded("ami-1", "pending", 2)}),
            2,
            id="a pending one that is not listed is asked for with the same token",
        ),
        pytest.param(
            paris(recorded={PARIS: Recorded("ami-1", "available", 2)}),
            Reason.PROGRESSING,
            id="one that was there is looked up before anything",
        ),
        pytest.param(
            paris(recorded={PARIS: Recorded("ami-1", "available", 2)}, looked_up={"ami-1": None}),
            6,
            id="one that is gone starts a new series",
        ),
        pytest.param(
            paris(recorded={PARIS: Recorded("ami-5", "failed", 5)}, looked_up={"ami-5": None}),
            6,
            id="so does the last failure, once it is deregistered by hand",
        ),
        pytest.param(
            paris(recorded={PARIS: Recorded("ami-1", "available")}, looked_up={"ami-1": golden_ami(tags={})}),
            Reason.CONFLICT,
            id="one without its tag is not copied beside itself",
        ),
        pytest.param(
            paris(recorded={PARIS: Recorded("ami-1", "available")}, looked_up={"ami-1": retagged(golden_ami(), owner=str(STRANGER))}),
            Reason.CONFLICT,
            id="nor one that belongs to another now",
        ),
        pytest.param(
            paris(recorded={PARIS: Recorded("ami-1", "available")}, looked_up={"ami-1": golden_ami()}),
            Reason.PROGRESSING,
            id="nor one that is only missing from the listing",
        ),
        pytest.param(paris(golden_ami(state="lost")), Reason.PROGRESSING, id="a lost one is looked up before anything"),
        pytest.param(paris(golden_ami(state="lost"), looked_up={"ami-1": None}), 2, id="a lost one that does not exist is made again"),
        pytest.param(
            paris(golden_ami(state="lost"), looked_up={"ami-1": golden_ami()}), Reason.COPYING, id="a lost one that exists is waited for"
        ),
        pytest.param(
            paris(golden_ami(state="lost"), looked_up={"ami-1": golden_ami(tags={})}),
            Reason.CONFLICT,
            id="a lost one without its tag is left alone",
        ),
        pytest.param(
            paris(bad(1), golden_ami("ami-2", state="lost", attempt=2), looked_up={"ami-2": None}),
            3,
            id="a lost attempt is spent after a failure too",
        ),
    ],
)
def test_which_attempt_comes_next(seen: Observed, expected: int | Reason) -> None:
    found = look(seen)
    if isinstance(expected, Reason):
        assert (found.reason, found.actions) == (expected, ())
    else:
        (copy,) = found.actions
        assert isinstance(copy, CopyImage)
        assert (copy.attempt, copy.tags["goldenami.dev/attempt"]) == (expected, str(expected))


def token(of: Version = OF, seen: Observed | None = None) -> str:
    (copy,) = look(seen or paris(facts=facts(key=KeyFacts(key(), enabled=True, aws_managed=False))), of).actions
    assert isinstance(copy, CopyImage)
    return copy.client_token


def test_the_token_is_the_same_for_the_same_call_and_another_for_any_other() -> None:
    assert token() == token()
    edits = [replace(OF, name="x"), replace(OF, description="x"), replace(OF, tags={"a": "b"}), KEYED, replace(OF, version="2.0.0")]
    assert len({token(), *(token(of) for of in edits), token(seen=paris(recorded={PARIS: Recorded(attempt=2)}))}) == len(edits) + 2


def test_a_name_that_another_owner_holds_there_is_not_taken_twice() -> None:
    held = replace(paris(), name_holders={PARIS: retagged(golden_ami("ami-theirs"), owner=str(STRANGER))})
    found = look(held)
    assert (found.reason, everything(found)) == (Reason.NAME_CONFLICT, [])
    assert "ami-theirs" in found.message
    assert str(STRANGER) in found.message
    mine = replace(paris(golden_ami()), name_holders={PARIS: retagged(golden_ami("ami-theirs"), owner=str(STRANGER))})
    assert look(mine).reason is Reason.SUCCEEDED  # who has the name already keeps it


# --- where a copy comes from ---


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param(NOT_READY, Reason.DEPENDENCY_NOT_READY, id="without a source nothing is copied"),
        pytest.param(COMING, Reason.SOURCE_PENDING, id="a source on its way is waited for"),
    ],
)
def test_a_region_waits_for_its_source(source: Finding, reason: Reason) -> None:
    found = look(paris(), source=source)
    assert (found.reason, found.actions) == (reason, ())
    assert found.message == f"{PARIS} waits for the source"


def test_a_replica_stands_in_for_a_source_that_is_gone_the_unencrypted_one_first() -> None:
    of = version(PARIS, HOME, "eu-north-1")
    views = (view(golden_ami("ami-h", of), region=HOME, kms_key_arn=key(region=HOME)), view(golden_ami("ami-n", of), region="eu-north-1"))
    (copy,) = look(observed(*views, facts=facts()), of, NOT_READY).actions
    assert isinstance(copy, CopyImage)
    assert (copy.source_image_id, copy.source_region) == ("ami-n", "eu-north-1")


# --- preflight ---

CUSTOMER, AWS = KeyFacts(key(), enabled=True, aws_managed=False), KeyFacts("arn:aws:kms:::alias/aws/ebs", enabled=True, aws_managed=True)
SHARED = replace(OF, sharing=replace(OF.sharing, principals=accounts(ALICE)))
PUBLIC = replace(OF, sharing=replace(OF.sharing, principals=accounts(public=True)))
ENCRYPTED = source_facts(snapshot(kms_key_arn=key(region=HOME)))


@pytest.mark.parametrize(
    ("of", "changes", "reason"),
    [
        pytest.param(OF, {"facts": {}}, Reason.PROGRESSING, id="a region is checked before the first byte"),
        pytest.param(
            OF,
            {"facts": facts(problem=Problem(Reason.REGION_NOT_ENABLED, "not opted in"))},
            Reason.REGION_NOT_ENABLED,
            id="a region that is not opted in says so",
        ),
        pytest.param(KEYED, {"facts": facts()}, Reason.ENCRYPTION_KEY_INVALID, id="a key that does not exist"),
        pytest.param(KEYED, {"facts": facts(key=replace(CUSTOMER, enabled=False))}, Reason.ENCRYPTION_KEY_INVALID, id="a disabled key"),
        pytest.param(
            KEYED, {"facts": facts(key=replace(CUSTOMER, symmetric=False))}, Reason.ENCRYPTION_KEY_INVALID, id="an asymmetric key"
        ),
        pytest.param(KEYED, {"facts": facts(key=CUSTOMER)}, Reason.COPYING, id="a good key"),
        pytest.param(
            OF, {"facts": facts(encrypted_by_default=True, default_key=AWS)}, Reason.COPYING, id="aws/ebs is good for nobody else"
        ),
        pytest.param(
            SHARED,
            {"facts": facts(encrypted_by_default=True, default_key=AWS)},
            Reason.DEFAULT_KEY_NOT_SHAREABLE,
            id="aws/ebs by default cannot be shared",
        ),
        pytest.param(
            SHARED,
            {"facts": facts(default_key=AWS), "source": ENCRYPTED},
            Reason.DEFAULT_KEY_NOT_SHAREABLE,
            id="nor for an encrypted source",
        ),
        pytest.param(
            SHARED, {"facts": facts(encrypted_by_default=True, default_key=CUSTOMER)}, Reason.COPYING, id="a default key of one's own can"
        ),
        pytest.param(
            PUBLIC,
            {"facts": facts(encrypted_by_default=True, default_key=CUSTOMER)},
            Reason.ENCRYPTED_NOT_PUBLIC,
            id="encrypted is not public",
        ),
        pytest.param(PUBLIC, {"source": ENCRYPTED}, Reason.ENCRYPTED_NOT_PUBLIC, id="nor from an encrypted source"),
        pytest.param(
            PUBLIC, {"facts": facts(public_sharing_blocked_by="account")}, Reason.PUBLIC_BLOCKED, id="block public access is respected"
        ),
        pytest.param(PUBLIC, {}, Reason.COPYING, id="public where nothing is in the way"),
    ],
)
def test_what_is_known_before_the_first_byte(of: Version, changes: dict[str, object], reason: Reason) -> None:
    found = look(paris(**changes), of)
    assert found.reason is reason
    assert bool(found.actions) == (reason is Reason.COPYING)


def test_tags_that_ec2_would_refuse_stop_a_copy() -> None:
    found = look(paris(), replace(OF, tags={f"key{number}": "x" for number in range(45)}))
    assert (found.reason, found.actions) == (Reason.TOO_MANY_TAGS, ())


# --- keys ---


@pytest.mark.parametrize(
    ("declared", "actual", "reason"),
    [
        pytest.param(key(), key(), Reason.SUCCEEDED, id="the declared key by ARN"),
        pytest.param("golden", key(), Reason.SUCCEEDED, id="the declared key by id"),
        pytest.param("alias/golden", key("whatever"), Reason.SUCCEEDED, id="an alias, which only KMS can resolve"),
        pytest.param(key("other"), key(), Reason.KEY_MISMATCH, id="another key than declared"),
        pytest.param(key(), "", Reason.KEY_MISMATCH, id="no encryption where a key is declared"),
        pytest.param(None, key(), Reason.SUCCEEDED, id="encryption where nothing is declared"),
    ],
)
def test_an_existing_image_has_the_declared_key(declared: str | None, actual: str, reason: Reason) -> None:
    found = look(observed(view(golden_ami(), kms_key_arn=actual)), version(Replica(PARIS, declared)))
    assert (found.reason, found.image) == (reason, golden_ami())


def test_a_key_that_is_not_known_yet_is_no_mismatch() -> None:
    seen = observed(replace(view(golden_ami()), snapshots={}), fresh_snapshots=FRESH)
    found = look(seen, KEYED)
    assert (found.reason, [type(action) for action in found.actions]) == (Reason.SUCCEEDED, [SetTags])


# --- the home region ---

INSTANCE = InstanceSource("i-1")
AT_HOME, HOME_KEYED = version(HOME, source=INSTANCE), version(Replica(HOME, key(region=HOME)), source=INSTANCE)
MADE = home_ami(of=AT_HOME)
FROM_HOME = Finding(HOME, Reason.SUCCEEDED, "instance i-1 in us-east-1", image=MADE)


def at_home(*images: Image, kms_key_arn: str = "", **changes: object) -> Observed:
    given: dict[str, Any] = {"facts": {HOME: RegionFacts(view(region=HOME).place, key=CUSTOMER)}, **changes}
    return observed(view(*images, region=HOME, kms_key_arn=kms_key_arn), **given)


@pytest.mark.parametrize(
    ("of", "seen", "reason", "actions"),
    [
        pytest.param(AT_HOME, at_home(MADE), Reason.SUCCEEDED, [], id="the image we made is the home replica"),
        pytest.param(AT_HOME, at_home(replace(MADE, state="pending", snapshot_ids=())), Reason.CREATING, [], id="also while it is made"),
        pytest.param(HOME_KEYED, at_home(MADE, kms_key_arn=key(region=HOME)), Reason.SUCCEEDED, [], id="with the declared key, too"),
        pytest.param(HOME_KEYED, at_home(MADE, kms_key_arn=key("other", HOME)), Reason.COPYING, [CopyImage], id="not with another key"),
        pytest.param(HOME_KEYED, at_home(MADE), Reason.COPYING, [CopyImage], id="not without one"),
        pytest.param(
            HOME_KEYED,
            at_home(MADE, recorded={HOME: Recorded(MADE.image_id, "available")}),
            Reason.COPYING,
            [CopyImage],
            id="a home image that served before is not lost when a key is declared",
        ),
        pytest.param(AT_HOME, at_home(released(MADE)), Reason.PROGRESSING, [], id="a released one is taken back by the source"),
        pytest.param(
            HOME_KEYED,
            at_home(released(MADE), kms_key_arn=key("other", HOME)),
            Reason.COPYING,
            [CopyImage],
            id="and not as a replica of another key",
        ),
    ],
)
def test_the_home_region(of: Version, seen: Observed, reason: Reason, actions: list[type]) -> None:
    found = look(seen, of, FROM_HOME)
    assert (found.reason, everything(found)) == (reason, actions)


def test_an_image_registered_from_the_users_snapshot_has_that_snapshots_key_and_is_copied_where_another_is_declared() -> None:
    of = replace(HOME_KEYED, source=SnapshotSource("snap-given", "x86_64", "uefi", "/dev/xvda"))
    image = home_ami(of=of, snapshot_ids=("snap-given",))
    seen = at_home(image)
    seen = replace(seen, regions={**seen.regions, HOME: replace(seen.regions[HOME], snapshots={})})
    found = look(seen, of, replace(FROM_HOME, image=image))
    assert everything(found) == [CopyImage]


def test_how_a_source_is_read_may_change_within_a_version() -> None:
    before = golden_ami(of=version(source=ImageSource("ami-source", adopt=True)))
    found = look(paris(before))
    assert (found.reason, everything(found)) == (Reason.SUCCEEDED, [SetTags])


def test_nothing_is_copied_beside_a_home_image_whose_key_is_not_known() -> None:
    seen = at_home(MADE)
    seen = replace(seen, regions={**seen.regions, HOME: replace(seen.regions[HOME], snapshots={})})
    found = look(seen, HOME_KEYED, FROM_HOME)
    assert (found.reason, found.actions, found.needs) == (Reason.PROGRESSING, (), (Need(NeedKind.SNAPSHOTS, HOME),))


# --- adoption ---

ADOPT = version(HOME, source=ImageSource("ami-source", adopt=True))


@pytest.mark.parametrize(
    ("of", "image", "parts", "reason"),
    [
        pytest.param(ADOPT, source_ami(), (), Reason.PROGRESSING, id="an own image without an owner is taken"),
        pytest.param(ADOPT, source_ami(owner_id="123456789012"), (), Reason.CONFLICT, id="another account's image is not"),
        pytest.param(
            ADOPT, source_ami(tags={"goldenami.dev/owner": str(STRANGER)}), (), Reason.CONFLICT, id="another object's image is not"
        ),
        pytest.param(
            ADOPT,
            source_ami(tags={"goldenami.dev/owner": "main/images/web", "goldenami.dev/version": "0.9.0"}),
            (),
            Reason.CONFLICT,
            id="another version's image is not",
        ),
        pytest.param(ADOPT, source_ami(tags={"aws:backup:source": "x"}), (), Reason.CONFLICT, id="AWS Backup's image is not"),
        pytest.param(ADOPT, source_ami(tags={"aws:dlm:policy": "x"}), (), Reason.CONFLICT, id="Data Lifecycle Manager's image is not"),
        pytest.param(ADOPT, source_ami(tags={"CreatedBy": "EC2 Image Builder"}), (), Reason.CONFLICT, id="Image Builder's image is not"),
        pytest.param(
            replace(ADOPT, replicas=(Replica(HOME, key(region=HOME)),)),
            source_ami(),
            (snapshot("snap-source"),),
            Reason.KEY_MISMATCH,
            id="an image of another key is not",
        ),
    ],
)
def test_adoption(of: Version, image: Image, parts: tuple[Snapshot, ...], reason: Reason) -> None:
    source = Finding(HOME, Reason.SUCCEEDED, "image", image=image)
    found = look(observed(source=source_facts(*parts, image=image)), of, source)
    assert found.reason is reason
    if reason is Reason.PROGRESSING:
        (take,) = found.actions
        assert isinstance(take, SetTags)
        assert take.resource_ids == ("ami-source", "snap-source")
    else:
        assert not found.actions


def test_adoption_leaves_a_snapshot_alone_that_belongs_to_another_object() -> None:
    source = Finding(HOME, Reason.SUCCEEDED, "image", image=source_ami())
    theirs = snapshot("snap-source", tags={"goldenami.dev/owner": str(STRANGER)})
    (take,) = look(observed(view(region=HOME, snapshots=(theirs,)), source=source_facts()), ADOPT, source).actions
    assert isinstance(take, SetTags)
    assert take.resource_ids == ("ami-source",)


def test_a_source_that_is_adopted_keeps_its_name_also_when_it_is_taken_back() -> None:
    source = Finding(HOME, Reason.SUCCEEDED, "image", image=source_ami(tags={"Name": "theirs"}))
    (take,) = look(observed(source=source_facts(image=source.image)), ADOPT, source).actions
    assert isinstance(take, SetTags)
    ours = source_ami(name=ADOPT.name, description=ADOPT.description, tags={"Name": "theirs", **take.tags})
    assert ours.tags["Name"] == "theirs"
    assert not look(observed(view(ours, region=HOME)), ADOPT, source).actions
    (back, _) = look(observed(view(released(ours), region=HOME)), ADOPT, source).actions
    assert isinstance(back, SetTags)
    assert "Name" not in back.tags


def test_an_adopting_region_waits_for_its_source() -> None:
    assert look(observed(), ADOPT, NOT_READY).reason is Reason.DEPENDENCY_NOT_READY


# --- when the source matters ---


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        pytest.param(observed(), True, id="an empty region has to be copied"),
        pytest.param(observed(view(golden_ami())), False, id="a region that has it does not"),
        pytest.param(observed(view(released(golden_ami()))), False, id="nor one that only has to take it back"),
        pytest.param(observed(view(golden_ami(state="failed"))), True, id="a failed copy is none"),
        pytest.param(observed(view(problem=Problem(Reason.THROTTLED, "later"))), False, id="what cannot be read is not decided"),
    ],
)
def test_whether_the_source_matters(seen: Observed, wanted: bool) -> None:
    assert replicas.copies_wanted(OF, seen) is wanted
